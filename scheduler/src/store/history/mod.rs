//! What is old and may go: runs that are over with everything that is stored of them, the audit log, versions of DAGs, events
//! of assets.
//!
//! Each function touches a bounded number of rows, so that a clean-up beside a server never holds others up for long.

mod asset_events;
mod versions;

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
    Select, Statement,
};
use uuid::Uuid;

use super::callbacks::CallbackState;
use super::checkpoints;
use super::entity::{backfill, callback_request, dag_run, event_log, import_error, run_request, task_checkpoint};
use super::error::{StoreError, doing};
use super::runs::InstanceKey;

pub use asset_events::{
    delete_unused as delete_unused_asset_events, given as given_asset_events, unused as unused_asset_events,
};
pub use versions::{delete_unused as delete_unused_versions, unused as unused_versions};

/// How many rows of which table.
pub type Rows = BTreeMap<&'static str, u64>;

/// Where something is stored of a run, and by which column; the run itself comes last.
const TABLES_OF_RUNS: [(&str, &str); 11] = [
    ("try_log", "dag_run_id"),
    ("xcom", "dag_run_id"),
    ("hitl_detail", "dag_run_id"),
    ("task_checkpoint", "dag_run_id"),
    ("task_instance_history", "dag_run_id"),
    ("task_instance", "dag_run_id"),
    ("run_request", "dag_run_id"),
    ("callback_request", "dag_run_id"),
    ("deadline", "dag_run_id"),
    ("asset_event_dag_run", "dag_run_id"),
    ("dag_run", "id"),
];

/// A run that may go.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct OldRun {
    /// Its key.
    pub id: Uuid,
    /// Its DAG.
    pub dag_id: String,
    /// Its name.
    pub run_id: String,
    /// The version of the DAG that it is pinned to.
    pub dag_version_id: Uuid,
}

/// The runs that stay whatever their age: what comes next hangs on them.
pub async fn kept(db: &impl ConnectionTrait) -> Result<HashSet<Uuid>, StoreError> {
    #[derive(FromQueryResult)]
    struct Kept {
        id: Uuid,
    }
    let statement = Statement::from_string(db.get_database_backend(), include_str!("kept.sql"));
    let kept = Kept::find_by_statement(statement).all(db).await.map_err(doing("looking for the newest runs"))?;
    Ok(kept.into_iter().map(|kept| kept.id).collect())
}

/// Up to `limit` runs that were over before `before`, in the order of their keys from `after` on.
///
/// Left out are runs that somebody owns, that are still asked something, that have something to tell, of which something may
/// go on elsewhere that was withdrawn lately, or whose backfill is not over.
pub async fn over(
    db: &impl ConnectionTrait,
    before: DateTime<Utc>,
    after: Uuid,
    limit: u64,
) -> Result<Vec<OldRun>, StoreError> {
    old_runs(before, after, limit).into_model().all(db).await.map_err(doing("looking for old runs"))
}

/// The same, and nobody else changes them until the transaction ends.
pub async fn over_locked(
    db: &impl ConnectionTrait,
    before: DateTime<Utc>,
    after: Uuid,
    limit: u64,
) -> Result<Vec<OldRun>, StoreError> {
    let locked = old_runs(before, after, limit).lock_exclusive();
    locked.into_model().all(db).await.map_err(doing("looking for old runs"))
}

/// Up to `limit` runs of a DAG, whatever their state, the oldest first; nobody else changes them until the transaction ends.
pub async fn of_dag_locked(
    db: &impl ConnectionTrait,
    dag_id: &str,
    limit: u64,
) -> Result<Vec<dag_run::Model>, StoreError> {
    dag_run::Entity::find()
        .filter(dag_run::Column::DagId.eq(dag_id))
        .order_by_asc(dag_run::Column::Id)
        .limit(limit)
        .lock_exclusive()
        .all(db)
        .await
        .map_err(doing("looking for the runs of a DAG"))
}

fn old_runs(before: DateTime<Utc>, after: Uuid, limit: u64) -> Select<dag_run::Entity> {
    use dag_run::Column as C;
    let asked = Query::select().column(run_request::Column::DagRunId).from(run_request::Entity).to_owned();
    let telling = Query::select()
        .column(callback_request::Column::DagRunId)
        .from(callback_request::Entity)
        .and_where(callback_request::Column::State.eq(CallbackState::Waiting.word()))
        .to_owned();
    let active = Query::select()
        .column(backfill::Column::Id)
        .from(backfill::Entity)
        .and_where(backfill::Column::CompletedAt.is_null())
        .to_owned();
    let of_no_active_backfill =
        Condition::any().add(C::BackfillId.is_null()).add(C::BackfillId.not_in_subquery(active));
    dag_run::Entity::find()
        .select_only()
        .columns([C::Id, C::DagId, C::RunId, C::DagVersionId])
        .filter(C::Id.gt(after))
        .filter(C::EndDate.lt(before))
        .filter(C::State.is_in(["success", "failed"]))
        .filter(C::Owner.is_null())
        .filter(C::Id.not_in_subquery(asked))
        .filter(C::Id.not_in_subquery(telling))
        .filter(C::Id.not_in_subquery(checkpoints::kept_withdrawn(task_checkpoint::Column::DagRunId, before)))
        .filter(of_no_active_backfill)
        .order_by_asc(C::Id)
        .limit(limit)
}

/// How many task instances each of these runs has; those without any are left out.
pub async fn instance_counts(db: &impl ConnectionTrait, runs: &[Uuid]) -> Result<BTreeMap<Uuid, u64>, StoreError> {
    use super::entity::task_instance::{Column, Entity};
    let counts: Vec<(Uuid, i64)> = Entity::find()
        .select_only()
        .column(Column::DagRunId)
        .column_as(Column::TaskId.count(), "instances")
        .filter(Column::DagRunId.is_in(runs.iter().copied()))
        .group_by(Column::DagRunId)
        .into_tuple()
        .all(db)
        .await
        .map_err(doing("counting task instances"))?;
    Ok(counts.into_iter().map(|(run, count)| (run, u64::try_from(count).unwrap_or(0))).collect())
}

/// How many rows there are of these runs.
pub async fn count_runs(db: &impl ConnectionTrait, runs: &[Uuid]) -> Result<Rows, StoreError> {
    let mut rows = Rows::new();
    for (table, column) in TABLES_OF_RUNS {
        let count = Query::select()
            .expr(Expr::col(Alias::new(column)).count())
            .from(Alias::new(table))
            .and_where(Expr::col(Alias::new(column)).is_in(runs.iter().copied()))
            .to_owned();
        rows.insert(table, counted(db, &count, "counting rows of runs").await?);
    }
    Ok(rows)
}

/// Deletes these runs with everything that is stored of them.
pub async fn delete_runs(db: &impl ConnectionTrait, runs: &[Uuid]) -> Result<Rows, StoreError> {
    let mut rows = Rows::new();
    for (table, column) in TABLES_OF_RUNS {
        let delete = Query::delete()
            .from_table(Alias::new(table))
            .and_where(Expr::col(Alias::new(column)).is_in(runs.iter().copied()))
            .to_owned();
        let deleted = db.execute(&delete).await.map_err(doing("deleting runs"))?;
        rows.insert(table, deleted.rows_affected());
    }
    Ok(rows)
}

/// Where something is stored of a task instance, under its own key.
const TABLES_OF_INSTANCES: [&str; 6] =
    ["try_log", "xcom", "hitl_detail", "task_checkpoint", "task_instance_history", "task_instance"];

/// Deletes a task instance with everything that is stored of it.
pub async fn delete_instance(db: &impl ConnectionTrait, key: &InstanceKey) -> Result<(), StoreError> {
    for table in TABLES_OF_INSTANCES {
        let column = |name: &'static str| Expr::col(Alias::new(name));
        let delete = Query::delete()
            .from_table(Alias::new(table))
            .and_where(column("dag_run_id").eq(key.dag_run_id))
            .and_where(column("task_id").eq(key.task_id.as_str()))
            .and_where(column("map_index").eq(key.map_index))
            .to_owned();
        db.execute(&delete).await.map_err(doing("deleting a task instance"))?;
    }
    Ok(())
}

/// Which of these runs of a DAG exist.
pub async fn existing(
    db: &impl ConnectionTrait,
    dag_id: &str,
    run_ids: &[String],
) -> Result<HashSet<String>, StoreError> {
    let found: Vec<String> = dag_run::Entity::find()
        .select_only()
        .column(dag_run::Column::RunId)
        .filter(dag_run::Column::DagId.eq(dag_id))
        .filter(dag_run::Column::RunId.is_in(run_ids))
        .into_tuple()
        .all(db)
        .await
        .map_err(doing("looking for runs by their names"))?;
    Ok(found.into_iter().collect())
}

/// How many entries of the audit log are older.
pub async fn count_events(db: &impl ConnectionTrait, before: DateTime<Utc>) -> Result<u64, StoreError> {
    let count = Query::select()
        .expr(Expr::col(event_log::Column::Id).count())
        .from(event_log::Entity)
        .and_where(event_log::Column::Dttm.lt(before))
        .to_owned();
    counted(db, &count, "counting the audit log").await
}

/// Deletes up to `limit` entries of the audit log that are older, the oldest first.
pub async fn delete_events(db: &impl ConnectionTrait, before: DateTime<Utc>, limit: u64) -> Result<u64, StoreError> {
    let oldest = Query::select()
        .column(event_log::Column::Id)
        .from(event_log::Entity)
        .and_where(event_log::Column::Dttm.lt(before))
        .order_by(event_log::Column::Id, sea_orm::sea_query::Order::Asc)
        .limit(limit)
        .to_owned();
    let deleted = event_log::Entity::delete_many()
        .filter(event_log::Column::Id.in_subquery(oldest))
        .exec(db)
        .await
        .map_err(doing("deleting from the audit log"))?;
    Ok(deleted.rows_affected)
}

/// The import errors that are older: their keys and files.
pub async fn old_import_errors(
    db: &impl ConnectionTrait,
    before: DateTime<Utc>,
) -> Result<Vec<(i64, String)>, StoreError> {
    import_error::Entity::find()
        .select_only()
        .columns([import_error::Column::Id, import_error::Column::Filename])
        .filter(import_error::Column::Timestamp.lt(before))
        .into_tuple()
        .all(db)
        .await
        .map_err(doing("looking for old import errors"))
}

/// Deletes these import errors.
pub async fn delete_import_errors(db: &impl ConnectionTrait, ids: &[i64]) -> Result<u64, StoreError> {
    let deleted = import_error::Entity::delete_many()
        .filter(import_error::Column::Id.is_in(ids.iter().copied()))
        .exec(db)
        .await
        .map_err(doing("deleting import errors"))?;
    Ok(deleted.rows_affected)
}

async fn counted(
    db: &impl ConnectionTrait,
    count: &sea_orm::sea_query::SelectStatement,
    what: &'static str,
) -> Result<u64, StoreError> {
    let row = db.query_one(count).await.map_err(doing(what))?;
    let count: Option<i64> = row.map(|row| row.try_get_by_index(0)).transpose().map_err(doing(what))?;
    Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
}
