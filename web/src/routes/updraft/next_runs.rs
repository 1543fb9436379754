//! When a DAG will be due.

use axum::Json;
use axum::extract::State;
use scheduler::dag::timetable::{Timetable, Upcoming};
use scheduler::preview;
use serde::Serialize;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::{IntoParams, ToSchema};

use crate::error::{ApiError, HttpExceptionResponse, HttpValidationError};
use crate::request::{Described, Query, UrlPath};
use crate::routes::{definition, get_dag_row};
use crate::state::AppState;
use crate::timestamp::DateTime;

/// Runs when the request does not say.
const COUNT_DEFAULT: u64 = 10;

/// Most runs.
const COUNT_MAX: u64 = 100;

pub(crate) struct NextRunsParams;

impl IntoParams for NextRunsParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Described::default().number("count", "How many: 10 when absent, at most 100.").done()
    }
}

/// A run that will be due.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NextRunResponse {
    run_after: DateTime,
    logical_date: DateTime,
    data_interval_start: DateTime,
    data_interval_end: DateTime,
    /// The partition that it is about. Then the dates say when it is due; the run has none.
    partition_key: Option<String>,
    /// What daylight saving does to its time: `clock goes forward`, `first occurrence` or `second occurrence`.
    note: Option<String>,
}

/// The runs to come, first to last.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NextRunCollectionResponse {
    runs: Vec<NextRunResponse>,
}

/// List when a DAG will be due.
///
/// Of a paused DAG: when it would be due if it were unpaused now. Runs that were missed, and would be made at once, come
/// first.
#[utoipa::path(
    get,
    path = "/api/v2/updraft/dags/{dag_id}/next",
    operation_id = "list_next_runs",
    tag = "Updraft",
    params(("dag_id" = String, Path), NextRunsParams),
    responses(
        (status = 200, description = "The runs to come", body = NextRunCollectionResponse),
        (status = 400, description = "The DAG's stored definition cannot be read", body = HttpExceptionResponse),
        (status = 404, description = "There is no such DAG", body = HttpExceptionResponse),
        (status = 422, description = "A parameter is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn list_next_runs(
    State(app): State<AppState>,
    UrlPath(dag_id): UrlPath<String>,
    mut query: Query,
) -> Result<Json<NextRunCollectionResponse>, ApiError> {
    let count = query.count("count").unwrap_or(COUNT_DEFAULT).min(COUNT_MAX);
    query.finish()?;
    let row = get_dag_row(&app, &dag_id).await?;
    let dag = definition(&app, &row.dag)?;
    let timetable =
        Timetable::new(&dag.schedule, dag.timezone).map_err(|error| ApiError::bad_request(error.to_string()))?;
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let runs = preview::upcoming(&app.db, &row.dag, &dag, &timetable, app.clock.now(), count).await?;
    let runs = runs
        .into_iter()
        .map(|Upcoming { run, note }| NextRunResponse {
            run_after: DateTime(run.run_after),
            logical_date: DateTime(run.logical_date),
            data_interval_start: DateTime(run.data_interval.start),
            data_interval_end: DateTime(run.data_interval.end),
            partition_key: timetable.partition(run.run_after).map(|partition| partition.key),
            note: note.map(|note| note.to_string()),
        })
        .collect();
    Ok(Json(NextRunCollectionResponse { runs }))
}
