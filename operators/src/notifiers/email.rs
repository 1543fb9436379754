//! `email`: writes an e-mail, over SMTP.
//!
//! ```yaml
//! on_failure_callback: {email: {to: [ops@example.com], subject: "{{ dag.dag_id }} failed"}}
//! ```
//!
//! The server is the installation's (`UPDRAFT_SMTP_HOST`), unless the callback names one.

use std::time::Duration;

use anyhow::{Context, anyhow};
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::{AsyncTransport, Message};
use scheduler::operator::{ArgumentProblem, DeliveryError, Notice, Notifier};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::mail_server::{MailServer, Tls};
use super::secrets::{Environment, Secrets};
use super::wording;

const NO_SERVER: &str =
    "no mail server is set up: set UPDRAFT_SMTP_HOST where Updraft runs, or write `smtp: {host: …}` in the callback";

/// The whole conversation with a server takes at most this long.
const TIME_MAX: Duration = Duration::from_mins(1);

/// Who writes when nobody says.
const NOBODY: &str = "updraft@localhost";

/// The `email` notifier.
pub(super) struct Email {
    environment: Environment,
    server: Option<MailServer>,
}

impl Email {
    pub(super) fn new(environment: Environment, server: Option<MailServer>) -> Email {
        Email { environment, server }
    }
}

/// Arguments of the `email` notifier.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EmailArgs {
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

/// An address, or a list of them; as in Airflow, one text may hold several, separated by commas or semicolons.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Addresses {
    One(String),
    Several(Vec<String>),
}

impl Default for Addresses {
    fn default() -> Addresses {
        Addresses::Several(Vec::new())
    }
}

impl Addresses {
    fn mailboxes(&self) -> Result<Vec<Mailbox>, DeliveryError> {
        let texts: Vec<&str> = match self {
            Addresses::One(text) => vec![text],
            Addresses::Several(texts) => texts.iter().map(String::as_str).collect(),
        };
        let single = texts.into_iter().flat_map(|text| text.split([',', ';'])).map(str::trim);
        single.filter(|text| !text.is_empty()).map(mailbox).collect()
    }
}

fn mailbox(text: &str) -> Result<Mailbox, DeliveryError> {
    text.parse().map_err(|error| DeliveryError::fail(anyhow!("`{text}` is not an address: {error}")))
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
        let message = message(&args, &server, notice)?;
        let transport = server.transport().map_err(DeliveryError::retry)?;
        match tokio::time::timeout(TIME_MAX, transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(secrets.masked(judge(error, &server))),
            Err(_) => Err(DeliveryError::retry(anyhow!(
                "the mail server `{}` did not take it within {TIME_MAX:?}",
                server.host
            ))),
        }
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

fn message(args: &EmailArgs, server: &MailServer, notice: &Notice) -> Result<Message, DeliveryError> {
    let login = server.login.as_ref().filter(|login| login.contains('@'));
    let from = [&args.from, &args.from_email, &server.from].into_iter().find_map(|from| from.as_ref());
    let from = mailbox(from.or(login).map_or(NOBODY, String::as_str))?;
    let subject = args.subject.clone().unwrap_or_else(|| wording::title(notice));
    // A header is one line, whatever a template made.
    let subject = subject.split_whitespace().collect::<Vec<_>>().join(" ");
    // The same in each attempt, so that whoever gets it twice can tell.
    let mut message =
        Message::builder().from(from).subject(subject).message_id(Some(format!("<{}@updraft>", notice.id)));
    for mailbox in args.to.mailboxes()? {
        message = message.to(mailbox);
    }
    for mailbox in args.cc.mailboxes()? {
        message = message.cc(mailbox);
    }
    for mailbox in args.bcc.mailboxes()? {
        message = message.bcc(mailbox);
    }
    let html = |text: String| SinglePart::builder().header(ContentType::TEXT_HTML).body(text);
    let plain = |text: String| SinglePart::builder().header(ContentType::TEXT_PLAIN).body(text);
    let message = match (&args.html_content, &args.body) {
        (Some(content), None) => message.singlepart(html(content.clone())),
        (None, Some(body)) => message.singlepart(plain(body.clone())),
        (Some(content), Some(body)) => message
            .multipart(MultiPart::alternative().singlepart(plain(body.clone())).singlepart(html(content.clone()))),
        (None, None) => message.multipart(
            MultiPart::alternative().singlepart(plain(wording::text(notice))).singlepart(html(wording::html(notice))),
        ),
    };
    message.context("cannot write the message").map_err(DeliveryError::fail)
}

/// A server that says no for good is not asked again.
fn judge(error: lettre::transport::smtp::Error, server: &MailServer) -> DeliveryError {
    let is_final = error.is_permanent();
    let error = anyhow::Error::new(error).context(format!("the mail server `{}` did not take it", server.host));
    if is_final { DeliveryError::fail(error) } else { DeliveryError::retry(error) }
}
