//! Why Databricks did not do what was asked.

use anyhow::anyhow;
use bytes::Bytes;
use reqwest::StatusCode;
use scheduler::operator::TaskError;
use serde::Deserialize;

use crate::requests::{Reply, Trouble};

/// Error codes that pass, whatever the status beside them. That of a lock, which others hold for a moment, comes with 400.
const PASSING: &[&str] = &[
    "COULD_NOT_ACQUIRE_LOCK",
    "REQUEST_LIMIT_EXCEEDED",
    "TEMPORARILY_UNAVAILABLE",
    "WORKSPACE_TEMPORARILY_UNAVAILABLE",
];

/// Of a message, so many characters are shown.
const MESSAGE_CHARACTERS_MAX: usize = 2_000;

/// Why Databricks did not do what was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The status, when there was an answer.
    pub(crate) status: Option<StatusCode>,
    pub(crate) trouble: Trouble,
    /// Whether there is no answer only because the try is to stop.
    pub(crate) is_stop: bool,
}

impl Failure {
    /// The try is to stop.
    pub(super) fn stop() -> Failure {
        let trouble = Trouble::passing(anyhow!("the task is to stop"));
        Failure { status: None, trouble, is_stop: true }
    }

    /// Whether the answer was about who asks.
    pub(super) fn is_about_identity(&self) -> bool {
        matches!(self.status, Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN))
    }

    /// Whether it was answered that it cannot be done: then it has not been done.
    pub(super) fn is_refusal(&self) -> bool {
        !self.is_stop && !self.trouble.may_be_done
    }

    /// Whether it was answered that there is nothing like it: whoever asks again, and when, hears the same.
    pub(super) fn is_lasting_refusal(&self) -> bool {
        let is_answer = self.status.is_some_and(|status| status.is_client_error());
        is_answer && self.is_refusal() && !self.trouble.may_retry && !self.is_about_identity()
    }

    /// As the error of a try that gives up.
    pub(super) fn into_error(self) -> TaskError {
        if self.is_stop { TaskError::cancelled() } else { self.trouble.into_error() }
    }

    /// The same of one that leaves something behind which a further try may see to.
    pub(super) fn into_passing_error(self) -> TaskError {
        if self.is_stop { TaskError::cancelled() } else { TaskError::retry(self.trouble.error) }
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Failure {
        Failure { status: None, trouble, is_stop: false }
    }
}

/// How Databricks says what went wrong.
#[derive(Debug, Default, Deserialize)]
struct ErrorBody {
    #[serde(default)]
    error_code: Option<String>,
    #[serde(default)]
    message: Option<String>,
    /// In the answers of OAuth.
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    error_description: Option<String>,
}

/// The body of an answer that is a success; what another one means. `deed` is what was asked for, as people say it.
pub(super) fn judge(reply: Reply, deed: &str) -> Result<Bytes, Failure> {
    let status = reply.status;
    if status.is_success() {
        return Ok(reply.body);
    }
    let mut trouble = reply.refusal();
    let said = serde_json::from_slice::<ErrorBody>(&reply.body).unwrap_or_default();
    let code = said.error_code.or(said.error);
    let is_passing = code.as_deref().is_some_and(|code| PASSING.contains(&code));
    trouble.may_retry = is_passing
        || status == StatusCode::TOO_MANY_REQUESTS
        || (status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED);
    // A service that says that it is away has done nothing; one that broke down may have.
    trouble.may_be_done = status.is_server_error() && !is_passing;
    let message = said.message.or(said.error_description);
    trouble.error = match (&code, message) {
        (None, None) => trouble.error.context(format!("cannot {deed}")),
        (code, message) => {
            let code = code.as_deref().unwrap_or(status.as_str());
            let message: String = message.unwrap_or_default().chars().take(MESSAGE_CHARACTERS_MAX).collect();
            let hint = hint(status);
            anyhow!("cannot {deed}: `{}` answered {}: {code}: {message}{hint}", reply.host, status.as_u16())
        }
    };
    Err(Failure { status: Some(status), trouble, is_stop: false })
}

fn hint(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => " (look at the token, or the service principal, of the connection)",
        StatusCode::FORBIDDEN => " (whoever the connection stands for may not do that)",
        _ => "",
    }
}
