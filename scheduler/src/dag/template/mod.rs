//! Templates: Jinja with Airflow's context, in the arguments of tasks.
//!
//! Rendering is a function of the arguments, a [`TemplateContext`] and the [`XComs`] at hand. It fetches nothing: a template
//! that pulls an XCom that is not at hand makes [`render_args`] answer [`RenderError::NeedsXCom`], one that asks what became
//! of assets [`RenderError::NeedsAssetEvents`], one that asks for the last success [`RenderError::NeedsLastSuccess`], one that
//! uses connections or variables [`RenderError::NeedsSecrets`], one that includes a file [`RenderError::NeedsFiles`], and the
//! caller fetches that and renders again.
//!
//! A name that is not there is an error, never an empty text (Airflow 3: `StrictUndefined`).

mod asset_events;
mod callback;
mod check;
mod environment;
mod expression;
mod fault;
mod files;
mod humans;
mod instant;
mod macros;
mod names;
mod objects;
mod others;
mod python;
mod render;
mod secrets;
mod session;
mod span;
mod typed;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::connection::Connection;
use crate::dag::Dag;
use crate::operator::RunFacts;

pub use asset_events::{AssetEvents, EventFacts, EventsOfAsset, SourceFacts};
pub use callback::{CallbackFacts, DeadlineFacts, TryFacts};
pub use check::{check, check_in_callback, check_in_mapped, holds_template};
pub use expression::{check_expression, evaluate};
pub use files::{FileText, NamedFile, check_file, leads_away, named_files};
pub use render::{render_args, render_args_with, render_text, render_values};

/// What the templates of one try of a task can see.
#[derive(Clone, Debug)]
pub struct TemplateContext {
    /// The DAG, in the version that the run is pinned to.
    pub dag: Arc<Dag>,
    /// The task whose arguments are rendered; empty in a callback that is about no task.
    pub task_id: String,
    /// The run, as people name it.
    pub run_id: String,
    /// What is known of the run.
    pub run: Arc<RunFacts>,
    /// Counts from 1.
    pub try_number: u32,
    /// The index within a mapped task; -1 when it is not mapped.
    pub map_index: i32,
    /// What this instance of a mapped task, or of a task in a mapped group, is mapped over; empty when it is not.
    pub mapped: Map<String, Value>,
    /// Of how many instances it is one; none when it is not mapped.
    pub expanded: Option<usize>,
    /// The instant that `macros.datetime.now()` and the like answer with.
    pub now: DateTime<Utc>,
    /// How things stood when a callback was called; none for the arguments of a task.
    pub callback: Option<Arc<CallbackFacts>>,
}

/// A value that another task left behind, by its names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct XComRef {
    /// In which run.
    pub run: XComRun,
    /// The task that left it.
    pub task_id: String,
    /// Under which key; `return_value` for what its operator answered.
    pub key: String,
    /// Which of its instances left it; all of them, or the only one, when absent.
    pub map_index: Option<i32>,
}

/// The run of an XCom: that of the template, unless it says otherwise (Airflow 3: `xcom_pull`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct XComRun {
    /// Of which DAG, if of another one.
    pub dag_id: Option<String>,
    /// As people name it, if it is another one; that of another DAG is called as this one unless this is given.
    pub run_id: Option<String>,
    /// Whether runs before it count as well: the newest in which the task left something does
    /// (Airflow 3: `include_prior_dates`).
    pub or_before: bool,
}

impl XComRun {
    /// Whether it is the run of the template, and no other.
    pub fn is_own(&self) -> bool {
        *self == XComRun::default()
    }
}

/// What a task left in a run of which this version of this DAG does not tell whether it was mapped there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    /// What its only instance left, or the one that was asked for.
    One(Value),
    /// What the instances of a mapped task left, in their order.
    Several(Vec<Value>),
}

/// A connection or a variable, by its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SecretRef {
    /// `conn.<id>`.
    Connection(String),
    /// `var.value.<key>` or `var.json.<key>`.
    Variable(String),
}

/// What was found under a [`SecretRef`].
#[derive(Clone, PartialEq)]
pub enum SecretValue {
    /// A connection.
    Connection(Arc<Connection>),
    /// The text of a variable.
    Variable(String),
}

/// Without what may be secret.
impl std::fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SecretValue::Connection(connection) => connection.fmt(f),
            SecretValue::Variable(_) => f.write_str("***"),
        }
    }
}

/// The newest run before this one, by logical date, that succeeded; nothing is known of it when there is none (Airflow 3:
/// `prev_data_interval_start_success` and its like).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastSuccess {
    /// The beginning of what it was about.
    pub data_interval_start: Option<DateTime<Utc>>,
    /// The end of that.
    pub data_interval_end: Option<DateTime<Utc>>,
    /// When it began.
    pub start_date: Option<DateTime<Utc>>,
    /// When it was over.
    pub end_date: Option<DateTime<Utc>>,
}

/// The values that were fetched for a rendering; a value that was looked for and not found is `None`.
#[derive(Clone, Debug, Default)]
pub struct XComs {
    values: Arc<HashMap<XComRef, Option<Value>>>,
    of_several: Arc<HashSet<XComRef>>,
    asset_events: Option<Arc<AssetEvents>>,
    secrets: Arc<HashMap<SecretRef, Option<SecretValue>>>,
    last_success: Option<LastSuccess>,
    files: Arc<HashMap<String, Option<String>>>,
}

impl XComs {
    /// Nothing fetched yet.
    pub fn new() -> XComs {
        XComs::default()
    }

    /// Keeps what was found, or that nothing was.
    pub fn insert(&mut self, xcom: XComRef, value: Option<Value>) {
        Arc::make_mut(&mut self.values).insert(xcom, value);
    }

    /// Keeps what was found in another run, or that nothing was.
    pub fn insert_left(&mut self, xcom: XComRef, left: Option<Left>) {
        let value = left.map(|left| match left {
            Left::One(value) => value,
            Left::Several(values) => {
                Arc::make_mut(&mut self.of_several).insert(xcom.clone());
                Value::Array(values)
            }
        });
        self.insert(xcom, value);
    }

    /// Whether it was found in another run, as the list of what several instances left.
    pub fn is_of_several(&self, xcom: &XComRef) -> bool {
        self.of_several.contains(xcom)
    }

    /// Keeps the connection or variable that was found, or that there is none.
    pub fn insert_secret(&mut self, secret: SecretRef, value: Option<SecretValue>) {
        Arc::make_mut(&mut self.secrets).insert(secret, value);
    }

    /// The connection or variable, if it was looked for at all.
    pub fn secret(&self, secret: &SecretRef) -> Option<&Option<SecretValue>> {
        self.secrets.get(secret)
    }

    /// Keeps what became of the assets that the try has to do with.
    pub fn insert_asset_events(&mut self, events: AssetEvents) {
        self.asset_events = Some(Arc::new(events));
    }

    /// What became of them, if that was fetched.
    pub fn asset_events(&self) -> Option<&AssetEvents> {
        self.asset_events.as_deref()
    }

    /// Keeps the text of a file that a template names, or that there is no such file.
    pub fn insert_file(&mut self, name: String, text: Option<String>) {
        Arc::make_mut(&mut self.files).insert(name, text);
    }

    /// The files that were looked for, by their names.
    pub fn files(&self) -> &HashMap<String, Option<String>> {
        &self.files
    }

    /// Keeps what the last success before the run was.
    pub fn insert_last_success(&mut self, success: LastSuccess) {
        self.last_success = Some(success);
    }

    /// What it was, if that was fetched.
    pub fn last_success(&self) -> Option<&LastSuccess> {
        self.last_success.as_ref()
    }

    /// What was found, if it was looked for at all.
    pub fn get(&self, xcom: &XComRef) -> Option<&Option<Value>> {
        self.values.get(xcom)
    }
}

/// Why arguments could not be rendered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// A template pulls XComs that have not been fetched: fetch them, and render again.
    #[error("{} XComs have to be fetched first", .0.len())]
    NeedsXCom(Vec<XComRef>),
    /// A template asks what became of assets, which has not been fetched: fetch it, and render again.
    #[error("what became of assets has to be fetched first")]
    NeedsAssetEvents,
    /// A template asks for the last success before the run, which has not been fetched: fetch it, and render again.
    #[error("the last success before the run has to be fetched first")]
    NeedsLastSuccess,
    /// A template uses connections or variables that have not been fetched: fetch them, and render again.
    #[error("{} connections or variables have to be fetched first", .0.len())]
    NeedsSecrets(Vec<SecretRef>),
    /// A template includes, imports or extends files that have not been read: read them, and render again.
    #[error("{} files have to be read first", .0.len())]
    NeedsFiles(Vec<String>),
    /// Templates are wrong; every one that is.
    #[error("{}", sentences(.0))]
    Failed(Vec<TemplateProblem>),
}

/// A template that cannot be read or rendered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", sentence(self))]
pub struct TemplateProblem {
    /// The argument, as a JSON pointer below the task (`/env/DATE`).
    pub pointer: String,
    /// The file whose text stands for the argument, if there is one; line and column are of that text.
    pub file: Option<String>,
    /// What is wrong, in lower case and without a full stop.
    pub message: String,
    /// The line within the argument's text, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What to write instead.
    pub help: Option<String>,
}

fn sentence(problem: &TemplateProblem) -> String {
    let TemplateProblem { pointer, file, message, line, column, help } = problem;
    let argument = file.clone().unwrap_or_else(|| pointer.trim_start_matches('/').replace('/', "."));
    let hint = help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
    format!("the template in `{argument}`, line {line}, column {column}: {message}{hint}")
}

fn sentences(problems: &[TemplateProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// A template that cannot be read, found while a DAG file is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Which bytes of the text it is about.
    pub range: std::ops::Range<usize>,
    /// What is wrong, in lower case and without a full stop.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}
