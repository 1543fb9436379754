//! The latest runs of a DAG side by side: what the grid shows, in two statements however many runs and tasks there are.

use chrono::{DateTime, Utc};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, Order, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use crate::store::entity::{dag_run, task_instance};
use crate::store::error::{StoreError, doing};

/// The task instances of one task of a run that are in one state. Of a task that is not mapped there is one.
#[derive(Clone, Debug, PartialEq, FromQueryResult)]
pub struct GridCell {
    /// The run's key.
    pub dag_run_id: Uuid,
    /// The task.
    pub task_id: String,
    /// Their state; see `crate::run::state`.
    pub state: Option<String>,
    /// How many there are.
    pub instances: i64,
    /// The smallest index among them; -1 when the task is not mapped.
    pub map_index: i32,
    /// When the first of them began.
    pub start_date: Option<DateTime<Utc>>,
    /// When the last of them ended.
    pub end_date: Option<DateTime<Utc>>,
    /// The highest try among them.
    pub try_number: i32,
    /// Why one of them does not run now.
    pub reason: Option<String>,
    /// Why one of them failed.
    pub error: Option<String>,
}

/// The latest `limit` runs of a DAG, latest first, and what became of their tasks, in the order of the file.
pub async fn grid(
    db: &impl ConnectionTrait,
    dag_id: &str,
    limit: u64,
) -> Result<(Vec<dag_run::Model>, Vec<GridCell>), StoreError> {
    let runs = dag_run::Entity::find()
        .filter(dag_run::Column::DagId.eq(dag_id))
        .order_by_desc(dag_run::Column::RunAfter)
        .order_by_desc(dag_run::Column::Id)
        .limit(limit)
        .all(db)
        .await
        .map_err(doing("reading the runs of a grid"))?;
    let cells = cells(db, runs.iter().map(|run| run.id)).await?;
    Ok((runs, cells))
}

async fn cells(
    db: &impl ConnectionTrait,
    runs: impl ExactSizeIterator<Item = Uuid>,
) -> Result<Vec<GridCell>, StoreError> {
    use task_instance::Column as C;
    if runs.len() == 0 {
        return Ok(Vec::new());
    }
    task_instance::Entity::find()
        .select_only()
        .columns([C::DagRunId, C::TaskId, C::State])
        .column_as(C::MapIndex.count(), "instances")
        .column_as(C::MapIndex.min(), "map_index")
        .column_as(C::StartDate.min(), "start_date")
        .column_as(C::EndDate.max(), "end_date")
        .column_as(C::TryNumber.max(), "try_number")
        .column_as(C::Reason.min(), "reason")
        .column_as(C::Error.min(), "error")
        .filter(C::DagRunId.is_in(runs))
        .group_by(C::DagRunId)
        .group_by(C::TaskId)
        .group_by(C::State)
        .order_by(C::TaskIndex.min(), Order::Asc)
        .order_by_asc(C::TaskId)
        .into_model()
        .all(db)
        .await
        .map_err(doing("reading the task instances of a grid"))
}
