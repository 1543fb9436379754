//! The outbox of callbacks: written in the transaction of the change that they tell of, and delivered afterwards. What was
//! delivered, or given up, stays with its run, for people to see.
//!
//! A row is claimed under the lease of the process that delivers it. When that lease lapses, because the process was
//! killed or cut off, the claim is void and another process delivers; so a callback is delivered at least once, and by two
//! processes at the same time only when the first came back from the dead.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, LockBehavior, LockType, OnConflict, Query};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect, UpdateMany,
};
use uuid::Uuid;

use serde_json::Value;

use super::ROWS_MAX;
use super::entity::callback_request::{Column, Entity, Model};
use super::entity::{dag_run, process_lease};
use super::error::{StoreError, doing};
use super::leases;

/// Where a callback is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallbackState {
    /// It waits for an attempt, the first or another one.
    Waiting,
    /// It was delivered.
    Delivered,
    /// It was given up.
    Failed,
}

impl CallbackState {
    /// All of them.
    pub const ALL: [CallbackState; 3] = [CallbackState::Waiting, CallbackState::Delivered, CallbackState::Failed];

    /// The word in the table.
    pub fn word(self) -> &'static str {
        match self {
            CallbackState::Waiting => "waiting",
            CallbackState::Delivered => "delivered",
            CallbackState::Failed => "failed",
        }
    }

    /// The state that a word stands for.
    pub fn of_word(word: &str) -> Option<CallbackState> {
        CallbackState::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// A callback of a run that is to be told at once.
pub fn called(run: &dag_run::Model, kind: &str, position: i32, facts: Value, now: DateTime<Utc>) -> Model {
    Model {
        id: Uuid::now_v7(),
        dag_run_id: run.id,
        dag_id: run.dag_id.clone(),
        run_id: run.run_id.clone(),
        task_id: None,
        map_index: -1,
        try_number: None,
        kind: kind.to_owned(),
        position,
        facts,
        attempts: 0,
        due_at: now,
        created_at: now,
        claimed_by: None,
        error: None,
        state: CallbackState::Waiting.word().to_owned(),
        notifier: None,
        receiver: None,
        retried_at: None,
        ended_at: None,
    }
}

/// Keeps callbacks for delivery.
pub async fn insert(db: &impl ConnectionTrait, rows: &[Model]) -> Result<(), StoreError> {
    for chunk in rows.chunks(ROWS_MAX) {
        // A commit whose answer was lost is tried again with the same rows.
        Entity::insert_many(chunk.iter().cloned().map(IntoActiveModel::into_active_model))
            .on_conflict(OnConflict::new().do_nothing().to_owned())
            .try_insert()
            .exec_without_returning(db)
            .await
            .map_err(doing("writing callbacks"))?;
    }
    Ok(())
}

/// Claims up to `limit` callbacks that are due, oldest first. Two processes that claim at once get different ones.
///
/// # Errors
/// [`StoreError::Fenced`] when the lease was taken over.
pub async fn claim(
    db: &impl ConnectionTrait,
    lease: Uuid,
    now: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<Model>, StoreError> {
    leases::assert_held(db, lease).await?;
    let mut due = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(unclaimed())
        .filter(Column::DueAt.lte(now))
        .order_by_asc(Column::DueAt)
        .order_by_asc(Column::Id)
        .limit(limit);
    if db.get_database_backend() == DbBackend::Postgres {
        due = due.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
    }
    let ids: Vec<Uuid> = due.into_tuple().all(db).await.map_err(doing("looking for callbacks that are due"))?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut claimed = Entity::update_many()
        .col_expr(Column::ClaimedBy, Expr::value(lease))
        .filter(Column::Id.is_in(ids))
        .exec_with_returning(db)
        .await
        .map_err(doing("claiming callbacks"))?;
    claimed.sort_by_key(|row| (row.due_at, row.id));
    Ok(claimed)
}

/// Gives back whatever the lease has claimed.
///
/// # Errors
/// [`StoreError::Fenced`] when the lease was taken over.
pub async fn give_back(db: &impl ConnectionTrait, lease: Uuid) -> Result<(), StoreError> {
    leases::assert_held(db, lease).await?;
    Entity::update_many()
        .col_expr(Column::ClaimedBy, Expr::value(None::<Uuid>))
        // The word stands in the statement, so that it is seen that the index of what waits serves.
        .filter(Expr::cust("state = 'waiting'"))
        .filter(Column::ClaimedBy.eq(lease))
        .exec(db)
        .await
        .map_err(doing("giving callbacks back"))?;
    Ok(())
}

/// When the next callback that nobody has claimed is due.
pub async fn next_due(db: &impl ConnectionTrait) -> Result<Option<DateTime<Utc>>, StoreError> {
    let next: Option<Option<DateTime<Utc>>> = Entity::find()
        .select_only()
        .column_as(Column::DueAt.min(), "next")
        .filter(unclaimed())
        .into_tuple()
        .one(db)
        .await
        .map_err(doing("looking for the next callback"))?;
    Ok(next.flatten())
}

/// What is known of an attempt.
#[derive(Clone, Copy, Debug)]
pub struct Attempted<'a> {
    /// The callback.
    pub id: Uuid,
    /// How many attempts there were, this one included.
    pub attempts: i32,
    /// Through what.
    pub notifier: Option<&'a str>,
    /// Whom it told, or was to tell.
    pub receiver: Option<&'a str>,
    /// Why it failed, if so.
    pub error: Option<&'a str>,
}

/// Ends a callback.
pub async fn end(
    db: &impl ConnectionTrait,
    attempt: &Attempted<'_>,
    state: CallbackState,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    noting(attempt)
        .col_expr(Column::State, Expr::value(state.word()))
        .col_expr(Column::EndedAt, Expr::value(now))
        .exec(db)
        .await
        .map_err(doing("ending a callback"))?;
    Ok(())
}

/// Gives a callback back for another attempt at `due_at`, unless another process has claimed it meanwhile.
pub async fn put_off(
    db: &impl ConnectionTrait,
    lease: Uuid,
    attempt: &Attempted<'_>,
    due_at: DateTime<Utc>,
) -> Result<(), StoreError> {
    noting(attempt)
        .col_expr(Column::DueAt, Expr::value(due_at))
        .filter(Column::ClaimedBy.eq(lease))
        .exec(db)
        .await
        .map_err(doing("putting a callback off"))?;
    Ok(())
}

fn noting(attempt: &Attempted<'_>) -> UpdateMany<Entity> {
    Entity::update_many()
        .col_expr(Column::Attempts, Expr::value(attempt.attempts))
        .col_expr(Column::Notifier, Expr::value(attempt.notifier))
        .col_expr(Column::Receiver, Expr::value(attempt.receiver))
        .col_expr(Column::Error, Expr::value(attempt.error))
        .col_expr(Column::ClaimedBy, Expr::value(None::<Uuid>))
        .filter(Column::Id.eq(attempt.id))
}

/// The callback with that key, which nobody else changes until the transaction ends.
pub async fn get_locked(db: &impl ConnectionTrait, id: Uuid) -> Result<Model, StoreError> {
    let found = Entity::find_by_id(id).lock_exclusive().one(db).await.map_err(doing("looking for a callback"))?;
    found.ok_or_else(|| StoreError::NotFound { what: "callback", id: id.to_string() })
}

/// Lets a callback be told again at once, with the patience of a new one.
pub async fn retry(db: &impl ConnectionTrait, id: Uuid, now: DateTime<Utc>) -> Result<Model, StoreError> {
    let retried = Entity::update_many()
        .col_expr(Column::State, Expr::value(CallbackState::Waiting.word()))
        .col_expr(Column::Attempts, Expr::value(0))
        .col_expr(Column::DueAt, Expr::value(now))
        .col_expr(Column::RetriedAt, Expr::value(now))
        .col_expr(Column::EndedAt, Expr::value(None::<DateTime<Utc>>))
        .filter(Column::Id.eq(id))
        .exec_with_returning(db)
        .await
        .map_err(doing("retrying a callback"))?;
    retried.into_iter().next().ok_or_else(|| StoreError::NotFound { what: "callback", id: id.to_string() })
}

/// What a run still has to tell, oldest first.
pub async fn of_run(db: &impl ConnectionTrait, run: Uuid) -> Result<Vec<Model>, StoreError> {
    Entity::find()
        .filter(Column::DagRunId.eq(run))
        .filter(Column::State.eq(CallbackState::Waiting.word()))
        .order_by_asc(Column::CreatedAt)
        .order_by_asc(Column::Id)
        .all(db)
        .await
        .map_err(doing("reading callbacks"))
}

/// Rows that wait, and that no living process has claimed.
fn unclaimed() -> Condition {
    let living = Query::select()
        .column(process_lease::Column::Id)
        .from(process_lease::Entity)
        .and_where(process_lease::Column::IsLapsed.eq(false))
        .to_owned();
    let free = Condition::any().add(Column::ClaimedBy.is_null()).add(Column::ClaimedBy.not_in_subquery(living));
    // The word stands in the statement, so that it is seen that the index of what waits serves.
    Condition::all().add(Expr::cust("state = 'waiting'")).add(free)
}
