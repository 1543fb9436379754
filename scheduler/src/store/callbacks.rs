//! The outbox of callbacks: written in the transaction of the change that they tell of, and delivered afterwards.
//!
//! A row is claimed under the lease of the process that delivers it. When that lease lapses, because the process was
//! killed or cut off, the claim is void and another process delivers; so a callback is delivered at least once, and by two
//! processes at the same time only when the first came back from the dead.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, LockBehavior, LockType, OnConflict, Query};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
};
use uuid::Uuid;

use super::ROWS_MAX;
use super::entity::callback_request::{Column, Entity, Model};
use super::entity::process_lease;
use super::error::{StoreError, doing};
use super::leases;

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

/// Forgets callbacks that were delivered or given up.
pub async fn delete(db: &impl ConnectionTrait, ids: &[Uuid]) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    Entity::delete_many()
        .filter(Column::Id.is_in(ids.iter().copied()))
        .exec(db)
        .await
        .map_err(doing("forgetting callbacks"))?;
    Ok(())
}

/// Gives a callback back for another attempt at `due_at`, unless another process has claimed it meanwhile.
pub async fn put_off(
    db: &impl ConnectionTrait,
    lease: Uuid,
    id: Uuid,
    attempts: i32,
    due_at: DateTime<Utc>,
    error: &str,
) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::Attempts, Expr::value(attempts))
        .col_expr(Column::DueAt, Expr::value(due_at))
        .col_expr(Column::Error, Expr::value(error))
        .col_expr(Column::ClaimedBy, Expr::value(None::<Uuid>))
        .filter(Column::Id.eq(id))
        .filter(Column::ClaimedBy.eq(lease))
        .exec(db)
        .await
        .map_err(doing("putting a callback off"))?;
    Ok(())
}

/// What a run still has to tell, oldest first.
pub async fn of_run(db: &impl ConnectionTrait, run: Uuid) -> Result<Vec<Model>, StoreError> {
    Entity::find()
        .filter(Column::DagRunId.eq(run))
        .order_by_asc(Column::CreatedAt)
        .order_by_asc(Column::Id)
        .all(db)
        .await
        .map_err(doing("reading callbacks"))
}

/// Rows that no living process has claimed.
fn unclaimed() -> Condition {
    let living = Query::select()
        .column(process_lease::Column::Id)
        .from(process_lease::Entity)
        .and_where(process_lease::Column::IsLapsed.eq(false))
        .to_owned();
    Condition::any().add(Column::ClaimedBy.is_null()).add(Column::ClaimedBy.not_in_subquery(living))
}
