//! Listing runs with filters in a body, for filters that are too long for a URL.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::Utc;
use scheduler::store::read::{self, Paging, Range, RunFilter};
use utoipa::ToSchema;

use super::ALL;
use super::dag_runs::{DagRunPatchBody, delete_dag_run, get_dag_run, patch_dag_run, run_order};
use crate::auth::User;
use crate::error::{ApiError, HttpExceptionResponse, HttpValidationError};
use crate::request::{Fields, FromFields, JsonBody, Query, UrlPath};
use crate::state::AppState;
use crate::view::{DagRunCollectionResponse, DagRunResponse, DagRunState};

/// Rows of a page when the body does not say, and most rows (Airflow 3).
pub(crate) const BATCH_PAGE: u64 = 100;

/// Filters on runs.
#[derive(Debug, ToSchema)]
#[schema(as = DAGRunsBatchBody)]
pub(crate) struct DagRunsBatchBody {
    order_by: Option<String>,
    #[schema(default = 0, required = false)]
    page_offset: u64,
    #[schema(default = 100, required = false)]
    page_limit: u64,
    #[schema(required = false)]
    dag_ids: Vec<String>,
    #[schema(value_type = Option<Vec<Option<DagRunState>>>)]
    states: Vec<Option<String>>,
    conf_contains: Option<String>,
    #[schema(ignore)]
    times: [Range<chrono::DateTime<Utc>>; 4],
    #[schema(ignore)]
    duration: Range<f64>,
}

impl FromFields for DagRunsBatchBody {
    fn from_fields(fields: &mut Fields) -> DagRunsBatchBody {
        DagRunsBatchBody {
            order_by: fields.text("order_by"),
            page_offset: fields.count("page_offset").unwrap_or(0),
            page_limit: fields.count("page_limit").unwrap_or(BATCH_PAGE).min(BATCH_PAGE),
            dag_ids: fields.texts("dag_ids"),
            states: fields.words("states", DagRunState::WORDS),
            conf_contains: fields.text("conf_contains"),
            times: ["run_after", "logical_date", "start_date", "end_date"].map(|name| fields.instants(name)),
            duration: fields.decimals("duration"),
        }
    }
}

/// List runs by filters in the body.
///
/// Beside the fields shown, the body takes `_gte`, `_gt`, `_lte` and `_lt` of `run_after`, `logical_date`, `start_date`,
/// `end_date` and `duration`.
#[utoipa::path(
    post,
    path = "/api/v2/dags/{dag_id}/dagRuns/list",
    operation_id = "get_list_dag_runs_batch",
    tag = "DagRun",
    params(("dag_id" = String, Path, description = "Always `~`")),
    request_body = DagRunsBatchBody,
    responses(
        (status = 200, description = "A page of runs", body = DagRunCollectionResponse),
        (status = 400, description = "The order is not allowed", body = HttpExceptionResponse),
        (status = 422, description = "The path names a DAG, or the body is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn get_list_dag_runs_batch(
    State(app): State<AppState>,
    UrlPath(dag_id): UrlPath<String>,
    JsonBody(body): JsonBody<DagRunsBatchBody>,
) -> Result<Json<DagRunCollectionResponse>, ApiError> {
    must_be_all("dag_id", &dag_id)?;
    let order_by: Vec<String> = body.order_by.into_iter().collect();
    let sorting = run_order(&app, &order_by)?;
    let [run_after, logical_date, start_date, end_date] = body.times;
    let filter = RunFilter {
        dag_ids: body.dag_ids,
        states: body.states.into_iter().flatten().collect(),
        conf_contains: body.conf_contains,
        run_after,
        logical_date,
        start_date,
        end_date,
        duration: body.duration,
        now: app.clock.now(),
        ..RunFilter::default()
    };
    let paging = Paging::Offset { limit: body.page_limit, offset: body.page_offset };
    let listing = read::list_runs(app.db.read(), &filter, &sorting, &paging).await?;
    DagRunCollectionResponse::new(listing, &paging).map(Json)
}

/// A segment of the path that can only be `~`.
pub(crate) fn must_be_all(name: &str, segment: &str) -> Result<(), ApiError> {
    if segment == ALL {
        return Ok(());
    }
    let problem = crate::error::ValidationError::new("literal_error", &["path", name], "Input should be '~'", segment);
    Err(ApiError::Invalid(vec![problem]))
}

/// A run may be called `list`; the path of the batch would hide it.
pub(crate) async fn delete_dag_run_called_list(
    app: State<AppState>,
    user: User,
    UrlPath(dag_id): UrlPath<String>,
) -> Result<StatusCode, ApiError> {
    delete_dag_run(app, user, UrlPath((dag_id, "list".to_owned()))).await
}

/// The same of changing it.
pub(crate) async fn patch_dag_run_called_list(
    app: State<AppState>,
    user: User,
    UrlPath(dag_id): UrlPath<String>,
    query: Query,
    body: JsonBody<DagRunPatchBody>,
) -> Result<Json<DagRunResponse>, ApiError> {
    patch_dag_run(app, user, UrlPath((dag_id, "list".to_owned())), query, body).await
}

/// The same of looking at it.
pub(crate) async fn get_dag_run_called_list(
    app: State<AppState>,
    UrlPath(dag_id): UrlPath<String>,
) -> Result<Json<DagRunResponse>, ApiError> {
    get_dag_run(app, UrlPath((dag_id, "list".to_owned()))).await
}
