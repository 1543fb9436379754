//! The statements of one try, one after the other: each is sent once, and followed to its end.

use std::time::Duration;

use scheduler::operator::{Next, Outcome, TaskContext, TaskError, Verdict};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::journal::{Kept, end};
use super::{LOOK_FIRST, SqlArgs};
use crate::databricks::failure::Failure;
use crate::databricks::history::{Mark, Sighting};
use crate::databricks::session::{Session, varied};
use crate::databricks::sql_output::File;
use crate::databricks::statements::{self, Chunks, Statement, Submission};
use crate::databricks::warehouse::{Named, Parameters};
use crate::location::{Location, S3};
use crate::time_limit::{self, TimeUp};

/// That a statement is cancelled is awaited for so long.
const CANCEL_PATIENCE: Duration = Duration::from_secs(15);

/// The work of one try.
pub(super) struct Work<'a> {
    pub(super) session: &'a Session,
    pub(super) args: &'a SqlArgs,
    pub(super) warehouse: Warehouse<'a>,
    pub(super) s3: &'a S3,
}

/// The warehouse of the statements, which is looked for when the first is sent: one that goes on elsewhere has found its own.
pub(super) struct Warehouse<'a> {
    named: Named<'a>,
    id: OnceCell<String>,
}

impl<'a> Warehouse<'a> {
    pub(super) fn new(named: Named<'a>) -> Warehouse<'a> {
        Warehouse { named, id: OnceCell::new() }
    }

    async fn id(&self, session: &Session) -> Result<&str, TaskError> {
        Ok(self.id.get_or_try_init(|| Box::pin(self.named.find(session))).await?)
    }
}

impl Work<'_> {
    fn ctx(&self) -> &TaskContext {
        &self.session.ctx
    }

    /// Goes on from where `kept` is.
    pub(super) async fn run(&self, sql: &[String], mut kept: Kept) -> Result<Outcome, TaskError> {
        kept.at = kept.at.min(sql.len() - 1);
        if kept.at > 0 {
            self.ctx().log.info(format_args!("Goes on with statement {} of {}", kept.at + 1, sql.len()));
        }
        let mut answers = self.answers_before(&kept).await?;
        for text in &sql[kept.at..] {
            let is_last = kept.at + 1 == sql.len();
            if is_last && !self.args.wait_for_termination {
                if kept.statement_id.is_none() {
                    Box::pin(self.send(&mut kept, text, is_last)).await?;
                }
                return Ok(outcome(Value::Null, kept.number()));
            }
            let statement = self.one(&mut kept, text, is_last).await?;
            if is_last {
                // What follows is ours, and may fail.
                self.keep_end(&mut kept).await;
            }
            if is_last || !self.args.return_last {
                answers.push(Box::pin(self.answer(&statement, is_last)).await?);
            }
            if !is_last {
                kept.goes_on(!self.args.return_last);
            }
        }
        let answer = if self.args.return_last { answers.pop().unwrap_or_default() } else { Value::Array(answers) };
        Ok(outcome(answer, kept.number()))
    }

    /// What the statements have answered that an earlier process saw to their ends, as far as that is wanted.
    async fn answers_before(&self, kept: &Kept) -> Result<Vec<Value>, TaskError> {
        let mut answers = Vec::new();
        for id in &kept.before {
            let statement = statements::get(self.session, id).await.map_err(Failure::into_error)?;
            answers.push(Box::pin(self.answer(&statement, false)).await?);
        }
        Ok(answers)
    }

    /// Keeps that a statement has ended, after which nothing follows.
    async fn keep_end(&self, kept: &mut Kept) {
        kept.is_over = true;
        if let Err(problem) = kept.save(self.session).await {
            self.ctx().log.warning(format_args!("That it has ended could not be kept: {:#}", problem.error));
        }
    }

    async fn send(&self, kept: &mut Kept, text: &str, is_last: bool) -> Result<Statement, TaskError> {
        if self.ctx().cancelled.is_cancelled() {
            return Err(TaskError::cancelled());
        }
        let warehouse_id = self.warehouse.id(self.session).await?;
        let is_first = kept.mark.is_none();
        let mark = kept.means(self.session, warehouse_id).await?;
        let parameters = self.args.parameters.as_ref().map(Parameters::described).unwrap_or_default();
        let submission = Submission {
            warehouse_id,
            sql: &mark.on(text),
            catalog: self.args.catalog.as_deref(),
            schema: self.args.schema.as_deref(),
            parameters: &parameters,
            is_large: is_last && self.args.output_path.is_some(),
        };
        let statement = match statements::submit(self.session, &submission).await {
            Ok(statement) => statement,
            Err(failure) if failure.trouble.may_be_done => self.find(kept.at, &mark, failure).await?,
            Err(failure) => {
                if is_first && failure.is_refusal() {
                    self.keep_end(kept).await;
                }
                return Err(failure.into_error());
            }
        };
        kept.statement_id = Some(statement.statement_id.clone());
        kept.save(self.session).await?;
        self.ctx().log.info(format_args!("Statement {} was sent: {}", kept.at + 1, statement.statement_id));
        Ok(statement)
    }

    /// A statement whose answer was lost, if the history knows it.
    async fn find(&self, at: usize, mark: &Mark, lost: Failure) -> Result<Statement, TaskError> {
        let (log, nth) = (&self.ctx().log, at + 1);
        log.warning(format_args!(
            "{:#}; looks into the history of the warehouse whether statement {nth} was sent",
            lost.trouble.error
        ));
        match mark.look_for(self.session, self.args.limit(self.ctx())).await? {
            Sighting::Known(id) => return statements::get(self.session, &id).await.map_err(Failure::into_error),
            Sighting::Unknown => {
                log.warning(format_args!("The history does not know statement {nth}; a further try looks again"));
            }
            Sighting::Unreadable(why) => log.warning(format_args!(
                "Statement {nth} may have been run although there was no answer, and {why:#}; another try may run it twice"
            )),
        }
        Err(lost.into_error())
    }

    /// Sends a statement, unless an earlier process has, and waits for its end.
    async fn one(&self, kept: &mut Kept, text: &str, is_last: bool) -> Result<Statement, TaskError> {
        let sent = match &kept.statement_id {
            Some(id) => {
                self.ctx().log.info(format_args!("Goes on with statement {id}, which this try sent"));
                None
            }
            None => Some(Box::pin(self.send(kept, text, is_last)).await?),
        };
        let left = ("statement_id".to_owned(), Value::from(kept.number()));
        self.ctx().push_xcoms(vec![left]).await;
        let ended = self.wait(kept, sent).await;
        if let Err(error) = &ended {
            let is_time_up = error.error.downcast_ref::<TimeUp>().is_some();
            if self.ctx().withdrawn.is_cancelled() || is_time_up {
                Box::pin(self.abandon(kept)).await;
            } else if error.verdict == Verdict::Cancelled {
                self.ctx().log.info(format_args!(
                    "Statement {} goes on; whoever takes up this task goes on watching it",
                    kept.number()
                ));
            }
        }
        ended
    }

    async fn wait(&self, kept: &mut Kept, sent: Option<Statement>) -> Result<Statement, TaskError> {
        let id = kept.number().to_owned();
        let id = id.as_str();
        let longest = self.args.polling_period();
        let mut pause = LOOK_FIRST.min(longest);
        let mut next = sent;
        let mut told = String::new();
        loop {
            let statement = match next.take() {
                Some(statement) => statement,
                None => tokio::select! {
                    looked = Box::pin(statements::get(self.session, id)) => looked.map_err(Failure::into_error)?,
                    error = self.time_up() => return Err(error),
                },
            };
            if told != statement.state() {
                told = statement.state().to_owned();
                self.ctx().log.info(format_args!("Statement {id}: {told}"));
            }
            if statement.is_success() {
                return Ok(statement);
            }
            if statement.is_over() {
                // The error of the statement matters more.
                self.keep_end(kept).await;
                let error = statement.error();
                return Err(if statement.may_retry() { TaskError::retry(error) } else { TaskError::fail(error) });
            }
            drop(statement);
            self.ctx().defer(format!("waits for statement {id} of Databricks"));
            tokio::select! {
                () = tokio::time::sleep(varied(pause)) => {}
                () = self.ctx().cancelled.cancelled() => return Err(TaskError::cancelled()),
                error = self.time_up() => return Err(error),
            }
            pause = pause.mul_f64(1.5).min(longest);
        }
    }

    async fn time_up(&self) -> TaskError {
        time_limit::reached(self.args.limit(self.ctx()), self.ctx()).await
    }

    /// Cancels a statement, and awaits that it has ended.
    async fn abandon(&self, kept: &mut Kept) {
        let id = kept.number().to_owned();
        let session = self.session.until(CancellationToken::new());
        match tokio::time::timeout(CANCEL_PATIENCE, end(&session, &id)).await {
            Ok(Ok(state)) => {
                self.ctx().log.info(format_args!("Statement {id} was cancelled: it is {state}"));
                self.keep_end(kept).await;
            }
            Ok(Err(failure)) => {
                let error = &failure.trouble.error;
                self.ctx().log.error(format_args!("Statement {id} could not be cancelled, and may go on: {error:#}"));
            }
            Err(_) => {
                self.ctx().log.error(format_args!("Statement {id} was to be cancelled, but that was not acknowledged"));
            }
        }
    }

    /// The result of a statement: its first rows for XCom, all of them for the file.
    async fn answer(&self, statement: &Statement, is_last: bool) -> Result<Value, TaskError> {
        let manifest = statement.manifest.clone().unwrap_or_default();
        let columns = &manifest.schema.columns;
        let mut file = match &self.args.output_path {
            Some(path) if is_last => {
                let location = Location::parse(path, &self.ctx().home).map_err(TaskError::fail)?;
                let names = columns.iter().map(|column| column.name.clone()).collect();
                let try_id = self.ctx().try_id;
                Some(File::begin(location, self.args.output_format, &self.args.csv_params, names, try_id)?)
            }
            _ => None,
        };
        let mut rows: Vec<Value> = Vec::new();
        let mut count = 0_u64;
        let mut chunks = Chunks::of(self.session, statement);
        while let Some(chunk) = chunks.next().await.map_err(Failure::into_error)? {
            for row in chunk {
                let row: Vec<Value> = row
                    .into_iter()
                    .zip(columns)
                    .map(|(cell, column)| statements::typed(cell, &column.type_name))
                    .collect();
                if let Some(file) = &mut file {
                    file.write(&row)?;
                }
                if rows.len() < self.args.max_rows {
                    rows.push(Value::Array(row));
                }
                count += 1;
            }
            if file.is_none() && rows.len() >= self.args.max_rows {
                count = count.max(manifest.total_row_count);
                break;
            }
        }
        if manifest.truncated {
            self.ctx().log.warning("Databricks cut the result");
        }
        self.ctx().log.info(format_args!("The answer has {count} rows"));
        let mut answer = json!({
            "columns": columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(),
            "rows": rows,
            "row_count": count,
        });
        if let Some(file) = file {
            answer["output"] = file.publish(self.s3).await?.to_string().into();
        }
        Ok(answer)
    }
}

fn outcome(return_value: Value, statement_id: &str) -> Outcome {
    let xcoms = vec![("statement_id".to_owned(), statement_id.into())];
    Outcome::Success { return_value, xcoms, next: Next::Everything }
}
