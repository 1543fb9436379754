//! The states of runs and of task instances, as words of Airflow.

use std::fmt;
use std::str::FromStr;

/// Where a task instance stands (Airflow 3: task instance states).
///
/// ```text
///   none ──> scheduled ──> running [──> deferred | up_for_reschedule | awaiting_input] ──> success | failed | skipped
///    │           ^            └─────────────────────> up_for_retry ──┐
///    │           └───────────────────────────────────────────────────┘
///    └──> skipped | upstream_failed
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TaskState {
    /// Its dependencies are not met yet.
    None,
    /// Its dependencies are met; it waits for a slot.
    Scheduled,
    /// It has a slot and waits for a worker.
    Queued,
    /// It runs.
    Running,
    /// It ended well.
    Success,
    /// It ended badly, and no try is left.
    Failed,
    /// It did not run, and need not.
    Skipped,
    /// It cannot run, because something before it failed.
    UpstreamFailed,
    /// It ended badly, and waits for its next try.
    UpForRetry,
    /// Its try waits as one that is deferred does. A sensor says so that asks for it (Airflow 3: `mode: reschedule`); of the
    /// limits none counts it.
    UpForReschedule,
    /// Its try waits for something elsewhere: a sleeping future, which holds no slot.
    Deferred,
    /// The same, and what it waits for is the answer of a person (Airflow 3.3). It holds no slot of a pool whatever that counts.
    AwaitingInput,
    /// It was cleared while it ran, and is being stopped.
    Restarting,
    /// It is no longer part of the DAG.
    Removed,
}

impl TaskState {
    /// All states, in the order of the enum.
    pub const ALL: [TaskState; 14] = [
        TaskState::None,
        TaskState::Scheduled,
        TaskState::Queued,
        TaskState::Running,
        TaskState::Success,
        TaskState::Failed,
        TaskState::Skipped,
        TaskState::UpstreamFailed,
        TaskState::UpForRetry,
        TaskState::UpForReschedule,
        TaskState::Deferred,
        TaskState::AwaitingInput,
        TaskState::Restarting,
        TaskState::Removed,
    ];

    /// Airflow's word; `None` is the absence of one.
    pub fn word(self) -> Option<&'static str> {
        Some(match self {
            TaskState::None => return None,
            TaskState::Scheduled => "scheduled",
            TaskState::Queued => "queued",
            TaskState::Running => "running",
            TaskState::Success => "success",
            TaskState::Failed => "failed",
            TaskState::Skipped => "skipped",
            TaskState::UpstreamFailed => "upstream_failed",
            TaskState::UpForRetry => "up_for_retry",
            TaskState::UpForReschedule => "up_for_reschedule",
            TaskState::Deferred => "deferred",
            TaskState::AwaitingInput => "awaiting_input",
            TaskState::Restarting => "restarting",
            TaskState::Removed => "removed",
        })
    }

    /// The state that a stored word means.
    pub fn from_word(word: Option<&str>) -> Result<TaskState, UnknownState> {
        TaskState::ALL
            .into_iter()
            .find(|state| state.word() == word)
            .ok_or_else(|| UnknownState(word.unwrap_or_default().to_owned()))
    }

    /// Finished states change only when a person clears or marks.
    pub fn is_finished(self) -> bool {
        matches!(
            self,
            TaskState::Success
                | TaskState::Failed
                | TaskState::Skipped
                | TaskState::UpstreamFailed
                | TaskState::Removed
        )
    }

    /// Whether a process holds a try of it.
    pub fn is_held(self) -> bool {
        matches!(self, TaskState::Queued | TaskState::Running | TaskState::Restarting) || self.only_waits()
    }

    /// Whether its try only waits, as a sleeping future.
    pub fn only_waits(self) -> bool {
        matches!(self, TaskState::Deferred | TaskState::UpForReschedule | TaskState::AwaitingInput)
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word().unwrap_or("none"))
    }
}

/// Where a run stands (Airflow 3: DAG run states).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunState {
    /// It waits to start.
    Queued,
    /// Its tasks run.
    Running,
    /// All its leaves ended well.
    Success,
    /// A leaf ended badly.
    Failed,
}

impl RunState {
    /// All of them.
    pub const ALL: [RunState; 4] = [RunState::Queued, RunState::Running, RunState::Success, RunState::Failed];

    /// Airflow's word.
    pub fn word(self) -> &'static str {
        match self {
            RunState::Queued => "queued",
            RunState::Running => "running",
            RunState::Success => "success",
            RunState::Failed => "failed",
        }
    }

    /// Whether nothing more happens by itself.
    pub fn is_finished(self) -> bool {
        matches!(self, RunState::Success | RunState::Failed)
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for RunState {
    type Err = UnknownState;

    fn from_str(word: &str) -> Result<RunState, UnknownState> {
        RunState::ALL.into_iter().find(|state| state.word() == word).ok_or_else(|| UnknownState(word.to_owned()))
    }
}

/// A word that is no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a known state")]
pub struct UnknownState(pub String);
