//! What an operator keeps of its work from try to try, read and written as a type of its own.

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
