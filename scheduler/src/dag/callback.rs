//! Whom to tell what becomes of tasks and runs, and by when a run should be done (Airflow 3: callbacks, deadline alerts).

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};

use crate::operator::CallbackKind;

/// Somebody to tell: a notifier, and its arguments with their templates.
#[derive(Clone, Debug, PartialEq)]
pub struct Callback {
    /// The notifier's short name, whatever alias was written.
    pub notifier: String,
    /// Its arguments.
    pub args: Map<String, Value>,
}

/// Whom a task tells. Most tasks of a DAG share what `default_args` says, so this is shared, too.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskCallbacks {
    /// When a try begins.
    pub on_execute: Arc<[Callback]>,
    /// When a try succeeded.
    pub on_success: Arc<[Callback]>,
    /// When a try failed and none is left.
    pub on_failure: Arc<[Callback]>,
    /// When a try failed and another follows.
    pub on_retry: Arc<[Callback]>,
    /// When the task chose not to run; not when a trigger rule or a branch skips it.
    pub on_skipped: Arc<[Callback]>,
}

impl TaskCallbacks {
    /// Whom the task tells on an occasion.
    pub fn of(&self, kind: CallbackKind) -> &[Callback] {
        match kind {
            CallbackKind::OnExecute => &self.on_execute,
            CallbackKind::OnSuccess => &self.on_success,
            CallbackKind::OnFailure => &self.on_failure,
            CallbackKind::OnRetry => &self.on_retry,
            CallbackKind::OnSkipped => &self.on_skipped,
            CallbackKind::Deadline => &[],
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Callback> {
        CallbackKind::ALL.into_iter().flat_map(|kind| self.of(kind))
    }
}

/// Whom a run tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DagCallbacks {
    /// When it succeeded.
    pub on_success: Vec<Callback>,
    /// When it failed.
    pub on_failure: Vec<Callback>,
    /// By when it should be done, and whom it tells when it is not.
    pub deadlines: Vec<Deadline>,
}

impl DagCallbacks {
    /// Whom a run tells when it ends.
    pub fn of(&self, kind: CallbackKind) -> &[Callback] {
        match kind {
            CallbackKind::OnSuccess => &self.on_success,
            CallbackKind::OnFailure => &self.on_failure,
            _ => &[],
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Callback> {
        let of_deadlines = self.deadlines.iter().map(|deadline| &deadline.callback);
        self.on_success.iter().chain(&self.on_failure).chain(of_deadlines)
    }

    /// The one at a place; the place of a deadline's is the deadline's own.
    pub fn find(&self, kind: CallbackKind, position: usize) -> Option<&Callback> {
        match kind {
            CallbackKind::Deadline => self.deadlines.get(position).map(|deadline| &deadline.callback),
            _ => self.of(kind).get(position),
        }
    }
}

/// By when a run should be done (Airflow 3: `DeadlineAlert`).
#[derive(Clone, Debug, PartialEq)]
pub struct Deadline {
    /// What people call it.
    pub name: Option<String>,
    /// From when it is counted.
    pub reference: DeadlineReference,
    /// How long after that; before it when negative.
    pub interval: TimeDelta,
    /// Whom to tell when the run is not done by then.
    pub callback: Callback,
}

/// From when a deadline is counted (Airflow 3: `DeadlineReference`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeadlineReference {
    /// The run's logical date; a run without one has no such deadline.
    LogicalDate,
    /// When the run was queued, anew each time it is.
    QueuedAt,
    /// A date.
    Fixed(DateTime<Utc>),
    /// When the run would end if it took as long as earlier ones, counted from when it was made.
    AverageRuntime {
        /// Most runs to look at, newest first.
        max_runs: u32,
        /// With fewer runs there is no deadline.
        min_runs: u32,
    },
}

impl DeadlineReference {
    /// The word of DAG files for it.
    pub fn word(&self) -> &'static str {
        match self {
            DeadlineReference::LogicalDate => "DAGRUN_LOGICAL_DATE",
            DeadlineReference::QueuedAt => "DAGRUN_QUEUED_AT",
            DeadlineReference::Fixed(_) => "FIXED_DATETIME",
            DeadlineReference::AverageRuntime { .. } => "AVERAGE_RUNTIME",
        }
    }
}
