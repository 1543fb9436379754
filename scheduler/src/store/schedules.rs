//! What schedules have made so far; which runs are due next follows from it.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Order, Query, SelectStatement};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, JoinType, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use super::entity::{dag, dag_run};
use super::error::{StoreError, doing};
use super::runs::is_unfinished;
use crate::run::{RunState, RunType};

/// What there is to know of a DAG before another run of it is made.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Standing {
    /// The DAG.
    pub dag_id: String,
    /// Whether it is paused.
    pub is_paused: bool,
    /// Whether its file is gone.
    pub is_stale: bool,
    /// Where the data interval of its newest scheduled run begins; none when there is no such run.
    pub data_interval_start: Option<DateTime<Utc>>,
    /// Where it ends.
    pub data_interval_end: Option<DateTime<Utc>>,
    /// When that run was due.
    pub run_after: Option<DateTime<Utc>>,
}

impl Standing {
    /// The data interval of the newest scheduled run, as it was stored. A run of a partition has none; of it the tick counts.
    pub fn last(&self) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        self.data_interval_start.zip(self.data_interval_end).or(self.run_after.zip(self.run_after))
    }
}

/// The newest run of the same DAG before this one, by logical date, that succeeded; none before a run without such a date
/// (Airflow 3: `get_previous_successful_dagrun`).
pub async fn last_success(db: &impl ConnectionTrait, run: Uuid) -> Result<Option<dag_run::Model>, StoreError> {
    use dag_run::Column as C;
    let reading = "looking for the last success before a run";
    let this = dag_run::Entity::find_by_id(run).one(db).await.map_err(doing(reading))?;
    let Some((dag_id, date)) = this.and_then(|this| Some((this.dag_id, this.logical_date?))) else { return Ok(None) };
    dag_run::Entity::find()
        .filter(C::DagId.eq(dag_id))
        .filter(C::LogicalDate.lt(date))
        .filter(C::State.eq(RunState::Success.word()))
        .order_by_desc(C::LogicalDate)
        .limit(1)
        .one(db)
        .await
        .map_err(doing(reading))
}

/// When the next run of a DAG was said to be due, if it was not paused since.
pub fn promised(row: &dag::Model) -> Option<DateTime<Utc>> {
    row.next_dagrun_run_after.filter(|_| !row.is_paused && !row.is_stale)
}

/// Keeps others from making runs of these DAGs until the transaction ends. SQLite has one writer at a time anyway.
pub async fn lock(db: &impl ConnectionTrait, dag_ids: &[String]) -> Result<(), StoreError> {
    let ids = dag::Entity::find().select_only().column(dag::Column::DagId).filter(dag::Column::DagId.is_in(dag_ids));
    let locked: Vec<String> = ids
        .order_by_asc(dag::Column::DagId)
        .lock_exclusive()
        .into_tuple()
        .all(db)
        .await
        .map_err(doing("locking DAGs"))?;
    drop(locked);
    Ok(())
}

/// How these DAGs stand, or all of them.
pub async fn standings(
    db: &impl ConnectionTrait,
    dag_ids: Option<&[String]>,
) -> Result<HashMap<String, Standing>, StoreError> {
    let newest = Alias::new("newest");
    let mut select = Query::select();
    select
        .columns([dag::Column::DagId, dag::Column::IsPaused, dag::Column::IsStale].map(|column| (dag::Entity, column)))
        .columns(
            [dag_run::Column::DataIntervalStart, dag_run::Column::DataIntervalEnd, dag_run::Column::RunAfter]
                .map(|column| (newest.clone(), column)),
        )
        .from(dag::Entity)
        .join_as(
            JoinType::LeftJoin,
            dag_run::Entity,
            newest.clone(),
            Expr::col((newest, dag_run::Column::Id)).eq(Expr::SubQuery(None, Box::new(newest_scheduled().into()))),
        );
    if let Some(dag_ids) = dag_ids {
        select.and_where(Expr::col((dag::Entity, dag::Column::DagId)).is_in(dag_ids));
    }
    let rows = Standing::find_by_statement(db.get_database_backend().build(&select))
        .all(db)
        .await
        .map_err(doing("looking for the last scheduled runs"))?;
    Ok(rows.into_iter().map(|row| (row.dag_id.clone(), row)).collect())
}

/// The key of the newest scheduled run of the DAG in question: the order of runs is that in which they were due.
fn newest_scheduled() -> SelectStatement {
    let of = Alias::new("of_dag");
    Query::select()
        .column((of.clone(), dag_run::Column::Id))
        .from_as(dag_run::Entity, of.clone())
        .and_where(Expr::col((of.clone(), dag_run::Column::DagId)).equals((dag::Entity, dag::Column::DagId)))
        // Not by its type, which a backfill that runs it again changes; nobody else can make a run with such an id.
        .and_where(Expr::col((of.clone(), dag_run::Column::RunId)).like(format!("{}__%", RunType::Scheduled.word())))
        .order_by((of, dag_run::Column::RunAfter), Order::Desc)
        .limit(1)
        .to_owned()
}

/// How many runs of these DAGs are queued or running, those of backfills left out (Airflow 3: `max_active_runs`).
pub async fn active_runs(db: &impl ConnectionTrait, dag_ids: &[String]) -> Result<HashMap<String, usize>, StoreError> {
    let counts: Vec<(String, i64)> = dag_run::Entity::find()
        .select_only()
        .column(dag_run::Column::DagId)
        .column_as(dag_run::Column::Id.count(), "active")
        .filter(is_unfinished())
        .filter(dag_run::Column::RunType.ne(RunType::Backfill.word()))
        .filter(dag_run::Column::DagId.is_in(dag_ids))
        .group_by(dag_run::Column::DagId)
        .into_tuple()
        .all(db)
        .await
        .map_err(doing("counting active runs"))?;
    Ok(counts.into_iter().map(|(dag_id, active)| (dag_id, usize::try_from(active).unwrap_or(0))).collect())
}

/// The states of the last `count` runs of a DAG, newest first, in the order in which they were due.
pub async fn last_states(db: &impl ConnectionTrait, dag_id: &str, count: u64) -> Result<Vec<String>, StoreError> {
    dag_run::Entity::find()
        .select_only()
        .column(dag_run::Column::State)
        .filter(dag_run::Column::DagId.eq(dag_id))
        .order_by_desc(dag_run::Column::RunAfter)
        .order_by_desc(dag_run::Column::Id)
        .limit(count)
        .into_tuple()
        .all(db)
        .await
        .map_err(doing("looking for the last runs"))
}
