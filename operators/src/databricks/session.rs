//! What one try asks of a workspace: again when the workspace is away or busy, as somebody else when its connection has
//! changed, and not after it was told to stop.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use reqwest::header::HeaderMap;
use scheduler::connection::Connection;
use scheduler::operator::{TaskContext, TaskError};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::arguments::Asking;
use super::failure::Failure;
use super::workspace::{Request, Workspace, Workspaces};
use crate::requests::{Complaints, Trouble};

/// The pauses between two attempts double up to this.
const PAUSE_MAX: Duration = Duration::from_mins(1);

/// A workspace that says when to come back is taken at its word up to this.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(10);

/// The answer to a request that changes something is waited for so much longer after the try was told to stop: it says what
/// is to be undone.
pub(super) const LAST_ANSWER: Duration = Duration::from_secs(5);

/// How often a request is made.
#[derive(Clone, Copy, Debug)]
pub(super) enum Attempts {
    /// At most so many times.
    Limited(u32),
    /// Until there is an answer.
    Endless,
}

/// What one try asks of a workspace.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) ctx: TaskContext,
    conn_id: Arc<str>,
    workspaces: Workspaces,
    workspace: Arc<Mutex<Arc<Workspace>>>,
    complaints: Arc<Complaints>,
    attempts: u32,
    delay: Duration,
    stop: CancellationToken,
}

impl Session {
    /// Of the connection that the arguments name.
    pub(super) async fn open(
        workspaces: &Workspaces,
        asking: &Asking,
        ctx: &TaskContext,
    ) -> Result<Session, TaskError> {
        let conn_id: Arc<str> = asking.databricks_conn_id.as_str().into();
        let workspace = find(workspaces, &conn_id, ctx).await?;
        Ok(Session {
            ctx: ctx.clone(),
            conn_id,
            workspaces: workspaces.clone(),
            workspace: Arc::new(Mutex::new(workspace)),
            complaints: Arc::new(Complaints::new(ctx.log.clone())),
            attempts: asking.databricks_retry_limit.max(1),
            delay: asking.databricks_retry_delay.0,
            stop: ctx.cancelled.clone(),
        })
    }

    /// The same, which asks also after the try was told to stop: until `stop` fires.
    pub(super) fn until(&self, stop: CancellationToken) -> Session {
        Session { stop, ..self.clone() }
    }

    /// The same, with the workspace of another connection.
    pub(super) async fn of(&self, conn_id: &str) -> Result<Session, TaskError> {
        let workspace = find(&self.workspaces, conn_id, &self.ctx).await?;
        Ok(Session { conn_id: conn_id.into(), workspace: Arc::new(Mutex::new(workspace)), ..self.clone() })
    }

    /// The id of its connection.
    pub(super) fn conn_id(&self) -> &str {
        &self.conn_id
    }

    /// The connection itself.
    pub(super) async fn connection(&self) -> Result<Connection, TaskError> {
        self.ctx.connection(&self.conn_id).await
    }

    /// The address of the workspace, for people.
    pub(super) fn address(&self) -> String {
        self.workspace().base.shown()
    }

    /// Asks as often as the task's `databricks_retry_limit` says.
    pub(super) async fn ask<T: DeserializeOwned>(&self, request: &Request) -> Result<T, Failure> {
        self.ask_for(request, Attempts::Limited(self.attempts)).await
    }

    /// Asks until there is an answer, because giving up would not make what goes on there undone.
    pub(super) async fn ask_patiently<T: DeserializeOwned>(&self, request: &Request) -> Result<T, Failure> {
        self.ask_for(request, Attempts::Endless).await
    }

    async fn ask_for<T: DeserializeOwned>(&self, request: &Request, attempts: Attempts) -> Result<T, Failure> {
        let mut attempt = 0;
        let mut is_renewed = false;
        let mut may_be_done = false;
        loop {
            attempt += 1;
            let workspace = self.workspace();
            let (mut failure, shown) = match self.once(&workspace, request).await {
                Ok(body) => return read(&body, request),
                Err(failed) => failed,
            };
            if failure.is_about_identity() && !is_renewed {
                is_renewed = true;
                if self.renew(&workspace, &shown).await {
                    continue;
                }
            }
            // Who is not let in any more hears nothing of what an attempt before has done.
            may_be_done |= failure.trouble.may_be_done;
            failure.trouble.may_be_done |= may_be_done && failure.is_about_identity();
            let is_over = matches!(attempts, Attempts::Limited(most) if attempt >= most);
            let is_risky = failure.trouble.may_be_done && !request.is_repeatable;
            if failure.is_stop || !failure.trouble.may_retry || is_risky || is_over {
                return Err(given_up(failure, attempt));
            }
            self.pause(&failure, attempt).await?;
        }
    }

    async fn once(&self, workspace: &Workspace, request: &Request) -> Result<bytes::Bytes, (Failure, HeaderMap)> {
        if self.stop.is_cancelled() {
            return Err((Failure::stop(), HeaderMap::new()));
        }
        let patience = if request.only_looks() { Duration::ZERO } else { request.takes + LAST_ANSWER };
        let stopped = async {
            self.stop.cancelled().await;
            tokio::time::sleep(patience).await;
        };
        tokio::select! {
            answer = workspace.ask(request) => answer,
            () = stopped => Err((Failure::stop(), HeaderMap::new())),
        }
    }

    /// Makes the next attempt that of somebody else, if the connection, or its service principal, has something else to show.
    async fn renew(&self, refused: &Arc<Workspace>, shown: &HeaderMap) -> bool {
        match find(&self.workspaces, &self.conn_id, &self.ctx).await {
            // Another workspace knows nothing of what this one is asked about.
            Ok(found) if found.base.shown() != refused.base.shown() => {
                self.ctx.log.warning(format_args!(
                    "Connection `{}` leads to {} now; goes on asking {}",
                    self.conn_id,
                    found.base.shown(),
                    refused.base.shown()
                ));
                refused.refuse(shown).await
            }
            Ok(found) if !Arc::ptr_eq(&found, refused) => {
                self.ctx.log.info(format_args!("Connection `{}` has changed; asks by what it says now", self.conn_id));
                *self.workspace.lock().unwrap_or_else(PoisonError::into_inner) = found;
                true
            }
            _ => refused.refuse(shown).await,
        }
    }

    async fn pause(&self, failure: &Failure, attempt: u32) -> Result<(), Failure> {
        let asked_for = failure.trouble.not_before.unwrap_or_default().min(RETRY_AFTER_MAX);
        let pause = self.pause_after(attempt).max(asked_for);
        self.complaints.say(&failure.trouble.error, pause);
        self.sleep(pause).await
    }

    /// Waits as after so many attempts that came to nothing.
    pub(super) async fn rest(&self, attempt: u32) -> Result<(), Failure> {
        self.sleep(self.pause_after(attempt)).await
    }

    fn pause_after(&self, attempt: u32) -> Duration {
        varied(self.delay.saturating_mul(1 << (attempt - 1).min(16)).min(PAUSE_MAX))
    }

    async fn sleep(&self, pause: Duration) -> Result<(), Failure> {
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            () = self.stop.cancelled() => Err(Failure::stop()),
        }
    }

    fn workspace(&self) -> Arc<Workspace> {
        Arc::clone(&self.workspace.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn find(workspaces: &Workspaces, conn_id: &str, ctx: &TaskContext) -> Result<Arc<Workspace>, TaskError> {
    let connection = ctx.connection(conn_id).await?;
    workspaces
        .find(connection)
        .map_err(|problem| TaskError::fail(anyhow!("connection `{conn_id}` leads to no workspace: {problem}")))
}

fn read<T: DeserializeOwned>(body: &[u8], request: &Request) -> Result<T, Failure> {
    // Some answers have no body.
    let body = if body.trim_ascii().is_empty() { b"{}".as_slice() } else { body };
    let read = serde_json::from_slice(body)
        .with_context(|| format!("cannot {}: the answer is none that is known", request.deed));
    Ok(read.map_err(|error| Trouble { may_be_done: true, ..Trouble::lasting(error) })?)
}

/// A failure after several attempts says so.
fn given_up(mut failure: Failure, attempts: u32) -> Failure {
    if attempts > 1 && failure.trouble.may_retry && !failure.is_stop {
        let error = std::mem::replace(&mut failure.trouble.error, anyhow!(""));
        failure.trouble.error = error.context(format!("given up after {attempts} attempts"));
    }
    failure
}

/// Up to a fifth longer, by chance, so that many who wait do not come back at once.
pub(super) fn varied(pause: Duration) -> Duration {
    let chance = f64::from(Uuid::new_v4().as_fields().0) / f64::from(u32::MAX);
    pause.mul_f64(1.0 + chance / 5.0)
}
