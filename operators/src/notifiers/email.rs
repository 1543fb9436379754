//! `email`: writes an e-mail, over SMTP; a notifier, and what the operator of that name does, too.
//!
//! ```yaml
//! on_failure_callback: {email: {to: [ops@example.com], subject: "{{ dag.dag_id }} failed"}}
//! ```
//!
//! The server is the installation's (`UPDRAFT_SMTP_HOST`), unless the callback names one.

use anyhow::anyhow;
use scheduler::operator::{ArgumentProblem, DeliveryError, Notice, Notifier};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::letter::{Addresses, Letter, mail};
use super::mail_server::{MailServer, Tls};
use super::secrets::{Environment, Secrets};
use super::wording;

const NO_SERVER: &str =
    "no mail server is set up: set UPDRAFT_SMTP_HOST where Updraft runs, or write `smtp: {host: …}` in the callback";

/// The `email` notifier.
pub(crate) struct Email {
    environment: Environment,
    server: Option<MailServer>,
}

impl Email {
    pub(crate) fn new(environment: Environment, server: Option<MailServer>) -> Email {
        Email { environment, server }
    }
}

/// Arguments of the `email` notifier.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailArgs {
    /// To whom: an address, or a list of them.
    to: Addresses,
    /// Who gets a copy.
    #[serde(default)]
    cc: Addresses,
    /// Who gets a copy without the others knowing.
    #[serde(default)]
    bcc: Addresses,
    /// Who writes; by default what the server's settings say.
    from: Option<String>,
    /// The same, as Airflow calls it.
    from_email: Option<String>,
    /// The subject; by default what happened.
    subject: Option<String>,
    /// The text as HTML. Values can be escaped with `| e`.
    html_content: Option<String>,
    /// The text; by default what happened.
    body: Option<String>,
    /// The server, when it is not the installation's.
    smtp: Option<SmtpArgs>,
}

/// A mail server, as a callback names it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SmtpArgs {
    /// Where it is.
    host: String,
    /// By default 587 with `starttls`, 465 with `tls`, 25 with `none`.
    port: Option<u16>,
    /// How the connection is kept from others.
    #[serde(default)]
    tls: Tls,
    /// Who we are to it.
    login: Option<String>,
    /// The environment variable that holds the login.
    login_env: Option<String>,
    /// The environment variable that holds the password.
    password_env: Option<String>,
}

impl Notifier for Email {
    const NAME: &'static str = "email";
    const AIRFLOW_CLASSES: &'static [&'static str] = &["SmtpNotifier"];
    const SUMMARY: &'static str = "Writes an e-mail.";
    const PLAIN: Option<&'static str> = Some("to");
    const NOT_SERVED: &'static [(&'static str, &'static str)] = &[
        (
            "smtp_conn_id",
            "set UPDRAFT_SMTP_HOST for the installation, or write `smtp: {host: …, login: …, password_env: …}`",
        ),
        ("files", "put a link to the file into the text"),
        ("mime_subtype", "the text is sent as it has to be"),
        ("mime_charset", "the text is sent as UTF-8"),
        ("custom_headers", "headers are not served"),
        ("auth_type", "the server says how it wants to be told who we are"),
        ("template", "write the text in `html_content`"),
    ];
    type Args = EmailArgs;

    async fn deliver(&self, args: EmailArgs, notice: &Notice) -> Result<(), DeliveryError> {
        let mut secrets = Secrets::new(&self.environment);
        let server = self.server_for(args.smtp.as_ref(), &mut secrets)?;
        mail(letter(args, notice), &server).await.map_err(|error| secrets.masked(error))
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let given = |pointer: &str| args.get("smtp").and_then(|smtp| smtp.pointer(pointer)).is_some();
        let problem = |pointer: &str, message: &str, help: &str| ArgumentProblem {
            pointer: pointer.to_owned(),
            message: message.to_owned(),
            help: Some(help.to_owned()),
        };
        let mut problems = Vec::new();
        if given("/login") && given("/login_env") {
            problems.push(problem("/smtp/login_env", "it says twice who we are", "write `login` or `login_env`"));
        }
        if (given("/login") || given("/login_env")) != given("/password_env") {
            let help = "write `login` and `password_env`, or neither";
            problems.push(problem("/smtp", "a login needs a password, and a password a login", help));
        }
        problems
    }

    fn receiver(&self, args: &Map<String, Value>) -> Option<String> {
        let to = ["to", "cc", "bcc"].into_iter().filter_map(|key| args.get(key));
        let read = to.filter_map(|value| serde_json::from_value::<Addresses>(value.clone()).ok());
        let addresses: Vec<String> =
            read.flat_map(|some| some.single().map(str::to_owned).collect::<Vec<_>>()).collect();
        (!addresses.is_empty()).then(|| addresses.join(", "))
    }

    fn obstacle(&self, args: &Map<String, Value>) -> Option<String> {
        let names_server = args.get("smtp").is_some_and(|smtp| !smtp.is_null());
        (self.server.is_none() && !names_server).then(|| NO_SERVER.to_owned())
    }
}

impl Email {
    fn server_for(&self, smtp: Option<&SmtpArgs>, secrets: &mut Secrets<'_>) -> Result<MailServer, DeliveryError> {
        let Some(smtp) = smtp else {
            let server = self.server.clone().ok_or_else(|| DeliveryError::fail(anyhow!(NO_SERVER)))?;
            secrets.hide(server.password.as_deref().unwrap_or_default());
            return Ok(server);
        };
        let login = match &smtp.login_env {
            Some(variable) => Some(secrets.get(variable)?),
            None => smtp.login.clone(),
        };
        let password = smtp.password_env.as_ref().map(|variable| secrets.get(variable)).transpose()?;
        let from = self.server.as_ref().and_then(|server| server.from.clone());
        Ok(MailServer { host: smtp.host.clone(), port: smtp.port, tls: smtp.tls, login, password, from })
    }
}

/// The letter of a callback, with what happened where the DAG file says nothing.
fn letter(args: EmailArgs, notice: &Notice) -> Letter {
    let says_nothing = args.html_content.is_none() && args.body.is_none();
    Letter {
        id: notice.id,
        from: args.from.or(args.from_email),
        to: args.to,
        cc: args.cc,
        bcc: args.bcc,
        subject: args.subject.unwrap_or_else(|| wording::title(notice)),
        text: args.body.or_else(|| says_nothing.then(|| wording::text(notice))),
        html: args.html_content.or_else(|| says_nothing.then(|| wording::html(notice))),
        attachments: Vec::new(),
    }
}
