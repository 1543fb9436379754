//! `engine: databricks`: the work of `clean` and `query` on Databricks, when it has outgrown this machine.
//!
//! ```text
//!   arguments ──> job (JSON) ──┐
//!   common.py, clean.py | query.py ──> notebook ──import──> workspace ──submit──> run ──> report
//! ```
//!
//! The notebook holds the task's own words and the same rules in PySpark. Its name ends in a hash of what it holds, so that a
//! process which takes up a try imports the same one, and the run is started once, as that of any other task of Databricks.

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use scheduler::operator::{ArgumentProblem, Outcome, TaskContext, TaskError, TaskKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::arguments::{Asking, Following, With, problem};
use super::body::{merged, value};
use super::failure::Failure;
use super::jobs::Door;
use super::journal;
use super::notebook::{POLLING_PERIOD, task_key};
use super::run::{self, Plan};
use super::session::Session;
use super::submit_run::plan;
use super::workspace::{Request, Workspaces};
use crate::location::Location;

/// What all notebooks begin with.
const COMMON: &str = include_str!("common.py");

/// Where a task's work is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// In this process.
    #[default]
    Native,
    /// On Databricks, as a notebook that does the same.
    Databricks,
}

/// Where and how on Databricks.
pub type OnDatabricks = With<Asking, With<Following, Place>>;

/// On which cluster, and where the notebook is kept.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// A cluster that is there. Without it and without `new_cluster` the notebook runs on serverless compute.
    #[serde(default)]
    existing_cluster_id: Option<String>,
    /// A cluster that is made for the run and ends with it, as the API has it.
    #[serde(default)]
    new_cluster: Option<Map<String, Value>>,
    /// The folder of the workspace for the notebooks, which are named after their DAGs and tasks.
    #[serde(default = "shared_folder")]
    #[schemars(length(min = 1))]
    folder: String,
}

fn shared_folder() -> String {
    "/Shared/updraft".to_owned()
}

/// What the notebook does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// See [`crate::clean`].
    Clean,
    /// See [`crate::query`].
    Query,
}

impl Deed {
    fn source(self) -> &'static str {
        match self {
            Deed::Clean => include_str!("clean.py"),
            Deed::Query => include_str!("query.py"),
        }
    }

    fn call(self) -> &'static str {
        match self {
            Deed::Clean => "clean(spark, job)",
            Deed::Query => "query(spark, job, moving(dbutils))",
        }
    }
}

/// The work of one try: its notebook, and the request that runs it.
pub struct Work {
    asking: Asking,
    following: Following,
    folder: String,
    path: String,
    source: String,
    body: Map<String, Value>,
    /// What there is to say before it is done.
    warning: Option<String>,
}

impl Work {
    /// The work that `job` describes to `deed`, where `described` says.
    pub fn new(
        deed: Deed,
        job: &Value,
        described: Option<&Map<String, Value>>,
        key: &TaskKey,
    ) -> Result<Work, TaskError> {
        let described = described.cloned().unwrap_or_default();
        let on: OnDatabricks = serde_json::from_value(Value::Object(described))
            .context("`databricks` cannot be read")
            .map_err(TaskError::fail)?;
        let With { common: asking, own: With { common: following, own: place } } = on;
        let source = notebook(deed, job, key);
        let folder = format!("{}/{}", place.folder.trim_end_matches('/'), task_key(&key.dag_id));
        let mapped = if key.map_index < 0 { String::new() } else { format!("-{}", key.map_index) };
        let hash = journal::name_of(&source);
        let path = format!("{folder}/{}{mapped}-{hash}", task_key(&key.task_id));
        let task = merged(
            Map::new(),
            [
                ("task_key", task_key(&key.task_id).into()),
                ("notebook_task", json!({ "notebook_path": path, "source": "WORKSPACE" })),
                ("existing_cluster_id", value(place.existing_cluster_id.filter(|id| !id.is_empty()))),
                ("new_cluster", value(place.new_cluster.filter(|cluster| !cluster.is_empty()))),
            ],
        );
        let name = format!("{}.{}", key.dag_id, key.task_id);
        let body = merged(Map::new(), [("run_name", name.into()), ("tasks", json!([task]))]);
        Ok(Work { asking, following, folder, path, source, body, warning: None })
    }

    /// The same, with something to be said of it, if there is anything.
    pub fn with_warning(self, warning: Option<String>) -> Work {
        Work { warning, ..self }
    }

    /// What would be sent: the request that starts the run, and the notebook; and what there is to say of it.
    pub fn shown(&self) -> Value {
        let mut shown = Map::new();
        if let Some(warning) = &self.warning {
            shown.insert("warning".to_owned(), warning.as_str().into());
        }
        shown.insert("submit".to_owned(), Value::Object(self.body.clone()));
        shown.insert("notebook".to_owned(), json!({ "path": self.path, "source": self.source }));
        Value::Object(shown)
    }

    /// Has it done, and answers with the report of the notebook.
    pub async fn perform(self, workspaces: &Workspaces, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let session = Session::open(workspaces, &self.asking, ctx).await?;
        let Work { folder, path, source, warning, .. } = &self;
        if let Some(warning) = warning {
            ctx.log.warning(format_args!("{warning}"));
        }
        Box::pin(import(&session, folder, path, source)).await.map_err(Failure::into_error)?;
        ctx.log.info(format_args!("The notebook is {path}"));
        let plan = self.plan(ctx)?;
        read(run::perform(&session, plan).await?)
    }

    /// Ends what a try that nobody wants any more has started of it.
    pub async fn withdraw(self, workspaces: &Workspaces, ctx: &TaskContext) -> Result<(), TaskError> {
        let session = Session::open(workspaces, &self.asking, ctx).await?;
        run::withdraw(&session, async { self.plan(ctx) }).await
    }

    fn plan(self, ctx: &TaskContext) -> Result<Plan, TaskError> {
        let Work { following, mut body, .. } = self;
        if let Some(limit) = ctx.time_limit {
            body.insert("timeout_seconds".to_owned(), limit.as_secs().max(1).into());
        }
        plan(Door::Submit, body, &following, POLLING_PERIOD)
    }
}

/// The text of a notebook.
fn notebook(deed: Deed, job: &Value, key: &TaskKey) -> String {
    // A text of JSON is one of Python as well.
    let literal = Value::String(job.to_string());
    format!(
        "# Databricks notebook source\n# Made by Updraft for the task `{}` of the DAG `{}`.\n\n{COMMON}\n\n{}\n\n\
         job = json.loads({literal})\ntry:\n    report = {}\nexcept Refused as refusal:\n    report = {{\"refused\": \
         str(refusal)}}\ndbutils.notebook.exit(answer_of(report))\n",
        key.task_id,
        key.dag_id,
        deed.source(),
        deed.call(),
    )
}

#[derive(Deserialize)]
struct Nothing {}

/// Puts the notebook into the workspace; the same one again comes to the same.
async fn import(session: &Session, folder: &str, path: &str, source: &str) -> Result<(), Failure> {
    let made = Request::post("2.0/workspace/mkdirs", json!({ "path": folder }), "make a folder for the notebook");
    session.ask::<Nothing>(&made).await?;
    let body = json!({
        "path": path,
        "format": "SOURCE",
        "language": "PYTHON",
        "overwrite": true,
        "content": BASE64.encode(source),
    });
    session.ask::<Nothing>(&Request::post("2.0/workspace/import", body, "import the notebook")).await.map(|_| ())
}

/// What the notebook says of its work.
fn read(outcome: Outcome) -> Result<Outcome, TaskError> {
    let Outcome::Success { return_value, xcoms, next } = outcome else { return Ok(outcome) };
    let unclear = || "the notebook does not answer as it should".to_owned();
    let report: Value = match &return_value {
        Value::String(text) => serde_json::from_str(text).with_context(unclear).map_err(TaskError::fail)?,
        _ => return Err(TaskError::fail(anyhow!(unclear()))),
    };
    let text = |key: &str| report.get(key).and_then(Value::as_str).map(str::to_owned);
    if let Some(refusal) = text("refused") {
        return Err(TaskError::fail(anyhow!(refusal)));
    }
    if let Some(reason) = text("skipped") {
        return Ok(Outcome::Skipped { reason });
    }
    Ok(Outcome::Success { return_value: report, xcoms, next })
}

/// The place as Databricks has it. Files of this machine are out of its reach.
pub fn address(location: &Location) -> Result<String, TaskError> {
    match location {
        Location::S3 { .. } => Ok(location.to_string()),
        Location::Local(_) => Err(TaskError::fail(anyhow!(
            "`{location}` is on this machine, where Databricks cannot reach it; keep it in S3 (`s3://bucket/…`), or leave out \
             `engine: databricks`"
        ))),
    }
}

/// Whether a DAG file has the work of a task done elsewhere.
pub fn is_elsewhere(args: &Map<String, Value>) -> bool {
    args.get("engine").is_some_and(|engine| engine != "native")
}

/// Mistakes about the engine that the schema cannot express.
pub fn check(args: &Map<String, Value>) -> Vec<ArgumentProblem> {
    match args.get("databricks") {
        Some(Value::Object(described)) if is_elsewhere(args) => {
            let mut problems: Vec<ArgumentProblem> = Asking::check(described)
                .into_iter()
                .map(|found| ArgumentProblem { pointer: format!("/databricks{}", found.pointer), ..found })
                .collect();
            if described.contains_key("existing_cluster_id") && described.contains_key("new_cluster") {
                let message = "`existing_cluster_id` and `new_cluster` exclude each other";
                problems.push(problem("/databricks/new_cluster", message));
            }
            if described.get("wait_for_termination") == Some(&Value::Bool(false)) {
                let message = "the task ends with the report of its notebook, so it waits for it";
                problems.push(problem("/databricks/wait_for_termination", message));
            }
            problems
        }
        Some(Value::Object(_)) => vec![ArgumentProblem {
            help: Some("add `engine: databricks`".to_owned()),
            ..problem("/databricks", "`databricks` is for `engine: databricks`")
        }],
        _ => Vec::new(),
    }
}
