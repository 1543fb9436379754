//! What an operator keeps of its work from try to try, and from run to run, read and written as types of its own.

use anyhow::Context as _;
use scheduler::operator::{TaskContext, TaskError};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What was kept last; none when nothing was, or something of another operator.
pub(crate) async fn load<T: DeserializeOwned>(ctx: &TaskContext) -> Result<Option<T>, TaskError> {
    let kept = ctx.checkpoint.load().await.context("cannot read the checkpoint")?;
    Ok(kept.and_then(|kept| serde_json::from_value(kept).ok()))
}

/// Keeps it, durably.
pub(crate) async fn save<T: Serialize>(kept: &T, ctx: &TaskContext) -> Result<(), TaskError> {
    let value = serde_json::to_value(kept).context("cannot write the checkpoint")?;
    Ok(ctx.checkpoint.save(value).await.context("cannot write the checkpoint")?)
}

/// What the task remembers from run to run.
pub(crate) async fn recall<T: DeserializeOwned>(ctx: &TaskContext) -> Result<Option<T>, TaskError> {
    let remembered = ctx.checkpoint.recall().await.map_err(TaskError::retry)?;
    remembered.map(serde_json::from_value).transpose().context("what it remembers").map_err(TaskError::fail)
}

/// Remembers it from now on.
pub(crate) async fn remember<T: Serialize>(what: &T, ctx: &TaskContext) -> Result<(), TaskError> {
    let value = serde_json::to_value(what).context("what it is to remember").map_err(TaskError::fail)?;
    ctx.checkpoint.remember(value).await.map_err(TaskError::retry)
}
