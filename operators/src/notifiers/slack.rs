//! `slack`: writes to a channel through an incoming webhook, of Slack or of whatever speaks its language (Mattermost,
//! Rocket.Chat, Discord under `/slack`).
//!
//! ```yaml
//! on_failure_callback: {slack: {url_env: SLACK_WEBHOOK_URL, text: "{{ ti.task_id }} failed: {{ exception }}"}}
//! ```

use scheduler::operator::{ArgumentProblem, DeliveryError, Notice, Notifier};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::http::{self, Message};
use super::secrets::{Environment, Secrets, exactly_one};
use super::wording;
use crate::shapes::{Common, With};

const CONNECTION: &str =
    "put the address of an incoming webhook into an environment variable, and name that in `url_env`";

/// The `slack` notifier.
pub(crate) struct Slack {
    environment: Environment,
}

impl Slack {
    pub(crate) fn new(environment: Environment) -> Slack {
        Slack { environment }
    }
}

/// Arguments of the `slack` notifier: beside these, the message.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IncomingWebhook {
    /// The environment variable that holds the address of the incoming webhook; the address is a secret.
    url_env: Option<String>,
    /// The address itself.
    url: Option<String>,
    /// The same, as others call it.
    webhook_url: Option<String>,
}

/// What is written, and how it looks.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SlackMessage {
    /// The message; a callback says by default what happened.
    text: Option<String>,
    /// The channel, where the webhook lets it be chosen.
    pub(crate) channel: Option<String>,
    /// Under which name it is written.
    username: Option<String>,
    /// The picture beside it.
    icon_url: Option<String>,
    /// The emoji beside it.
    icon_emoji: Option<String>,
    /// Blocks of Slack's Block Kit.
    blocks: Option<Value>,
    /// Attachments, as Slack has them.
    attachments: Option<Value>,
    /// The message under which it stands as an answer, by its `ts`; bots can, incoming webhooks cannot.
    thread_ts: Option<String>,
    /// Whether links to pages are shown with a preview.
    unfurl_links: Option<bool>,
    /// Whether links to media are.
    unfurl_media: Option<bool>,
}

impl Common for SlackMessage {
    const NAMES: &'static [&'static str] = &[
        "text",
        "channel",
        "username",
        "icon_url",
        "icon_emoji",
        "blocks",
        "attachments",
        "thread_ts",
        "unfurl_links",
        "unfurl_media",
    ];
}

/// Arguments of the `slack` notifier.
pub type SlackArgs = With<SlackMessage, IncomingWebhook>;

impl Notifier for Slack {
    const NAME: &'static str = "slack";
    const AIRFLOW_CLASSES: &'static [&'static str] = &["SlackWebhookNotifier", "SlackNotifier"];
    const SUMMARY: &'static str = "Writes to a channel of Slack, or of what speaks its language.";
    const NOT_SERVED: &'static [(&'static str, &'static str)] = &[
        ("slack_webhook_conn_id", CONNECTION),
        ("slack_conn_id", CONNECTION),
        ("base_url", CONNECTION),
        ("proxy", "set HTTPS_PROXY where Updraft runs"),
        ("timeout", "a receiver has 30 seconds to answer"),
        ("retry_handlers", "a delivery that fails is tried again by itself, for a day"),
    ];
    type Args = SlackArgs;

    async fn deliver(&self, args: SlackArgs, notice: &Notice) -> Result<(), DeliveryError> {
        let mut secrets = Secrets::new(&self.environment);
        let With { common: message, own: IncomingWebhook { url_env, url, webhook_url } } = args;
        let url = match &url_env {
            Some(variable) => secrets.get(variable)?,
            None => url.or(webhook_url).unwrap_or_default(),
        };
        secrets.hide(&url);
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        let body = Some(message.with_words(notice).to_string().into_bytes());
        let message = Message { method: reqwest::Method::POST, url, headers, body };
        http::send(message).await.map_err(|error| secrets.masked(error))
    }

    fn receiver(&self, args: &Map<String, Value>) -> Option<String> {
        let text = |key: &str| args.get(key).and_then(Value::as_str);
        let channel = text("channel").map(str::to_owned);
        channel.or_else(|| http::receiver(args, "url", "url_env")).or_else(|| http::receiver(args, "webhook_url", ""))
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let where_to = exactly_one(args, &["url_env", "url", "webhook_url"], "where to write to");
        let addresses = ["url", "webhook_url"].into_iter().filter_map(|name| http::check_url(args, name));
        where_to.into_iter().chain(addresses).collect()
    }
}

impl SlackMessage {
    /// What is sent; what happened is said where the message says nothing.
    fn with_words(self, notice: &Notice) -> Value {
        let has_content = self.blocks.is_some() || self.attachments.is_some();
        // Beside blocks the text is what notifications show; without it there is none.
        let words = || if has_content { wording::title(notice) } else { wording::text(notice) };
        let text = self.text.clone().unwrap_or_else(words);
        SlackMessage { text: Some(text), ..self }.fields()
    }

    /// What is sent; none when the message says nothing.
    pub(crate) fn payload(self) -> Option<Value> {
        let has_content = self.text.is_some() || self.blocks.is_some() || self.attachments.is_some();
        has_content.then(|| self.fields())
    }

    fn fields(self) -> Value {
        let fields = [
            ("text", self.text.map(Value::from)),
            ("channel", self.channel.map(Value::from)),
            ("username", self.username.map(Value::from)),
            ("icon_url", self.icon_url.map(Value::from)),
            ("icon_emoji", self.icon_emoji.map(Value::from)),
            ("blocks", self.blocks),
            ("attachments", self.attachments),
            ("thread_ts", self.thread_ts.map(Value::from)),
            ("unfurl_links", self.unfurl_links.map(Value::from)),
            ("unfurl_media", self.unfurl_media.map(Value::from)),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect::<Map<_, _>>().into()
    }
}
