//! The list of DAGs as the UI shows it: with the latest runs of each.

use axum::Json;
use axum::extract::State;
use scheduler::store::favorites;
use scheduler::store::read::{self, Pattern};
use serde::Serialize;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::{IntoParams, ToSchema};

use crate::auth::User;
use crate::error::{ApiError, HttpExceptionResponse, HttpValidationError};
use crate::request::{Described, Query};
use crate::routes::dags::{DagParams, dag_filter, dag_order};
use crate::state::AppState;
use crate::view::{DagResponse, DagRunResponse};

/// Runs of each DAG when the request does not say.
const RUNS_DEFAULT: u64 = 14;

/// Most runs of each DAG.
const RUNS_MAX: u64 = 100;

/// What Updraft's list takes beyond Airflow's.
pub(crate) struct OwnParams;

impl IntoParams for OwnParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Described::default()
            .text("name_pattern", "Text that occurs in the id or in the display name, written as `dag_id_pattern` is.")
            .number("runs", "Runs of each DAG: 14 when absent, at most 100.")
            .done()
    }
}

/// A DAG with its latest runs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UpdraftDagResponse {
    #[serde(flatten)]
    dag: DagResponse,
    /// The zone in which the schedule is meant.
    timezone: String,
    /// Whether it is a favourite of the user.
    is_favorite: bool,
    /// Latest first.
    recent_runs: Vec<DagRunResponse>,
}

/// A page of DAGs with their latest runs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UpdraftDagCollectionResponse {
    dags: Vec<UpdraftDagResponse>,
    total_entries: u64,
}

/// List DAGs with their latest runs.
#[utoipa::path(
    get,
    path = "/api/v2/updraft/dags",
    operation_id = "list_updraft_dags",
    tag = "Updraft",
    params(DagParams, OwnParams),
    responses(
        (status = 200, description = "A page of DAGs", body = UpdraftDagCollectionResponse),
        (status = 400, description = "The order is not allowed", body = HttpExceptionResponse),
        (status = 422, description = "A parameter is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn list_updraft_dags(
    State(app): State<AppState>,
    user: User,
    mut query: Query,
) -> Result<Json<UpdraftDagCollectionResponse>, ApiError> {
    let (mut filter, sorting, paging) = (dag_filter(&mut query, &user)?, dag_order(&query)?, query.paging());
    filter.any_name = query.text("name_pattern").and_then(|term| Pattern::contains(&term)).into_iter().collect();
    let count = query.count("runs").unwrap_or(RUNS_DEFAULT).min(RUNS_MAX);
    query.finish()?;
    let listing = read::list_dags(app.db.read(), &filter, &sorting, &paging).await?;
    let ids: Vec<String> = listing.rows.iter().map(|row| row.dag.dag_id.clone()).collect();
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    let favorites = favorites::among(app.db.read(), &user.name, &ids).await?;
    let mut recent = read::recent_runs(app.db.read(), &ids, count).await?;
    let mut dags = Vec::with_capacity(listing.rows.len());
    for row in listing.rows {
        let runs = recent.remove(&row.dag.dag_id).unwrap_or_default();
        dags.push(UpdraftDagResponse {
            timezone: row.dag.timezone.clone(),
            is_favorite: favorites.contains(&row.dag.dag_id),
            recent_runs: runs.into_iter().map(DagRunResponse::try_from).collect::<Result<_, _>>()?,
            dag: row.into(),
        });
    }
    Ok(Json(UpdraftDagCollectionResponse { dags, total_entries: listing.total }))
}
