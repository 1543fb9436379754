//! `email`: writes an e-mail, with files if there are any.
//!
//! ```yaml
//! - task_id: report
//!   operator: email
//!   to: [sales@example.com, ceo@example.com]
//!   subject: The figures of {{ ds }}
//!   html_content: "<p>{{ ti.xcom_pull('count') }} orders.</p>"
//!   files: ["out/{{ ds }}.csv"]
//! ```
//!
//! The server is that of the connection `conn_id`, else the installation's (`UPDRAFT_SMTP_HOST`), else that of the connection
//! `smtp_default`. It is sent at least once: a try that is made again, because its process was killed or because the answer of
//! the server was lost, may send it a second time.

use anyhow::anyhow;
use object_store::ObjectStoreExt;
use scheduler::operator::{AirflowClass, ArgumentProblem, Operator, Outcome, TaskContext, TaskError, TemplateFiles};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::connections::mail_server_of;
use crate::location::{Location, S3, cause};
use crate::notifiers::{Addresses, Attachment, Letter, MailServer, mail};
use crate::notify::failed;

/// Servers refuse larger mails; so much in memory is no harm.
const FILES_BYTES_MAX: u64 = 25 * 1024 * 1024;

/// Where Airflow looks for a server when nothing is said.
const CONN_ID_DEFAULT: &str = "smtp_default";

/// The `email` operator.
pub struct EmailTask {
    s3: S3,
    server: Option<MailServer>,
}

impl EmailTask {
    /// Through `server`, unless a task says otherwise; files are also read from buckets.
    pub fn new(s3: S3, server: Option<MailServer>) -> EmailTask {
        EmailTask { s3, server }
    }
}

/// Arguments of the `email` operator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailTaskArgs {
    /// To whom: an address, or a list of them. One text may hold several, separated by commas or semicolons.
    to: Addresses,
    /// Who gets a copy.
    #[serde(default)]
    cc: Addresses,
    /// Who gets a copy without the others knowing.
    #[serde(default)]
    bcc: Addresses,
    /// The subject; line ends become blanks.
    subject: String,
    /// The text as HTML, or the name of a template file that ends in `.html`. Values can be escaped with `| e`.
    #[serde(default)]
    html_content: Option<String>,
    /// The text without HTML, beside `html_content` for those who do not read that; one of the two must be there.
    #[serde(default)]
    text: Option<String>,
    /// What is attached: files on this machine, whose relative paths begin at `UPDRAFT_HOME`, or objects (`s3://bucket/key`);
    /// 25 MiB in all.
    #[serde(default)]
    files: Vec<String>,
    /// Who writes; by default what the connection or the installation says.
    #[serde(default)]
    from_email: Option<String>,
    /// The connection of a mail server, of type `smtp`.
    #[serde(default)]
    conn_id: Option<String>,
}

impl Operator for EmailTask {
    const NAME: &'static str = "email";
    const SUMMARY: &'static str = "Writes an e-mail, with files if there are any.";
    const TEMPLATE_FILES: TemplateFiles = &[("html_content", &[".html"])];
    type Args = EmailTaskArgs;

    fn airflow_classes() -> Vec<AirflowClass> {
        vec![
            AirflowClass::named("airflow.providers.smtp.operators.smtp.EmailOperator")
                .renamed("smtp_conn_id", "conn_id")
                .unneeded("mime_charset")
                .unneeded("mime_subtype")
                .refused("custom_headers", "headers are not served")
                .refused("auth_type", "the server says how it wants to be told who we are"),
        ]
    }

    async fn execute(&self, args: EmailTaskArgs, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        // A bucket or a mail server that does not answer keeps nobody.
        tokio::select! {
            sent = self.send(args, ctx) => sent,
            () = ctx.cancelled.cancelled() => Err(TaskError::cancelled()),
        }
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let is_given = |key: &str| args.get(key).is_some_and(|value| !value.is_null());
        if is_given("html_content") || is_given("text") {
            return Vec::new();
        }
        vec![ArgumentProblem {
            pointer: String::new(),
            message: "it does not say what to write".to_owned(),
            help: Some("write `html_content` or `text`, or both".to_owned()),
        }]
    }
}

impl EmailTask {
    async fn send(&self, args: EmailTaskArgs, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let server = self.server_for(args.conn_id.as_deref(), ctx).await?;
        let letter = Letter {
            id: ctx.try_id,
            from: args.from_email,
            to: args.to,
            cc: args.cc,
            bcc: args.bcc,
            subject: args.subject,
            text: args.text,
            html: args.html_content,
            attachments: self.attachments(&args.files, ctx).await?,
        };
        let (to, files) = (letter.recipients().map_err(failed)?, letter.attachments.len());
        mail(letter, &server).await.map_err(failed)?;
        let with = match files {
            0 => String::new(),
            1 => " with one file".to_owned(),
            files => format!(" with {files} files"),
        };
        ctx.log.info(format_args!("The mail server `{}` took the mail to {to}{with}", server.host));
        Ok(Outcome::done())
    }

    async fn server_for(&self, conn_id: Option<&str>, ctx: &TaskContext) -> Result<MailServer, TaskError> {
        if let (None, Some(server)) = (conn_id, &self.server) {
            server.password.iter().for_each(|password| ctx.log.hide(password));
            return Ok(server.clone());
        }
        let by_default = ctx.secrets.connection(CONN_ID_DEFAULT);
        if conn_id.is_none() && by_default.await.map_err(TaskError::retry)?.is_none() {
            return Err(TaskError::fail(anyhow!(
                "no mail server is set up: name a connection in `conn_id`, make one called `{CONN_ID_DEFAULT}`, or set \
                 UPDRAFT_SMTP_HOST where Updraft runs"
            )));
        }
        let connection = ctx.connection(conn_id.unwrap_or(CONN_ID_DEFAULT)).await?;
        mail_server_of(&connection).map_err(TaskError::fail)
    }

    async fn attachments(&self, files: &[String], ctx: &TaskContext) -> Result<Vec<Attachment>, TaskError> {
        let mut attachments = Vec::with_capacity(files.len());
        let mut left = FILES_BYTES_MAX;
        for file in files {
            let location = Location::parse(file, &ctx.home).map_err(TaskError::fail)?;
            let opened = location.open(&self.s3).map_err(TaskError::fail)?;
            let unreadable = |error: object_store::Error| {
                let problem = anyhow!("the file `{location}` cannot be read: {}", cause(&error));
                TaskError::retry(problem)
            };
            let found = opened.store.get(&opened.prefix).await.map_err(unreadable)?;
            let size = found.meta.size;
            left = left.checked_sub(size).ok_or_else(|| {
                TaskError::fail(anyhow!(
                    "the files are larger than {} MiB together, which mail servers refuse; put a link to `{location}` into \
                     the text instead",
                    FILES_BYTES_MAX / 1024 / 1024
                ))
            })?;
            let content = found.bytes().await.map_err(unreadable)?;
            attachments.push(Attachment { name: location.file_name().to_owned(), content });
        }
        Ok(attachments)
    }
}
