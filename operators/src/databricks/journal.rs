//! What is kept of a run from try to try: the checkpoint of an operator that starts runs.
//!
//! ```text
//!   nothing ──> Meant: token ──start──> Started: run ──seen to its end──> Done: run
//!                  └── refused ──> nothing
//! ```
//!
//! A token is kept before it is first sent. Whoever finds it without a run sends it again: the answer is the run that was
//! started with it, or a new one if none was.

use scheduler::operator::{TaskContext, TaskError};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::jobs::RunId;
use super::origin::{self, Left, Origin, Whereabouts};
use super::session::Session;
use crate::checkpoint;

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// The try that began it.
    pub(super) try_number: u32,
    /// What makes several requests one run. At most 64 characters.
    pub(super) token: String,
    /// Which request was sent with it.
    pub(super) request: String,
    pub(super) stage: Stage,
    /// Whether the run was seen to its end, which was no success, or ending after it was cancelled.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_over: bool,
    /// Where it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) origin: Option<Origin>,
    /// The repair that the try began in the run, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) repair: Option<Repairing>,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    /// The token may have been sent.
    Meant,
    /// It was answered that there will be no run.
    Refused,
    /// There is a run.
    Started(RunId),
    /// There was a run, and its success was seen.
    Done(RunId),
}

/// A repair that a try asks for. It has no token; that it was made is told by the repairs that the run has had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Repairing {
    /// The newest repair that the run had before.
    pub(super) after: Option<i64>,
}

impl Entry {
    /// Of a try that begins, and asks by `session`.
    pub(super) fn new(session: &Session, request: &str, token: Option<&str>) -> Entry {
        let ctx = &session.ctx;
        let token = token.map_or_else(|| format!("updraft-{}", ctx.try_id.simple()), str::to_owned);
        let (try_number, request) = (ctx.try_number, request.to_owned());
        let origin = Some(Origin::of(session));
        Entry { try_number, token, request, stage: Stage::Meant, is_over: false, origin, repair: None }
    }

    /// What people call it.
    fn what(&self) -> String {
        match self.stage {
            Stage::Started(run_id) | Stage::Done(run_id) => format!("run {run_id}"),
            Stage::Meant | Stage::Refused => format!("the run with the token {}", self.token),
        }
    }

    /// Whether a try has anything to ask about it.
    fn is_open(&self, try_number: u32) -> bool {
        match self.stage {
            Stage::Refused => false,
            Stage::Done(_) => self.try_number == try_number,
            Stage::Meant | Stage::Started(_) => true,
        }
    }

    /// The workspace to be asked about it, when that is another than `here` asks.
    pub(super) async fn started_elsewhere(&self, here: &Session) -> Result<Option<Box<Session>>, TaskError> {
        match &self.origin {
            Some(origin) => origin.session(&self.what(), here).await,
            None => Ok(None),
        }
    }

    /// Who is to be asked about it, by a try that asks by `here`.
    async fn whereabouts(&self, here: &Session) -> Result<Whereabouts, TaskError> {
        if !self.is_open(here.ctx.try_number) {
            return Ok(Whereabouts::Here);
        }
        let left = Left { what: &self.what(), begun_by: self.try_number, is_over: self.is_over };
        origin::find(self.origin.as_ref(), left, here).await
    }

    /// What was kept last; none when nothing was, or something of another operator.
    pub(super) async fn load(ctx: &TaskContext) -> Result<Option<Entry>, TaskError> {
        checkpoint::load(ctx).await
    }

    /// Keeps that a run, if it is still what is kept, ends.
    pub(super) async fn ends(ctx: &TaskContext, run_id: RunId) -> Result<(), TaskError> {
        match Entry::load(ctx).await? {
            Some(entry) if entry.stage == Stage::Started(run_id) => Entry { is_over: true, ..entry }.save(ctx).await,
            _ => Ok(()),
        }
    }

    /// Keeps it, durably.
    pub(super) async fn save(&self, ctx: &TaskContext) -> Result<(), TaskError> {
        checkpoint::save(self, ctx).await
    }
}

/// What an earlier process has kept.
pub(super) struct Kept {
    /// None when nothing was, or when it does not matter any more.
    pub(super) entry: Option<Entry>,
    /// Who is to be asked about it, when that is another workspace than the task names now.
    pub(super) there: Option<Box<Session>>,
}

impl Kept {
    /// What is kept, for a try that asks by `here`.
    pub(super) async fn find(entry: Option<Entry>, here: &Session) -> Result<Kept, TaskError> {
        let nothing = Kept { entry: None, there: None };
        let Some(entry) = entry else { return Ok(nothing) };
        Ok(match entry.whereabouts(here).await? {
            Whereabouts::Here => Kept { entry: Some(entry), there: None },
            Whereabouts::There(there) => Kept { entry: Some(entry), there: Some(there) },
            Whereabouts::Lost(_) => nothing,
        })
    }
}

/// A short name for a request: the same for the same text.
pub(super) fn name_of(request: &str) -> String {
    // FNV-1a; two requests of one task need to be told apart, nothing more.
    let hash = request
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

/// Whether a token fits into its field.
pub(super) fn is_token(text: &str) -> bool {
    (1..=64).contains(&text.chars().count())
}

/// The token of a try is derived from its id, so it fits.
const _: () = assert!("updraft-".len() + Uuid::nil().as_bytes().len() * 2 <= 64);
