//! `notify`: tells people or programs something, by any of the notifiers.
//!
//! ```yaml
//! - task_id: tell
//!   operator: notify
//!   slack: {url_env: SLACK_WEBHOOK_URL, text: "{{ ti.xcom_pull('count') }} rows were loaded"}
//! ```
//!
//! It says the same things as a callback does, at a place of its own in the DAG. It is delivered at least once: a try that is
//! made again, because its process was killed or because the answer was lost, may tell it a second time.

use std::sync::Arc;

use anyhow::anyhow;
use scheduler::operator::{
    ArgumentProblem, CallbackKind, DeliveryError, Notice, NoticedTry, Notifier, Operator, Outcome, TaskContext,
    TaskError,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::notifiers::{
    Command, CommandArgs, Email, EmailArgs, Environment, MailServer, Slack, SlackArgs, Webhook, WebhookArgs,
};
use crate::shapes::one_key;

/// The `notify` operator.
pub struct Notify {
    notifiers: Notifiers,
}

impl Notify {
    pub(crate) fn new(notifiers: Notifiers) -> Notify {
        Notify { notifiers }
    }
}

/// Who is told, and what: one notifier, with its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(transform = one_key)]
pub enum Told {
    /// Runs a program.
    Command(CommandArgs),
    /// Writes an e-mail.
    Email(Box<EmailArgs>),
    /// Writes to a channel of Slack, or of what speaks its language.
    Slack(Box<SlackArgs>),
    /// Sends a request to an address.
    Webhook(WebhookArgs),
}

/// What a task has to say itself, by notifier; a task that begins is no news.
const SAYING: [(&str, &[&str]); 3] = [
    ("email", &["subject", "body", "html_content"]),
    ("slack", &["text", "blocks", "attachments"]),
    ("webhook", &["body"]),
];

impl Operator for Notify {
    const NAME: &'static str = "notify";
    const SUMMARY: &'static str = "Tells people or programs something, by any of the notifiers.";
    type Args = Told;

    async fn execute(&self, args: Told, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let name = args.name();
        tokio::select! {
            told = self.notifiers.tell(args, ctx) => told.map_err(failed)?,
            () = ctx.cancelled.cancelled() => return Err(TaskError::cancelled()),
        }
        ctx.log.info(format_args!("Told by `{name}`"));
        Ok(Outcome::done())
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        self.notifiers.check(args, "")
    }
}

impl Told {
    fn name(&self) -> &'static str {
        match self {
            Told::Command(_) => Command::NAME,
            Told::Email(_) => Email::NAME,
            Told::Slack(_) => Slack::NAME,
            Told::Webhook(_) => Webhook::NAME,
        }
    }
}

/// Delivers what tasks tell. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Notifiers(Arc<Each>);

struct Each {
    email: Email,
    slack: Slack,
    webhook: Webhook,
}

impl Notifiers {
    /// With the same settings as those of callbacks.
    pub(crate) fn new(environment: &Environment, mail: Option<MailServer>) -> Notifiers {
        Notifiers(Arc::new(Each {
            email: Email::new(environment.clone(), mail),
            slack: Slack::new(environment.clone()),
            webhook: Webhook::new(environment.clone()),
        }))
    }

    /// Makes one attempt to deliver.
    pub(crate) async fn tell(&self, told: Told, ctx: &TaskContext) -> Result<(), DeliveryError> {
        let notice = notice(ctx);
        match told {
            Told::Command(args) => Command.deliver(args, &notice).await,
            Told::Email(args) => self.0.email.deliver(*args, &notice).await,
            Told::Slack(args) => self.0.slack.deliver(*args, &notice).await,
            Told::Webhook(args) => self.0.webhook.deliver(args, &notice).await,
        }
    }

    /// What is wrong with one that stands at `pointer`, as far as the schema cannot say.
    pub(crate) fn check(&self, written: &Map<String, Value>, pointer: &str) -> Vec<ArgumentProblem> {
        let mut all = Vec::new();
        for (name, args) in written {
            let Some(args) = args.as_object() else { continue };
            let mut problems = match name.as_str() {
                "command" => Command.check(args),
                "email" => self.0.email.check(args),
                "slack" => self.0.slack.check(args),
                "webhook" => self.0.webhook.check(args),
                _ => Vec::new(),
            };
            if let Some((_, saying)) = SAYING.iter().find(|(known, _)| known == name)
                && !saying.iter().any(|key| args.get(*key).is_some_and(|value| !value.is_null()))
            {
                let keys = saying.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(" or ");
                problems.push(ArgumentProblem {
                    pointer: String::new(),
                    message: "it does not say what to tell".to_owned(),
                    help: Some(format!("write {keys}")),
                });
            }
            all.extend(
                problems.into_iter().map(|problem| ArgumentProblem {
                    pointer: format!("{pointer}/{name}{}", problem.pointer),
                    ..problem
                }),
            );
        }
        all
    }

    /// The same of one, or of each in a list.
    pub(crate) fn check_all(&self, written: Option<&Value>, pointer: &str) -> Vec<ArgumentProblem> {
        match written {
            Some(Value::Object(one)) => self.check(one, pointer),
            Some(Value::Array(list)) => {
                let each = list.iter().enumerate().filter_map(|(at, one)| Some((at, one.as_object()?)));
                each.flat_map(|(at, one)| self.check(one, &format!("{pointer}/{at}"))).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// What is told by a task: that it has come to it.
fn notice(ctx: &TaskContext) -> Notice {
    Notice {
        id: ctx.try_id,
        kind: CallbackKind::OnExecute,
        is_of_run: false,
        dag_id: ctx.key.dag_id.clone(),
        run_id: ctx.key.run_id.clone(),
        run: Arc::clone(&ctx.run),
        run_state: "running".to_owned(),
        instance: Some(NoticedTry {
            key: ctx.key.clone(),
            try_number: ctx.try_number,
            state: "running".to_owned(),
            task: (*ctx.task).clone(),
        }),
        reason: None,
        exception: None,
        deadline: None,
        url: None,
        log: ctx.log.clone(),
    }
}

/// What a delivery that failed means for a task: its `retries` say how often it is tried again.
pub(crate) fn failed(error: DeliveryError) -> TaskError {
    let DeliveryError { may_retry, error, .. } = error;
    if may_retry { TaskError::retry(anyhow!(error)) } else { TaskError::fail(anyhow!(error)) }
}
