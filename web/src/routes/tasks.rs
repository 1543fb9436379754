//! Tasks, as the DAG's file has them.

use axum::Json;
use axum::extract::State;
use serde_json::Value;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use super::{definition, get_dag_row};
use crate::error::{ApiError, HttpExceptionResponse};
use crate::request::{Described, Query, UrlPath};
use crate::state::AppState;
use crate::view::{TaskCollectionResponse, TaskGroupResponse, TaskResponse};

pub(crate) struct TaskParams;

impl IntoParams for TaskParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let help = "One attribute of tasks, with `-` before it to turn the order around; `task_id` when absent.";
        Described::default().text("order_by", help).done()
    }
}

/// List the tasks of a DAG.
#[utoipa::path(
    get,
    path = "/api/v2/dags/{dag_id}/tasks",
    operation_id = "get_tasks",
    tag = "Task",
    params(("dag_id" = String, Path), TaskParams),
    responses(
        (status = 200, description = "The tasks", body = TaskCollectionResponse),
        (status = 400, description = "The order is not allowed", body = HttpExceptionResponse),
        (status = 404, description = "There is no such DAG", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn get_tasks(
    State(app): State<AppState>,
    UrlPath(dag_id): UrlPath<String>,
    query: Query,
) -> Result<Json<TaskCollectionResponse>, ApiError> {
    let row = get_dag_row(&app, &dag_id).await?;
    let dag = definition(&app, &row.dag)?;
    let tasks = dag.tasks().map(|(index, _)| TaskResponse::new(&dag, index, app.catalog.registry())).collect();
    let tasks = in_order(tasks, &query.text("order_by").unwrap_or_else(|| "task_id".to_owned()))?;
    let total_entries = tasks.len() as u64;
    Ok(Json(TaskCollectionResponse { tasks, total_entries, task_groups: TaskGroupResponse::all(&dag) }))
}

/// Puts tasks in order by any of their attributes.
fn in_order(tasks: Vec<TaskResponse>, order_by: &str) -> Result<Vec<TaskResponse>, ApiError> {
    let (name, is_descending) = match order_by.strip_prefix('-') {
        Some(name) => (name, true),
        None => (order_by, false),
    };
    let mut keyed = Vec::with_capacity(tasks.len());
    for task in tasks {
        let shown = serde_json::to_value(&task).map_err(ApiError::internal)?;
        let Some(key) = shown.get(name) else {
            return Err(ApiError::bad_request(format!("'Task' object has no attribute '{name}'")));
        };
        keyed.push((key.clone(), task));
    }
    keyed.sort_by(|(a, _), (b, _)| if is_descending { compare(b, a) } else { compare(a, b) });
    Ok(keyed.into_iter().map(|(_, task)| task).collect())
}

fn compare(a: &Value, b: &Value) -> std::cmp::Ordering {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        _ => match (a.as_str(), b.as_str()) {
            (Some(a), Some(b)) => a.cmp(b),
            _ => a.to_string().cmp(&b.to_string()),
        },
    }
}

/// Look at a task of a DAG.
#[utoipa::path(
    get,
    path = "/api/v2/dags/{dag_id}/tasks/{task_id}",
    operation_id = "get_task",
    tag = "Task",
    params(("dag_id" = String, Path), ("task_id" = String, Path)),
    responses(
        (status = 200, description = "The task", body = TaskResponse),
        (status = 400, description = "The DAG's stored definition cannot be read", body = HttpExceptionResponse),
        (status = 404, description = "There is no such DAG or task", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn get_task(
    State(app): State<AppState>,
    UrlPath((dag_id, task_id)): UrlPath<(String, String)>,
) -> Result<Json<TaskResponse>, ApiError> {
    let row = get_dag_row(&app, &dag_id).await?;
    let dag = definition(&app, &row.dag)?;
    match dag.find(&task_id) {
        Some(index) => Ok(Json(TaskResponse::new(&dag, index, app.catalog.registry()))),
        None => Err(ApiError::not_found(format!("Task with id {task_id} was not found"))),
    }
}
