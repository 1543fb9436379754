//! What is kept of the statements of a try, what becomes of them when another process takes over, and how one is ended.
//!
//! ```text
//!   nothing ──> meant: mark ──send──> sent: number ──succeeds──> meant: the next one ── … ──> over
//! ```
//!
//! Whoever finds a mark without a number looks for the statement in the history of the warehouse ([`Mark`]).

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use scheduler::operator::TaskError;
use serde::{Deserialize, Serialize};

use super::LOOK_FIRST;
use crate::checkpoint;
use crate::databricks::failure::Failure;
use crate::databricks::history::{Mark, Sighting};
use crate::databricks::origin::{self, Left, Origin, Whereabouts};
use crate::databricks::session::Session;
use crate::databricks::statements;

/// What is kept from process to process: how far the statements of a try are.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) try_number: u32,
    /// Which statements they are; none is kept of those of older versions.
    #[serde(default)]
    pub(super) request: String,
    /// The statements before this one have succeeded.
    pub(super) at: usize,
    /// Their numbers, when their results are wanted, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) before: Vec<String>,
    /// By what that statement is found; none is kept of those of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) mark: Option<Mark>,
    /// That statement, once it is known; before, it may have been sent.
    pub(super) statement_id: Option<String>,
    /// Whether it was seen to its end, and no statement follows; or that it was refused, and there is none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_over: bool,
    /// Where it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) origin: Option<Origin>,
}

impl Kept {
    /// Of a try that begins, and asks by `session`.
    pub(super) fn begin(session: &Session, request: String) -> Kept {
        Kept {
            try_number: session.ctx.try_number,
            request,
            at: 0,
            before: Vec::new(),
            mark: None,
            statement_id: None,
            is_over: false,
            origin: Some(Origin::of(session)),
        }
    }

    /// The number of the statement; nothing before it is known.
    pub(super) fn number(&self) -> &str {
        self.statement_id.as_deref().unwrap_or_default()
    }

    /// Keeps that the statement is about to be sent to that warehouse.
    pub(super) async fn means(&mut self, session: &Session, warehouse_id: &str) -> Result<Mark, TaskError> {
        let mut mark = self.mark.take().unwrap_or_else(|| Mark::new(&session.ctx, self.at));
        mark.goes_to(warehouse_id);
        self.mark = Some(mark.clone());
        self.is_over = false;
        self.save(session).await?;
        Ok(mark)
    }

    /// The statement has succeeded, and another follows. That is kept with the mark of the other.
    pub(super) fn goes_on(&mut self, is_answer_wanted: bool) {
        let ended = self.statement_id.take();
        self.before.extend(ended.filter(|_| is_answer_wanted));
        self.mark = None;
        self.at += 1;
    }

    /// What people call it.
    fn what(&self) -> String {
        match &self.statement_id {
            Some(id) => format!("statement {id}"),
            None => format!("statement {}", self.at + 1),
        }
    }

    /// Whether the number of the statement is known, which the history brings to light if need be, and if there is time.
    async fn sighting(&self, session: &Session, limit: Option<Duration>) -> Result<Sighting, TaskError> {
        if let Some(id) = &self.statement_id {
            return Ok(Sighting::Known(id.clone()));
        }
        let Some(mark) = &self.mark else {
            return Ok(Sighting::Unreadable(anyhow!("nobody knows as which")));
        };
        session.ctx.log.info(format_args!(
            "It is not known whether statement {} was sent; looks into the history of the warehouse",
            self.at + 1
        ));
        mark.look_for(session, limit).await
    }

    /// Keeps it, durably.
    pub(super) async fn save(&self, session: &Session) -> Result<(), TaskError> {
        checkpoint::save(self, &session.ctx).await
    }
}

/// What an earlier process has done, and who is asked about it when that is another workspace than the task names now. A
/// further try begins anew, having ended the statement of the one before; but it goes on with one of which the try before
/// never heard, if it is wanted still.
pub(super) async fn taken_up(
    here: &Session,
    request: &str,
    limit: Option<Duration>,
) -> Result<(Option<Kept>, Option<Box<Session>>), TaskError> {
    let nothing = (None, None);
    let Some(kept) = checkpoint::load::<Kept>(&here.ctx).await? else { return Ok(nothing) };
    let is_same_try = kept.try_number == here.ctx.try_number;
    let is_nowhere = kept.is_over || kept.mark.is_none();
    if !is_same_try && kept.statement_id.is_none() && is_nowhere {
        return Ok(nothing);
    }
    let left = Left { what: &kept.what(), begun_by: kept.try_number, is_over: kept.is_over };
    let there = match origin::find(kept.origin.as_ref(), left, here).await? {
        Whereabouts::Here => None,
        Whereabouts::There(there) => Some(there),
        Whereabouts::Lost(_) => return Ok(nothing),
    };
    let session = there.as_deref().unwrap_or(here);
    let kept = if is_same_try {
        Some(of_this_try(kept, session, limit).await?)
    } else {
        of_an_earlier_try(kept, session, request, limit).await?
    };
    Ok(if kept.is_some() { (kept, there) } else { nothing })
}

/// This very try goes on where it was.
async fn of_this_try(mut kept: Kept, session: &Session, limit: Option<Duration>) -> Result<Kept, TaskError> {
    if kept.statement_id.is_some() || kept.is_over {
        return Ok(kept);
    }
    let (log, nth) = (&session.ctx.log, kept.at + 1);
    match kept.sighting(session, limit).await? {
        Sighting::Known(id) => {
            log.info(format_args!("Statement {nth} was sent before this process took over: {id}"));
            kept.statement_id = Some(id);
            kept.save(session).await?;
        }
        Sighting::Unknown => log.info(format_args!("The history does not know statement {nth}; it is sent")),
        Sighting::Unreadable(why) => log.warning(format_args!(
            "Statement {nth} may have been sent before this process took over, and {why:#}; it is sent again, and so may run \
             twice"
        )),
    }
    Ok(kept)
}

/// What a further try goes on with; none when it begins anew.
async fn of_an_earlier_try(
    mut kept: Kept,
    session: &Session,
    request: &str,
    limit: Option<Duration>,
) -> Result<Option<Kept>, TaskError> {
    let (log, nth) = (&session.ctx.log, kept.at + 1);
    let is_heard = kept.statement_id.is_some();
    let id = match kept.sighting(session, limit).await? {
        Sighting::Known(id) => id,
        Sighting::Unknown => {
            log.info(format_args!("The history does not know statement {nth} of the try before"));
            return Ok(None);
        }
        Sighting::Unreadable(why) => {
            log.warning(format_args!(
                "Statement {nth} of the try before may have been sent, and {why:#}; it is sent again, and so may run twice"
            ));
            return Ok(None);
        }
    };
    if !is_heard && kept.request == request {
        // Who clears a task wants it made anew, not gone on with.
        let cleared = session.ctx.checkpoint.tries_before_clear().await.context("cannot read the checkpoint")?;
        let statement = statements::get(session, &id).await.map_err(Failure::into_error)?;
        if kept.try_number > cleared && (statement.is_success() || !statement.is_over()) {
            log.info(format_args!("Goes on with statement {id} of the try before: {}", statement.state()));
            kept.try_number = session.ctx.try_number;
            kept.statement_id = Some(id);
            kept.save(session).await?;
            return Ok(Some(kept));
        }
    }
    // Two at a time would cost twice. One that is over does not mind.
    match statements::cancel(session, &id).await {
        Ok(()) => log.info(format_args!("Statement {id} of the try before is cancelled if it goes on")),
        Err(failure) if failure.is_refusal() && !failure.trouble.may_retry => {}
        Err(failure) => return Err(failure.into_error()),
    }
    Ok(None)
}

/// Ends the statement of a try that nobody wants any more, if it goes on.
pub(super) async fn withdraw(kept: Kept, here: &Session) -> Result<(), TaskError> {
    let log = &here.ctx.log;
    let there = match &kept.origin {
        Some(origin) => origin.session(&kept.what(), here).await?,
        None => None,
    };
    let session = there.as_deref().unwrap_or(here);
    // Whoever ends it has as long as it takes.
    let id = match kept.sighting(session, None).await? {
        Sighting::Known(id) => id,
        Sighting::Unknown => {
            log.info(format_args!("The history does not know statement {}; so nothing goes on", kept.at + 1));
            return Ok(());
        }
        Sighting::Unreadable(why) => {
            log.warning(format_args!(
                "Statement {} may have been sent before the process was lost, and {why:#}; it may go on",
                kept.at + 1
            ));
            return Ok(());
        }
    };
    match end(session, &id).await {
        Ok(state) => log.info(format_args!("Statement {id} is not wanted any more: it is {state}")),
        // It is not known there any more.
        Err(failure) if failure.is_lasting_refusal() => {}
        Err(failure) => return Err(failure.into_error()),
    }
    Ok(())
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
