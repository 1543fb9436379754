//! The end of a try's time, for operators that wait without a slot: the engine does not mind it then.

use std::time::Duration;

use scheduler::operator::{TaskContext, TaskError};

use crate::span::spoken;

/// The time of a try is up.
#[derive(Debug, thiserror::Error)]
#[error("took longer than its execution_timeout of {}", spoken(*.0))]
pub(crate) struct TimeUp(Duration);

/// Returns when a try has taken so long, counted from its begin; never when there is no limit.
pub(crate) async fn reached(limit: Option<Duration>, ctx: &TaskContext) -> TaskError {
    let Some(limit) = limit else { return std::future::pending().await };
    let spent = (ctx.clock.now() - ctx.started_at).to_std().unwrap_or_default();
    tokio::time::sleep(limit.saturating_sub(spent)).await;
    TaskError::retry(TimeUp(limit))
}
