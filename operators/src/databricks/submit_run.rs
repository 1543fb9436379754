//! `databricks_submit_run`: runs a notebook, a script, a JAR or several tasks on Databricks, without a job.
//!
//! ```yaml
//! - task_id: clean
//!   operator: databricks_submit_run
//!   existing_cluster_id: 1108-162752-8okw8dgg
//!   notebook_task: { notebook_path: /Users/me@example.com/clean }
//! ```

use std::time::Duration;

use anyhow::anyhow;
use scheduler::operator::{ArgumentProblem, Operator, Outcome, TaskContext, TaskError, TemplateFiles};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::arguments::{Asking, Following, With, is_open, problem};
use super::body::{merged, value};
use super::failure::Failure;
use super::jobs::{self, Door};
use super::journal::is_token;
use super::run::{self, Plan};
use super::session::Session;
use super::workspace::Workspaces;

/// A run that goes on is looked at so often at most, as in Airflow.
pub(super) const POLLING_PERIOD: Duration = Duration::from_secs(30);

/// The kinds of tasks, of which a run without `tasks` has one.
const TASKS: [&str; 8] = [
    "notebook_task",
    "spark_python_task",
    "spark_jar_task",
    "spark_submit_task",
    "pipeline_task",
    "dbt_task",
    "sql_task",
    "run_job_task",
];

/// Those that need no cluster of their own.
const WITHOUT_CLUSTER: [&str; 3] = ["pipeline_task", "sql_task", "run_job_task"];

/// The `databricks_submit_run` operator.
pub struct SubmitRun {
    workspaces: Workspaces,
}

impl SubmitRun {
    /// Asks `workspaces`.
    pub fn new(workspaces: Workspaces) -> SubmitRun {
        SubmitRun { workspaces }
    }
}

/// Arguments of the `databricks_submit_run` operator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubmitRunArgs {
    /// The request as the API has it (`jobs/runs/submit`). The arguments beside it are laid over it, key by key. Or the name of a
    /// template file that ends in `.json-tpl`.
    #[serde(default)]
    json: Map<String, Value>,
    /// A notebook.
    #[serde(default)]
    notebook_task: Option<NotebookTask>,
    /// A Python file.
    #[serde(default)]
    spark_python_task: Option<SparkPythonTask>,
    /// A class of a JAR in `libraries`.
    #[serde(default)]
    spark_jar_task: Option<SparkJarTask>,
    /// A call of `spark-submit`, on a new cluster.
    #[serde(default)]
    spark_submit_task: Option<SparkSubmitTask>,
    /// An update of a pipeline.
    #[serde(default)]
    pipeline_task: Option<PipelineTask>,
    /// Commands of dbt; they need a `git_source`.
    #[serde(default)]
    dbt_task: Option<DbtTask>,
    /// A query, a dashboard, an alert or a file, on a SQL warehouse.
    #[serde(default)]
    sql_task: Option<SqlTask>,
    /// A job, as a task of this run.
    #[serde(default)]
    run_job_task: Option<RunJobTask>,
    /// Several tasks, as the API has them, each with its `task_key`, its cluster and its `depends_on`.
    #[serde(default)]
    #[schemars(length(min = 1, max = 100))]
    tasks: Option<Vec<Map<String, Value>>>,
    /// Clusters that several of the `tasks` share, by their `job_cluster_key`.
    #[serde(default)]
    job_clusters: Option<Vec<Map<String, Value>>>,
    /// A cluster that is made for the run and ends with it, as the API has it.
    #[serde(default)]
    new_cluster: Option<Map<String, Value>>,
    /// A cluster that is there. If it is not running, Databricks starts it.
    #[serde(default)]
    existing_cluster_id: Option<String>,
    /// What is installed on the cluster before.
    #[serde(default)]
    libraries: Option<Vec<Value>>,
    /// Environments of serverless tasks.
    #[serde(default)]
    environments: Option<Vec<Map<String, Value>>>,
    /// How people find the run; the id of the task by default.
    #[serde(default)]
    run_name: Option<String>,
    /// When Databricks itself ends the run, in seconds; 0 is never.
    #[serde(default)]
    timeout_seconds: Option<u32>,
    /// A repository in which the notebooks and files are.
    #[serde(default)]
    git_source: Option<Map<String, Value>>,
    /// Who may do what with the run.
    #[serde(default)]
    access_control_list: Option<Vec<Map<String, Value>>>,
    /// How serverless compute works: `STANDARD` costs less, `PERFORMANCE_OPTIMIZED` begins sooner.
    #[serde(default)]
    performance_target: Option<PerformanceTarget>,
    /// A token of your own, of at most 64 characters. Databricks answers to the same token with the same run, also when a
    /// further try sends it. By default each try has its own.
    #[serde(default)]
    #[schemars(length(max = 64))]
    idempotency_token: Option<String>,
}

/// How serverless compute works. Databricks takes what it does not know for the dearer one, without a word.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PerformanceTarget {
    /// It begins soon.
    PerformanceOptimized,
    /// It costs less.
    Standard,
}

/// A notebook.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotebookTask {
    /// Where it is: `/Users/me@example.com/clean`, or a path in the `git_source`.
    notebook_path: String,
    /// What it reads with `dbutils.widgets.get`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base_parameters: Option<Map<String, Value>>,
    /// `WORKSPACE` or `GIT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<Source>,
    /// A SQL warehouse to run it on, instead of a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    warehouse_id: Option<String>,
}

/// Where notebooks and files are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Source {
    /// In the workspace.
    Workspace,
    /// In the repository of `git_source`.
    Git,
}

/// A Python file.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SparkPythonTask {
    /// Where it is: `dbfs:/…`, `s3://…`, `/Workspace/…`.
    python_file: String,
    /// What stands on its command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parameters: Option<Vec<Value>>,
    /// `WORKSPACE` or `GIT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<Source>,
}

/// A class of a JAR.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SparkJarTask {
    /// The class with `main`.
    main_class_name: String,
    /// What stands on its command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parameters: Option<Vec<Value>>,
    /// Not used by Databricks any more; name the JAR in `libraries`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jar_uri: Option<String>,
}

/// A call of `spark-submit`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SparkSubmitTask {
    /// What stands on its command line.
    parameters: Vec<Value>,
}

/// An update of a pipeline.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PipelineTask {
    /// Which pipeline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pipeline_id: Option<String>,
    /// The same by its name, which must be that of one pipeline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pipeline_name: Option<String>,
    /// Whether everything is computed anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    full_refresh: Option<bool>,
}

/// Commands of dbt.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DbtTask {
    /// The commands, each beginning with `dbt`.
    commands: Vec<String>,
    /// The folder of the project in the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    project_directory: Option<String>,
    /// The folder of the profiles in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    profiles_directory: Option<String>,
    /// The SQL warehouse to which dbt connects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    warehouse_id: Option<String>,
    /// The catalog to write to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    catalog: Option<String>,
    /// The schema to write to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    schema: Option<String>,
    /// `WORKSPACE` or `GIT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<Source>,
}

/// A query, a dashboard, an alert or a file.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlTask {
    /// The SQL warehouse.
    warehouse_id: String,
    /// A saved query, `{query_id: …}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    query: Option<Map<String, Value>>,
    /// A dashboard to refresh, `{dashboard_id: …}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dashboard: Option<Map<String, Value>>,
    /// An alert to evaluate, `{alert_id: …}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alert: Option<Map<String, Value>>,
    /// A file with SQL, `{path: …, source: …}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<Map<String, Value>>,
    /// Parameters of the query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parameters: Option<Map<String, Value>>,
}

/// A job, as a task.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunJobTask {
    /// Which job.
    job_id: i64,
    /// Its parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    job_parameters: Option<Map<String, Value>>,
}

impl SubmitRunArgs {
    /// The request.
    fn into_body(self, task_id: &str) -> Map<String, Value> {
        let has_name = self.run_name.is_some() || self.json.contains_key("run_name");
        let run_name = if has_name { value(self.run_name) } else { task_id.into() };
        let named = [
            ("notebook_task", value(self.notebook_task)),
            ("spark_python_task", value(self.spark_python_task)),
            ("spark_jar_task", value(self.spark_jar_task)),
            ("spark_submit_task", value(self.spark_submit_task)),
            ("pipeline_task", value(self.pipeline_task)),
            ("dbt_task", value(self.dbt_task)),
            ("sql_task", value(self.sql_task)),
            ("run_job_task", value(self.run_job_task)),
            ("tasks", value(self.tasks)),
            ("job_clusters", value(self.job_clusters)),
            ("new_cluster", value(self.new_cluster)),
            ("existing_cluster_id", value(self.existing_cluster_id)),
            ("libraries", value(self.libraries)),
            ("environments", value(self.environments)),
            ("run_name", run_name),
            ("timeout_seconds", value(self.timeout_seconds)),
            ("git_source", value(self.git_source)),
            ("access_control_list", value(self.access_control_list)),
            ("performance_target", value(self.performance_target)),
            ("idempotency_token", value(self.idempotency_token)),
        ];
        merged(self.json, named)
    }
}

impl Operator for SubmitRun {
    const NAME: &'static str = "databricks_submit_run";
    const AIRFLOW_CLASSES: &'static [&'static str] =
        &["DatabricksSubmitRunOperator", "DatabricksSubmitRunDeferrableOperator"];
    const SUMMARY: &'static str = "Runs a notebook, a script, a JAR or several tasks on Databricks, without a job.";
    const TEMPLATE_FILES: TemplateFiles = &[("json", &[".json-tpl"])];
    type Args = With<Asking, With<Following, SubmitRunArgs>>;

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
            let pointer = if args.contains_key(&key) {
                format!("/{key}")
            } else if json.contains_key(&key) {
                format!("/json/{key}")
            } else {
                String::new()
            };
            problems.push(problem(&pointer, message));
        }
        problems
    }
}

/// How the run that the arguments describe is started and followed.
async fn planned(session: &Session, args: With<Following, SubmitRunArgs>) -> Result<Plan, TaskError> {
    let With { common: following, own } = args;
    let mut body = own.into_body(&session.ctx.key.task_id);
    if let Some((pointer, message)) = wrong(&body) {
        return Err(TaskError::fail(anyhow!("{message} (`{pointer}`)")));
    }
    find_pipeline(session, &mut body).await?;
    plan(Door::Submit, body, &following, POLLING_PERIOD)
}

/// How a run with that request is started and followed.
pub(super) fn plan(
    door: Door,
    mut body: Map<String, Value>,
    following: &Following,
    polling_period: Duration,
) -> Result<Plan, TaskError> {
    let token = match body.shift_remove("idempotency_token") {
        None | Some(Value::Null) => None,
        Some(Value::String(token)) if is_token(&token) => Some(token),
        Some(_) => return Err(TaskError::fail(anyhow!("`idempotency_token` is a text of 1 to 64 characters"))),
    };
    Ok(Plan {
        door,
        body,
        token,
        on_retry: following.on_retry,
        polling_period: following.polling_period_seconds.map_or(polling_period, |span| span.0).max(POLLING_PERIOD_MIN),
        waits: following.wait_for_termination,
        repair: None,
        cancels_runs_of: None,
    })
}

/// Looking more often would be polling for its own sake.
pub(super) const POLLING_PERIOD_MIN: Duration = Duration::from_millis(100);

/// The first thing that is wrong with a request, and the key that it is about.
fn wrong(body: &Map<String, Value>) -> Option<(String, String)> {
    let given: Vec<&str> = TASKS.into_iter().filter(|key| body.contains_key(*key)).collect();
    let tasks = body.get("tasks");
    let about = |key: &str, message: String| Some((key.to_owned(), message));
    match (given.as_slice(), tasks) {
        ([], None) => {
            let kinds = TASKS.map(|key| format!("`{key}`")).join(", ");
            return about("", format!("it does not say what to run: one of {kinds}, or `tasks`"));
        }
        ([first, second, ..], _) => {
            return about(
                second,
                format!("`{first}` and `{second}` exclude each other; a run of several tasks has `tasks`"),
            );
        }
        ([one], Some(_)) => {
            return about(one, format!("`{one}` and `tasks` exclude each other; write it into `tasks`"));
        }
        _ => {}
    }
    if body.contains_key("new_cluster") && body.contains_key("existing_cluster_id") {
        return about("existing_cluster_id", "`new_cluster` and `existing_cluster_id` exclude each other".to_owned());
    }
    let has_cluster = ["new_cluster", "existing_cluster_id", "environments"].iter().any(|key| body.contains_key(*key));
    if let [one] = given.as_slice() {
        let has_warehouse = |task: &Value| is_open(task) || task.get("warehouse_id").is_some_and(|id| !id.is_null());
        let needs_cluster = !WITHOUT_CLUSTER.contains(one)
            // Serverless compute runs notebooks without a cluster.
            && *one != "notebook_task"
            && !body.get(*one).is_some_and(has_warehouse);
        if needs_cluster && !has_cluster {
            return about(one, format!("`{one}` needs a cluster: `existing_cluster_id` or `new_cluster`"));
        }
        if *one == "spark_submit_task" && body.contains_key("existing_cluster_id") {
            return about(one, "`spark_submit_task` runs on a `new_cluster` only".to_owned());
        }
        if *one == "dbt_task"
            && !body.contains_key("git_source")
            && body["dbt_task"].get("source") != Some(&"WORKSPACE".into())
        {
            return about(one, "`dbt_task` needs a `git_source`".to_owned());
        }
    } else if let Some(shared) = ["new_cluster", "existing_cluster_id"].iter().find(|key| body.contains_key(**key)) {
        return about(
            shared,
            format!("with `tasks` each task says its own cluster; `{shared}` belongs there, or into `job_clusters`"),
        );
    }
    if let Some(Value::Object(pipeline)) = body.get("pipeline_task") {
        let has = |key: &str| pipeline.get(key).is_some_and(|value| !value.is_null());
        match (has("pipeline_id"), has("pipeline_name")) {
            (true, true) => {
                return about("pipeline_task", "`pipeline_id` and `pipeline_name` exclude each other".to_owned());
            }
            (false, false) => {
                return about("pipeline_task", "it needs a `pipeline_id` or a `pipeline_name`".to_owned());
            }
            _ => {}
        }
    }
    wrong_keys(tasks?.as_array()?)
}

/// Tasks need keys of their own, and those that they depend on.
fn wrong_keys(tasks: &[Value]) -> Option<(String, String)> {
    let about = |message: String| Some(("tasks".to_owned(), message));
    let mut keys: Vec<&str> = Vec::new();
    for (index, task) in tasks.iter().enumerate() {
        if is_open(task) {
            return None;
        }
        let Some(key) = task.get("task_key").and_then(Value::as_str).filter(|key| !key.is_empty()) else {
            return about(format!("task {} has no `task_key`", index + 1));
        };
        if keys.contains(&key) {
            return about(format!("two tasks have the key `{key}`"));
        }
        keys.push(key);
    }
    for task in tasks {
        for before in task.get("depends_on").and_then(Value::as_array).into_iter().flatten() {
            let named = before.get("task_key").and_then(Value::as_str).unwrap_or_default();
            if !keys.contains(&named) && !is_open(&named.into()) {
                let key = task["task_key"].as_str().unwrap_or_default();
                return about(format!("task `{key}` depends on `{named}`, which is none of the tasks"));
            }
        }
    }
    None
}

/// Replaces the name of a pipeline by its id (Airflow 3: `pipeline_name`).
async fn find_pipeline(session: &Session, body: &mut Map<String, Value>) -> Result<(), TaskError> {
    let Some(Value::Object(task)) = body.get_mut("pipeline_task") else { return Ok(()) };
    let Some(Value::String(name)) = task.shift_remove("pipeline_name") else { return Ok(()) };
    let found = jobs::pipelines_named(session, &name).await.map_err(Failure::into_error)?;
    match found.as_slice() {
        [id] => {
            task.insert("pipeline_id".to_owned(), Value::from(id.as_str()));
            Ok(())
        }
        [] => Err(TaskError::fail(anyhow!("there is no pipeline `{name}`"))),
        _ => Err(TaskError::fail(anyhow!("there are {} pipelines `{name}`; name one by `pipeline_id`", found.len()))),
    }
}
