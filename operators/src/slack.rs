//! `slack`: writes to a channel of Slack, by the connection of an incoming webhook or by that of a bot.
//!
//! ```yaml
//! - task_id: tell
//!   operator: slack
//!   conn_id: slack_default
//!   channel: "#data"
//!   text: "{{ ti.xcom_pull('count') }} rows were loaded"
//! ```
//!
//! It is delivered at least once, as by `notify`.

use anyhow::anyhow;
use async_trait::async_trait;
use reqwest::StatusCode;
use scheduler::connection::{Connection, ConnectionTest, Secret};
use scheduler::operator::{AirflowClass, ArgumentProblem, Operator, Outcome, TaskContext, TaskError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::notifiers::SlackMessage;
use crate::requests::{Base, Trouble, client, exchange};
use crate::shapes::With;

/// Where incoming webhooks are, unless the connection says otherwise.
const WEBHOOKS: &str = "https://hooks.slack.com/services";

/// Where Slack's API is, unless the connection says otherwise.
const SLACK: &str = "https://slack.com";

/// What the API says when it may answer otherwise later.
const PASSING: [&str; 5] = ["ratelimited", "request_timeout", "service_unavailable", "internal_error", "fatal_error"];

/// The `slack` operator.
pub struct SlackTask;

/// Arguments of the `slack` operator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlackTaskArgs {
    /// The connection: of the type `slackwebhook` (an incoming webhook) or `slack` (the token of a bot).
    conn_id: String,
}

impl Operator for SlackTask {
    const NAME: &'static str = "slack";
    const SUMMARY: &'static str = "Writes to a channel of Slack.";
    type Args = With<SlackMessage, SlackTaskArgs>;

    fn airflow_classes() -> Vec<AirflowClass> {
        let class = |path| {
            AirflowClass::named(path)
                .unneeded("timeout")
                .unneeded("retry_handlers")
                .refused("base_url", "write it as the host of the connection")
                .refused("proxy", "set HTTPS_PROXY where Updraft runs")
        };
        vec![
            class("airflow.providers.slack.operators.slack_webhook.SlackWebhookOperator")
                .renamed("slack_webhook_conn_id", "conn_id")
                .renamed("message", "text")
                .given("conn_id", "slack_default"),
            class("airflow.providers.slack.operators.slack.SlackAPIPostOperator")
                .renamed("slack_conn_id", "conn_id")
                .refused("method", "it posts messages; ask other methods of Slack's API with `http`")
                .refused("api_params", "write `text`, `channel`, `blocks` and the like")
                .given("conn_id", "slack_api_default"),
        ]
    }

    async fn execute(&self, args: Self::Args, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let With { common: message, own } = args;
        let connection = ctx.connection(&own.conn_id).await?;
        let door = Door::of(&connection).map_err(TaskError::fail)?;
        if let (Door::Api { .. }, None) = (&door, &message.channel) {
            return Err(TaskError::fail(anyhow!("it does not say in which `channel`")));
        }
        let payload = message.payload().ok_or_else(|| TaskError::fail(anyhow!(SAYS_NOTHING)))?;
        let host = door.base().host.clone();
        tokio::select! {
            told = door.send(payload) => told.map_err(Trouble::into_error)?,
            () = ctx.cancelled.cancelled() => return Err(TaskError::cancelled()),
        }
        ctx.log.info(format_args!("`{host}` took the message"));
        Ok(Outcome::done())
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let says = ["text", "blocks", "attachments"]
            .into_iter()
            .any(|key| args.get(key).is_some_and(|value| !value.is_null()));
        let problem = || ArgumentProblem {
            pointer: String::new(),
            message: SAYS_NOTHING.to_owned(),
            help: Some("write `text`, `blocks` or `attachments`".to_owned()),
        };
        (!says).then(problem).into_iter().collect()
    }
}

const SAYS_NOTHING: &str = "it does not say what to tell";

/// Where a message is taken.
enum Door {
    /// An address that is a secret.
    Webhook(Base),
    /// The API, which knows a bot by its token.
    Api { base: Base, token: Secret },
}

impl Door {
    /// Of a connection, as Airflow has them: the token of a webhook is what follows the host, or the whole address.
    fn of(connection: &Connection) -> anyhow::Result<Door> {
        let Some(token) = &connection.password else {
            return Err(anyhow!("connection `{}` has no token", connection.conn_id));
        };
        let parse = |address: &str| Base::parse(address).map_err(|problem| anyhow!(problem));
        let host = connection.host.as_deref().filter(|host| !host.is_empty());
        match connection.conn_type.as_str() {
            "slack" => Ok(Door::Api { base: parse(host.unwrap_or(SLACK))?, token: token.clone() }),
            "slackwebhook" => {
                let token = token.reveal();
                if token.contains("://") {
                    return Ok(Door::Webhook(parse(token)?));
                }
                let host = host.unwrap_or(WEBHOOKS);
                let scheme = connection.schema.as_deref().filter(|schema| !schema.is_empty()).unwrap_or("https");
                let host = if host.contains("://") { host.to_owned() } else { format!("{scheme}://{host}") };
                Ok(Door::Webhook(parse(&format!("{}/{}", host.trim_end_matches('/'), token.trim_start_matches('/')))?))
            }
            other => Err(anyhow!(
                "connection `{}` is of the type `{other}`; it must be `slackwebhook` or `slack`",
                connection.conn_id
            )),
        }
    }

    fn base(&self) -> &Base {
        match self {
            Door::Webhook(base) | Door::Api { base, .. } => base,
        }
    }

    async fn send(&self, payload: Value) -> Result<(), Trouble> {
        let client = client().map_err(Trouble::lasting)?;
        let request = match self {
            Door::Webhook(base) => client.post(base.url().clone()),
            Door::Api { base, token } => {
                client.post(base.join(&["api", "chat.postMessage"])).bearer_auth(token.reveal())
            }
        };
        let body = payload.to_string();
        let request = request.header("content-type", "application/json; charset=utf-8").body(body);
        let reply = exchange(request, &self.base().host).await?;
        if !reply.status.is_success() {
            return Err(reply.refusal());
        }
        match self {
            Door::Webhook(_) => Ok(()),
            Door::Api { .. } => taken(&reply.body),
        }
    }
}

/// Tries out a connection, and writes nothing: the API says who we are; a webhook refuses a message without words, and by how it
/// does shows whether it knows the address.
pub(crate) struct SlackTest;

#[async_trait]
impl ConnectionTest for SlackTest {
    async fn test(&self, connection: &Connection) -> anyhow::Result<String> {
        let door = Door::of(connection)?;
        let request = match &door {
            Door::Webhook(base) => {
                client()?.post(base.url().clone()).header("content-type", "application/json").body("{}")
            }
            Door::Api { base, token } => client()?.post(base.join(&["api", "auth.test"])).bearer_auth(token.reveal()),
        };
        let host = &door.base().host;
        let reply = exchange(request, host).await.map_err(|trouble| trouble.error)?;
        match &door {
            Door::Webhook(_) if reply.status == StatusCode::BAD_REQUEST => {
                Ok(format!("{host} knows the address; nothing was written"))
            }
            Door::Webhook(_) if reply.status.is_success() => Ok(format!("{host} took an empty message")),
            Door::Webhook(_) => Err(reply.refusal().error),
            Door::Api { .. } => {
                let answer: Value = serde_json::from_slice(&reply.body).map_err(|_| reply.refusal().error)?;
                let name = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
                taken(&reply.body).map_err(|trouble| trouble.error)?;
                Ok(format!("Slack knows us as {} of {}", name("user"), name("team")))
            }
        }
    }
}

/// The API answers 200 also when it does not take a message.
fn taken(body: &[u8]) -> Result<(), Trouble> {
    let answer: Value = serde_json::from_slice(body)
        .map_err(|error| Trouble::passing(anyhow!("Slack's answer cannot be read: {error}")))?;
    if answer["ok"] == true {
        return Ok(());
    }
    let said = answer["error"].as_str().unwrap_or("no");
    let error = anyhow!("Slack says `{said}`");
    Err(if PASSING.contains(&said) { Trouble::passing(error) } else { Trouble::lasting(error) })
}
