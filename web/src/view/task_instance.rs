//! Task instances, their tries and their logs.

use scheduler::store::entity::{task_instance, task_instance_history};
use scheduler::store::read::{Listing, Paging, RunRow, TaskInstanceRow};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::dag_run::total_limit;
use super::{DagRunCollectionResponse, DagRunResponse, DagVersionResponse, TaskInstanceState, display_name};
use crate::error::ApiError;
use crate::timestamp::{DateTime, seconds_between};

/// One try of a task instance.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TaskInstanceHistoryResponse {
    task_id: String,
    dag_id: String,
    dag_run_id: String,
    /// -1 when the task is not mapped.
    map_index: i32,
    start_date: Option<DateTime>,
    end_date: Option<DateTime>,
    /// In seconds; null until the try is over.
    duration: Option<f64>,
    state: Option<TaskInstanceState>,
    /// 0 before the first.
    try_number: i32,
    max_tries: i32,
    task_display_name: String,
    dag_display_name: String,
    hostname: Option<String>,
    unixname: Option<String>,
    pool: String,
    pool_slots: i32,
    queue: Option<String>,
    priority_weight: Option<i32>,
    operator: Option<String>,
    operator_name: Option<String>,
    queued_when: Option<DateTime>,
    scheduled_when: Option<DateTime>,
    pid: Option<i32>,
    executor: Option<String>,
    executor_config: String,
    dag_version: Option<DagVersionResponse>,
    /// Why the try failed, in one line (Updraft's own).
    error: Option<String>,
}

impl TaskInstanceHistoryResponse {
    /// The latest try, as the task instance has it.
    pub(crate) fn latest(
        instance: task_instance::Model,
        run: &RunRow,
    ) -> Result<TaskInstanceHistoryResponse, ApiError> {
        TaskInstanceHistoryResponse::earlier(&instance.into(), run)
    }

    /// A try before the latest.
    pub(crate) fn earlier(
        instance: &task_instance_history::Model,
        run: &RunRow,
    ) -> Result<TaskInstanceHistoryResponse, ApiError> {
        Ok(TaskInstanceHistoryResponse {
            task_id: instance.task_id.clone(),
            dag_id: instance.dag_id.clone(),
            dag_run_id: instance.run_id.clone(),
            map_index: instance.map_index,
            start_date: instance.start_date.map(DateTime),
            end_date: instance.end_date.map(DateTime),
            duration: seconds_between(instance.start_date, instance.end_date),
            state: instance.state.as_deref().map(TaskInstanceState::read).transpose()?,
            try_number: instance.try_number,
            max_tries: instance.max_tries,
            task_display_name: display_name::of_task_then(run.version.as_ref(), &instance.task_id),
            dag_display_name: display_name::of_dag_then(run.version.as_ref(), &instance.dag_id),
            hostname: instance.hostname.clone(),
            unixname: None,
            pool: instance.pool.clone(),
            pool_slots: instance.pool_slots,
            queue: Some(instance.queue.clone()),
            priority_weight: Some(instance.priority_weight),
            operator: Some(instance.operator.clone()),
            operator_name: Some(instance.operator.clone()),
            queued_when: instance.queued_when.map(DateTime),
            scheduled_when: instance.scheduled_when.map(DateTime),
            pid: instance.pid,
            executor: None,
            executor_config: "{}".to_owned(),
            dag_version: run.version.as_ref().map(DagVersionResponse::from),
            error: instance.error.clone(),
        })
    }
}

/// A task instance: a task within a run, at its latest try.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TaskInstanceResponse {
    /// Names the try.
    id: Uuid,
    #[serde(flatten)]
    latest: TaskInstanceHistoryResponse,
    logical_date: Option<DateTime>,
    run_after: DateTime,
    note: Option<String>,
    rendered_map_index: Option<String>,
    /// The arguments with their templates filled in.
    #[schema(value_type = Object)]
    rendered_fields: Value,
    #[schema(value_type = Option<Object>)]
    trigger: Option<Value>,
    #[schema(value_type = Option<Object>)]
    triggerer_job: Option<Value>,
    /// Why it does not run now (Updraft's own); null when it does, or is over.
    reason: Option<String>,
}

impl TryFrom<TaskInstanceRow> for TaskInstanceResponse {
    type Error = ApiError;

    fn try_from(TaskInstanceRow { mut instance, run }: TaskInstanceRow) -> Result<TaskInstanceResponse, ApiError> {
        let index = (instance.map_index >= 0).then(|| instance.map_index.to_string());
        let rendered = instance.rendered_fields.take();
        Ok(TaskInstanceResponse {
            id: instance.try_id,
            logical_date: run.run.logical_date.map(DateTime),
            run_after: DateTime(run.run.run_after),
            note: instance.note.take(),
            rendered_map_index: instance.rendered_map_index.take().or(index),
            rendered_fields: rendered.unwrap_or_else(|| Value::Object(serde_json::Map::new())),
            trigger: None,
            triggerer_job: None,
            reason: instance.reason.take(),
            latest: TaskInstanceHistoryResponse::latest(instance, &run)?,
        })
    }
}

/// A page of task instances.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TaskInstanceCollectionResponse {
    task_instances: Vec<TaskInstanceResponse>,
    total_entries: u64,
    /// The total is counted no further, when paging by cursor.
    total_entries_limit: Option<u64>,
    next_cursor: Option<String>,
    previous_cursor: Option<String>,
}

impl TaskInstanceCollectionResponse {
    pub(crate) fn new(
        listing: Listing<TaskInstanceRow>,
        paging: &Paging,
    ) -> Result<TaskInstanceCollectionResponse, ApiError> {
        Ok(TaskInstanceCollectionResponse {
            task_instances: listing.rows.into_iter().map(TaskInstanceResponse::try_from).collect::<Result<_, _>>()?,
            total_entries: listing.total,
            total_entries_limit: total_limit(paging),
            next_cursor: listing.next,
            previous_cursor: listing.previous,
        })
    }
}

impl TaskInstanceCollectionResponse {
    /// All of them at once.
    pub(crate) fn whole(rows: Vec<TaskInstanceRow>) -> Result<TaskInstanceCollectionResponse, ApiError> {
        let listing = Listing { total: rows.len() as u64, rows, next: None, previous: None };
        let paging = Paging::Offset { limit: listing.total, offset: 0 };
        TaskInstanceCollectionResponse::new(listing, &paging)
    }
}

/// A task of which a run has no instance yet.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewTaskResponse {
    task_id: String,
    task_display_name: String,
}

/// What clearing a run would let run: instances that there are, and tasks that are new.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum ClearedTask {
    Instance(Box<TaskInstanceResponse>),
    New(NewTaskResponse),
}

/// What clearing a run would let run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ClearTaskInstanceCollectionResponse {
    task_instances: Vec<ClearedTask>,
    total_entries: u64,
}

impl ClearTaskInstanceCollectionResponse {
    pub(crate) fn new(
        rows: Vec<TaskInstanceRow>,
        new_tasks: Vec<String>,
    ) -> Result<ClearTaskInstanceCollectionResponse, ApiError> {
        let known = rows.into_iter().map(|row| Ok(ClearedTask::Instance(Box::new(row.try_into()?))));
        let new = new_tasks
            .into_iter()
            .map(|task_id| Ok(ClearedTask::New(NewTaskResponse { task_display_name: task_id.clone(), task_id })));
        let task_instances: Vec<ClearedTask> = known.chain(new).collect::<Result<_, ApiError>>()?;
        Ok(ClearTaskInstanceCollectionResponse { total_entries: task_instances.len() as u64, task_instances })
    }
}

/// The answer to clearing a run.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum ClearDagRunResponse {
    Preview(ClearTaskInstanceCollectionResponse),
    Cleared(Box<DagRunResponse>),
}

/// The answer to clearing several runs.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum ClearDagRunsResponse {
    Preview(ClearTaskInstanceCollectionResponse),
    Cleared(DagRunCollectionResponse),
}

/// The tries of a task instance.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TaskInstanceHistoryCollectionResponse {
    pub(crate) task_instances: Vec<TaskInstanceHistoryResponse>,
    pub(crate) total_entries: u64,
}

/// A line of a log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StructuredLogMessage {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timestamp: Option<DateTime>,
    pub(crate) event: String,
    /// `debug`, `info`, `warning` or `error`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) level: Option<String>,
    /// Who speaks: `task`, `stdout`, `stderr`, or a part of Updraft.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) logger: Option<String>,
    /// Where the log is kept, on the line that opens it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sources: Option<Vec<String>>,
}

/// A part of the log of a try.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TaskInstancesLogResponse {
    pub(crate) content: Vec<StructuredLogMessage>,
    /// Where to go on; null at the end of the log.
    pub(crate) continuation_token: Option<String>,
}
