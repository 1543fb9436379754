//! Several changes of runs or of task instances in one request, each done or refused for itself.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use scheduler::control::TaskRef;
use scheduler::operator::TaskKey;
use scheduler::store::read;
use serde_json::Value;
use utoipa::ToSchema;

use super::dag_runs::DagRunPatchBody;
use super::marks::PatchTaskInstanceBody;
use super::task_instances::{assert_task_instance, find};
use super::unless_all;
use crate::auth::User;
use crate::error::{ApiError, HttpExceptionResponse, HttpValidationError};
use crate::request::{BulkAction, BulkBody, Entity, Fields, FromFields, JsonBody, OnNonExistence, UrlPath};
use crate::state::AppState;
use crate::view::{BulkActionResponse, BulkResponse, DagRunMutableStates};

/// Changes of runs, in order.
#[derive(ToSchema)]
#[schema(as = BulkBody_BulkDAGRunBody_)]
#[expect(dead_code, reason = "describes what is read by other means")]
pub(crate) struct BulkRunsBody {
    actions: Vec<BulkRunsAction>,
}

/// One change of runs.
#[derive(ToSchema)]
#[schema(as = BulkAction_BulkDAGRunBody_)]
#[expect(dead_code, reason = "describes what is read by other means")]
pub(crate) struct BulkRunsAction {
    /// `update` or `delete`.
    action: String,
    /// The runs; those to be deleted may be ids.
    entities: Vec<BulkRun>,
    /// `fail` (default) or `skip`.
    action_on_non_existence: Option<String>,
    /// The fields to change; all when absent.
    update_mask: Option<Vec<String>>,
}

/// A run of a bulk request, and what is to be changed of it.
#[derive(Debug, ToSchema)]
#[schema(as = BulkDAGRunBody)]
pub(crate) struct BulkRun {
    /// The DAG of the path when absent.
    pub(super) dag_id: Option<String>,
    pub(super) dag_run_id: String,
    /// How it ended, or `queued` to let it begin again.
    #[schema(value_type = Option<DagRunMutableStates>)]
    state: Option<String>,
    /// A remark; an empty one deletes it.
    #[schema(max_length = 1000)]
    note: Option<String>,
}

/// A run by its DAG, when that is said, and its id.
pub(crate) type RunKey = (Option<String>, String);

impl FromFields for BulkRun {
    fn from_fields(fields: &mut Fields) -> BulkRun {
        fields.require("dag_run_id");
        let (dag_id, dag_run_id) = (fields.text("dag_id"), fields.text("dag_run_id").unwrap_or_default());
        let DagRunPatchBody { state, note } = DagRunPatchBody::from_fields(fields);
        BulkRun { dag_id, dag_run_id, state, note }
    }
}

impl Entity for BulkRun {
    type Key = RunKey;

    fn named(word: &str) -> RunKey {
        (None, word.to_owned())
    }

    fn key(&self) -> RunKey {
        (self.dag_id.clone(), self.dag_run_id.clone())
    }
}

/// Change or delete several runs.
///
/// Runs are not made so: they are triggered. The answer is 200 whatever became of each change, and says it for each.
#[utoipa::path(
    patch,
    path = "/api/v2/dags/{dag_id}/dagRuns",
    operation_id = "bulk_dag_runs",
    tag = "DagRun",
    params(("dag_id" = String, Path)),
    request_body = BulkRunsBody,
    responses(
        (status = 200, description = "What became of each change", body = BulkResponse),
        (status = 422, description = "The body is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn bulk_dag_runs(
    State(app): State<AppState>,
    user: User,
    UrlPath(dag_id): UrlPath<String>,
    JsonBody(body): JsonBody<BulkBody<BulkRun>>,
) -> Result<Json<BulkResponse>, ApiError> {
    let mut answer = BulkResponse::default();
    for action in body.actions {
        match action {
            BulkAction::Create { .. } => {
                let refused = answer.create.get_or_insert_default();
                refused.failed(StatusCode::METHOD_NOT_ALLOWED, "runs are not created in bulk: trigger them");
            }
            BulkAction::Update { entities, on_non_existence, mask } => {
                let outcome = answer.update.get_or_insert_default();
                for run in entities {
                    let done = change_run(&app, &user, run, &dag_id, &mask).await;
                    note(outcome, on_non_existence, done)?;
                }
            }
            BulkAction::Delete { keys, on_non_existence } => {
                let outcome = answer.delete.get_or_insert_default();
                for key in keys {
                    note(outcome, on_non_existence, delete_run(&app, &user, key, &dag_id).await)?;
                }
            }
        }
    }
    Ok(Json(answer))
}

async fn change_run(
    app: &AppState,
    user: &User,
    run: BulkRun,
    path: &str,
    mask: &[String],
) -> Result<String, ApiError> {
    let (dag_id, run_id) = existing_run(app, run.key(), path).await?;
    let patch = DagRunPatchBody { state: run.state, note: run.note }.masked(mask)?;
    app.control.patch_run(&dag_id, &run_id, patch, Some(&user.name)).await?;
    Ok(format!("{dag_id}.{run_id}"))
}

async fn delete_run(app: &AppState, user: &User, key: RunKey, path: &str) -> Result<String, ApiError> {
    let (dag_id, run_id) = existing_run(app, key, path).await?;
    app.control.delete_run(&dag_id, &run_id, Some(&user.name)).await?;
    Ok(format!("{dag_id}.{run_id}"))
}

/// The DAG and the id of a run, which must exist; the path says the DAG when the run does not.
pub(super) async fn existing_run(
    app: &AppState,
    (dag_id, run_id): RunKey,
    path: &str,
) -> Result<(String, String), ApiError> {
    let dag_id = dag_id.or_else(|| unless_all(path)).ok_or_else(|| unsaid("dag_id"))?;
    if read::find_run(app.db.read(), &dag_id, &run_id).await?.is_none() {
        return Err(ApiError::no_run(&dag_id, &run_id));
    }
    Ok((dag_id, run_id))
}

fn unsaid(name: &str) -> ApiError {
    ApiError::bad_request(format!("`{name}` is needed where the path says `~`"))
}

/// Changes of task instances, in order.
#[derive(ToSchema)]
#[schema(as = BulkBody_BulkTaskInstanceBody_)]
#[expect(dead_code, reason = "describes what is read by other means")]
pub(crate) struct BulkTaskInstancesBody {
    actions: Vec<BulkTaskInstancesAction>,
}

/// One change of task instances.
#[derive(ToSchema)]
#[schema(as = BulkAction_BulkTaskInstanceBody_)]
#[expect(dead_code, reason = "describes what is read by other means")]
pub(crate) struct BulkTaskInstancesAction {
    /// `update` or `delete`.
    action: String,
    /// The task instances; those to be deleted may be ids of tasks.
    #[schema(value_type = Vec<Object>)]
    entities: Vec<Value>,
    /// `fail` (default) or `skip`.
    action_on_non_existence: Option<String>,
    /// The fields to change; all when absent.
    update_mask: Option<Vec<String>>,
}

/// A task instance of a bulk request, and what is to be changed of it.
pub(crate) struct BulkTaskInstance {
    key: BulkTaskKey,
    patch: PatchTaskInstanceBody,
}

/// A task instance, or all of a task when no index is said; DAG and run are those of the path when they are not said.
#[derive(Clone)]
pub(crate) struct BulkTaskKey {
    dag_id: Option<String>,
    dag_run_id: Option<String>,
    task_id: String,
    map_index: Option<i32>,
}

impl BulkTaskKey {
    /// The DAG and the run, of the path when the request does not say.
    fn of_run(&self, (dag_id, run_id): (&str, &str)) -> Result<(String, String), ApiError> {
        let dag_id = self.dag_id.clone().or_else(|| unless_all(dag_id)).ok_or_else(|| unsaid("dag_id"))?;
        let run_id = self.dag_run_id.clone().or_else(|| unless_all(run_id)).ok_or_else(|| unsaid("dag_run_id"))?;
        Ok((dag_id, run_id))
    }
}

impl FromFields for BulkTaskInstance {
    fn from_fields(fields: &mut Fields) -> BulkTaskInstance {
        fields.require("task_id");
        let key = BulkTaskKey {
            dag_id: fields.text("dag_id"),
            dag_run_id: fields.text("dag_run_id"),
            task_id: fields.text("task_id").unwrap_or_default(),
            map_index: fields.number("map_index", -1),
        };
        BulkTaskInstance { key, patch: PatchTaskInstanceBody::from_fields(fields) }
    }
}

impl Entity for BulkTaskInstance {
    type Key = BulkTaskKey;

    fn named(word: &str) -> BulkTaskKey {
        BulkTaskKey { dag_id: None, dag_run_id: None, task_id: word.to_owned(), map_index: None }
    }

    fn key(&self) -> BulkTaskKey {
        self.key.clone()
    }
}

/// Change or delete several task instances.
///
/// They come with their runs, and are not created so. The answer is 200 whatever became of each change, and says it for
/// each.
#[utoipa::path(
    patch,
    path = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances",
    operation_id = "bulk_task_instances",
    tag = "Task Instance",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path)),
    request_body = BulkTaskInstancesBody,
    responses(
        (status = 200, description = "What became of each change", body = BulkResponse),
        (status = 422, description = "The body is invalid", body = HttpValidationError),
        (status = 503, description = "No scheduler is running", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn bulk_task_instances(
    State(app): State<AppState>,
    user: User,
    UrlPath((dag_id, run_id)): UrlPath<(String, String)>,
    JsonBody(body): JsonBody<BulkBody<BulkTaskInstance>>,
) -> Result<Json<BulkResponse>, ApiError> {
    let mut answer = BulkResponse::default();
    for action in body.actions {
        match action {
            BulkAction::Update { entities, on_non_existence, mask } => {
                let outcome = answer.update.get_or_insert_default();
                for instance in entities {
                    let done = mark(&app, &user, instance, (&dag_id, &run_id), &mask).await;
                    note(outcome, on_non_existence, done)?;
                }
            }
            BulkAction::Create { .. } => {
                let refused = answer.create.get_or_insert_default();
                refused.failed(StatusCode::METHOD_NOT_ALLOWED, "task instances come with their runs: clear them");
            }
            BulkAction::Delete { keys, on_non_existence } => {
                let outcome = answer.delete.get_or_insert_default();
                for key in keys {
                    note(outcome, on_non_existence, delete(&app, &user, key, (&dag_id, &run_id)).await)?;
                }
            }
        }
    }
    Ok(Json(answer))
}

/// Deletes a task instance, or all of a mapped task when no index is said.
async fn delete(app: &AppState, user: &User, key: BulkTaskKey, path: (&str, &str)) -> Result<String, ApiError> {
    let (dag_id, run_id) = key.of_run(path)?;
    let BulkTaskKey { task_id, map_index, .. } = key;
    let indices = match map_index {
        Some(map_index) => vec![find(app, &dag_id, &run_id, &task_id, map_index).await?.instance.map_index],
        None => {
            assert_task_instance(app, &dag_id, &run_id, &task_id).await?;
            read::map_indices(app.db.read(), &dag_id, &run_id, &task_id).await?
        }
    };
    for map_index in indices {
        let of = TaskKey { dag_id: dag_id.clone(), run_id: run_id.clone(), task_id: task_id.clone(), map_index };
        app.control.delete_task_instance(&of, Some(&user.name)).await?;
    }
    Ok(format!("{dag_id}.{run_id}.{task_id}[{}]", map_index.unwrap_or(-1)))
}

async fn mark(
    app: &AppState,
    user: &User,
    instance: BulkTaskInstance,
    path: (&str, &str),
    mask: &[String],
) -> Result<String, ApiError> {
    let BulkTaskInstance { key, patch } = instance;
    let (dag_id, run_id) = key.of_run(path)?;
    let BulkTaskKey { task_id, map_index, .. } = key;
    match map_index {
        Some(map_index) => find(app, &dag_id, &run_id, &task_id, map_index).await.map(|_| ())?,
        None => assert_task_instance(app, &dag_id, &run_id, &task_id).await?,
    }
    let name = format!("{dag_id}.{run_id}.{task_id}[{}]", map_index.unwrap_or(-1));
    let mark = patch.masked(mask)?.mark(run_id, TaskRef { task_id, map_index }, false);
    app.control.mark_tasks(&dag_id, mark, Some(&user.name)).await?;
    Ok(name)
}

/// Notes what became of one change; our own faults are the whole request's.
fn note(
    outcome: &mut BulkActionResponse,
    on_non_existence: OnNonExistence,
    done: Result<String, ApiError>,
) -> Result<(), ApiError> {
    match done {
        Ok(name) => outcome.success.push(name),
        Err(ApiError::Refused(StatusCode::NOT_FOUND, _)) if on_non_existence == OnNonExistence::Skip => {}
        Err(ApiError::Refused(status, detail)) => {
            outcome.failed(status, detail.as_str().map_or_else(|| detail.to_string(), str::to_owned));
        }
        Err(other) => return Err(other),
    }
    Ok(())
}
