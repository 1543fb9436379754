//! The processes of the installation (Airflow 3: jobs).

use axum::Json;
use axum::extract::State;
use scheduler::store::leases::Kind;
use scheduler::store::read::{self, JobFilter};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use super::monitor::HEALTHY;
use crate::error::{ApiError, HttpExceptionResponse, HttpValidationError};
use crate::request::{Described, Order, Query};
use crate::state::AppState;
use crate::view::{JobCollectionResponse, JobResponse, SCHEDULER_JOB, WORKER_JOB};

pub(crate) struct JobParams;

impl IntoParams for JobParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Described::paged()
            .ordered()
            .flag("is_alive", "Only those whose heart beats, or only the others.")
            .instants(&["start_date", "end_date"])
            .text("job_state", "`running`, or `failed` when others took over.")
            .text("job_type", "`SchedulerJob` or `WorkerJob`.")
            .text("hostname", "")
            .text("executor_class", "No process has one.")
            .done()
    }
}

/// List the schedulers and workers: those that live, and for a while those from which others took over.
#[utoipa::path(
    get,
    path = "/api/v2/jobs",
    operation_id = "get_jobs",
    tag = "Job",
    params(JobParams),
    responses(
        (status = 200, description = "A page of processes", body = JobCollectionResponse),
        (status = 400, description = "The order is not allowed", body = HttpExceptionResponse),
        (status = 422, description = "A parameter is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn get_jobs(
    State(app): State<AppState>,
    mut query: Query,
) -> Result<Json<JobCollectionResponse>, ApiError> {
    let sorting = query.order(&Order {
        default: &["id"],
        allowed: &[
            "id",
            "dag_id",
            "state",
            "job_type",
            "start_date",
            "end_date",
            "latest_heartbeat",
            "executor_class",
            "hostname",
            "unixname",
        ],
        tie_break: &["id"],
        key: &read::job_sort_key,
    })?;
    let since = app.clock.now() - HEALTHY;
    let state = query.text("job_state");
    let mut filter = JobFilter {
        kinds: query.text("job_type").map(|job_type| kinds(&job_type)),
        is_lapsed: state.as_deref().map(|state| state == "failed"),
        beats_since: query.flag("is_alive").map(|is_alive| (since, is_alive)),
        hostname: query.text("hostname"),
        start_date: query.instants("start_date"),
        end_date: query.instants("end_date"),
    };
    // No process is in another state, or has an executor.
    let is_of_none = state.is_some_and(|state| !matches!(state.as_str(), "running" | "failed"));
    if is_of_none || query.text("executor_class").is_some() {
        filter.kinds = Some(Vec::new());
    }
    let paging = query.paging();
    query.finish()?;
    let listing = read::list_jobs(app.db.read(), &filter, &sorting, &paging).await?;
    let jobs = listing.rows.into_iter().map(JobResponse::from).collect();
    Ok(Json(JobCollectionResponse { jobs, total_entries: listing.total }))
}

/// The kinds of processes that a type of Airflow's means.
fn kinds(job_type: &str) -> Vec<&'static str> {
    let kinds = [(SCHEDULER_JOB, Kind::Scheduler), (WORKER_JOB, Kind::Worker)];
    kinds.iter().filter(|(word, _)| *word == job_type).map(|(_, kind)| kind.word()).collect()
}
