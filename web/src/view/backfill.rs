//! Backfills.

use scheduler::control::BackfillDate;
use scheduler::store::entity::backfill;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::display_name::Names;
use crate::timestamp::DateTime;

/// Runs for a range of dates in the past.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BackfillResponse {
    id: i64,
    dag_id: String,
    from_date: DateTime,
    to_date: DateTime,
    #[schema(value_type = Option<Object>)]
    dag_run_conf: Value,
    is_paused: bool,
    /// `none`, `failed` or `completed`.
    reprocess_behavior: String,
    max_active_runs: i32,
    created_at: DateTime,
    /// Null while it is active.
    completed_at: Option<DateTime>,
    updated_at: DateTime,
    dag_display_name: String,
}

impl BackfillResponse {
    /// A backfill, with the name of its DAG.
    pub(crate) fn new(row: backfill::Model, names: &Names) -> BackfillResponse {
        BackfillResponse {
            id: row.id,
            dag_display_name: names.dag(&row.dag_id),
            dag_id: row.dag_id,
            from_date: row.from_date.into(),
            to_date: row.to_date.into(),
            dag_run_conf: row.dag_run_conf,
            is_paused: row.is_paused,
            reprocess_behavior: row.reprocess_behavior,
            max_active_runs: row.max_active_runs,
            created_at: row.created_at.into(),
            completed_at: row.completed_at.map(DateTime),
            updated_at: row.updated_at.into(),
        }
    }
}

/// A page of backfills.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BackfillCollectionResponse {
    pub(crate) backfills: Vec<BackfillResponse>,
    pub(crate) total_entries: u64,
}

/// A date that a backfill would run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DryRunBackfillResponse {
    logical_date: Option<DateTime>,
    /// Always null: backfills of partitions are not served.
    partition_key: Option<String>,
    /// Always null: backfills of partitions are not served.
    partition_date: Option<DateTime>,
}

impl From<BackfillDate> for DryRunBackfillResponse {
    fn from(date: BackfillDate) -> DryRunBackfillResponse {
        DryRunBackfillResponse {
            logical_date: date.logical_date.map(DateTime),
            partition_key: None,
            partition_date: None,
        }
    }
}

/// The dates that a backfill would run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DryRunBackfillCollectionResponse {
    pub(crate) backfills: Vec<DryRunBackfillResponse>,
    pub(crate) total_entries: u64,
}
