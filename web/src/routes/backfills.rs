//! Backfills: making, listing, pausing and cancelling them.

use axum::Json;
use axum::extract::State;
use chrono::Utc;
use scheduler::control::{ControlError, NewBackfill, Reprocess};
use scheduler::store::entity::backfill;
use scheduler::store::{StoreError, backfills};
use serde_json::{Map, Value};
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::{IntoParams, ToSchema};

use super::assert_dag;
use crate::auth::User;
use crate::error::{ApiError, HttpExceptionResponse, HttpValidationError, ValidationError};
use crate::request::{Described, Fields, FromFields, JsonBody, Query, UrlPath};
use crate::state::AppState;
use crate::view::display_name::Names;
use crate::view::{
    BackfillCollectionResponse, BackfillResponse, DryRunBackfillCollectionResponse, DryRunBackfillResponse,
};

/// Most runs of a backfill at the same time, unless it says otherwise (Airflow 3).
const MAX_ACTIVE_RUNS: u64 = 10;

/// What is to be run.
#[derive(Debug, ToSchema)]
#[schema(as = BackfillPostBody)]
pub(crate) struct BackfillBody {
    #[schema(required)]
    dag_id: Option<String>,
    /// The first logical date, inclusive.
    #[schema(required)]
    from_date: Option<chrono::DateTime<Utc>>,
    /// The last logical date, inclusive.
    #[schema(required)]
    to_date: Option<chrono::DateTime<Utc>>,
    /// Newest date first.
    #[schema(default = false)]
    run_backwards: Option<bool>,
    #[schema(value_type = Option<Object>)]
    dag_run_conf: Option<Map<String, Value>>,
    /// `none`, `failed` or `completed`: what happens to dates that have a run.
    #[schema(default = "none")]
    reprocess_behavior: Option<String>,
    #[schema(default = 10, minimum = 1)]
    max_active_runs: Option<u64>,
    /// Whether runs that are reused go on with the newest version of the DAG.
    run_on_latest_version: Option<bool>,
}

impl FromFields for BackfillBody {
    fn from_fields(fields: &mut Fields) -> BackfillBody {
        for name in ["dag_id", "from_date", "to_date"] {
            fields.require(name);
        }
        BackfillBody {
            dag_id: fields.text("dag_id"),
            from_date: fields.instant("from_date"),
            to_date: fields.instant("to_date"),
            run_backwards: fields.flag("run_backwards"),
            dag_run_conf: fields.object("dag_run_conf"),
            reprocess_behavior: fields.word("reprocess_behavior", &Reprocess::WORDS),
            max_active_runs: fields.count("max_active_runs"),
            run_on_latest_version: fields.flag("run_on_latest_version"),
        }
    }
}

impl BackfillBody {
    fn meaning(self) -> Result<NewBackfill, ApiError> {
        let missing = |name| {
            let problem = ValidationError::new("missing", &["body", name], "Input should not be null", Value::Null);
            ApiError::Invalid(vec![problem])
        };
        Ok(NewBackfill {
            dag_id: self.dag_id.ok_or_else(|| missing("dag_id"))?,
            from_date: self.from_date.ok_or_else(|| missing("from_date"))?,
            to_date: self.to_date.ok_or_else(|| missing("to_date"))?,
            run_backwards: self.run_backwards.unwrap_or(false),
            conf: self.dag_run_conf.unwrap_or_default(),
            reprocess: self.reprocess_behavior.as_deref().and_then(Reprocess::of_word).unwrap_or_default(),
            max_active_runs: u32::try_from(self.max_active_runs.unwrap_or(MAX_ACTIVE_RUNS)).unwrap_or(u32::MAX),
            run_on_latest_version: self.run_on_latest_version,
        })
    }
}

/// Airflow answers what makes no sense with 422 and a sentence.
fn refused(error: ControlError) -> ApiError {
    match error {
        ControlError::Invalid(sentence) => ApiError::unprocessable(sentence),
        ControlError::NotFound { what: "DAG", id } => ApiError::not_found(format!("Could not find dag {id}")),
        other => other.into(),
    }
}

/// Run a range of dates.
#[utoipa::path(
    post,
    path = "/api/v2/backfills",
    operation_id = "create_backfill",
    tag = "Backfill",
    request_body = BackfillBody,
    responses(
        (status = 200, description = "The backfill", body = BackfillResponse),
        (status = 404, description = "There is no such DAG", body = HttpExceptionResponse),
        (status = 409, description = "The DAG has an active backfill", body = HttpExceptionResponse),
        (status = 422, description = "There is nothing to run, or the body is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn create_backfill(
    State(app): State<AppState>,
    user: User,
    JsonBody(body): JsonBody<BackfillBody>,
) -> Result<Json<BackfillResponse>, ApiError> {
    let (backfill, _) = app.control.create_backfill(body.meaning()?, Some(&user.name)).await.map_err(refused)?;
    named(&app, backfill).await
}

/// See which dates a backfill would run.
#[utoipa::path(
    post,
    path = "/api/v2/backfills/dry_run",
    operation_id = "create_backfill_dry_run",
    tag = "Backfill",
    request_body = BackfillBody,
    responses(
        (status = 200, description = "The dates, in the order in which they would run",
            body = DryRunBackfillCollectionResponse),
        (status = 404, description = "There is no such DAG", body = HttpExceptionResponse),
        (status = 422, description = "There is nothing to run, or the body is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn create_backfill_dry_run(
    State(app): State<AppState>,
    JsonBody(body): JsonBody<BackfillBody>,
) -> Result<Json<DryRunBackfillCollectionResponse>, ApiError> {
    let dates = app.control.plan_backfill(&body.meaning()?).await.map_err(refused)?;
    let backfills: Vec<DryRunBackfillResponse> =
        dates.into_iter().filter(|date| date.fate.is_run()).map(DryRunBackfillResponse::from).collect();
    Ok(Json(DryRunBackfillCollectionResponse { total_entries: backfills.len() as u64, backfills }))
}

async fn named(app: &AppState, backfill: backfill::Model) -> Result<Json<BackfillResponse>, ApiError> {
    let names = Names::of(app, [backfill.dag_id.clone()]).await?;
    Ok(Json(BackfillResponse::new(backfill, &names)))
}

pub(crate) struct BackfillParams;

impl IntoParams for BackfillParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Described::paged().text("dag_id", "The DAG; it must be named.").done()
    }
}

/// List the backfills of a DAG, newest first.
#[utoipa::path(
    get,
    path = "/api/v2/backfills",
    operation_id = "list_backfills",
    tag = "Backfill",
    params(BackfillParams),
    responses(
        (status = 200, description = "A page of backfills", body = BackfillCollectionResponse),
        (status = 404, description = "There is no such DAG", body = HttpExceptionResponse),
        (status = 422, description = "A parameter is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn list_backfills(
    State(app): State<AppState>,
    mut query: Query,
) -> Result<Json<BackfillCollectionResponse>, ApiError> {
    let Some(dag_id) = query.text("dag_id") else {
        let problem = ValidationError::new("missing", &["query", "dag_id"], "Field required", Value::Null);
        return Err(ApiError::Invalid(vec![problem]));
    };
    let (limit, offset) = query.page();
    query.finish()?;
    assert_dag(&app, &dag_id).await?;
    let rows = backfills::list(app.db.read(), Some(&dag_id)).await?;
    let total_entries = rows.len() as u64;
    let names = Names::of(&app, [dag_id]).await?;
    let backfills = cut(rows, limit, offset).map(|row| BackfillResponse::new(row, &names)).collect();
    Ok(Json(BackfillCollectionResponse { backfills, total_entries }))
}

/// The rows of a page.
pub(crate) fn cut<T>(rows: Vec<T>, limit: u64, offset: u64) -> impl Iterator<Item = T> {
    let as_usize = |number| usize::try_from(number).unwrap_or(usize::MAX);
    rows.into_iter().skip(as_usize(offset)).take(as_usize(limit))
}

fn not_found(error: StoreError) -> ApiError {
    match error {
        StoreError::NotFound { .. } => ApiError::not_found("Backfill not found"),
        other => other.into(),
    }
}

fn not_changed(error: ControlError) -> ApiError {
    match error {
        ControlError::NotFound { .. } => ApiError::not_found("Could not find backfill"),
        ControlError::Conflict(_) => {
            ApiError::refused(axum::http::StatusCode::CONFLICT, "Backfill is already completed.")
        }
        other => other.into(),
    }
}

/// Look at a backfill.
#[utoipa::path(
    get,
    path = "/api/v2/backfills/{backfill_id}",
    operation_id = "get_backfill",
    tag = "Backfill",
    params(("backfill_id" = i64, Path)),
    responses(
        (status = 200, description = "The backfill", body = BackfillResponse),
        (status = 404, description = "There is no such backfill", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn get_backfill(
    State(app): State<AppState>,
    UrlPath(id): UrlPath<i64>,
) -> Result<Json<BackfillResponse>, ApiError> {
    named(&app, backfills::get(app.db.read(), id).await.map_err(not_found)?).await
}

/// Stop the queued runs of a backfill from beginning.
#[utoipa::path(
    put,
    path = "/api/v2/backfills/{backfill_id}/pause",
    operation_id = "pause_backfill",
    tag = "Backfill",
    params(("backfill_id" = i64, Path)),
    responses(
        (status = 200, description = "The backfill", body = BackfillResponse),
        (status = 404, description = "There is no such backfill", body = HttpExceptionResponse),
        (status = 409, description = "It is completed", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn pause_backfill(
    State(app): State<AppState>,
    user: User,
    UrlPath(id): UrlPath<i64>,
) -> Result<Json<BackfillResponse>, ApiError> {
    let backfill = app.control.pause_backfill(id, true, Some(&user.name)).await.map_err(not_changed)?;
    named(&app, backfill).await
}

/// Let the queued runs of a backfill begin.
#[utoipa::path(
    put,
    path = "/api/v2/backfills/{backfill_id}/unpause",
    operation_id = "unpause_backfill",
    tag = "Backfill",
    params(("backfill_id" = i64, Path)),
    responses(
        (status = 200, description = "The backfill", body = BackfillResponse),
        (status = 404, description = "There is no such backfill", body = HttpExceptionResponse),
        (status = 409, description = "It is completed", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn unpause_backfill(
    State(app): State<AppState>,
    user: User,
    UrlPath(id): UrlPath<i64>,
) -> Result<Json<BackfillResponse>, ApiError> {
    let backfill = app.control.pause_backfill(id, false, Some(&user.name)).await.map_err(not_changed)?;
    named(&app, backfill).await
}

/// End a backfill: what runs goes on, what is queued fails.
#[utoipa::path(
    put,
    path = "/api/v2/backfills/{backfill_id}/cancel",
    operation_id = "cancel_backfill",
    tag = "Backfill",
    params(("backfill_id" = i64, Path)),
    responses(
        (status = 200, description = "The backfill", body = BackfillResponse),
        (status = 404, description = "There is no such backfill", body = HttpExceptionResponse),
        (status = 409, description = "It is completed", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn cancel_backfill(
    State(app): State<AppState>,
    user: User,
    UrlPath(id): UrlPath<i64>,
) -> Result<Json<BackfillResponse>, ApiError> {
    let backfill = app.control.cancel_backfill(id, Some(&user.name)).await.map_err(not_changed)?;
    named(&app, backfill).await
}
