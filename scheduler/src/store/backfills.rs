//! Backfills.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, Query};
use sea_orm::{
    ActiveValue, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
};

use super::entity::{backfill, dag_run};
use super::error::{StoreError, doing};
use super::runs::is_unfinished;

/// Stores a new backfill; its `id` is made up, and answered.
pub async fn insert(db: &impl ConnectionTrait, row: backfill::Model) -> Result<i64, StoreError> {
    let row = backfill::ActiveModel { id: ActiveValue::NotSet, ..row.into_active_model() };
    let inserted = backfill::Entity::insert(row).exec(db).await.map_err(doing("writing a backfill"))?;
    Ok(inserted.last_insert_id)
}

/// The backfill with that id, which must exist.
pub async fn get(db: &impl ConnectionTrait, id: i64) -> Result<backfill::Model, StoreError> {
    let found = backfill::Entity::find_by_id(id).one(db).await.map_err(doing("looking for a backfill"))?;
    found.ok_or_else(|| StoreError::NotFound { what: "backfill", id: id.to_string() })
}

/// The backfills of a DAG, or of all, newest first.
pub async fn list(db: &impl ConnectionTrait, dag_id: Option<&str>) -> Result<Vec<backfill::Model>, StoreError> {
    let mut query = backfill::Entity::find().order_by_desc(backfill::Column::Id);
    if let Some(dag_id) = dag_id {
        query = query.filter(backfill::Column::DagId.eq(dag_id));
    }
    query.all(db).await.map_err(doing("listing backfills"))
}

/// Those with these ids, as far as they are there.
pub async fn find_all(
    db: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = i64>,
) -> Result<Vec<backfill::Model>, StoreError> {
    let mut ids = ids.into_iter().peekable();
    if ids.peek().is_none() {
        return Ok(Vec::new());
    }
    let found = backfill::Entity::find().filter(backfill::Column::Id.is_in(ids)).all(db).await;
    found.map_err(doing("looking for backfills"))
}

/// Those that are not complete.
pub async fn active(db: &impl ConnectionTrait) -> Result<Vec<backfill::Model>, StoreError> {
    backfill::Entity::find()
        .filter(backfill::Column::CompletedAt.is_null())
        .all(db)
        .await
        .map_err(doing("listing active backfills"))
}

/// Stops its queued runs from beginning, or lets them; false when it is complete.
pub async fn set_paused(
    db: &impl ConnectionTrait,
    id: i64,
    is_paused: bool,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let updated = backfill::Entity::update_many()
        .col_expr(backfill::Column::IsPaused, Expr::value(is_paused))
        .col_expr(backfill::Column::UpdatedAt, Expr::value(now))
        .filter(backfill::Column::Id.eq(id))
        .filter(backfill::Column::CompletedAt.is_null())
        .exec(db)
        .await
        .map_err(doing("pausing a backfill"))?;
    Ok(updated.rows_affected > 0)
}

/// Says that a backfill is over; false when it was already.
pub async fn complete(db: &impl ConnectionTrait, id: i64, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let updated = backfill::Entity::update_many()
        .col_expr(backfill::Column::CompletedAt, Expr::value(now))
        .col_expr(backfill::Column::UpdatedAt, Expr::value(now))
        .filter(backfill::Column::Id.eq(id))
        .filter(backfill::Column::CompletedAt.is_null())
        .exec(db)
        .await
        .map_err(doing("completing a backfill"))?;
    Ok(updated.rows_affected > 0)
}

/// Completes the backfills of which no run is queued or running any more; answers with how many.
pub async fn complete_finished(db: &impl ConnectionTrait, now: DateTime<Utc>) -> Result<u64, StoreError> {
    let unfinished = Query::select()
        .column(dag_run::Column::BackfillId)
        .from(dag_run::Entity)
        .and_where(is_unfinished())
        .and_where(dag_run::Column::BackfillId.is_not_null())
        .to_owned();
    let updated = backfill::Entity::update_many()
        .col_expr(backfill::Column::CompletedAt, Expr::value(now))
        .col_expr(backfill::Column::UpdatedAt, Expr::value(now))
        .filter(backfill::Column::CompletedAt.is_null())
        .filter(backfill::Column::Id.not_in_subquery(unfinished))
        .exec(db)
        .await
        .map_err(doing("completing backfills"))?;
    Ok(updated.rows_affected)
}

/// How many runs of a backfill are in each state.
pub async fn run_counts(db: &impl ConnectionTrait, id: i64) -> Result<Vec<(String, i64)>, StoreError> {
    let counts = run_counts_of(db, &[id]).await?;
    Ok(counts.into_iter().map(|(_, state, runs)| (state, runs)).collect())
}

/// How many runs of each of these backfills are in each state: the backfill, the state, and the number.
pub async fn run_counts_of(db: &impl ConnectionTrait, ids: &[i64]) -> Result<Vec<(i64, String, i64)>, StoreError> {
    dag_run::Entity::find()
        .select_only()
        .column(dag_run::Column::BackfillId)
        .column(dag_run::Column::State)
        .column_as(dag_run::Column::Id.count(), "runs")
        .filter(dag_run::Column::BackfillId.is_in(ids.iter().copied()))
        .group_by(dag_run::Column::BackfillId)
        .group_by(dag_run::Column::State)
        .into_tuple()
        .all(db)
        .await
        .map_err(doing("counting the runs of backfills"))
}

/// The runs of a backfill that have not begun, in its order.
pub async fn queued_runs(db: &impl ConnectionTrait, id: i64) -> Result<Vec<dag_run::Model>, StoreError> {
    dag_run::Entity::find()
        .filter(dag_run::Column::BackfillId.eq(id))
        .filter(dag_run::Column::State.eq("queued"))
        .order_by_asc(dag_run::Column::SortOrdinal)
        .all(db)
        .await
        .map_err(doing("listing the queued runs of a backfill"))
}
