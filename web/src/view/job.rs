//! The processes of an installation, as Airflow shows its jobs.

use scheduler::store::entity::process_lease;
use scheduler::store::leases::Kind;
use serde::Serialize;
use utoipa::ToSchema;

use crate::timestamp::DateTime;

/// What Airflow calls a process that decides.
pub(crate) const SCHEDULER_JOB: &str = "SchedulerJob";

/// What a process is called that runs tries; Airflow's are processes of its executors.
pub(crate) const WORKER_JOB: &str = "WorkerJob";

/// A process that decides or runs tries.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobResponse {
    id: i64,
    /// Null: no process is there for one DAG.
    dag_id: Option<String>,
    /// `running`, or `failed` when others took over from it.
    state: Option<&'static str>,
    /// `SchedulerJob` or `WorkerJob`.
    job_type: Option<&'static str>,
    start_date: Option<DateTime>,
    /// When it was last heard of, if others took over from it.
    end_date: Option<DateTime>,
    latest_heartbeat: Option<DateTime>,
    executor_class: Option<String>,
    hostname: Option<String>,
    unixname: Option<String>,
    dag_display_name: Option<String>,
}

impl From<process_lease::Model> for JobResponse {
    fn from(lease: process_lease::Model) -> JobResponse {
        let heartbeat = DateTime(lease.heartbeat_at);
        JobResponse {
            id: number(lease.id),
            dag_id: None,
            state: Some(if lease.is_lapsed { "failed" } else { "running" }),
            job_type: Some(if lease.kind == Kind::Worker.word() { WORKER_JOB } else { SCHEDULER_JOB }),
            start_date: Some(DateTime(lease.started_at)),
            end_date: lease.is_lapsed.then_some(heartbeat),
            latest_heartbeat: Some(heartbeat),
            executor_class: None,
            hostname: Some(lease.hostname),
            unixname: None,
            dag_display_name: None,
        }
    }
}

/// A number for a lease, which has none: its time in milliseconds and five of its random bits, which JSON still holds.
fn number(id: uuid::Uuid) -> i64 {
    let bits = id.as_u128();
    let number = ((bits >> 80) << 5) | (bits & 0x1f);
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A page of processes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobCollectionResponse {
    pub(crate) jobs: Vec<JobResponse>,
    pub(crate) total_entries: u64,
}
