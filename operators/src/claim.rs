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
//!
//! Where it was made is kept with the token: the task, its connection or the environment may lead elsewhere by then, where nothing
//! bears the token, or something else has the name; and the same address leads elsewhere from another machine.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context as _, anyhow};
use scheduler::operator::{Outcome, TaskContext, TaskError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bash::{ExitCodes, OutputProcessor, answer};
use crate::checkpoint;
use crate::container_log::Bookmark;

/// Where something is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// As people and the other side call it.
    pub(crate) address: String,
    /// Which one it is of those that are called so, where that can be told.
    pub(crate) identity: Option<String>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.identity {
            Some(identity) => write!(f, "{} ({identity})", self.address),
            None => f.write_str(&self.address),
        }
    }
}

/// What is kept of a try.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Claim {
    try_number: u32,
    /// The address of where it is made. None is kept of what began before there were places.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    /// Which place of that address it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
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
    /// That of the try, which may have begun in another process; `here` is where the task leads. What bears the token of an
    /// earlier try is ended first, because two at a time would do the work twice.
    pub(crate) async fn of_try(
        ctx: &TaskContext,
        here: &Place,
        end_earlier: impl AsyncFnOnce(String) -> Result<(), TaskError>,
    ) -> Result<Claim, TaskError> {
        if let Some(claim) = Claim::load(ctx).await? {
            let can_be_asked = claim.is_at(here);
            let is_own = claim.try_number == ctx.try_number;
            if is_own && (can_be_asked || claim.ended.is_some()) {
                return Ok(claim);
            }
            if can_be_asked {
                end_earlier(claim.token).await?;
            } else if claim.ended.is_none() {
                claim.give_up(here, ctx).await?;
            }
        }
        let token = ctx.try_id.simple().to_string();
        let claim = Claim {
            try_number: ctx.try_number,
            place: Some(here.address.clone()),
            identity: here.identity.clone(),
            token,
            made: None,
            seen: BTreeMap::new(),
            ended: None,
        };
        claim.save(ctx).await?;
        Ok(claim)
    }

    /// The address where something may go on that a try has made, this or one before.
    pub(crate) async fn place_left(ctx: &TaskContext) -> Result<Option<String>, TaskError> {
        Ok(Claim::left(ctx).await?.and_then(|claim| claim.place))
    }

    /// The token of what this try may have going on.
    pub(crate) async fn going_on(ctx: &TaskContext) -> Result<Option<String>, TaskError> {
        let claim = Claim::left(ctx).await?;
        Ok(claim.filter(|claim| claim.try_number == ctx.try_number).map(|claim| claim.token))
    }

    /// The token of what the last try, whichever that was, may have left going on; `here` is where the task leads.
    pub(crate) async fn left_going_on(ctx: &TaskContext, here: &Place) -> Result<Option<String>, TaskError> {
        let Some(claim) = Claim::left(ctx).await? else { return Ok(None) };
        if !claim.is_at(here) {
            claim.give_up(here, ctx).await?;
            return Ok(None);
        }
        Ok(Some(claim.token))
    }

    async fn left(ctx: &TaskContext) -> Result<Option<Claim>, TaskError> {
        Ok(Claim::load(ctx).await?.filter(|claim| claim.ended.is_none()))
    }

    /// Whether what was made is to be found `here`, as far as is known.
    pub(crate) fn is_at(&self, here: &Place) -> bool {
        let is_alike = match (&self.identity, &here.identity) {
            (Some(kept), Some(found)) => kept == found,
            _ => true,
        };
        is_alike && self.place.as_ref().is_none_or(|place| *place == here.address)
    }

    /// Nobody can be asked about what goes on elsewhere. Only whoever cleared the task wants it made anew all the same.
    async fn give_up(&self, here: &Place, ctx: &TaskContext) -> Result<(), TaskError> {
        let number = self.try_number;
        let place = Place { address: self.place.clone().unwrap_or_default(), identity: self.identity.clone() };
        let why = anyhow!(
            "what try {number} has made is at {place}, and the task leads to {here} now; let it lead there again, or end that there \
             by hand and clear this task"
        );
        let cleared = ctx.checkpoint.tries_before_clear().await.context("cannot read the checkpoint")?;
        if number > cleared {
            return Err(TaskError::retry(why));
        }
        ctx.log.error(format_args!("{why}. It may go on"));
        Ok(())
    }

    /// What was kept last: by this try, by one before it, or by nobody.
    async fn load(ctx: &TaskContext) -> Result<Option<Claim>, TaskError> {
        checkpoint::load(ctx).await
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
