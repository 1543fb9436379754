//! The latest runs of a DAG side by side, task by task.

use std::collections::{HashMap, HashSet};

use axum::Json;
use axum::extract::State;
use scheduler::dag::Dag;
use scheduler::store::entity::dag_run;
use scheduler::store::read::{self, GridCell};
use serde::Serialize;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::{IntoParams, ToSchema};

use crate::error::{ApiError, HttpExceptionResponse, HttpValidationError};
use crate::request::{Described, Query, UrlPath};
use crate::routes::{definition, get_dag_row};
use crate::state::AppState;
use crate::timestamp::{DateTime, seconds_between};
use crate::view::{DagRunState, DagRunType, TaskGroupResponse, TaskInstanceState};

/// Runs when the request does not say.
const RUNS_DEFAULT: u64 = 25;

/// Most runs.
const RUNS_MAX: u64 = 100;

pub(crate) struct GridParams;

impl IntoParams for GridParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Described::default().number("limit", "Runs: 25 when absent, at most 100.").done()
    }
}

/// The rows and columns of the grid of a DAG.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GridResponse {
    /// In the order of the file; after them tasks that only runs of earlier versions have.
    tasks: Vec<GridTaskResponse>,
    /// Outer ones before inner ones.
    groups: Vec<TaskGroupResponse>,
    /// Latest first.
    runs: Vec<GridRunResponse>,
}

/// A row.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GridTaskResponse {
    task_id: String,
    /// What people see in place of the id.
    task_display_name: String,
    /// The innermost group around it.
    group_id: Option<String>,
    downstream_task_ids: Vec<String>,
    is_mapped: bool,
    /// Whether the DAG as it is now has no such task.
    is_removed: bool,
}

/// A column.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GridRunResponse {
    dag_run_id: String,
    logical_date: Option<DateTime>,
    run_after: DateTime,
    start_date: Option<DateTime>,
    end_date: Option<DateTime>,
    /// In seconds; null until the run is over.
    duration: Option<f64>,
    run_type: DagRunType,
    state: DagRunState,
    /// Why it does not begin; null when it has.
    reason: Option<String>,
    /// What became of its tasks; of a mapped task one entry for each state that occurs.
    task_instances: Vec<GridCellResponse>,
}

/// The task instances of a task of a run that are in one state.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GridCellResponse {
    task_id: String,
    state: Option<TaskInstanceState>,
    /// How many: 1 of a task that is not mapped.
    count: i64,
    /// Whether they are instances of a mapped task.
    is_mapped: bool,
    /// When the first of them began.
    start_date: Option<DateTime>,
    /// When the last of them ended.
    end_date: Option<DateTime>,
    /// The highest try among them.
    try_number: i32,
    /// Why one of them does not run now.
    reason: Option<String>,
    /// Why one of them failed.
    error: Option<String>,
}

/// Look at the latest runs of a DAG side by side.
#[utoipa::path(
    get,
    path = "/api/v2/updraft/dags/{dag_id}/grid",
    operation_id = "get_grid",
    tag = "Updraft",
    params(("dag_id" = String, Path), GridParams),
    responses(
        (status = 200, description = "Tasks, groups, and runs with what became of their tasks", body = GridResponse),
        (status = 400, description = "The DAG's stored definition cannot be read", body = HttpExceptionResponse),
        (status = 404, description = "There is no such DAG", body = HttpExceptionResponse),
        (status = 422, description = "A parameter is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn get_grid(
    State(app): State<AppState>,
    UrlPath(dag_id): UrlPath<String>,
    mut query: Query,
) -> Result<Json<GridResponse>, ApiError> {
    let limit = query.count("limit").unwrap_or(RUNS_DEFAULT).min(RUNS_MAX);
    query.finish()?;
    let row = get_dag_row(&app, &dag_id).await?;
    let dag = definition(&app, &row.dag)?;
    let (runs, cells) = read::grid(app.db.read(), &dag_id, limit).await?;
    let tasks = tasks(&dag, &cells);
    let mut by_run: HashMap<_, Vec<GridCell>> = HashMap::with_capacity(runs.len());
    for cell in cells {
        by_run.entry(cell.dag_run_id).or_default().push(cell);
    }
    let runs = runs
        .into_iter()
        .map(|run| {
            let cells = by_run.remove(&run.id).unwrap_or_default();
            GridRunResponse::new(run, cells)
        })
        .collect::<Result<_, _>>()?;
    Ok(Json(GridResponse { tasks, groups: TaskGroupResponse::all(&dag), runs }))
}

/// The tasks of the DAG, and those that it no longer has and that are in `cells` all the same.
fn tasks(dag: &Dag, cells: &[GridCell]) -> Vec<GridTaskResponse> {
    let current = dag.tasks().map(|(index, task)| GridTaskResponse {
        task_id: task.task_id.clone(),
        task_display_name: task.display_name.as_ref().unwrap_or(&task.task_id).clone(),
        group_id: task.group.clone(),
        downstream_task_ids: dag.downstream(index).map(|below| dag.task(below).task_id.clone()).collect(),
        is_mapped: dag.mapping(index).is_some(),
        is_removed: false,
    });
    let mut known: HashSet<&str> = dag.tasks().map(|(_, task)| task.task_id.as_str()).collect();
    let removed = cells.iter().filter(|cell| known.insert(&cell.task_id)).map(|cell| GridTaskResponse {
        task_id: cell.task_id.clone(),
        task_display_name: cell.task_id.clone(),
        group_id: None,
        downstream_task_ids: Vec::new(),
        is_mapped: cell.map_index >= 0,
        is_removed: true,
    });
    current.chain(removed).collect()
}

impl GridRunResponse {
    fn new(run: dag_run::Model, cells: Vec<GridCell>) -> Result<GridRunResponse, ApiError> {
        Ok(GridRunResponse {
            logical_date: run.logical_date.map(DateTime),
            run_after: DateTime(run.run_after),
            start_date: run.start_date.map(DateTime),
            end_date: run.end_date.map(DateTime),
            duration: seconds_between(run.start_date, run.end_date),
            run_type: DagRunType::read(&run.run_type)?,
            state: DagRunState::read(&run.state)?,
            reason: run.reason,
            dag_run_id: run.run_id,
            task_instances: cells.into_iter().map(GridCellResponse::try_from).collect::<Result<_, _>>()?,
        })
    }
}

impl TryFrom<GridCell> for GridCellResponse {
    type Error = ApiError;

    fn try_from(cell: GridCell) -> Result<GridCellResponse, ApiError> {
        Ok(GridCellResponse {
            state: cell.state.as_deref().map(TaskInstanceState::read).transpose()?,
            count: cell.instances,
            is_mapped: cell.map_index >= 0,
            start_date: cell.start_date.map(DateTime),
            end_date: cell.end_date.map(DateTime),
            try_number: cell.try_number,
            reason: cell.reason,
            error: cell.error,
            task_id: cell.task_id,
        })
    }
}
