//! Runs: list, look at, mark.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use scheduler::control::RunPatch;
use scheduler::store::read::{self, RunFilter, RunRow, Sorting};
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::{IntoParams, ToSchema};

use super::dags::PatchParams;
use super::{assert_dag, unless_all};
use crate::auth::User;
use crate::error::{ApiError, HttpExceptionResponse, HttpValidationError};
use crate::request::{Described, Fields, FromFields, JsonBody, Order, Query, UrlPath, order};
use crate::state::AppState;
use crate::view::{DagRunCollectionResponse, DagRunMutableStates, DagRunResponse, DagRunState, DagRunType};

/// A remark is short (Airflow 3).
pub(super) const NOTE_CHARS_MAX: usize = 1000;

/// What lists of runs can be ordered by (Airflow 3).
const ORDER: [&str; 13] = [
    "id",
    "state",
    "dag_id",
    "run_id",
    "logical_date",
    "partition_date",
    "run_after",
    "start_date",
    "end_date",
    "updated_at",
    "conf",
    "duration",
    "dag_run_id",
];

/// The filters of lists of runs, described.
pub(crate) struct RunParams;

impl IntoParams for RunParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Described::paged()
            .cursor()
            .ordered()
            .instants(&["run_after", "logical_date", "start_date", "end_date", "updated_at"])
            .decimals("duration")
            .text("conf_contains", "Text that occurs in `conf`, written as JSON; spaces do not count.")
            .texts(&["run_type", "state"])
            .numbers(&["dag_version"])
            .patterns(&["run_id", "triggering_user_name", "dag_id", "consuming_asset"])
            .text("bundle_version", "No run has one: versions are told apart by their content.")
            .patterns(&["partition_key"])
            .instants(&["partition_date"])
            .done()
    }
}

/// Reads an order of runs.
pub(crate) fn run_order(app: &AppState, words: &[String]) -> Result<Sorting<RunRow>, ApiError> {
    let key = |word: &str| read::run_sort_key(word, &app.db);
    order(words, &Order { default: &["id"], allowed: &ORDER, tie_break: &["id"], key: &key })
}

/// List the runs of a DAG, or of all (`~`).
#[utoipa::path(
    get,
    path = "/api/v2/dags/{dag_id}/dagRuns",
    operation_id = "get_dag_runs",
    tag = "DagRun",
    params(("dag_id" = String, Path), RunParams),
    responses(
        (status = 200, description = "A page of runs", body = DagRunCollectionResponse),
        (status = 400, description = "The order or the cursor is not allowed", body = HttpExceptionResponse),
        (status = 404, description = "There is no such DAG", body = HttpExceptionResponse),
        (status = 422, description = "A parameter is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn get_dag_runs(
    State(app): State<AppState>,
    UrlPath(dag_id): UrlPath<String>,
    mut query: Query,
) -> Result<Json<DagRunCollectionResponse>, ApiError> {
    let sorting = run_order(&app, &query.texts("order_by"))?;
    let filter = RunFilter {
        dag_ids: unless_all(&dag_id).into_iter().collect(),
        dag_id: query.patterns("dag_id"),
        run_id: query.patterns("run_id"),
        triggering_user_name: query.patterns("triggering_user_name"),
        states: query.words("state", DagRunState::WORDS)?,
        run_types: query.words("run_type", DagRunType::WORDS)?,
        version_numbers: query.numbers("dag_version"),
        consumed_asset: query.patterns("consuming_asset"),
        partition_key: query.patterns("partition_key"),
        is_of_none: query.text("bundle_version").is_some(),
        conf_contains: query.text("conf_contains"),
        run_after: query.instants("run_after"),
        logical_date: query.instants("logical_date"),
        partition_date: query.instants("partition_date"),
        start_date: query.instants("start_date"),
        end_date: query.instants("end_date"),
        updated_at: query.instants("updated_at"),
        duration: query.decimals("duration"),
        now: app.clock.now(),
    };
    let paging = query.paging_by_cursor(&sorting)?;
    query.finish()?;
    assert_dag(&app, &dag_id).await?;
    let listing = read::list_runs(app.db.read(), &filter, &sorting, &paging).await?;
    DagRunCollectionResponse::new(listing, &paging).map(Json)
}

/// Look at a run.
#[utoipa::path(
    get,
    path = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}",
    operation_id = "get_dag_run",
    tag = "DagRun",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path)),
    responses(
        (status = 200, description = "The run", body = DagRunResponse),
        (status = 404, description = "There is no such run", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn get_dag_run(
    State(app): State<AppState>,
    UrlPath((dag_id, run_id)): UrlPath<(String, String)>,
) -> Result<Json<DagRunResponse>, ApiError> {
    match read::find_run(app.db.read(), &dag_id, &run_id).await? {
        Some(row) => DagRunResponse::try_from(row).map(Json),
        None => Err(ApiError::no_run(&dag_id, &run_id)),
    }
}

/// What can be changed of a run.
#[derive(Debug, ToSchema)]
#[schema(as = DAGRunPatchBody)]
pub(crate) struct DagRunPatchBody {
    /// How it ended, or `queued` to let it begin again.
    #[schema(value_type = Option<DagRunMutableStates>)]
    pub(super) state: Option<String>,
    /// A remark; an empty one deletes it.
    #[schema(max_length = 1000)]
    pub(super) note: Option<String>,
}

impl FromFields for DagRunPatchBody {
    fn from_fields(fields: &mut Fields) -> DagRunPatchBody {
        // A remark that is null is deleted, one that is absent is left.
        let is_deleted = fields.is_null("note");
        let note = fields.short_text("note", NOTE_CHARS_MAX);
        DagRunPatchBody {
            state: fields.word("state", DagRunMutableStates::WORDS),
            note: if is_deleted { Some(String::new()) } else { note },
        }
    }
}

impl DagRunPatchBody {
    /// What is to be changed, when only some fields are to be applied.
    pub(super) fn masked(self, mask: &[String]) -> Result<RunPatch, ApiError> {
        if let Some(other) = mask.iter().find(|field| !matches!(field.as_str(), "state" | "note")) {
            return Err(ApiError::bad_request(format!("`{other}` cannot be updated: `state` and `note` can")));
        }
        let is_wanted = |field: &str| mask.is_empty() || mask.iter().any(|masked| masked == field);
        Ok(RunPatch {
            state: self.state.filter(|_| is_wanted("state")).and_then(|word| word.parse().ok()),
            note: self.note.filter(|_| is_wanted("note")),
        })
    }
}

/// Mark a run, or write a remark on it.
#[utoipa::path(
    patch,
    path = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}",
    operation_id = "patch_dag_run",
    tag = "DagRun",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), PatchParams),
    request_body = DagRunPatchBody,
    responses(
        (status = 200, description = "The run as it is now", body = DagRunResponse),
        (status = 400, description = "Another field is masked", body = HttpExceptionResponse),
        (status = 404, description = "There is no such run", body = HttpExceptionResponse),
        (status = 422, description = "The body is invalid", body = HttpValidationError),
        (status = 503, description = "No scheduler is running", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn patch_dag_run(
    State(app): State<AppState>,
    user: User,
    UrlPath((dag_id, run_id)): UrlPath<(String, String)>,
    query: Query,
    JsonBody(body): JsonBody<DagRunPatchBody>,
) -> Result<Json<DagRunResponse>, ApiError> {
    let patch = body.masked(&query.texts("update_mask"))?;
    if read::find_run(app.db.read(), &dag_id, &run_id).await?.is_none() {
        return Err(ApiError::no_run(&dag_id, &run_id));
    }
    if patch.state.is_some() || patch.note.is_some() {
        app.control.patch_run(&dag_id, &run_id, patch, Some(&user.name)).await?;
    }
    get_dag_run(State(app), UrlPath((dag_id, run_id))).await
}

/// Delete a run that does not run, with all that is stored of it.
#[utoipa::path(
    delete,
    path = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}",
    operation_id = "delete_dag_run",
    tag = "DagRun",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path)),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "There is no such run", body = HttpExceptionResponse),
        (status = 409, description = "It runs", body = HttpExceptionResponse),
        (status = 503, description = "No scheduler is running", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn delete_dag_run(
    State(app): State<AppState>,
    user: User,
    UrlPath((dag_id, run_id)): UrlPath<(String, String)>,
) -> Result<StatusCode, ApiError> {
    if read::find_run(app.db.read(), &dag_id, &run_id).await?.is_none() {
        return Err(ApiError::no_run(&dag_id, &run_id));
    }
    app.control.delete_run(&dag_id, &run_id, Some(&user.name)).await?;
    Ok(StatusCode::NO_CONTENT)
}
