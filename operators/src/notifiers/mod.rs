//! Who is told what became of tasks and runs: the notifiers.
//!
//! ```yaml
//! on_failure_callback:
//!   - slack: {url_env: SLACK_WEBHOOK_URL, text: "{{ ti.task_id }} failed: {{ exception }}"}
//!   - email: {to: ops@example.com}
//!   - webhook: {url: "https://example.com/updraft", headers_env: {Authorization: API_TOKEN}}
//!   - command: [./page, "{{ dag.dag_id }}"]
//! ```
//!
//! What is left out is filled with what happened, in words of [`wording`]. Secrets come from the environment of the
//! process that delivers, and are in no log and no error.

mod command;
mod email;
mod http;
mod letter;
mod mail_server;
mod secrets;
mod slack;
mod webhook;
mod wording;

use scheduler::operator::{Registry, RegistryError};

pub(crate) use command::{Command, CommandArgs};
pub(crate) use email::{Email, EmailArgs};
pub(crate) use letter::{Addresses, Attachment, Letter, mail};
pub use mail_server::{MailServer, Tls};
pub use secrets::Environment;
pub(crate) use secrets::exactly_one;
pub(crate) use slack::{Slack, SlackArgs, SlackMessage};
pub(crate) use webhook::{Webhook, WebhookArgs};

/// Adds all notifiers: those that need secrets find them in `environment`, e-mail goes through `mail` unless a callback
/// says otherwise.
pub fn register(
    registry: &mut Registry,
    environment: &Environment,
    mail: Option<MailServer>,
) -> Result<(), RegistryError> {
    registry.register_notifier(command::Command)?;
    registry.register_notifier(email::Email::new(environment.clone(), mail))?;
    registry.register_notifier(slack::Slack::new(environment.clone()))?;
    registry.register_notifier(webhook::Webhook::new(environment.clone()))
}
