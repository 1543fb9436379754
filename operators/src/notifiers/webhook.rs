//! `webhook`: sends a request to an address.
//!
//! ```yaml
//! on_failure_callback:
//!   webhook:
//!     url: https://example.com/incidents
//!     headers_env: {Authorization: INCIDENTS_TOKEN}
//!     body: {title: "{{ ti.task_id }} failed", details: "{{ exception }}"}
//! ```

use std::collections::BTreeMap;

use scheduler::operator::{ArgumentProblem, DeliveryError, Notice, Notifier};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::http::{self, Message};
use super::secrets::{Environment, Secrets, exactly_one};
use super::wording;

/// The `webhook` notifier.
pub(crate) struct Webhook {
    environment: Environment,
}

impl Webhook {
    pub(crate) fn new(environment: Environment) -> Webhook {
        Webhook { environment }
    }
}

/// Arguments of the `webhook` notifier.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookArgs {
    /// Where to.
    url: Option<String>,
    /// The environment variable that holds the address, when that is a secret.
    url_env: Option<String>,
    /// With which method.
    #[serde(default)]
    method: Method,
    /// Headers.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Headers whose values are in environment variables, by the names of those.
    #[serde(default)]
    headers_env: BTreeMap<String, String>,
    /// What to send: text as it is, anything else as JSON; by default what happened, as JSON.
    #[serde(default)]
    body: Option<Value>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
enum Method {
    #[default]
    Post,
    Put,
    Patch,
    Get,
    Delete,
}

impl From<Method> for reqwest::Method {
    fn from(method: Method) -> reqwest::Method {
        match method {
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Patch => reqwest::Method::PATCH,
            Method::Get => reqwest::Method::GET,
            Method::Delete => reqwest::Method::DELETE,
        }
    }
}

impl Notifier for Webhook {
    const NAME: &'static str = "webhook";
    const SUMMARY: &'static str = "Sends a request to an address.";
    const PLAIN: Option<&'static str> = Some("url");
    type Args = WebhookArgs;

    async fn deliver(&self, args: WebhookArgs, notice: &Notice) -> Result<(), DeliveryError> {
        let mut secrets = Secrets::new(&self.environment);
        let message = message(args, notice, &mut secrets)?;
        http::send(message).await.map_err(|error| secrets.masked(error))
    }

    fn receiver(&self, args: &Map<String, Value>) -> Option<String> {
        http::receiver(args, "url", "url_env")
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let where_to = exactly_one(args, &["url", "url_env"], "where to send to");
        where_to.into_iter().chain(http::check_url(args, "url")).collect()
    }
}

fn message(args: WebhookArgs, notice: &Notice, secrets: &mut Secrets<'_>) -> Result<Message, DeliveryError> {
    let url = match args.url_env {
        Some(variable) => secrets.get(&variable)?,
        None => args.url.unwrap_or_default(),
    };
    let has_no_body = matches!(args.method, Method::Get | Method::Delete) && args.body.is_none();
    let (content_type, body) = match args.body {
        Some(Value::String(text)) => ("text/plain; charset=utf-8", text.into_bytes()),
        Some(body) => ("application/json", body.to_string().into_bytes()),
        None => ("application/json", wording::data(notice).to_string().into_bytes()),
    };
    let mut headers = vec![("idempotency-key".to_owned(), notice.id.to_string())];
    if !has_no_body {
        headers.push(("content-type".to_owned(), content_type.to_owned()));
    }
    headers.extend(args.headers);
    for (name, variable) in args.headers_env {
        headers.push((name, secrets.get(&variable)?));
    }
    Ok(Message { method: args.method.into(), url, headers, body: (!has_no_body).then_some(body) })
}
