//! What a task does: the [`Operator`] trait, and what the engine lends to each try.
//!
//! An operator is a type with typed arguments. The arguments derive [`JsonSchema`], from which Updraft makes the JSON
//! Schema of DAG files, the operator's documentation page and its form in the UI; the doc comments on the fields are the
//! texts that people read there. A [`Registry`] forgets the types, so that the engine can run any operator by its name.
//! Beside it stands the [`Notifier`] trait: who is told what became of a task or of a run.
//!
//! ```text
//!   DAG file ──> arguments with templates ──render──> JSON ──deserialize──> Args ──> execute(args, ctx)
//! ```
//!
//! # What an operator must do
//!
//! * Watch [`TaskContext::cancelled`] and stop soon after it fires, leaving nothing half-written that could be taken for
//!   data later.
//! * Say what it does in [`TaskContext::log`]; a person reads it at 3 a.m.
//! * Keep a core busy only inside `spawn_blocking` or on a runtime of its own, so that leases are renewed on time.
//! * Say [`TaskContext::defer`] before a long wait, and wait asleep: no thread, no open file, no polling that is not asked for.
//! * Answer with [`TaskError::retry`] for the world's fault, and with [`TaskError::fail`] for the author's.

mod airflow_class;
mod context;
mod erased_notifier;
mod notifier;
mod outlets;
mod people;
mod registry;
mod run_maker;

use std::fmt;
use std::future::Future;
use std::path::Path;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// What of a task's downstream may follow its success.
pub use crate::run::Next;
pub use airflow_class::AirflowClass;
pub(crate) use airflow_class::Reading;
pub use context::{
    Checkpoint, DagFile, Outline, RunFacts, RunReader, RunStanding, SecretReader, Slot, TaskContext, TaskFacts,
    TaskKey, XComReader, XComWriter,
};
pub use erased_notifier::ErasedNotifier;
pub use notifier::{CallbackKind, DELIVERY_TIME_MAX, DeliveryError, Notice, NoticedTry, Notifier};
pub use outlets::{OutletEvent, Outlets, ToldAsset, ToldEvent};
pub use people::{Answer, FALLBACK_USER, People, Question, Respondent};
pub use registry::{ErasedOperator, Registry, RegistryError};
pub use run_maker::{HowMade, MadeRun, RunMaker, RunRefusal, WantedDate, WantedRun, WhenExists};

/// A kind of work that a task can ask for.
pub trait Operator: Send + Sync + 'static {
    /// The word that people write after `operator:`.
    const NAME: &'static str;

    /// The Airflow classes that mean this operator, as full paths or as bare class names (`BashOperator`).
    const AIRFLOW_CLASSES: &'static [&'static str] = &[];

    /// Further Airflow classes, whose arguments have other names than this operator's, or which mean a part of what it does.
    fn airflow_classes() -> Vec<AirflowClass> {
        Vec::new()
    }

    /// One sentence on what it does, for `updraft schema`, the docs and the UI.
    const SUMMARY: &'static str;

    /// Whether a try neither waits nor computes, and does nothing that is seen outside of Updraft: such a try is made where it
    /// is ordered, before it is durable that it begins, because nothing would be doubled if it were made again (Airflow 3:
    /// EmptyOperator). It must not panic.
    const IS_INSTANT: bool = false;

    /// Whether what its tries wait for, once they are deferred, is the answer of a person: their task instances are
    /// `awaiting_input` rather than `deferred` (Airflow 3.3).
    const ASKS_PEOPLE: bool = false;

    /// The arguments that may be the name of a file instead, with the endings of such names: the text of the file stands for
    /// the argument then, and templates in it are filled in (Airflow 3: `template_ext`).
    const TEMPLATE_FILES: TemplateFiles = &[];

    /// The keys beside `operator:` in the DAG file. Unknown keys are mistakes, so derive with `deny_unknown_fields`.
    type Args: DeserializeOwned + JsonSchema + Send + 'static;

    /// Makes one try.
    fn execute(&self, args: Self::Args, ctx: &TaskContext) -> impl Future<Output = Result<Outcome, TaskError>> + Send;

    /// Ends what a try started elsewhere that nobody wants any more, and awaits that it has ended there: a run in the cloud, a
    /// container. [`TaskContext::checkpoint`] tells what that try kept.
    ///
    /// A try that is told to stop sees to that itself. This is for one whose process was killed before it had, or whose task was
    /// marked or cleared while no process ran; it is asked again, also by other processes, until the answer is `Ok`. So there
    /// may be nothing to end any more.
    fn withdraw(&self, args: Self::Args, ctx: &TaskContext) -> impl Future<Output = Result<(), TaskError>> + Send {
        let _ = (args, ctx);
        std::future::ready(Ok(()))
    }

    /// Looks for mistakes that the JSON Schema cannot express, while the DAG file is loaded.
    ///
    /// `args` are the keys as written: strings may still hold templates (`{{ … }}`), which must be let pass.
    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let _ = args;
        Vec::new()
    }

    /// What a try would send elsewhere instead of doing it here, for people to look at; none if it does its work itself.
    /// Relative paths begin at `home`. Nothing is sent.
    fn preview(&self, args: Self::Args, key: &TaskKey, home: &Path) -> Result<Option<Value>, TaskError> {
        let _ = (args, key, home);
        Ok(None)
    }
}

/// Arguments that may be the name of a file, each with the endings of such names.
pub type TemplateFiles = &'static [(&'static str, &'static [&'static str])];

/// A mistake in a task's arguments, found by [`Operator::check`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgumentProblem {
    /// Where, as a JSON pointer below the task (`/sql`, `/rules/2/cast`).
    pub pointer: String,
    /// What is wrong, in lower case and without a full stop.
    pub message: String,
    /// What to try instead.
    pub help: Option<String>,
}

/// How a try ended well.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The work is done.
    Success {
        /// Stored as the XCom `return_value`; `null` is not stored (Airflow 3: XCom).
        return_value: Value,
        /// More XComs, by key.
        xcoms: Vec<(String, Value)>,
        /// What of the downstream may follow; operators that decide nothing say [`Next::Everything`].
        next: Next,
    },
    /// The task chose not to run (Airflow 3: `AirflowSkipException`).
    Skipped {
        /// Why, for the log and the UI.
        reason: String,
    },
}

impl Outcome {
    /// Success with nothing to say.
    pub fn done() -> Outcome {
        Outcome::value(Value::Null)
    }

    /// Success with the XCom `return_value`.
    pub fn value(return_value: impl Into<Value>) -> Outcome {
        Outcome::Success { return_value: return_value.into(), xcoms: Vec::new(), next: Next::Everything }
    }
}

/// Why a try failed, and whether another may succeed.
#[derive(Debug)]
pub struct TaskError {
    /// Whether the task's `retries` apply.
    pub verdict: Verdict,
    /// The cause, for the log.
    pub error: anyhow::Error,
    /// The exit code of what ran, for `retry_policy`.
    pub exit_code: Option<i32>,
}

/// Whether another try could end differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The world's fault (a timeout, a 503, an exit code): try again if `retries` allow.
    Retry,
    /// The author's fault (bad SQL, a missing column): another try would fail alike (Airflow 3: `AirflowFailException`).
    Fail,
    /// The try was cancelled from outside; nobody's fault.
    Cancelled,
}

impl TaskError {
    /// Another try may succeed.
    pub fn retry(error: impl Into<anyhow::Error>) -> TaskError {
        TaskError { verdict: Verdict::Retry, error: error.into(), exit_code: None }
    }

    /// Another try would fail alike.
    pub fn fail(error: impl Into<anyhow::Error>) -> TaskError {
        TaskError { verdict: Verdict::Fail, error: error.into(), exit_code: None }
    }

    /// The try stopped because [`TaskContext::cancelled`] fired.
    pub fn cancelled() -> TaskError {
        TaskError { verdict: Verdict::Cancelled, error: anyhow::anyhow!("cancelled"), exit_code: None }
    }

    /// The same, with the exit code of what ran.
    pub fn with_exit_code(self, exit_code: i32) -> TaskError {
        TaskError { exit_code: Some(exit_code), ..self }
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.error)
    }
}

/// Errors of unknown nature are worth another try: that is what `retries` are for.
impl From<anyhow::Error> for TaskError {
    fn from(error: anyhow::Error) -> TaskError {
        TaskError::retry(error)
    }
}
