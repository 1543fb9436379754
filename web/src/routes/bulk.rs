//! Bulk requests: several changes in one body, each done or refused for itself (Airflow 3).

use axum::Json;
use axum::extract::State;
use scheduler::control::{RunPatch, TaskRef};
use scheduler::store::read;
use serde_json::Value;
use utoipa::ToSchema;

use super::ALL;
use super::dag_runs::DagRunPatchBody;
use super::marks::PatchTaskInstanceBody;
use super::task_instances::{assert_task_instance, find};
use crate::auth::User;
use crate::error::{ApiError, HttpExceptionResponse, HttpValidationError};
use crate::request::{Fields, FromFields, JsonBody, UrlPath};
use crate::state::AppState;
use crate::view::{BulkActionResponse, BulkError, BulkResponse};

/// One part of a bulk request.
#[derive(Debug, ToSchema)]
pub(crate) struct BulkAction {
    /// `create`, `update` or `delete`.
    action: String,
    /// What is to be changed: objects, or for `delete` also plain ids.
    #[schema(value_type = Vec<Object>)]
    entities: Vec<Value>,
    /// `fail` (default) or `skip`.
    #[schema(value_type = Option<String>)]
    action_on_non_existence: Option<String>,
    /// Only these fields are applied.
    #[schema(required = false)]
    update_mask: Vec<String>,
}

/// Several changes.
#[derive(Debug, ToSchema)]
pub(crate) struct BulkBody {
    actions: Vec<BulkAction>,
}

impl FromFields for BulkBody {
    fn from_fields(fields: &mut Fields) -> BulkBody {
        fields.require("actions");
        let wanted = "a list of actions, each with `action` (create, update or delete) and `entities`";
        BulkBody { actions: fields.items("actions", wanted, action).unwrap_or_default() }
    }
}

fn action(value: &Value) -> Option<BulkAction> {
    let word = |name: &str, known: &[&str]| match value.get(name) {
        None | Some(Value::Null) => Some(None),
        Some(word) => word.as_str().filter(|word| known.contains(word)).map(|word| Some(word.to_owned())),
    };
    let mask = value.get("update_mask").and_then(Value::as_array).into_iter().flatten();
    Some(BulkAction {
        action: word("action", &["create", "update", "delete"])??,
        entities: value.get("entities")?.as_array()?.clone(),
        action_on_non_existence: word("action_on_non_existence", &["fail", "skip"])?,
        update_mask: mask.filter_map(Value::as_str).map(str::to_owned).collect(),
    })
}

/// An entity of a bulk request: where it is, and what is to be changed of it.
struct Entity<T> {
    dag_id: String,
    run_id: String,
    task_id: Option<String>,
    map_index: Option<i32>,
    change: T,
}

/// Reads an entity; a plain id stands for an object with that id alone.
fn entity<T: FromFields>(value: &Value, id: &str, path: (&str, Option<&str>)) -> Result<Entity<T>, ApiError> {
    let mut object = match value {
        Value::String(name) => [(id.to_owned(), Value::from(name.as_str()))].into_iter().collect(),
        Value::Object(object) => object.clone(),
        _ => return Err(ApiError::unprocessable("an entity is an object or an id")),
    };
    let mut text = |name: &str| object.shift_remove(name).and_then(|value| value.as_str().map(str::to_owned));
    let missing = |name: &str| ApiError::bad_request(format!("an entity needs its `{name}` when the path says `~`"));
    let unless_all = |segment: &str| (segment != ALL).then(|| segment.to_owned());
    let dag_id = text("dag_id").or_else(|| unless_all(path.0)).ok_or_else(|| missing("dag_id"))?;
    let run_id = text("dag_run_id").or_else(|| path.1.and_then(unless_all)).ok_or_else(|| missing("dag_run_id"))?;
    let task_id = text("task_id");
    let map_index = object.shift_remove("map_index").and_then(|index| i32::try_from(index.as_i64()?).ok());
    let change = Fields::of(object).into()?;
    Ok(Entity { dag_id, run_id, task_id, map_index, change })
}

/// Adds what became of one entity.
fn note(
    outcome: &mut BulkActionResponse,
    may_be_absent: bool,
    result: Result<String, ApiError>,
) -> Result<(), ApiError> {
    match result {
        Ok(name) => outcome.success.push(name),
        Err(ApiError::Internal(cause)) => return Err(ApiError::Internal(cause)),
        Err(refusal) => {
            let (status, error) = refusal.in_words();
            if status != 404 || !may_be_absent {
                outcome.errors.push(BulkError { error, status_code: status });
            }
        }
    }
    Ok(())
}

impl BulkAction {
    fn may_be_absent(&self) -> bool {
        self.action_on_non_existence.as_deref() == Some("skip")
    }

    fn outcome<'a>(&self, answer: &'a mut BulkResponse) -> &'a mut BulkActionResponse {
        let place = match self.action.as_str() {
            "create" => &mut answer.create,
            "update" => &mut answer.update,
            _ => &mut answer.delete,
        };
        place.get_or_insert_with(BulkActionResponse::default)
    }
}

/// Change several task instances.
///
/// `create` and `delete` are refused: task instances come and go with their runs.
#[utoipa::path(
    patch,
    path = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances",
    operation_id = "bulk_task_instances",
    tag = "Task Instance",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path)),
    request_body = BulkBody,
    responses(
        (status = 200, description = "What became of each", body = BulkResponse),
        (status = 422, description = "The body is invalid", body = HttpValidationError),
        (status = 503, description = "No scheduler is running", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn bulk_task_instances(
    State(app): State<AppState>,
    user: User,
    UrlPath((dag_id, run_id)): UrlPath<(String, String)>,
    JsonBody(body): JsonBody<BulkBody>,
) -> Result<Json<BulkResponse>, ApiError> {
    let mut answer = BulkResponse::default();
    for action in body.actions {
        for value in &action.entities {
            let result = match action.action.as_str() {
                "update" => mark_entity(&app, &user, value, (&dag_id, &run_id), &action.update_mask).await,
                verb => {
                    Err(not_allowed(&format!("task instances cannot be {verb}d: they come and go with their runs")))
                }
            };
            note(action.outcome(&mut answer), action.may_be_absent(), result)?;
        }
    }
    Ok(Json(answer))
}

async fn mark_entity(
    app: &AppState,
    user: &User,
    value: &Value,
    (dag_id, run_id): (&str, &str),
    mask: &[String],
) -> Result<String, ApiError> {
    let Entity { dag_id, run_id, task_id, map_index, change } =
        entity::<PatchTaskInstanceBody>(value, "task_id", (dag_id, Some(run_id)))?;
    let task_id = task_id.ok_or_else(|| ApiError::unprocessable("an entity needs its `task_id`"))?;
    match map_index {
        Some(map_index) => find(app, &dag_id, &run_id, &task_id, map_index).await.map(|_| ())?,
        None => assert_task_instance(app, &dag_id, &run_id, &task_id).await?,
    }
    let name = format!("{dag_id}.{run_id}.{task_id}[{}]", map_index.unwrap_or(-1));
    let mark = change.masked(mask)?.mark(run_id, TaskRef { task_id, map_index }, false);
    app.control.mark_tasks(&dag_id, mark, Some(&user.name)).await?;
    Ok(name)
}

/// Change or delete several runs.
///
/// `create` is refused: runs are triggered.
#[utoipa::path(
    patch,
    path = "/api/v2/dags/{dag_id}/dagRuns",
    operation_id = "bulk_dag_runs",
    tag = "DagRun",
    params(("dag_id" = String, Path)),
    request_body = BulkBody,
    responses(
        (status = 200, description = "What became of each", body = BulkResponse),
        (status = 422, description = "The body is invalid", body = HttpValidationError),
        (status = 503, description = "No scheduler is running", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn bulk_dag_runs(
    State(app): State<AppState>,
    user: User,
    UrlPath(dag_id): UrlPath<String>,
    JsonBody(body): JsonBody<BulkBody>,
) -> Result<Json<BulkResponse>, ApiError> {
    let mut answer = BulkResponse::default();
    for action in body.actions {
        for value in &action.entities {
            let result = match action.action.as_str() {
                "create" => Err(not_allowed("runs cannot be created in bulk: trigger them")),
                verb => change_run(&app, &user, value, &dag_id, (verb == "delete", &action.update_mask)).await,
            };
            note(action.outcome(&mut answer), action.may_be_absent(), result)?;
        }
    }
    Ok(Json(answer))
}

async fn change_run(
    app: &AppState,
    user: &User,
    value: &Value,
    dag_id: &str,
    (is_deletion, mask): (bool, &[String]),
) -> Result<String, ApiError> {
    let Entity { dag_id, run_id, change, .. } = entity::<DagRunPatchBody>(value, "dag_run_id", (dag_id, None))?;
    if read::find_run(app.db.read(), &dag_id, &run_id).await?.is_none() {
        return Err(ApiError::no_run(&dag_id, &run_id));
    }
    if is_deletion {
        app.control.delete_run(&dag_id, &run_id, Some(&user.name)).await?;
    } else {
        let patch: RunPatch = change.masked(mask)?;
        app.control.patch_run(&dag_id, &run_id, patch, Some(&user.name)).await?;
    }
    Ok(format!("{dag_id}.{run_id}"))
}

fn not_allowed(detail: &str) -> ApiError {
    ApiError::refused(axum::http::StatusCode::METHOD_NOT_ALLOWED, detail)
}
