//! Version and health, for everybody.

use axum::Json;
use axum::extract::State;
use chrono::TimeDelta;
use scheduler::run_id::isoformat;
use scheduler::store::{dags, leases};

use crate::state::AppState;
use crate::view::{
    BaseInfoResponse, DagProcessorInfoResponse, HealthInfoResponse, SchedulerInfoResponse, TriggererInfoResponse,
    VersionInfo,
};

/// The Airflow whose API is spoken.
const AIRFLOW_VERSION: &str = "3.3.2";

/// Which API this is.
#[utoipa::path(
    get,
    path = "/api/v2/version",
    operation_id = "get_version",
    tag = "Version",
    security(()),
    responses((status = 200, description = "The version", body = VersionInfo)),
)]
pub(crate) async fn get_version() -> Json<VersionInfo> {
    Json(VersionInfo { version: AIRFLOW_VERSION, git_version: Some(concat!("updraft-", env!("CARGO_PKG_VERSION"))) })
}

/// A scheduler whose heart beat longer ago is unhealthy (Airflow 3: `[scheduler] scheduler_health_check_threshold`).
pub(super) const HEALTHY: TimeDelta = TimeDelta::seconds(30);

/// How the parts of the installation are.
///
/// Answers 200 also when something is unhealthy.
#[utoipa::path(
    get,
    path = "/api/v2/monitor/health",
    operation_id = "get_health",
    tag = "Monitor",
    security(()),
    responses((status = 200, description = "The health", body = HealthInfoResponse)),
)]
pub(crate) async fn get_health(State(app): State<AppState>) -> Json<HealthInfoResponse> {
    let (database, lease) = match leases::latest_heartbeat(app.db.read()).await {
        Ok(lease) => ("healthy", lease),
        Err(_) => ("unhealthy", None),
    };
    let is_alive = lease.as_ref().is_some_and(|lease| lease.heartbeat_at + HEALTHY > app.clock.now());
    // One heartbeat speaks for all: the scheduler process waits for deferred tasks and reads DAG files, too.
    let status = Some(if is_alive { "healthy" } else { "unhealthy" });
    // What is wrong with the origin is among the import errors, and not for everybody.
    let is_origin_away = dags::is_origin_away(app.db.read()).await.unwrap_or(false);
    let reading = if is_origin_away { Some("unhealthy") } else { status };
    let heartbeat = lease.map(|lease| isoformat(lease.heartbeat_at));
    Json(HealthInfoResponse {
        metadatabase: BaseInfoResponse { status: Some(database) },
        scheduler: SchedulerInfoResponse { status, latest_scheduler_heartbeat: heartbeat.clone() },
        triggerer: TriggererInfoResponse { status, latest_triggerer_heartbeat: heartbeat.clone() },
        dag_processor: Some(DagProcessorInfoResponse { status: reading, latest_dag_processor_heartbeat: heartbeat }),
    })
}
