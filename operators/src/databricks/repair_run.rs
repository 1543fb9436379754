//! `databricks_repair_run`: has tasks of a run of a job run again.
//!
//! ```yaml
//! - task_id: again
//!   operator: databricks_repair_run
//!   run_id: "{{ ti.xcom_pull(task_ids='nightly', key='run_id') }}"
//!   rerun_all_failed_tasks: true
//! ```

use anyhow::anyhow;
use scheduler::operator::{ArgumentProblem, Operator, Outcome, TaskContext, TaskError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::arguments::{Asking, Following, OnRetry, With, problem};
use super::body::{merged, value};
use super::run;
use super::session::Session;
use super::submit_run::POLLING_PERIOD;
use super::workspace::Workspaces;

/// The `databricks_repair_run` operator.
pub struct RepairRun {
    workspaces: Workspaces,
}

impl RepairRun {
    /// Asks `workspaces`.
    pub fn new(workspaces: Workspaces) -> RepairRun {
        RepairRun { workspaces }
    }
}

/// Arguments of the `databricks_repair_run` operator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RepairRunArgs {
    /// The request as the API has it (`jobs/runs/repair`). The arguments beside it are laid over it, key by key.
    #[serde(default)]
    json: Map<String, Value>,
    /// Which run.
    #[serde(default)]
    run_id: Option<i64>,
    /// The keys of the tasks that run again.
    #[serde(default)]
    rerun_tasks: Option<Vec<String>>,
    /// Whether all tasks that failed run again.
    #[serde(default)]
    rerun_all_failed_tasks: Option<bool>,
    /// Whether the tasks after those run again, too.
    #[serde(default)]
    rerun_dependent_tasks: Option<bool>,
    /// The newest repair of the run, if it was repaired before; it is found by itself.
    #[serde(default)]
    latest_repair_id: Option<i64>,
    /// Parameters of the job.
    #[serde(default)]
    job_parameters: Option<Map<String, Value>>,
    /// Parameters of its notebooks.
    #[serde(default)]
    notebook_params: Option<Map<String, Value>>,
    /// The command line of its Python files.
    #[serde(default)]
    python_params: Option<Vec<Value>>,
    /// Named parameters of its Python wheels.
    #[serde(default)]
    python_named_params: Option<Map<String, Value>>,
    /// The command line of its JARs.
    #[serde(default)]
    jar_params: Option<Vec<Value>>,
    /// The command line of its `spark-submit`.
    #[serde(default)]
    spark_submit_params: Option<Vec<Value>>,
    /// Its commands of dbt.
    #[serde(default)]
    dbt_commands: Option<Vec<Value>>,
}

impl Operator for RepairRun {
    const NAME: &'static str = "databricks_repair_run";
    const SUMMARY: &'static str = "Has tasks of a run of a job on Databricks run again.";
    type Args = With<Asking, With<Following, RepairRunArgs>>;

    async fn execute(&self, args: Self::Args, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let With { common: asking, own: With { common: following, own } } = args;
        let mut body = own.into_body();
        if let Some((key, message)) = wrong(&body) {
            return Err(TaskError::fail(anyhow!("{message} (`{key}`)")));
        }
        let run_id = body.get("run_id").and_then(|id| id.as_i64().or_else(|| id.as_str()?.trim().parse().ok()));
        let run_id = run_id.ok_or_else(|| TaskError::fail(anyhow!("`run_id` is no number")))?;
        body.insert("run_id".to_owned(), run_id.into());
        let session = Session::open(&self.workspaces, &asking, ctx).await?;
        let polling_period = following.polling_period_seconds.map_or(POLLING_PERIOD, |span| span.0);
        run::perform_repair(&session, run_id, body, polling_period, following.wait_for_termination).await
    }

    async fn withdraw(&self, args: Self::Args, ctx: &TaskContext) -> Result<(), TaskError> {
        let With { common: asking, own: _ } = args;
        let session = Session::open(&self.workspaces, &asking, ctx).await?;
        // Which run it is, is known from the beginning.
        let never = async { Err(TaskError::fail(anyhow!("the checkpoint is that of another operator"))) };
        run::withdraw(&session, never).await
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let mut problems = Asking::check(args);
        let Some(mut body) = args.get("json").map_or(Some(Map::new()), |json| json.as_object().cloned()) else {
            return problems;
        };
        body.extend(args.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.clone(), value.clone())));
        if let Some((key, message)) = wrong(&body) {
            let pointer = if args.contains_key(key) { format!("/{key}") } else { String::new() };
            problems.push(problem(&pointer, message));
        }
        let is_default =
            |value: &Value| serde_json::from_value::<OnRetry>(value.clone()).is_ok_and(|found| found == OnRetry::New);
        if args.get("on_retry").is_some_and(|value| !is_default(value)) {
            problems
                .push(problem("/on_retry", "a further try of `databricks_repair_run` always repairs the run again"));
        }
        problems
    }
}

impl RepairRunArgs {
    fn into_body(self) -> Map<String, Value> {
        merged(
            self.json,
            [
                ("run_id", value(self.run_id)),
                ("rerun_tasks", value(self.rerun_tasks)),
                ("rerun_all_failed_tasks", value(self.rerun_all_failed_tasks)),
                ("rerun_dependent_tasks", value(self.rerun_dependent_tasks)),
                ("latest_repair_id", value(self.latest_repair_id)),
                ("job_parameters", value(self.job_parameters)),
                ("notebook_params", value(self.notebook_params)),
                ("python_params", value(self.python_params)),
                ("python_named_params", value(self.python_named_params)),
                ("jar_params", value(self.jar_params)),
                ("spark_submit_params", value(self.spark_submit_params)),
                ("dbt_commands", value(self.dbt_commands)),
            ],
        )
    }
}

/// The first thing that is wrong with a request, and the key that it is about.
fn wrong(body: &Map<String, Value>) -> Option<(&'static str, String)> {
    if !body.contains_key("run_id") {
        return Some(("run_id", "it does not say which `run_id`".to_owned()));
    }
    let is_all = body.get("rerun_all_failed_tasks").is_some_and(|value| value != false);
    match (body.contains_key("rerun_tasks"), is_all) {
        (true, true) => {
            Some(("rerun_tasks", "`rerun_tasks` and `rerun_all_failed_tasks` exclude each other".to_owned()))
        }
        (false, false) => {
            Some(("", "it does not say what runs again: `rerun_tasks`, or `rerun_all_failed_tasks: true`".to_owned()))
        }
        _ => None,
    }
}
