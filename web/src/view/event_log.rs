//! The audit log.

use scheduler::store::entity::event_log;
use serde::Serialize;
use utoipa::ToSchema;

use super::display_name::Names;
use crate::timestamp::DateTime;

/// Something that somebody did.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventLogResponse {
    event_log_id: i64,
    when: DateTime,
    dag_id: Option<String>,
    task_id: Option<String>,
    run_id: Option<String>,
    map_index: Option<i32>,
    try_number: Option<i32>,
    event: String,
    logical_date: Option<DateTime>,
    owner: Option<String>,
    extra: Option<String>,
    dag_display_name: Option<String>,
    task_display_name: Option<String>,
}

impl EventLogResponse {
    /// An entry, with the names of its DAG and its task.
    pub(crate) fn new(entry: event_log::Model, names: &Names) -> EventLogResponse {
        let of_task = |dag_id: &String| Some(names.task(dag_id, entry.task_id.as_ref()?));
        EventLogResponse {
            event_log_id: entry.id,
            when: DateTime(entry.dttm),
            dag_display_name: entry.dag_id.as_ref().map(|dag_id| names.dag(dag_id)),
            task_display_name: entry.dag_id.as_ref().map_or_else(|| entry.task_id.clone(), of_task),
            dag_id: entry.dag_id,
            task_id: entry.task_id,
            run_id: entry.run_id,
            map_index: entry.map_index,
            try_number: entry.try_number,
            event: entry.event,
            logical_date: None,
            owner: entry.owner,
            extra: entry.extra,
        }
    }
}

/// A page of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventLogCollectionResponse {
    pub(crate) event_logs: Vec<EventLogResponse>,
    pub(crate) total_entries: u64,
}
