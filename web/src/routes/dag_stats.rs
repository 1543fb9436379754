//! How many runs each DAG has in each state.

use axum::Json;
use axum::extract::State;
use scheduler::store::read::{self, DagFilter, Paging, Sorting};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use crate::error::{ApiError, HttpValidationError};
use crate::request::{Described, Query};
use crate::state::AppState;
use crate::view::{DagRunState, DagStatsCollectionResponse, DagStatsResponse, DagStatsStateResponse, display_name};

pub(crate) struct StatsParams;

impl IntoParams for StatsParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Described::default().texts(&["dag_ids"]).done()
    }
}

/// Count the runs of DAGs by state.
#[utoipa::path(
    get,
    path = "/api/v2/dagStats",
    operation_id = "get_dag_stats",
    tag = "DagStats",
    params(StatsParams),
    responses(
        (status = 200, description = "The numbers", body = DagStatsCollectionResponse),
        (status = 422, description = "A parameter is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn get_dag_stats(
    State(app): State<AppState>,
    query: Query,
) -> Result<Json<DagStatsCollectionResponse>, ApiError> {
    let filter = DagFilter { dag_ids: query.texts("dag_ids"), exclude_stale: true, ..DagFilter::default() };
    query.finish()?;
    let by_id = read::dag_sort_key("dag_id").map(|key| (key, read::Direction::Ascending));
    // The answer has no pages (Airflow 3).
    let all = Paging::Offset { limit: u64::from(u32::MAX), offset: 0 };
    let sorting = Sorting::new(by_id.into_iter().collect());
    let rows = read::list_dags(app.db.read(), &filter, &sorting, &all).await?.rows;
    let counts = read::run_counts(app.db.read(), &filter.dag_ids).await?;
    let count = |dag_id: &str, state: &str| {
        counts.iter().find(|count| count.0 == dag_id && count.1 == state).map_or(0, |count| count.2)
    };
    let dags: Vec<DagStatsResponse> = rows
        .into_iter()
        .map(|row| DagStatsResponse {
            stats: [
                (DagRunState::Queued, "queued"),
                (DagRunState::Running, "running"),
                (DagRunState::Success, "success"),
                (DagRunState::Failed, "failed"),
            ]
            .map(|(state, word)| DagStatsStateResponse { state, count: count(&row.dag.dag_id, word) })
            .into(),
            dag_display_name: display_name::of_dag(&row.dag),
            dag_id: row.dag.dag_id,
        })
        .collect();
    let total_entries = dags.len() as u64;
    Ok(Json(DagStatsCollectionResponse { dags, total_entries }))
}
