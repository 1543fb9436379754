//! Where a run or a statement was started, which is kept beside its number: the task of a further try may name another
//! connection, or the connection may lead elsewhere by then, and another workspace knows nothing of that number, or calls
//! something else by it.

use anyhow::{Context as _, anyhow};
use scheduler::operator::{TaskError, Verdict};
use serde::{Deserialize, Serialize};

use super::session::Session;

/// The workspace where something was started, and who was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Origin {
    /// The connection.
    conn_id: String,
    /// The address of the workspace to which it led.
    host: String,
}

/// Who can be asked about what was kept.
pub(super) enum Whereabouts {
    /// The workspace that the task names now.
    Here,
    /// Another one.
    There(Box<Session>),
    /// Nobody any more, and why.
    Lost(anyhow::Error),
}

impl Origin {
    /// The workspace that `session` asks.
    pub(super) fn of(session: &Session) -> Origin {
        Origin { conn_id: session.conn_id().to_owned(), host: session.address() }
    }

    /// The session with it; none when `here` is one.
    pub(super) async fn session(&self, what: &str, here: &Session) -> Result<Option<Box<Session>>, TaskError> {
        match self.reach(what, here).await? {
            Whereabouts::Here => Ok(None),
            Whereabouts::There(there) => Ok(Some(there)),
            Whereabouts::Lost(why) => Err(TaskError::retry(why)),
        }
    }

    /// Whether its workspace can be asked. That this cannot be told now, because the connections cannot be read, is an error.
    async fn reach(&self, what: &str, here: &Session) -> Result<Whereabouts, TaskError> {
        let Origin { conn_id, host } = self;
        if here.address() == *host {
            return Ok(Whereabouts::Here);
        }
        let cure = "let it lead there again; or cancel that there by hand, and clear this task";
        let started = format!("{what} was started at {host} by connection `{conn_id}`");
        match here.of(conn_id).await {
            Ok(there) if there.address() == *host => Ok(Whereabouts::There(Box::new(there))),
            Ok(elsewhere) => {
                let now = elsewhere.address();
                Ok(Whereabouts::Lost(anyhow!("{started}, which leads to {now} now; {cure}")))
            }
            Err(problem) if problem.verdict == Verdict::Fail => {
                Ok(Whereabouts::Lost(problem.error.context(format!("{started}, which is of no use now; {cure}"))))
            }
            Err(problem) => {
                let error = problem.error.context(format!("{started}, which cannot be read now"));
                Err(TaskError { error, ..problem })
            }
        }
    }
}

/// What an earlier process has left.
pub(super) struct Left<'a> {
    /// What people call it.
    pub(super) what: &'a str,
    /// The try that began it.
    pub(super) begun_by: u32,
    /// Whether it was seen to its end.
    pub(super) is_over: bool,
}

/// Who is to be asked about what was started at `origin`; if nobody can be, nobody needs to: it has ended, or the task was
/// cleared. None is kept of what was started before there were origins.
pub(super) async fn find(origin: Option<&Origin>, left: Left<'_>, here: &Session) -> Result<Whereabouts, TaskError> {
    let (Some(origin), Left { what, begun_by, is_over }) = (origin, left) else { return Ok(Whereabouts::Here) };
    let log = &here.ctx.log;
    let why = match origin.reach(what, here).await? {
        Whereabouts::Here => return Ok(Whereabouts::Here),
        Whereabouts::There(there) => {
            log.info(format_args!("{what} was started at {}, and is asked for there", origin.host));
            return Ok(Whereabouts::There(there));
        }
        Whereabouts::Lost(why) => why,
    };
    if is_over {
        log.warning(format_args!("{why:#}. It has ended"));
        return Ok(Whereabouts::Lost(why));
    }
    let cleared = here.ctx.checkpoint.tries_before_clear().await.context("cannot read the checkpoint")?;
    if begun_by > cleared {
        return Err(TaskError::retry(why));
    }
    // Whoever cleared the task wants it made anew.
    log.error(format_args!("{why:#}. It may go on"));
    Ok(Whereabouts::Lost(why))
}
