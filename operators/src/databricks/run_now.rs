//! `databricks_run_now`: starts a run of a job that is on Databricks.
//!
//! ```yaml
//! - task_id: nightly
//!   operator: databricks_run_now
//!   job_name: pinterest nightly
//!   job_parameters: { day: "{{ ds }}" }
//! ```

use anyhow::anyhow;
use scheduler::operator::{AirflowClass, ArgumentProblem, Operator, Outcome, TaskContext, TaskError, TemplateFiles};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::arguments::{Asking, Following, With, problem};
use super::body::{merged, value};
use super::failure::Failure;
use super::jobs::{self, Door};
use super::run::{self, Plan, RepairPlan};
use super::session::Session;
use super::submit_run::{POLLING_PERIOD, PerformanceTarget, plan};
use super::workspace::Workspaces;

/// Parameters of certain kinds of tasks, which the parameters of the job replace.
const TASK_PARAMETERS: [&str; 6] =
    ["notebook_params", "python_params", "python_named_params", "jar_params", "spark_submit_params", "dbt_commands"];

/// The `databricks_run_now` operator.
pub struct RunNow {
    workspaces: Workspaces,
}

impl RunNow {
    /// Asks `workspaces`.
    pub fn new(workspaces: Workspaces) -> RunNow {
        RunNow { workspaces }
    }
}

/// Arguments of the `databricks_run_now` operator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunNowArgs {
    /// The request as the API has it (`jobs/run-now`). The arguments beside it are laid over it, key by key. Or the name of a
    /// template file that ends in `.json-tpl`.
    #[serde(default)]
    json: Map<String, Value>,
    /// Which job.
    #[serde(default)]
    job_id: Option<i64>,
    /// The same by its name, which must be that of one job.
    #[serde(default)]
    job_name: Option<String>,
    /// Parameters of the job; not together with those of tasks.
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
    /// Whether the params of the run here become `job_parameters` when none are written, as Airflow's class has it; those
    /// that are null do not. Not when there are parameters of tasks.
    #[serde(default)]
    forward_dag_params: bool,
    /// How serverless compute works in this run: `STANDARD` costs less, `PERFORMANCE_OPTIMIZED` begins sooner.
    #[serde(default)]
    performance_target: Option<PerformanceTarget>,
    /// A token of your own, of at most 64 characters. Databricks answers to the same token with the same run, also when a
    /// further try sends it. By default each try has its own.
    #[serde(default)]
    #[schemars(length(max = 64))]
    idempotency_token: Option<String>,
    /// Whether all other runs of the job are cancelled before.
    #[serde(default)]
    cancel_previous_runs: bool,
    /// Whether the failed tasks of the run run again, once, within the same try.
    #[serde(default)]
    repair_run: bool,
    /// With `repair_run`: settings of the job that are changed before, by a part of the message of the run that fails. Only
    /// runs with such a message are repaired then.
    #[serde(default)]
    databricks_repair_reason_new_settings: Option<Map<String, Value>>,
}

impl Operator for RunNow {
    const NAME: &'static str = "databricks_run_now";
    const SUMMARY: &'static str = "Starts a run of a job that is on Databricks.";
    const TEMPLATE_FILES: TemplateFiles = &[("json", &[".json-tpl"])];
    type Args = With<Asking, With<Following, RunNowArgs>>;

    fn airflow_classes() -> Vec<AirflowClass> {
        let names = ["DatabricksRunNowOperator", "DatabricksRunNowDeferrableOperator"];
        names.map(|name| AirflowClass::named(name).given("forward_dag_params", true)).into()
    }

    async fn execute(&self, args: Self::Args, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let With { common: asking, own } = args;
        let session = Session::open(&self.workspaces, &asking, ctx).await?;
        let plan = Box::pin(planned(&session, own)).await?;
        run::perform(&session, plan).await
    }

    async fn withdraw(&self, args: Self::Args, ctx: &TaskContext) -> Result<(), TaskError> {
        let With { common: asking, own } = args;
        let session = Session::open(&self.workspaces, &asking, ctx).await?;
        run::withdraw(&session, planned(&session, own)).await
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let mut problems = Asking::check(args);
        let Some(json) = args.get("json").map_or(Some(Map::new()), |json| json.as_object().cloned()) else {
            return problems;
        };
        let mut body = json.clone();
        body.extend(args.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.clone(), value.clone())));
        if let Some((key, message)) = wrong(&body) {
            let pointer = if args.contains_key(key) {
                format!("/{key}")
            } else if json.contains_key(key) {
                format!("/json/{key}")
            } else {
                String::new()
            };
            problems.push(problem(&pointer, message));
        }
        let has_settings = args.get("databricks_repair_reason_new_settings").is_some_and(|value| !value.is_null());
        if has_settings && args.get("repair_run").is_none_or(|value| value == false) {
            let message = "it has a meaning with `repair_run: true` only";
            problems.push(problem("/databricks_repair_reason_new_settings", message));
        }
        problems
    }
}

/// How the run that the arguments describe is started and followed.
async fn planned(session: &Session, args: With<Following, RunNowArgs>) -> Result<Plan, TaskError> {
    let With { common: following, own } = args;
    let cancels = own.cancel_previous_runs;
    let settings_by_reason = own.databricks_repair_reason_new_settings.clone().unwrap_or_default();
    let repair = own.repair_run.then_some(RepairPlan { settings_by_reason });
    let forwards = own.forward_dag_params;
    let mut body = own.into_body();
    if forwards {
        forward(&session.ctx.run.params, &mut body);
    }
    if let Some((key, message)) = wrong(&body) {
        return Err(TaskError::fail(anyhow!("{message} (`{key}`)")));
    }
    let job_id = find_job(session, &mut body).await?;
    let plan = plan(Door::RunNow, body, &following, POLLING_PERIOD)?;
    Ok(Plan { repair, cancels_runs_of: cancels.then_some(job_id), ..plan })
}

impl RunNowArgs {
    /// The request; the job may still be named by its name.
    fn into_body(self) -> Map<String, Value> {
        let named = [
            ("job_id", value(self.job_id)),
            ("job_name", value(self.job_name)),
            ("job_parameters", value(self.job_parameters)),
            ("notebook_params", value(self.notebook_params)),
            ("python_params", value(self.python_params)),
            ("python_named_params", value(self.python_named_params)),
            ("jar_params", value(self.jar_params)),
            ("spark_submit_params", value(self.spark_submit_params)),
            ("dbt_commands", value(self.dbt_commands)),
            ("performance_target", value(self.performance_target)),
            ("idempotency_token", value(self.idempotency_token)),
        ];
        merged(self.json, named)
    }
}

/// Lets the params of a run be those of the job, unless the request says something of parameters.
fn forward(params: &Map<String, Value>, body: &mut Map<String, Value>) {
    let says = |key: &str| body.get(key).is_some_and(|value| value.as_object().is_none_or(|map| !map.is_empty()));
    if says("job_parameters") || TASK_PARAMETERS.into_iter().any(|key| body.contains_key(key)) {
        return;
    }
    // Databricks takes texts alone.
    let text = |value: &Value| Value::String(value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    let given = params.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.clone(), text(value)));
    let given: Map<String, Value> = given.collect();
    if !given.is_empty() {
        body.insert("job_parameters".to_owned(), Value::Object(given));
    }
}

/// The first thing that is wrong with a request, and the key that it is about.
fn wrong(body: &Map<String, Value>) -> Option<(&'static str, String)> {
    match (body.contains_key("job_id"), body.contains_key("job_name")) {
        (false, false) => return Some(("", "it needs a `job_id` or a `job_name`".to_owned())),
        (true, true) => return Some(("job_name", "`job_id` and `job_name` exclude each other".to_owned())),
        _ => {}
    }
    if !body.contains_key("job_parameters") {
        return None;
    }
    let other = TASK_PARAMETERS.into_iter().find(|key| body.contains_key(*key))?;
    Some((other, format!("`job_parameters` and `{other}` exclude each other")))
}

/// The number of the job, which takes the place of its name.
async fn find_job(session: &Session, body: &mut Map<String, Value>) -> Result<i64, TaskError> {
    if let Some(Value::String(name)) = body.shift_remove("job_name") {
        let found = jobs::named(session, &name).await.map_err(Failure::into_error)?;
        let [job_id] = found.as_slice() else {
            let problem = match found.len() {
                0 => anyhow!("there is no job `{name}`"),
                many => anyhow!("there are {many} jobs `{name}`; name one by `job_id`"),
            };
            return Err(TaskError::fail(problem));
        };
        body.insert("job_id".to_owned(), Value::from(*job_id));
    }
    let job_id = body.get("job_id").and_then(|id| id.as_i64().or_else(|| id.as_str()?.trim().parse().ok()));
    let job_id = job_id.ok_or_else(|| TaskError::fail(anyhow!("`job_id` is no number")))?;
    body.insert("job_id".to_owned(), Value::from(job_id));
    Ok(job_id)
}
