//! The tries of a task instance.

use axum::Json;
use axum::extract::State;
use scheduler::store::read;

use super::task_instances::find;
use crate::error::{ApiError, HttpExceptionResponse};
use crate::request::UrlPath;
use crate::state::AppState;
use crate::view::{TaskInstanceHistoryCollectionResponse, TaskInstanceHistoryResponse};

/// List the tries of a task instance.
#[utoipa::path(
    get,
    path = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/tries",
    operation_id = "get_task_instance_tries",
    tag = "Task Instance",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("task_id" = String, Path)),
    responses(
        (status = 200, description = "The tries, first to last", body = TaskInstanceHistoryCollectionResponse),
        (status = 404, description = "There is no such task instance", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn get_task_instance_tries(
    State(app): State<AppState>,
    UrlPath((dag_id, run_id, task_id)): UrlPath<(String, String, String)>,
) -> Result<Json<TaskInstanceHistoryCollectionResponse>, ApiError> {
    Ok(collection(all(&app, &dag_id, &run_id, &task_id, -1).await?))
}

/// List the tries of one instance of a mapped task.
#[utoipa::path(
    get,
    path = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/{map_index}/tries",
    operation_id = "get_mapped_task_instance_tries",
    tag = "Task Instance",
    params(
        ("dag_id" = String, Path),
        ("dag_run_id" = String, Path),
        ("task_id" = String, Path),
        ("map_index" = i32, Path),
    ),
    responses(
        (status = 200, description = "The tries, first to last", body = TaskInstanceHistoryCollectionResponse),
        (status = 404, description = "There is no such task instance", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn get_mapped_task_instance_tries(
    State(app): State<AppState>,
    UrlPath((dag_id, run_id, task_id, map_index)): UrlPath<(String, String, String, i32)>,
) -> Result<Json<TaskInstanceHistoryCollectionResponse>, ApiError> {
    Ok(collection(all(&app, &dag_id, &run_id, &task_id, map_index).await?))
}

/// Look at a try of a task instance.
#[utoipa::path(
    get,
    path = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/tries/{task_try_number}",
    operation_id = "get_task_instance_try_details",
    tag = "Task Instance",
    params(
        ("dag_id" = String, Path),
        ("dag_run_id" = String, Path),
        ("task_id" = String, Path),
        ("task_try_number" = i32, Path),
    ),
    responses(
        (status = 200, description = "The try", body = TaskInstanceHistoryResponse),
        (status = 404, description = "There is no such try", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn get_task_instance_try_details(
    State(app): State<AppState>,
    UrlPath((dag_id, run_id, task_id, number)): UrlPath<(String, String, String, i32)>,
) -> Result<Json<TaskInstanceHistoryResponse>, ApiError> {
    one(&app, &dag_id, &run_id, &task_id, -1, number).await
}

/// Look at a try of one instance of a mapped task.
#[utoipa::path(
    get,
    path = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/{map_index}/tries/{task_try_number}",
    operation_id = "get_mapped_task_instance_try_details",
    tag = "Task Instance",
    params(
        ("dag_id" = String, Path),
        ("dag_run_id" = String, Path),
        ("task_id" = String, Path),
        ("map_index" = i32, Path),
        ("task_try_number" = i32, Path),
    ),
    responses(
        (status = 200, description = "The try", body = TaskInstanceHistoryResponse),
        (status = 404, description = "There is no such try", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn get_mapped_task_instance_try_details(
    State(app): State<AppState>,
    UrlPath((dag_id, run_id, task_id, map_index, number)): UrlPath<(String, String, String, i32, i32)>,
) -> Result<Json<TaskInstanceHistoryResponse>, ApiError> {
    one(&app, &dag_id, &run_id, &task_id, map_index, number).await
}

/// Every try that began; the latest may still be under way.
async fn all(
    app: &AppState,
    dag_id: &str,
    run_id: &str,
    task_id: &str,
    map_index: i32,
) -> Result<Vec<(i32, TaskInstanceHistoryResponse)>, ApiError> {
    // Says why when there is none.
    find(app, dag_id, run_id, task_id, map_index).await?;
    let Some(tries) = read::tries(app.db.read(), dag_id, run_id, task_id, map_index).await? else {
        return Ok(Vec::new());
    };
    let run = &tries.latest.run;
    let mut shown = Vec::with_capacity(tries.earlier.len() + 1);
    for earlier in &tries.earlier {
        shown.push((earlier.try_number, TaskInstanceHistoryResponse::earlier(earlier, run)?));
    }
    // A task instance that was cleared keeps the number of its last try, which is in the history already.
    let is_earlier = tries.earlier.last().is_some_and(|last| last.try_number == tries.latest.instance.try_number);
    if tries.latest.instance.try_number > 0 && !is_earlier {
        let latest = TaskInstanceHistoryResponse::latest(&tries.latest.instance, run)?;
        shown.push((tries.latest.instance.try_number, latest));
    }
    Ok(shown)
}

async fn one(
    app: &AppState,
    dag_id: &str,
    run_id: &str,
    task_id: &str,
    map_index: i32,
    number: i32,
) -> Result<Json<TaskInstanceHistoryResponse>, ApiError> {
    let tries = all(app, dag_id, run_id, task_id, map_index).await?;
    match tries.into_iter().find(|(try_number, _)| *try_number == number) {
        Some((_, shown)) => Ok(Json(shown)),
        None => Err(ApiError::not_found(format!(
            "The Task Instance with dag_id: `{dag_id}`, run_id: `{run_id}`, task_id: `{task_id}`, \
             try_number: `{number}` and map_index: `{map_index}` was not found"
        ))),
    }
}

fn collection(tries: Vec<(i32, TaskInstanceHistoryResponse)>) -> Json<TaskInstanceHistoryCollectionResponse> {
    let task_instances: Vec<TaskInstanceHistoryResponse> = tries.into_iter().map(|(_, shown)| shown).collect();
    let total_entries = task_instances.len() as u64;
    Json(TaskInstanceHistoryCollectionResponse { task_instances, total_entries })
}
