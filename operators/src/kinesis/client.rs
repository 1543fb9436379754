//! Asks Kinesis, through a gateway or directly.

use std::collections::BTreeMap;

use anyhow::anyhow;
use chrono::{DateTime, Utc};
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use scheduler::operator::TaskError;
use serde_json::Value;

use super::action::Action;
use super::failure::{Failure, judge};
use crate::aws::Service;
use crate::location::S3;
use crate::notifiers::Environment;
use crate::requests::{Base, Trouble, client, exchange, resolve};

/// The version of the protocol, as the header `x-amz-target` names it.
const TARGET: &str = "Kinesis_20131202";

/// How people say where Kinesis is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Door {
    pub(crate) url: Option<String>,
    pub(crate) url_env: Option<String>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) headers_env: BTreeMap<String, String>,
}

/// Streams that can be asked.
pub(crate) enum Streams {
    /// Through an API Gateway.
    Gateway { base: Base, headers: HeaderMap },
    /// Kinesis itself.
    Aws(Service),
}

impl Streams {
    /// What a person means by `door`.
    pub(crate) fn open(door: &Door, s3: &S3, environment: &Environment) -> Result<Streams, TaskError> {
        let fail = |problem: String| TaskError::fail(anyhow!(problem));
        if door.url.is_some() || door.url_env.is_some() {
            let (url, url_env) = (door.url.as_deref(), door.url_env.as_deref());
            let (base, headers) = resolve(environment, url, url_env, &door.headers, &door.headers_env).map_err(fail)?;
            return Ok(Streams::Gateway { base, headers });
        }
        Service::open("kinesis", s3).map(Streams::Aws).map_err(TaskError::fail)
    }

    /// For people.
    pub(crate) fn shown(&self) -> String {
        match self {
            Streams::Gateway { base, .. } => base.shown(),
            Streams::Aws(service) => format!("Kinesis at {} ({})", service.host, service.region),
        }
    }

    /// Whether it is behind a gateway.
    pub(crate) fn is_gateway(&self) -> bool {
        matches!(self, Streams::Gateway { .. })
    }

    /// Asks once.
    pub(crate) async fn ask(&self, action: Action<'_>) -> Result<Value, Failure> {
        self.ask_when(action).await.map(|(answer, _)| answer)
    }

    /// Asks once, and says when the answer was made: by the clock over there, which tells the second.
    pub(crate) async fn ask_when(&self, action: Action<'_>) -> Result<(Value, Option<DateTime<Utc>>), Failure> {
        let reply = match self {
            Streams::Gateway { base, headers } => {
                let Some((method, path)) = action.route() else {
                    let error = anyhow!("a gateway has no route for {}; ask Kinesis itself", action.name());
                    return Err(Trouble::lasting(error).into());
                };
                let mut request = http()?.request(method, base.join(&path)).headers(headers.clone());
                request = request.header(CONTENT_TYPE, "application/json");
                if let Some(body) = action.body_for_gateway() {
                    request = request.body(body);
                }
                exchange(request, &base.host).await?
            }
            Streams::Aws(service) => {
                service.ask_json(&format!("{TARGET}.{}", action.name()), &action.body_for_aws()).await?
            }
        };
        Ok((judge(&reply, action.name(), action.stream())?, reply.date))
    }
}

fn http() -> Result<&'static reqwest::Client, Trouble> {
    client().map_err(Trouble::lasting)
}
