//! Who tells people and programs what became of a task or of a run: the [`Notifier`] trait.
//!
//! A notifier is to a callback what an operator is to a task: a type with typed arguments that derive their JSON Schema.
//! The engine fills in the templates of a callback when it delivers it, and lends the notifier a [`Notice`]: what
//! happened, in words that it can fall back on where the DAG file says none.
//!
//! # What a notifier must do
//!
//! * Take it that a notice may come twice: it is delivered at least once. [`Notice::id`] is the same each time; pass it on
//!   wherever the other side understands idempotency keys.
//! * Give up after a time of its own, well below [`DELIVERY_TIME_MAX`]; an attempt that takes longer is dropped.
//! * Keep secrets out of its errors and out of [`Notice::log`]: an address may be one, too.
//! * Answer with [`DeliveryError::retry`] for what another attempt may mend, and with [`DeliveryError::fail`] for the rest.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{ArgumentProblem, RunFacts, TaskFacts, TaskKey};
use crate::log::TaskLog;

/// An attempt to deliver that takes longer is given up, and counts as one that may be made again.
pub const DELIVERY_TIME_MAX: Duration = Duration::from_mins(5);

/// A way to tell people or programs that something happened.
pub trait Notifier: Send + Sync + 'static {
    /// The word that people write in a callback: `on_failure_callback: {slack: {…}}`.
    const NAME: &'static str;

    /// The Airflow notifiers that mean this one, as bare class names (`SmtpNotifier`).
    const AIRFLOW_CLASSES: &'static [&'static str] = &[];

    /// One sentence on what it does.
    const SUMMARY: &'static str;

    /// The argument that a plain value stands for: `{command: ./page.sh}` is short for a mapping with that argument.
    const PLAIN: Option<&'static str> = None;

    /// Arguments of those Airflow classes that are not served, and what to write instead.
    const NOT_SERVED: &'static [(&'static str, &'static str)] = &[];

    /// What stands below the notifier's name. Unknown keys are mistakes, so derive with `deny_unknown_fields`.
    type Args: DeserializeOwned + JsonSchema + Send + 'static;

    /// Makes one attempt to deliver.
    fn deliver(&self, args: Self::Args, notice: &Notice) -> impl Future<Output = Result<(), DeliveryError>> + Send;

    /// Looks for mistakes that the JSON Schema cannot express, while the DAG file is loaded; see
    /// [`super::Operator::check`].
    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let _ = args;
        Vec::new()
    }

    /// Whom these arguments, once filled in, mean, for people to see: an address, a channel, a host. Nothing that may be a
    /// secret: the path of an address may be one.
    fn receiver(&self, args: &Map<String, Value>) -> Option<String> {
        let _ = args;
        None
    }

    /// Why nothing can be delivered with these arguments as this installation is set up, if so.
    fn obstacle(&self, args: &Map<String, Value>) -> Option<String> {
        let _ = args;
        None
    }
}

/// What became of what, and for whom to say so.
#[derive(Clone)]
pub struct Notice {
    /// The same in each attempt to deliver it.
    pub id: Uuid,
    /// Which callback it is.
    pub kind: CallbackKind,
    /// Whether it is about the run; else about a task.
    pub is_of_run: bool,
    /// The DAG.
    pub dag_id: String,
    /// The run, as people name it.
    pub run_id: String,
    /// The run around it.
    pub run: Arc<RunFacts>,
    /// Where the run stood, in Airflow's word.
    pub run_state: String,
    /// The try that it is about. A callback of a DAG has the one that decided the run, if there is one.
    pub instance: Option<NoticedTry>,
    /// Why the run ended (Airflow 3: `task_failure`, `timed_out`, `all_tasks_deadlocked`, `success`).
    pub reason: Option<String>,
    /// Why the try failed.
    pub exception: Option<String>,
    /// The deadline that passed.
    pub deadline: Option<DateTime<Utc>>,
    /// Where a person reads more: the page of the try, or of the run.
    pub url: Option<String>,
    /// What a person reads of the try; callbacks of a DAG have nobody who reads theirs.
    pub log: TaskLog,
}

/// The try that a notice is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticedTry {
    /// Which task instance.
    pub key: TaskKey,
    /// Counts from 1.
    pub try_number: u32,
    /// Where it stood, in Airflow's word.
    pub state: String,
    /// What is known of the task.
    pub task: TaskFacts,
}

/// The occasions on which something is told (Airflow 3: callbacks, deadline alerts).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallbackKind {
    /// A try begins.
    OnExecute,
    /// A task, or a run, ended well.
    OnSuccess,
    /// A task, or a run, ended badly.
    OnFailure,
    /// A try failed, and another follows.
    OnRetry,
    /// A task chose not to run.
    OnSkipped,
    /// A run is not done at its deadline.
    Deadline,
}

impl CallbackKind {
    /// All of them.
    pub const ALL: [CallbackKind; 6] = [
        CallbackKind::OnExecute,
        CallbackKind::OnSuccess,
        CallbackKind::OnFailure,
        CallbackKind::OnRetry,
        CallbackKind::OnSkipped,
        CallbackKind::Deadline,
    ];

    /// The key of DAG files for it.
    pub fn word(self) -> &'static str {
        match self {
            CallbackKind::OnExecute => "on_execute_callback",
            CallbackKind::OnSuccess => "on_success_callback",
            CallbackKind::OnFailure => "on_failure_callback",
            CallbackKind::OnRetry => "on_retry_callback",
            CallbackKind::OnSkipped => "on_skipped_callback",
            CallbackKind::Deadline => "deadline",
        }
    }

    /// The occasion that a word stands for.
    pub fn from_word(word: &str) -> Option<CallbackKind> {
        CallbackKind::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

impl fmt::Display for CallbackKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Why an attempt to deliver failed, and whether another may succeed.
#[derive(Debug)]
pub struct DeliveryError {
    /// Whether another attempt is made.
    pub may_retry: bool,
    /// The other side's own word on when to come back.
    pub not_before: Option<Duration>,
    /// The cause, without secrets.
    pub error: anyhow::Error,
}

impl DeliveryError {
    /// Another attempt may succeed (a timeout, a 503).
    pub fn retry(error: impl Into<anyhow::Error>) -> DeliveryError {
        DeliveryError { may_retry: true, not_before: None, error: error.into() }
    }

    /// Another attempt may succeed, after that long.
    pub fn retry_after(error: impl Into<anyhow::Error>, wait: Duration) -> DeliveryError {
        DeliveryError { may_retry: true, not_before: Some(wait), error: error.into() }
    }

    /// Another attempt would fail alike (no such channel, no such recipient).
    pub fn fail(error: impl Into<anyhow::Error>) -> DeliveryError {
        DeliveryError { may_retry: false, not_before: None, error: error.into() }
    }
}

impl fmt::Display for DeliveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.error)
    }
}
