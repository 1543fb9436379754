//! Why a task instance does not run.

use axum::Json;
use axum::extract::State;

use super::task_instances::find;
use crate::error::{ApiError, HttpExceptionResponse};
use crate::request::UrlPath;
use crate::state::AppState;
use crate::view::{TaskDependencyCollectionResponse, TaskDependencyResponse};

/// List what is in the way of a task instance; nothing is when it runs or is over.
#[utoipa::path(
    get,
    path = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/dependencies",
    operation_id = "get_task_instance_dependencies",
    tag = "Task Instance",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("task_id" = String, Path)),
    responses(
        (status = 200, description = "What is in the way", body = TaskDependencyCollectionResponse),
        (status = 404, description = "There is no such task instance, or it is mapped", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn get_task_instance_dependencies(
    State(app): State<AppState>,
    UrlPath((dag_id, run_id, task_id)): UrlPath<(String, String, String)>,
) -> Result<Json<TaskDependencyCollectionResponse>, ApiError> {
    dependencies(&app, &dag_id, &run_id, &task_id, -1).await
}

/// List what is in the way of one instance of a mapped task.
#[utoipa::path(
    get,
    path = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/{map_index}/dependencies",
    operation_id = "get_task_instance_dependencies_by_map_index",
    tag = "Task Instance",
    params(
        ("dag_id" = String, Path),
        ("dag_run_id" = String, Path),
        ("task_id" = String, Path),
        ("map_index" = i32, Path),
    ),
    responses(
        (status = 200, description = "What is in the way", body = TaskDependencyCollectionResponse),
        (status = 404, description = "There is no such task instance", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn get_task_instance_dependencies_by_map_index(
    State(app): State<AppState>,
    UrlPath((dag_id, run_id, task_id, map_index)): UrlPath<(String, String, String, i32)>,
) -> Result<Json<TaskDependencyCollectionResponse>, ApiError> {
    dependencies(&app, &dag_id, &run_id, &task_id, map_index).await
}

async fn dependencies(
    app: &AppState,
    dag_id: &str,
    run_id: &str,
    task_id: &str,
    map_index: i32,
) -> Result<Json<TaskDependencyCollectionResponse>, ApiError> {
    // Says why when there is none.
    find(app, dag_id, run_id, task_id, map_index).await?;
    let waited = app.control.obstacles(dag_id, run_id, Some(task_id)).await?;
    let ours = waited.into_iter().filter(|waited| waited.instance.map_index == map_index);
    let dependencies = ours.flat_map(|waited| waited.obstacles).map(TaskDependencyResponse::from).collect();
    Ok(Json(TaskDependencyCollectionResponse { dependencies }))
}
