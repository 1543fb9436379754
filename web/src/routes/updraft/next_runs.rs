//! When a DAG will be due.

use axum::Json;
use axum::extract::State;
use scheduler::dag::timetable::{Bounds, DataInterval, NextRun, Timetable};
use scheduler::store::entity::dag;
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
}

/// The runs to come, first to last.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NextRunCollectionResponse {
    runs: Vec<NextRunResponse>,
}

/// List when a DAG will be due.
///
/// Says nothing about whether it is paused.
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
    let bounds = Bounds { earliest: dag.start_date, latest: dag.end_date };
    // What follows "as soon as the run before has ended" nobody can tell.
    let count = if timetable.one_run_at_a_time() { count.min(1) } else { count };
    let now = app.clock.now();
    let after = |last: Option<&DataInterval>| timetable.next_run(last, now, bounds, dag.runs.catchup);
    let mut next = stored(&row.dag).or_else(|| after(None));
    let mut runs = Vec::new();
    while let Some(run) = next.filter(|_| (runs.len() as u64) < count) {
        runs.push(NextRunResponse {
            run_after: DateTime(run.run_after),
            logical_date: DateTime(run.logical_date.unwrap_or(run.data_interval.start)),
            data_interval_start: DateTime(run.data_interval.start),
            data_interval_end: DateTime(run.data_interval.end),
        });
        next = after(Some(&run.data_interval)).filter(|later| later.run_after > run.run_after);
    }
    Ok(Json(NextRunCollectionResponse { runs }))
}

/// The next run as the scheduler has written it down: it knows which run was the last.
fn stored(dag: &dag::Model) -> Option<NextRun> {
    Some(NextRun {
        run_after: dag.next_dagrun_run_after?,
        logical_date: dag.next_dagrun_logical_date,
        data_interval: DataInterval {
            start: dag.next_dagrun_data_interval_start?,
            end: dag.next_dagrun_data_interval_end?,
        },
    })
}
