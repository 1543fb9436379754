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
    /// Of a try that begins.
    pub(super) fn new(ctx: &TaskContext, request: &str, token: Option<&str>) -> Entry {
        let token = token.map_or_else(|| format!("updraft-{}", ctx.try_id.simple()), str::to_owned);
        let (try_number, request) = (ctx.try_number, request.to_owned());
        Entry { try_number, token, request, stage: Stage::Meant, repair: None }
    }

    /// What was kept last; none when nothing was, or something of another operator.
    pub(super) async fn load(ctx: &TaskContext) -> Result<Option<Entry>, TaskError> {
        checkpoint::load(ctx).await
    }

    /// Keeps it, durably.
    pub(super) async fn save(&self, ctx: &TaskContext) -> Result<(), TaskError> {
        checkpoint::save(self, ctx).await
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
