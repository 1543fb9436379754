//! Tries that were handed to the workers: queued, taken, reported.
//!
//! The scheduler that leads writes a row in the transaction in which a task instance becomes `queued`; a worker takes it,
//! and writes into it how the try ended; the scheduler lets that count, and deletes the row in the same transaction.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect, Statement,
};
use serde_json::Value;
use uuid::Uuid;

use super::ROWS_MAX;
use super::entity::json_text::JsonText;
use super::entity::task_try::{Column, Entity, Model};
use super::error::{StoreError, doing};
use super::leases;

/// Stands for the worker of a try that none will ever take.
const NOBODY: Uuid = Uuid::max();

/// What is written about tries in one transaction of the scheduler.
#[derive(Clone, Debug, Default)]
pub struct TryBatch {
    /// Handed out.
    pub queued: Vec<Model>,
    /// Known to run.
    pub seen: Vec<Uuid>,
    /// Known to wait.
    pub deferred: Vec<Uuid>,
    /// To be stopped.
    pub cancelled: Vec<Uuid>,
    /// Over, and their end counts.
    pub done: Vec<Uuid>,
}

impl TryBatch {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        let TryBatch { queued, seen, deferred, cancelled, done } = self;
        queued.is_empty() && [seen, deferred, cancelled, done].into_iter().all(Vec::is_empty)
    }
}

/// Writes it; the caller has made sure of its lease.
pub async fn write(db: &impl ConnectionTrait, batch: &TryBatch) -> Result<(), StoreError> {
    for rows in batch.queued.chunks(ROWS_MAX) {
        // A commit whose answer was lost is tried again with the same rows.
        Entity::insert_many(rows.iter().cloned().map(IntoActiveModel::into_active_model))
            .on_conflict(OnConflict::new().do_nothing().to_owned())
            .try_insert()
            .exec_without_returning(db)
            .await
            .map_err(doing("handing out tries"))?;
    }
    for ids in batch.seen.chunks(ROWS_MAX) {
        // One that waits since it was read is still to be heard of.
        let which = Condition::all().add(Column::TryId.is_in(ids.iter().copied())).add(Column::Deferral.is_null());
        see(db, which).await?;
    }
    for ids in batch.deferred.chunks(ROWS_MAX) {
        see(db, Condition::all().add(Column::TryId.is_in(ids.iter().copied()))).await?;
    }
    for ids in batch.cancelled.chunks(ROWS_MAX) {
        cancel(db, ids).await?;
    }
    for ids in batch.done.chunks(ROWS_MAX) {
        Entity::delete_many()
            .filter(Column::TryId.is_in(ids.iter().copied()))
            .exec(db)
            .await
            .map_err(doing("putting away tries"))?;
    }
    Ok(())
}

async fn see(db: &impl ConnectionTrait, which: Condition) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::IsSeen, Expr::value(true))
        .filter(which)
        .exec(db)
        .await
        .map_err(doing("noting that tries run"))?;
    Ok(())
}

/// Tells workers to stop tries. What none has taken is over at once.
async fn cancel(db: &impl ConnectionTrait, ids: &[Uuid]) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::IsCancelled, Expr::value(true))
        .filter(Column::TryId.is_in(ids.iter().copied()))
        .exec(db)
        .await
        .map_err(doing("stopping tries"))?;
    Entity::update_many()
        .col_expr(Column::Worker, Expr::value(NOBODY))
        .col_expr(Column::Outcome, Expr::value(JsonText(given_back())))
        .filter(Column::TryId.is_in(ids.iter().copied()))
        .filter(Column::Worker.is_null())
        .exec(db)
        .await
        .map_err(doing("withdrawing tries"))?;
    Ok(())
}

/// The tries of these runs.
pub async fn of_runs(db: &impl ConnectionTrait, runs: &[Uuid]) -> Result<Vec<Model>, StoreError> {
    let of_runs = Column::DagRunId.is_in(runs.iter().copied());
    Entity::find().filter(of_runs).all(db).await.map_err(doing("looking for the tries of runs"))
}

/// Tries that the scheduler has to hear of: taken by a worker, or waiting since it last looked, or over; oldest first.
pub async fn news(db: &impl ConnectionTrait, limit: u64) -> Result<Vec<Model>, StoreError> {
    Entity::find()
        .filter(Column::Worker.is_not_null())
        .filter(Column::Outcome.is_not_null().or(Column::IsSeen.eq(false)))
        .order_by_asc(Column::TryId)
        .limit(limit)
        .all(db)
        .await
        .map_err(doing("looking for news of tries"))
}

/// Who takes tries.
pub struct Taker<'a> {
    /// Its lease.
    pub lease: Uuid,
    /// Its machine.
    pub hostname: &'a str,
    /// Its process.
    pub pid: u32,
    /// From which queues.
    pub queues: &'a [String],
}

/// Takes tries of these queues for a worker, the weightiest first; what others are taking is passed over. A task instance
/// of which a worker still makes another try waits for that to end. Only on Postgres.
///
/// # Errors
/// [`StoreError::Fenced`] when the worker's lease has lapsed.
pub async fn take(
    db: &impl ConnectionTrait,
    taker: &Taker<'_>,
    limit: u64,
    now: DateTime<Utc>,
) -> Result<Vec<Model>, StoreError> {
    leases::assert_held(db, taker.lease).await?;
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "UPDATE task_try SET worker = $1, hostname = $2, pid = $3, started_at = $4 WHERE try_id IN ( \
             SELECT try_id FROM task_try WHERE worker IS NULL AND queue = ANY($5) AND NOT EXISTS ( \
                 SELECT 1 FROM task_try other WHERE other.dag_run_id = task_try.dag_run_id \
                 AND other.task_id = task_try.task_id AND other.map_index = task_try.map_index \
                 AND other.worker IS NOT NULL AND other.outcome IS NULL) \
             ORDER BY priority_weight DESC, ordered_at, try_id LIMIT $6 FOR UPDATE SKIP LOCKED) \
         RETURNING *",
        [
            taker.lease.into(),
            taker.hostname.into(),
            i32::try_from(taker.pid).unwrap_or(0).into(),
            now.into(),
            taker.queues.to_vec().into(),
            limit.into(),
        ],
    );
    Entity::find().from_raw_sql(statement).all(db).await.map_err(doing("taking tries"))
}

/// The tries that a worker has taken, and that have not ended.
pub async fn held_by(db: &impl ConnectionTrait, worker: Uuid) -> Result<Vec<Model>, StoreError> {
    Entity::find()
        .filter(Column::Worker.eq(worker))
        .filter(Column::Outcome.is_null())
        .order_by_asc(Column::TryId)
        .all(db)
        .await
        .map_err(doing("looking for the tries of a worker"))
}

/// Of these tries of a worker, those that are to stop.
pub async fn to_stop(db: &impl ConnectionTrait, worker: Uuid) -> Result<Vec<Uuid>, StoreError> {
    Entity::find()
        .select_only()
        .column(Column::TryId)
        .filter(Column::Worker.eq(worker))
        .filter(Column::IsCancelled.eq(true))
        .filter(Column::Outcome.is_null())
        .into_tuple()
        .all(db)
        .await
        .map_err(doing("looking for tries to stop"))
}

/// A worker says that a try only waits, and for what; the first word counts.
pub async fn defer(db: &impl ConnectionTrait, worker: Uuid, try_id: Uuid, reason: &str) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::Deferral, Expr::value(reason))
        .col_expr(Column::IsSeen, Expr::value(false))
        .filter(Column::TryId.eq(try_id))
        .filter(Column::Worker.eq(worker))
        .filter(Column::Outcome.is_null())
        .filter(Column::Deferral.is_null())
        .exec(db)
        .await
        .map_err(doing("deferring a try"))?;
    Ok(())
}

/// A worker says how a try ended. False when nobody wants to know.
pub async fn report(
    db: &impl ConnectionTrait,
    worker: Uuid,
    try_id: Uuid,
    outcome: Value,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let reported = Entity::update_many()
        .col_expr(Column::Outcome, Expr::value(JsonText(outcome)))
        .col_expr(Column::EndedAt, Expr::value(now))
        .filter(Column::TryId.eq(try_id))
        .filter(Column::Worker.eq(worker))
        .filter(Column::Outcome.is_null())
        .exec(db)
        .await
        .map_err(doing("reporting a try"))?;
    Ok(reported.rows_affected > 0)
}

/// The tries of these workers are lost, as far as they have not ended.
pub(super) async fn lose(db: &impl ConnectionTrait, workers: &[Uuid]) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::Outcome, Expr::value(JsonText(lost())))
        .filter(Column::Worker.is_in(workers.iter().copied()))
        .filter(Column::Outcome.is_null())
        .exec(db)
        .await
        .map_err(doing("giving up the tries of lost workers"))?;
    Ok(())
}

/// As [`crate::run::TryEnd::Lost`] is written into an outcome.
fn lost() -> Value {
    serde_json::json!({ "end": "lost" })
}

/// As [`crate::run::TryEnd::GivenBack`] is written into an outcome.
fn given_back() -> Value {
    serde_json::json!({ "end": "given_back" })
}
