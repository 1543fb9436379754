//! Health and version.

use serde::Serialize;
use utoipa::ToSchema;

/// How the parts of the installation are.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HealthInfoResponse {
    pub(crate) metadatabase: BaseInfoResponse,
    pub(crate) scheduler: SchedulerInfoResponse,
    pub(crate) triggerer: TriggererInfoResponse,
    pub(crate) dag_processor: Option<DagProcessorInfoResponse>,
}

/// How the database is: `healthy` or `unhealthy`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BaseInfoResponse {
    pub(crate) status: Option<&'static str>,
}

/// How the scheduler is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SchedulerInfoResponse {
    pub(crate) status: Option<&'static str>,
    pub(crate) latest_scheduler_heartbeat: Option<String>,
}

/// How whoever waits for deferred tasks is: in Updraft the scheduler does.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TriggererInfoResponse {
    pub(crate) status: Option<&'static str>,
    pub(crate) latest_triggerer_heartbeat: Option<String>,
}

/// How whoever reads DAG files is: in Updraft the scheduler does. It is `unhealthy`, too, while S3 or the git repository with the
/// DAG files cannot be read.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DagProcessorInfoResponse {
    pub(crate) status: Option<&'static str>,
    pub(crate) latest_dag_processor_heartbeat: Option<String>,
}

/// Which API this is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VersionInfo {
    /// The version of Airflow whose API is spoken: clients decide by it what they may ask.
    pub(crate) version: &'static str,
    /// The version of Updraft.
    pub(crate) git_version: Option<&'static str>,
}
