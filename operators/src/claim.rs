//! What a try has made elsewhere, and what became of it: the checkpoint of operators that run containers.
//!
//! ```text
//!   nothing ──> token ──make, with the token on it──> made ──> output seen so far … ──> ended ──> removed there
//! ```
//!
//! The token is kept before anything is made with it. Whoever finds it looks for what bears it: that is the work of the try,
//! and there is none if nothing bears it. Once it is known that it was made it is never made again: if it is gone, somebody has
//! removed it. How the work ended is kept before its traces are removed. So one try never works
//! twice, whenever its process dies.

use std::collections::BTreeMap;

use anyhow::anyhow;
use scheduler::operator::{Outcome, TaskContext, TaskError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bash::{ExitCodes, OutputProcessor, answer};
use crate::checkpoint;
use crate::container_log::Bookmark;

/// What is kept of a try.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Claim {
    try_number: u32,
    /// What the try makes bears it: 32 hexadecimal digits, of which nobody else has the same.
    pub(crate) token: String,
    /// What was made, as the other side calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) made: Option<String>,
    /// How far output is in the log, by the container that it is of.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) seen: BTreeMap<String, Bookmark>,
    /// How the work ended, if it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ended: Option<Ended>,
}

/// How work ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ended {
    /// Why it is no success, if it is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<String>,
    /// The exit code of what ran, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) exit_code: Option<i32>,
    /// What it said last: a line, or lines.
    #[serde(default)]
    pub(crate) said: Value,
}

impl Claim {
    /// Of a try that begins.
    pub(crate) fn new(ctx: &TaskContext) -> Claim {
        let token = ctx.try_id.simple().to_string();
        Claim { try_number: ctx.try_number, token, made: None, seen: BTreeMap::new(), ended: None }
    }

    /// What was kept last: by this try, by one before it, or by nobody.
    pub(crate) async fn load(ctx: &TaskContext) -> Result<Option<Claim>, TaskError> {
        checkpoint::load(ctx).await
    }

    /// Whether it is that of the try itself, which began in another process.
    pub(crate) fn is_of(&self, ctx: &TaskContext) -> bool {
        self.try_number == ctx.try_number
    }

    /// Keeps it, durably.
    pub(crate) async fn save(&self, ctx: &TaskContext) -> Result<(), TaskError> {
        checkpoint::save(self, ctx).await
    }

    /// Keeps how far output is in the log. If that cannot be kept, some of it is in the log twice after a crash, and nothing
    /// else is lost.
    pub(crate) async fn save_seen(&mut self, container: &str, bookmark: &Bookmark, ctx: &TaskContext) {
        self.seen.insert(container.to_owned(), bookmark.clone());
        if let Err(error) = self.save(ctx).await {
            ctx.log.warning(format_args!("Cannot keep how far the output was seen: {error}"));
        }
    }
}

impl Ended {
    pub(crate) fn is_success(&self) -> bool {
        self.failure.is_none()
    }

    /// What that means to the task.
    pub(crate) fn into_outcome(
        self,
        skip_on: Option<&ExitCodes>,
        processor: OutputProcessor,
    ) -> Result<Outcome, TaskError> {
        let Some(failure) = self.failure else {
            return match self.said {
                Value::String(line) => answer(line, processor),
                said => Ok(Outcome::value(said)),
            };
        };
        match self.exit_code {
            Some(code) if skip_on.is_some_and(|codes| codes.has_code(code)) => Ok(Outcome::Skipped { reason: failure }),
            Some(code) => Err(TaskError::retry(anyhow!(failure)).with_exit_code(code)),
            None => Err(TaskError::retry(anyhow!(failure))),
        }
    }
}
