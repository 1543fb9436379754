//! By when runs should be done.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::{Expr, LockBehavior, LockType, OnConflict};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use super::entity::dag_run;
use super::entity::deadline::{Column, Entity, Model};
use super::error::{StoreError, doing};

/// Writes deadlines of a run; one at the same place is replaced, and counts as not missed again.
pub async fn upsert(db: &impl ConnectionTrait, rows: &[Model]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let on_conflict = OnConflict::columns([Column::DagRunId, Column::Position])
        .update_columns([Column::Name, Column::DeadlineTime, Column::IsMissed])
        .to_owned();
    Entity::insert_many(rows.iter().cloned().map(IntoActiveModel::into_active_model))
        .on_conflict(on_conflict)
        .exec_without_returning(db)
        .await
        .map_err(doing("writing deadlines"))?;
    Ok(())
}

/// The deadlines of a run, in the order of the DAG file.
pub async fn of_run(db: &impl ConnectionTrait, run: Uuid) -> Result<Vec<Model>, StoreError> {
    Entity::find()
        .filter(Column::DagRunId.eq(run))
        .order_by_asc(Column::Position)
        .all(db)
        .await
        .map_err(doing("reading deadlines"))
}

/// Forgets the deadlines that a run met by succeeding at `ended`. One that had passed by then stays, and is told of.
pub async fn forget_met(db: &impl ConnectionTrait, run: Uuid, ended: DateTime<Utc>) -> Result<(), StoreError> {
    Entity::delete_many()
        .filter(Column::DagRunId.eq(run))
        .filter(Column::IsMissed.eq(false))
        .filter(Column::DeadlineTime.gte(ended))
        .exec(db)
        .await
        .map_err(doing("forgetting deadlines"))?;
    Ok(())
}

/// Marks up to `limit` deadlines that have passed as missed; each is answered once, whoever asks at the same time.
pub async fn take_missed(db: &impl ConnectionTrait, now: DateTime<Utc>, limit: u64) -> Result<Vec<Model>, StoreError> {
    let mut passed = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::IsMissed.eq(false))
        .filter(Column::DeadlineTime.lte(now))
        .order_by_asc(Column::DeadlineTime)
        .limit(limit);
    if db.get_database_backend() == DbBackend::Postgres {
        passed = passed.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
    }
    let ids: Vec<Uuid> = passed.into_tuple().all(db).await.map_err(doing("looking for deadlines that passed"))?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    Entity::update_many()
        .col_expr(Column::IsMissed, Expr::value(true))
        .filter(Column::Id.is_in(ids))
        .exec_with_returning(db)
        .await
        .map_err(doing("marking deadlines as missed"))
}

/// When the next deadline is that was not missed yet.
pub async fn next(db: &impl ConnectionTrait) -> Result<Option<DateTime<Utc>>, StoreError> {
    let next: Option<Option<DateTime<Utc>>> = Entity::find()
        .select_only()
        .column_as(Column::DeadlineTime.min(), "next")
        .filter(Column::IsMissed.eq(false))
        .into_tuple()
        .one(db)
        .await
        .map_err(doing("looking for the next deadline"))?;
    Ok(next.flatten())
}

/// How long the newest finished runs of a DAG took, at most `limit` of them (Airflow 3: however they ended).
pub async fn runtimes(db: &impl ConnectionTrait, dag_id: &str, limit: u64) -> Result<Vec<TimeDelta>, StoreError> {
    let rows: Vec<(DateTime<Utc>, DateTime<Utc>)> = dag_run::Entity::find()
        .select_only()
        .columns([dag_run::Column::StartDate, dag_run::Column::EndDate])
        .filter(dag_run::Column::DagId.eq(dag_id))
        .filter(dag_run::Column::StartDate.is_not_null())
        .filter(dag_run::Column::EndDate.is_not_null())
        .order_by_desc(dag_run::Column::RunAfter)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await
        .map_err(doing("looking how long runs took"))?;
    Ok(rows.into_iter().map(|(start, end)| end - start).collect())
}
