//! Marking: saying how task instances ended, and remarking upon them.

use axum::Json;
use axum::extract::State;
use scheduler::control::{MarkTasks, Relatives, TaskRef};
use scheduler::run::TaskState;
use scheduler::store::{read, versions};
use utoipa::ToSchema;

use super::clear::collection;
use super::dag_runs::NOTE_CHARS_MAX;
use super::dags::PatchParams;
use super::task_instances::{assert_task_instance, find};
use crate::auth::User;
use crate::error::{ApiError, HttpExceptionResponse, HttpValidationError};
use crate::request::{Fields, FromFields, JsonBody, Query, UrlPath};
use crate::state::AppState;
use crate::view::{TaskInstanceCollectionResponse, TaskInstanceState};

/// What a person may make of a task instance (Airflow 3).
pub(super) const MARKABLE: [&str; 3] = ["success", "failed", "skipped"];

/// What is to be changed of task instances.
#[derive(Clone, Debug, Default, ToSchema)]
pub(crate) struct PatchTaskInstanceBody {
    /// `success`, `failed` or `skipped`.
    #[schema(value_type = Option<TaskInstanceState>)]
    pub(super) new_state: Option<String>,
    /// A remark; an empty one deletes it.
    #[schema(max_length = 1000)]
    pub(super) note: Option<String>,
    #[schema(default = false, required = false)]
    include_upstream: bool,
    #[schema(default = false, required = false)]
    include_downstream: bool,
    /// The same tasks in all later runs.
    #[schema(default = false, required = false)]
    include_future: bool,
    /// The same tasks in all earlier runs.
    #[schema(default = false, required = false)]
    include_past: bool,
}

impl FromFields for PatchTaskInstanceBody {
    fn from_fields(fields: &mut Fields) -> PatchTaskInstanceBody {
        // A remark that is null is deleted, one that is absent is left.
        let is_deleted = fields.is_null("note");
        let note = fields.short_text("note", NOTE_CHARS_MAX);
        PatchTaskInstanceBody {
            new_state: fields.word("new_state", &MARKABLE),
            note: if is_deleted { Some(String::new()) } else { note },
            include_upstream: fields.flag("include_upstream").unwrap_or(false),
            include_downstream: fields.flag("include_downstream").unwrap_or(false),
            include_future: fields.flag("include_future").unwrap_or(false),
            include_past: fields.flag("include_past").unwrap_or(false),
        }
    }
}

impl PatchTaskInstanceBody {
    /// What is left when only some fields are to be applied.
    pub(super) fn masked(mut self, mask: &[String]) -> Result<PatchTaskInstanceBody, ApiError> {
        if let Some(other) = mask.iter().find(|field| !matches!(field.as_str(), "new_state" | "note")) {
            return Err(ApiError::bad_request(format!("`{other}` cannot be updated: `new_state` and `note` can")));
        }
        let is_wanted = |field: &str| mask.is_empty() || mask.iter().any(|masked| masked == field);
        self.new_state = self.new_state.filter(|_| is_wanted("new_state"));
        self.note = self.note.filter(|_| is_wanted("note"));
        Ok(self)
    }

    /// The same, as the control takes it.
    pub(super) fn mark(self, run_id: String, task: TaskRef, is_dry: bool) -> MarkTasks {
        let state = self.new_state.as_deref().and_then(|word| TaskState::from_word(Some(word)).ok());
        MarkTasks {
            run_id,
            tasks: vec![task],
            relatives: Relatives {
                upstream: self.include_upstream,
                downstream: self.include_downstream,
                past: self.include_past,
                future: self.include_future,
            },
            state,
            // Nothing to change is nothing done.
            dry_run: is_dry || (state.is_none() && self.note.is_none()),
            note: self.note,
        }
    }
}

/// Whom a change is about, and whether it is made.
struct Asked {
    dag_id: String,
    run_id: String,
    task: TaskRef,
    is_dry: bool,
}

async fn patch(
    app: &AppState,
    user: &User,
    asked: Asked,
    query: &Query,
    body: PatchTaskInstanceBody,
) -> Result<Json<TaskInstanceCollectionResponse>, ApiError> {
    let mark = body.masked(&query.texts("update_mask"))?.mark(asked.run_id, asked.task, asked.is_dry);
    let marked = app.control.mark_tasks(&asked.dag_id, mark, Some(&user.name)).await?;
    collection(app, &marked).await
}

/// Mark a task instance, or write a remark on it; of a mapped task, on all of its instances.
#[utoipa::path(
    patch,
    path = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}",
    operation_id = "patch_task_instance",
    tag = "Task Instance",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("task_id" = String, Path), PatchParams),
    request_body = PatchTaskInstanceBody,
    responses(
        (status = 200, description = "What was changed", body = TaskInstanceCollectionResponse),
        (status = 400, description = "Another field is masked, or the run has no logical date", body = HttpExceptionResponse),
        (status = 404, description = "There is no such task instance", body = HttpExceptionResponse),
        (status = 409, description = "It is in that state already", body = HttpExceptionResponse),
        (status = 422, description = "The body is invalid", body = HttpValidationError),
        (status = 503, description = "No scheduler is running", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn patch_task_instance(
    State(app): State<AppState>,
    user: User,
    UrlPath((dag_id, run_id, task_id)): UrlPath<(String, String, String)>,
    query: Query,
    JsonBody(body): JsonBody<PatchTaskInstanceBody>,
) -> Result<Json<TaskInstanceCollectionResponse>, ApiError> {
    assert_task_instance(&app, &dag_id, &run_id, &task_id).await?;
    let task = TaskRef { task_id, map_index: None };
    patch(&app, &user, Asked { dag_id, run_id, task, is_dry: false }, &query, body).await
}

/// A task may be called `list`; the path of the batch would hide it.
pub(crate) async fn patch_task_instance_called_list(
    app: State<AppState>,
    user: User,
    UrlPath((dag_id, run_id)): UrlPath<(String, String)>,
    query: Query,
    body: JsonBody<PatchTaskInstanceBody>,
) -> Result<Json<TaskInstanceCollectionResponse>, ApiError> {
    patch_task_instance(app, user, UrlPath((dag_id, run_id, "list".to_owned())), query, body).await
}

/// Say what marking a task instance would change.
#[utoipa::path(
    patch,
    path = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/dry_run",
    operation_id = "patch_task_instance_dry_run",
    tag = "Task Instance",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("task_id" = String, Path), PatchParams),
    request_body = PatchTaskInstanceBody,
    responses(
        (status = 200, description = "What would be changed", body = TaskInstanceCollectionResponse),
        (status = 400, description = "Another field is masked, or the run has no logical date", body = HttpExceptionResponse),
        (status = 404, description = "There is no such task instance", body = HttpExceptionResponse),
        (status = 422, description = "The body is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn patch_task_instance_dry_run(
    State(app): State<AppState>,
    user: User,
    UrlPath((dag_id, run_id, task_id)): UrlPath<(String, String, String)>,
    query: Query,
    JsonBody(body): JsonBody<PatchTaskInstanceBody>,
) -> Result<Json<TaskInstanceCollectionResponse>, ApiError> {
    assert_task_instance(&app, &dag_id, &run_id, &task_id).await?;
    let task = TaskRef { task_id, map_index: None };
    patch(&app, &user, Asked { dag_id, run_id, task, is_dry: true }, &query, body).await
}

/// Mark one instance of a mapped task, or write a remark on it.
#[utoipa::path(
    patch,
    path = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/{map_index}",
    operation_id = "patch_task_instance_by_map_index",
    tag = "Task Instance",
    params(
        ("dag_id" = String, Path),
        ("dag_run_id" = String, Path),
        ("task_id" = String, Path),
        ("map_index" = i32, Path),
        PatchParams,
    ),
    request_body = PatchTaskInstanceBody,
    responses(
        (status = 200, description = "What was changed", body = TaskInstanceCollectionResponse),
        (status = 400, description = "Another field is masked, or the run has no logical date", body = HttpExceptionResponse),
        (status = 404, description = "There is no such task instance", body = HttpExceptionResponse),
        (status = 409, description = "It is in that state already", body = HttpExceptionResponse),
        (status = 422, description = "The body is invalid", body = HttpValidationError),
        (status = 503, description = "No scheduler is running", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn patch_task_instance_by_map_index(
    State(app): State<AppState>,
    user: User,
    UrlPath((dag_id, run_id, task_id, map_index)): UrlPath<(String, String, String, i32)>,
    query: Query,
    JsonBody(body): JsonBody<PatchTaskInstanceBody>,
) -> Result<Json<TaskInstanceCollectionResponse>, ApiError> {
    find(&app, &dag_id, &run_id, &task_id, map_index).await?;
    let task = TaskRef { task_id, map_index: Some(map_index) };
    patch(&app, &user, Asked { dag_id, run_id, task, is_dry: false }, &query, body).await
}

/// Say what marking one instance of a mapped task would change.
#[utoipa::path(
    patch,
    path = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/{map_index}/dry_run",
    operation_id = "patch_task_instance_dry_run_by_map_index",
    tag = "Task Instance",
    params(
        ("dag_id" = String, Path),
        ("dag_run_id" = String, Path),
        ("task_id" = String, Path),
        ("map_index" = i32, Path),
        PatchParams,
    ),
    request_body = PatchTaskInstanceBody,
    responses(
        (status = 200, description = "What would be changed", body = TaskInstanceCollectionResponse),
        (status = 400, description = "Another field is masked, or the run has no logical date", body = HttpExceptionResponse),
        (status = 404, description = "There is no such task instance", body = HttpExceptionResponse),
        (status = 422, description = "The body is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn patch_task_instance_dry_run_by_map_index(
    State(app): State<AppState>,
    user: User,
    UrlPath((dag_id, run_id, task_id, map_index)): UrlPath<(String, String, String, i32)>,
    query: Query,
    JsonBody(body): JsonBody<PatchTaskInstanceBody>,
) -> Result<Json<TaskInstanceCollectionResponse>, ApiError> {
    find(&app, &dag_id, &run_id, &task_id, map_index).await?;
    let task = TaskRef { task_id, map_index: Some(map_index) };
    patch(&app, &user, Asked { dag_id, run_id, task, is_dry: true }, &query, body).await
}

/// Mark every task instance of a group.
#[utoipa::path(
    patch,
    path = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskGroupInstances/{group_id}",
    operation_id = "patch_task_group_instances",
    tag = "Task Instance",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("group_id" = String, Path), PatchParams),
    request_body = PatchTaskInstanceBody,
    responses(
        (status = 200, description = "What was changed", body = TaskInstanceCollectionResponse),
        (status = 400, description = "Another field is masked, or the run has no logical date", body = HttpExceptionResponse),
        (status = 404, description = "There is no such run or group", body = HttpExceptionResponse),
        (status = 409, description = "All are in that state already", body = HttpExceptionResponse),
        (status = 422, description = "The body is invalid", body = HttpValidationError),
        (status = 503, description = "No scheduler is running", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn patch_task_group_instances(
    State(app): State<AppState>,
    user: User,
    UrlPath((dag_id, run_id, group_id)): UrlPath<(String, String, String)>,
    query: Query,
    JsonBody(body): JsonBody<PatchTaskInstanceBody>,
) -> Result<Json<TaskInstanceCollectionResponse>, ApiError> {
    let task = group(&app, &dag_id, &run_id, group_id).await?;
    patch(&app, &user, Asked { dag_id, run_id, task, is_dry: false }, &query, body).await
}

/// Say what marking a group would change.
#[utoipa::path(
    patch,
    path = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskGroupInstances/{group_id}/dry_run",
    operation_id = "patch_task_group_instances_dry_run",
    tag = "Task Instance",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("group_id" = String, Path), PatchParams),
    request_body = PatchTaskInstanceBody,
    responses(
        (status = 200, description = "What would be changed", body = TaskInstanceCollectionResponse),
        (status = 400, description = "Another field is masked, or the run has no logical date", body = HttpExceptionResponse),
        (status = 404, description = "There is no such run or group", body = HttpExceptionResponse),
        (status = 422, description = "The body is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn patch_task_group_instances_dry_run(
    State(app): State<AppState>,
    user: User,
    UrlPath((dag_id, run_id, group_id)): UrlPath<(String, String, String)>,
    query: Query,
    JsonBody(body): JsonBody<PatchTaskInstanceBody>,
) -> Result<Json<TaskInstanceCollectionResponse>, ApiError> {
    let task = group(&app, &dag_id, &run_id, group_id).await?;
    patch(&app, &user, Asked { dag_id, run_id, task, is_dry: true }, &query, body).await
}

/// A group of the version of the DAG to which the run is pinned.
async fn group(app: &AppState, dag_id: &str, run_id: &str, group_id: String) -> Result<TaskRef, ApiError> {
    let row = read::find_run(app.db.read(), dag_id, run_id).await?.ok_or_else(|| ApiError::no_run(dag_id, run_id))?;
    let version = versions::find(app.db.read(), row.run.dag_version_id).await?;
    let definition = version.and_then(|version| {
        app.catalog.definition(&version.dag_id, &version.hash, &version.relative_fileloc, &version.source).ok()
    });
    if definition.is_some_and(|dag| dag.groups.iter().any(|group| group.group_id == group_id)) {
        return Ok(TaskRef { task_id: group_id, map_index: None });
    }
    Err(ApiError::not_found(format!("The task group with id: `{group_id}` was not found in run `{run_id}`")))
}
