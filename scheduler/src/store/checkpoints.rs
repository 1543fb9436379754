//! What tasks left for themselves: what they started elsewhere, so that it is found again, or ended there.
//!
//! A checkpoint is *withdrawn* when nobody wants any more what its try may have started: by the commit that marks, clears or
//! ends the task instance, and until it is known that nothing goes on there. **Invariant:** whichever of the two is written
//! last, the end of the task instance or the checkpoint, it is withdrawn.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Query, SelectStatement};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::Value;
use uuid::Uuid;

use super::entity::task_checkpoint::{ActiveModel, Column, Entity, Model};
use super::entity::{task_instance, task_instance_history, task_try};
use super::error::{StoreError, doing};
use super::runs::{InstanceKey, KEYS_MAX, of_any};

/// What could not be ended in this time, because its connection is gone for good, keeps nobody from forgetting it.
pub const ENDING_MAX: TimeDelta = TimeDelta::days(1);

/// Which try keeps something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeper {
    /// The run's key.
    pub run: Uuid,
    /// The task.
    pub task_id: String,
    /// The index within a mapped task; -1 when not mapped.
    pub map_index: i32,
    /// Counts from 1.
    pub try_number: u32,
    /// The version of the DAG that it is made with, if that matters to whoever ends what it started. The run may go on with
    /// another one meanwhile.
    pub dag_version: Option<Uuid>,
}

/// What a task left for itself.
pub async fn load(
    db: &impl ConnectionTrait,
    run: Uuid,
    task_id: &str,
    map_index: i32,
) -> Result<Option<Value>, StoreError> {
    let row = Entity::find_by_id((run, task_id.to_owned(), map_index))
        .one(db)
        .await
        .map_err(doing("reading a checkpoint"))?;
    Ok(row.map(|row| row.value))
}

/// Leaves a value for the task itself. That of a try for which nobody waits any more is withdrawn from the beginning.
pub async fn save(
    db: &impl ConnectionTrait,
    keeper: &Keeper,
    value: Value,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let Keeper { run, task_id, map_index, dag_version, .. } = keeper;
    let row = ActiveModel {
        dag_run_id: Set(*run),
        task_id: Set(task_id.clone()),
        map_index: Set(*map_index),
        value: Set(value),
        updated_at: Set(now),
        withdrawn_at: Set((!is_awaited(db, keeper).await?).then_some(now)),
        dag_version_id: Set(*dag_version),
    };
    let on_conflict = OnConflict::columns([Column::DagRunId, Column::TaskId, Column::MapIndex])
        .update_columns([Column::Value, Column::UpdatedAt, Column::WithdrawnAt, Column::DagVersionId])
        .to_owned();
    Entity::insert(row)
        .on_conflict(on_conflict)
        .exec_without_returning(db)
        .await
        .map_err(doing("writing a checkpoint"))?;
    Ok(())
}

/// Whether somebody waits for the end of that try: in another process, if not in this one. Its instance is locked, so that the
/// answer holds until the transaction ends.
pub async fn is_awaited(db: &impl ConnectionTrait, keeper: &Keeper) -> Result<bool, StoreError> {
    let found: Option<(Option<String>, i32)> =
        task_instance::Entity::find_by_id((keeper.run, keeper.task_id.clone(), keeper.map_index))
            .select_only()
            .columns([task_instance::Column::State, task_instance::Column::TryNumber])
            .lock_shared()
            .into_tuple()
            .one(db)
            .await
            .map_err(doing("looking for the task instance of a checkpoint"))?;
    let Some((state, try_number)) = found else { return Ok(false) };
    let is_under_way = matches!(
        state.as_deref(),
        Some("scheduled" | "queued" | "running" | "deferred" | "up_for_reschedule" | "awaiting_input")
    );
    Ok(is_under_way && u32::try_from(try_number) == Ok(keeper.try_number))
}

/// Nobody wants any more what the last tries of these task instances may have started.
pub async fn withdraw(
    db: &impl ConnectionTrait,
    instances: &[InstanceKey],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    for keys in instances.chunks(KEYS_MAX) {
        Entity::update_many()
            .col_expr(Column::WithdrawnAt, Expr::value(now))
            .filter(of_any([Column::DagRunId, Column::TaskId, Column::MapIndex], keys))
            .exec(db)
            .await
            .map_err(doing("withdrawing checkpoints"))?;
    }
    Ok(())
}

/// The same of the tasks that a run has not any more, which goes on with a version that has only `tasks`. What has ended by
/// then has left nothing behind.
pub async fn withdraw_vanished(
    db: &impl ConnectionTrait,
    run: Uuid,
    tasks: &[String],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    use task_instance::Column as I;
    let state = || Expr::col((task_instance::Entity, I::State));
    let is_open =
        state().is_null().or(state().is_not_in(["success", "failed", "skipped", "upstream_failed", "removed"]));
    let open = Query::select()
        .expr(Expr::value(1))
        .from(task_instance::Entity)
        .and_where(Expr::col((task_instance::Entity, I::DagRunId)).equals((Entity, Column::DagRunId)))
        .and_where(Expr::col((task_instance::Entity, I::TaskId)).equals((Entity, Column::TaskId)))
        .and_where(Expr::col((task_instance::Entity, I::MapIndex)).equals((Entity, Column::MapIndex)))
        .and_where(is_open)
        .take();
    Entity::update_many()
        .col_expr(Column::WithdrawnAt, Expr::value(now))
        .filter(Column::DagRunId.eq(run))
        .filter(Column::TaskId.is_not_in(tasks))
        .filter(Expr::exists(open))
        .exec(db)
        .await
        .map_err(doing("withdrawing the checkpoints of tasks that are gone"))?;
    Ok(())
}

/// A checkpoint of one of these runs that was withdrawn after `since`: something may go on elsewhere that only it tells of.
pub async fn withdrawn_of(
    db: &impl ConnectionTrait,
    runs: &[Uuid],
    since: DateTime<Utc>,
) -> Result<Option<Model>, StoreError> {
    Entity::find()
        .filter(Column::WithdrawnAt.gt(since))
        .filter(Column::DagRunId.is_in(runs.iter().copied()))
        .order_by_asc(Column::WithdrawnAt)
        .one(db)
        .await
        .map_err(doing("looking for what runs started elsewhere"))
}

/// Whether the checkpoint of a task instance is one of those.
pub async fn was_withdrawn_after(
    db: &impl ConnectionTrait,
    since: DateTime<Utc>,
    of: &InstanceKey,
) -> Result<bool, StoreError> {
    let found = Entity::find()
        .filter(Column::WithdrawnAt.gt(since))
        .filter(Column::DagRunId.eq(of.dag_run_id))
        .filter(Column::TaskId.eq(&of.task_id))
        .filter(Column::MapIndex.eq(of.map_index))
        .one(db)
        .await
        .map_err(doing("looking for what a task instance started elsewhere"))?;
    Ok(found.is_some())
}

/// The given column of the checkpoints that keep others from forgetting what is older than `before`: they are withdrawn, and
/// were not yet [`ENDING_MAX`] before that.
pub fn kept_withdrawn(column: Column, before: DateTime<Utc>) -> SelectStatement {
    let is_recent = Column::WithdrawnAt.gt(before - ENDING_MAX);
    Query::select().column(column).from(Entity).and_where(is_recent).and_where(column.is_not_null()).take()
}

/// Up to `limit` withdrawn checkpoints that no try in a worker minds, those first that have waited longest.
pub async fn withdrawn(db: &impl ConnectionTrait, limit: u64) -> Result<Vec<Model>, StoreError> {
    use task_try::Column as T;
    let in_worker = Query::select()
        .expr(Expr::value(1))
        .from(task_try::Entity)
        .and_where(Expr::col((task_try::Entity, T::DagRunId)).equals((Entity, Column::DagRunId)))
        .and_where(Expr::col((task_try::Entity, T::TaskId)).equals((Entity, Column::TaskId)))
        .and_where(Expr::col((task_try::Entity, T::MapIndex)).equals((Entity, Column::MapIndex)))
        .take();
    Entity::find()
        .filter(Column::WithdrawnAt.is_not_null())
        .filter(Expr::exists(in_worker).not())
        .order_by_asc(Column::WithdrawnAt)
        .limit(limit)
        .all(db)
        .await
        .map_err(doing("looking for withdrawn checkpoints"))
}

/// The last earlier try of the task instance of a checkpoint, if a trace of one is left.
pub async fn last_try(
    db: &impl ConnectionTrait,
    seen: &Model,
) -> Result<Option<task_instance_history::Model>, StoreError> {
    use task_instance_history::Column as H;
    task_instance_history::Entity::find()
        .filter(H::DagRunId.eq(seen.dag_run_id))
        .filter(H::TaskId.eq(&seen.task_id))
        .filter(H::MapIndex.eq(seen.map_index))
        .order_by_desc(H::TryNumber)
        .one(db)
        .await
        .map_err(doing("looking for the try of a checkpoint"))
}

/// Whether the checkpoint is still withdrawn, and the same: a further try may have replaced it.
pub async fn is_withdrawn(db: &impl ConnectionTrait, seen: &Model) -> Result<bool, StoreError> {
    let row = Entity::find_by_id((seen.dag_run_id, seen.task_id.clone(), seen.map_index))
        .one(db)
        .await
        .map_err(doing("looking at a withdrawn checkpoint"))?;
    Ok(row.is_some_and(|row| row.withdrawn_at.is_some() && row.updated_at == seen.updated_at))
}

/// Nothing of what the checkpoint tells of goes on any more.
pub async fn ended(db: &impl ConnectionTrait, seen: &Model) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::WithdrawnAt, Expr::value(None::<DateTime<Utc>>))
        .filter(Column::DagRunId.eq(seen.dag_run_id))
        .filter(Column::TaskId.eq(&seen.task_id))
        .filter(Column::MapIndex.eq(seen.map_index))
        // A further try may have kept something of its own meanwhile.
        .filter(Column::UpdatedAt.eq(seen.updated_at))
        .exec(db)
        .await
        .map_err(doing("forgetting a withdrawn checkpoint"))?;
    Ok(())
}
