//! Callbacks: what was told, what waits to be told, and what could not be.

use scheduler::store::entity::callback_request;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::timestamp::DateTime;

/// A callback of a run or of one of its tasks.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CallbackResponse {
    id: Uuid,
    dag_id: String,
    dag_run_id: String,
    /// The task; null for a callback of the DAG.
    task_id: Option<String>,
    /// The index within a mapped task; -1 when not mapped.
    map_index: i32,
    try_number: Option<i32>,
    /// The key of the DAG file: `on_failure_callback`, …, or `deadline`.
    kind: String,
    /// Which of the callbacks of that kind, from 0.
    position: i32,
    state: CallbackStateResponse,
    /// Through what it was told, or was to be: null before the first attempt.
    notifier: Option<String>,
    /// Whom: null when that may be a secret.
    receiver: Option<String>,
    /// How often delivery was tried, since somebody last asked for it.
    attempts: i32,
    /// Why the last attempt failed.
    error: Option<String>,
    created_at: DateTime,
    /// When the next attempt is made; null when there is none.
    next_attempt_at: Option<DateTime>,
    /// When it was delivered, or given up.
    ended_at: Option<DateTime>,
}

/// Where a callback is.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CallbackStateResponse {
    /// It waits for an attempt.
    Waiting,
    /// It was delivered.
    Delivered,
    /// It was given up.
    Failed,
}

impl From<callback_request::Model> for CallbackResponse {
    fn from(row: callback_request::Model) -> CallbackResponse {
        let state = match row.state.as_str() {
            "delivered" => CallbackStateResponse::Delivered,
            "failed" => CallbackStateResponse::Failed,
            _ => CallbackStateResponse::Waiting,
        };
        let is_waiting = matches!(state, CallbackStateResponse::Waiting);
        CallbackResponse {
            id: row.id,
            dag_id: row.dag_id,
            dag_run_id: row.run_id,
            task_id: row.task_id,
            map_index: row.map_index,
            try_number: row.try_number,
            kind: row.kind,
            position: row.position,
            state,
            notifier: row.notifier,
            receiver: row.receiver,
            attempts: row.attempts,
            error: row.error,
            created_at: DateTime(row.created_at),
            next_attempt_at: is_waiting.then_some(DateTime(row.due_at)),
            ended_at: row.ended_at.map(DateTime),
        }
    }
}

/// A page of callbacks.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CallbackCollectionResponse {
    pub(crate) callbacks: Vec<CallbackResponse>,
    pub(crate) total_entries: u64,
}
