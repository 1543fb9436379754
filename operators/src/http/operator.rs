//! The operator: pages are asked for, checked and kept one after the other.

use anyhow::anyhow;
use scheduler::operator::{AirflowClass, ArgumentProblem, Operator, Outcome, TaskContext, TaskError};
use serde_json::{Map, Value, json};

use super::answer::{Answer, Body};
use super::args::{HttpArgs, Returns};
use super::call::{Caller, Destination};
use super::keep::{Keep, publish};
use super::request::{Request, RequestArgs, Statuses};
use crate::location::{Location, S3};
use crate::shapes::With;

/// Of an answer that is not put into a file, so much is held.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Of an answer, so much is shown in the log.
const SHOWN_CHARACTERS_MAX: usize = 4_000;

/// The `http` operator.
#[derive(Clone, Debug)]
pub struct Http {
    s3: S3,
}

impl Http {
    /// Putting files into buckets through `s3`.
    pub fn new(s3: S3) -> Http {
        Http { s3 }
    }
}

impl Operator for Http {
    const NAME: &'static str = "http";
    const SUMMARY: &'static str = "Asks a server over HTTP, and keeps what it answers.";
    type Args = With<RequestArgs, HttpArgs>;

    fn airflow_classes() -> Vec<AirflowClass> {
        super::args::classes()
    }

    async fn execute(&self, args: Self::Args, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let With { common, own } = args;
        let request = common.request(ctx).await?;
        let wanted = (!common.takes_every_status()).then_some(&own.expected_status);
        let work = Work { caller: common.caller(ctx)?, wanted, args: &own, s3: &self.s3, ctx };
        let value = if own.is_raw() { work.save(&request).await? } else { work.pages(request).await? };
        Ok(Outcome::value(value))
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        HttpArgs::check(args)
    }
}

/// One try.
struct Work<'a> {
    caller: Caller<'a>,
    wanted: Option<&'a Statuses>,
    args: &'a HttpArgs,
    s3: &'a S3,
    ctx: &'a TaskContext,
}

impl Work<'_> {
    fn file(&self) -> Result<Option<Location>, TaskError> {
        let place = self.args.save_to.as_deref().map(|text| Location::parse(text, &self.ctx.home));
        place.transpose().map_err(TaskError::fail)
    }

    /// Puts the answer into a file as it comes.
    async fn save(&self, request: &Request) -> Result<Value, TaskError> {
        let Some(location) = self.file()? else { return Ok(Value::Null) };
        let answer = self.caller.ask(request, self.wanted, Destination::File(&location)).await?;
        self.check(request, &answer)?;
        let (status, Body::File { file, bytes }) = (answer.status, answer.body) else { return Ok(Value::Null) };
        publish(file, self.s3, self.ctx).await?;
        self.ctx.log.info(format!("Wrote {bytes} bytes to {location}"));
        Ok(json!({ "file": location.to_string(), "bytes": bytes, "status": status.as_u16() }))
    }

    /// Keeps what becomes of the answer, and of those of further pages.
    async fn pages(&self, request: Request) -> Result<Value, TaskError> {
        let mut keep = match self.file()? {
            Some(location) => Keep::in_file(location, self.ctx)?,
            None => Keep::for_xcom(self.args.xcom_bytes_max),
        };
        let pagination = self.args.pagination.as_ref();
        let mut request = pagination.map_or_else(|| request.clone(), |pagination| pagination.first(request.clone()));
        for page in 1.. {
            let answer = self.caller.ask(&request, self.wanted, Destination::Memory(ANSWER_BYTES_MAX)).await?;
            self.check(&request, &answer)?;
            keep.take(self.value(&answer)?)?;
            match pagination.map(|pagination| pagination.next(&request, &answer, page)).transpose()?.flatten() {
                Some(next) => request = next,
                None => break,
            }
        }
        keep.finish(pagination.is_some(), self.s3, self.ctx).await
    }

    fn check(&self, request: &Request, answer: &Answer) -> Result<(), TaskError> {
        self.ctx.log.info(format!("{} answered {}", request.shown(), answer.status));
        if self.args.log_response
            && let Ok(Value::String(text)) = answer.text()
        {
            let shown: String = text.chars().take(SHOWN_CHARACTERS_MAX).collect();
            self.ctx.log.info(shown);
        }
        match &self.args.response_check {
            Some(expression) if !answer.holds("response_check", expression)? => {
                let shown = answer.shown();
                Err(TaskError::retry(anyhow!("the answer does not pass `response_check`: {expression}{shown}")))
            }
            _ => Ok(()),
        }
    }

    fn value(&self, answer: &Answer) -> Result<Value, TaskError> {
        if let Some(expression) = &self.args.response_filter {
            return answer.evaluate("response_filter", expression);
        }
        match self.args.returns {
            Returns::Auto if answer.says_json() => answer.json(),
            Returns::Auto | Returns::Text => answer.text(),
            Returns::Json => answer.json(),
            Returns::Headers => Ok(answer.headers()),
            Returns::Status => Ok(answer.status.as_u16().into()),
            Returns::None => Ok(Value::Null),
        }
    }
}
