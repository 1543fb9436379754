//! What is kept of the statements of a try, and how one is ended. Statements have no token: one that may have been sent, and
//! whose number is not known, cannot be found.

use scheduler::operator::TaskError;
use serde::{Deserialize, Serialize};

use super::LOOK_FIRST;
use crate::checkpoint;
use crate::databricks::failure::Failure;
use crate::databricks::origin::{self, Left, Origin, Whereabouts};
use crate::databricks::session::Session;
use crate::databricks::statements;

/// What is kept from process to process: how far the statements of a try are.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) try_number: u32,
    /// The statements before this one have succeeded.
    pub(super) at: usize,
    /// That statement, once it is known; before, it may have been sent.
    pub(super) statement_id: Option<String>,
    /// Whether it was seen to its end, and no statement follows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_over: bool,
    /// Where it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) origin: Option<Origin>,
}

/// What an earlier process has done of this very try, and who is asked about it when that is another workspace than the task
/// names now. A further try begins anew, having ended the statement of the one before.
pub(super) async fn taken_up(here: &Session) -> Result<(Option<Kept>, Option<Box<Session>>), TaskError> {
    let log = &here.ctx.log;
    let Some(kept) = checkpoint::load::<Kept>(&here.ctx).await? else { return Ok((None, None)) };
    let is_same_try = kept.try_number == here.ctx.try_number;
    if kept.statement_id.is_none() && !is_same_try {
        return Ok((None, None));
    }
    let what = match &kept.statement_id {
        Some(id) => format!("statement {id}"),
        None => format!("statement {}", kept.at + 1),
    };
    let left = Left { what: &what, begun_by: kept.try_number, is_over: kept.is_over };
    let there = match origin::find(kept.origin.as_ref(), left, here).await? {
        Whereabouts::Here => None,
        Whereabouts::There(there) => Some(there),
        Whereabouts::Lost => return Ok((None, None)),
    };
    if is_same_try {
        if kept.statement_id.is_none() {
            log.warning(format_args!(
                "Statement {} may have been sent before this process took over; it is sent again, and so may run twice",
                kept.at + 1
            ));
        }
        return Ok((Some(kept), there));
    }
    if let Some(id) = &kept.statement_id {
        // Two at a time would cost twice. One that is over does not mind.
        match statements::cancel(there.as_deref().unwrap_or(here), id).await {
            Ok(()) => log.info(format_args!("Statement {id} of the try before is cancelled if it goes on")),
            Err(failure) if failure.is_refusal() && !failure.trouble.may_retry => {}
            Err(failure) => return Err(failure.into_error()),
        }
    }
    Ok((None, None))
}

/// Cancels a statement unless it is over, and awaits its end; answers with its state.
pub(in crate::databricks) async fn end(session: &Session, id: &str) -> Result<String, Failure> {
    let mut is_cancelled = false;
    loop {
        let statement = statements::get(session, id).await?;
        if statement.is_over() {
            return Ok(statement.state().to_owned());
        }
        if is_cancelled {
            tokio::time::sleep(LOOK_FIRST).await;
        } else {
            session.ctx.log.info(format_args!("Cancels statement {id}"));
            statements::cancel(session, id).await?;
            is_cancelled = true;
        }
    }
}
