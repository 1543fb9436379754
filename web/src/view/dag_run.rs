//! Runs.

use scheduler::store::read::{CURSOR_TOTAL_MAX, Listing, Paging, RunRow};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{DagRunState, DagRunTriggeredByType, DagRunType, DagVersionResponse, display_name};
use crate::error::ApiError;
use crate::timestamp::{DateTime, seconds_between};

/// A run.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DAGRunResponse)]
pub(crate) struct DagRunResponse {
    dag_run_id: String,
    dag_id: String,
    logical_date: Option<DateTime>,
    queued_at: Option<DateTime>,
    start_date: Option<DateTime>,
    end_date: Option<DateTime>,
    /// In seconds; null until the run is over.
    duration: Option<f64>,
    data_interval_start: Option<DateTime>,
    data_interval_end: Option<DateTime>,
    run_after: DateTime,
    last_scheduling_decision: Option<DateTime>,
    run_type: DagRunType,
    state: DagRunState,
    triggered_by: Option<DagRunTriggeredByType>,
    triggering_user_name: Option<String>,
    #[schema(value_type = Option<Object>)]
    conf: Option<Value>,
    note: Option<String>,
    dag_versions: Vec<DagVersionResponse>,
    bundle_version: Option<String>,
    dag_display_name: String,
    partition_key: Option<String>,
    partition_date: Option<DateTime>,
    /// Why it does not begin (Updraft's own); null when it has.
    reason: Option<String>,
}

impl TryFrom<RunRow> for DagRunResponse {
    type Error = ApiError;

    fn try_from(RunRow { run, version }: RunRow) -> Result<DagRunResponse, ApiError> {
        Ok(DagRunResponse {
            dag_display_name: display_name::of_dag_then(version.as_ref(), &run.dag_id),
            logical_date: run.logical_date.map(DateTime),
            queued_at: run.queued_at.map(DateTime),
            start_date: run.start_date.map(DateTime),
            end_date: run.end_date.map(DateTime),
            duration: seconds_between(run.start_date, run.end_date),
            data_interval_start: run.data_interval_start.map(DateTime),
            data_interval_end: run.data_interval_end.map(DateTime),
            run_after: DateTime(run.run_after),
            last_scheduling_decision: run.last_scheduling_decision.map(DateTime),
            run_type: DagRunType::read(&run.run_type)?,
            state: DagRunState::read(&run.state)?,
            triggered_by: run.triggered_by.as_deref().map(DagRunTriggeredByType::read).transpose()?,
            triggering_user_name: run.triggering_user_name,
            conf: Some(run.conf),
            note: run.note,
            dag_versions: version.iter().map(DagVersionResponse::from).collect(),
            bundle_version: None,
            partition_key: run.partition_key,
            partition_date: run.partition_date.map(DateTime),
            reason: run.reason,
            dag_run_id: run.run_id,
            dag_id: run.dag_id,
        })
    }
}

/// A page of runs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DAGRunCollectionResponse)]
pub(crate) struct DagRunCollectionResponse {
    dag_runs: Vec<DagRunResponse>,
    total_entries: u64,
    /// The total is counted no further, when paging by cursor.
    total_entries_limit: Option<u64>,
    next_cursor: Option<String>,
    previous_cursor: Option<String>,
}

impl DagRunCollectionResponse {
    pub(crate) fn new(listing: Listing<RunRow>, paging: &Paging) -> Result<DagRunCollectionResponse, ApiError> {
        Ok(DagRunCollectionResponse {
            dag_runs: listing.rows.into_iter().map(DagRunResponse::try_from).collect::<Result<_, _>>()?,
            total_entries: listing.total,
            total_entries_limit: total_limit(paging),
            next_cursor: listing.next,
            previous_cursor: listing.previous,
        })
    }
}

/// How far the total of a page was counted.
pub(super) fn total_limit(paging: &Paging) -> Option<u64> {
    matches!(paging, Paging::Cursor { .. }).then_some(CURSOR_TOTAL_MAX)
}
