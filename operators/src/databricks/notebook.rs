//! `databricks_notebook`: runs a notebook on Databricks.
//!
//! ```yaml
//! - task_id: clean
//!   operator: databricks_notebook
//!   notebook_path: /Users/me@example.com/clean
//!   source: WORKSPACE
//!   existing_cluster_id: 1108-162752-8okw8dgg
//! ```

use std::time::Duration;

use anyhow::anyhow;
use scheduler::operator::{ArgumentProblem, Operator, Outcome, TaskContext, TaskError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::arguments::{Asking, Following, With, problem};
use super::body::{merged, value};
use super::jobs::Door;
use super::run::{self, Plan};
use super::session::Session;
use super::submit_run::{Source, plan};
use super::workspace::Workspaces;

/// A run that goes on is looked at so often at most, as in Airflow.
pub(super) const POLLING_PERIOD: Duration = Duration::from_secs(5);

/// Where a notebook can run.
const CLUSTERS: [&str; 4] = ["existing_cluster_id", "new_cluster", "job_cluster_key", "environments"];

/// The `databricks_notebook` operator.
pub struct Notebook {
    workspaces: Workspaces,
}

impl Notebook {
    /// Asks `workspaces`.
    pub fn new(workspaces: Workspaces) -> Notebook {
        Notebook { workspaces }
    }
}

/// Arguments of the `databricks_notebook` operator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotebookArgs {
    /// Where it is: `/Users/me@example.com/clean`, or a path in the `git_source`.
    #[schemars(length(min = 1))]
    notebook_path: String,
    /// `WORKSPACE` or `GIT`; by default `GIT` if there is a `git_source`.
    #[serde(default)]
    source: Option<Source>,
    /// What it reads with `dbutils.widgets.get`.
    #[serde(default)]
    notebook_params: Option<Map<String, Value>>,
    /// What is installed on the cluster before, as the API has it: `[{pypi: {package: simplejson}}]`.
    #[serde(default)]
    notebook_packages: Option<Vec<Value>>,
    /// A cluster that is there.
    #[serde(default)]
    existing_cluster_id: Option<String>,
    /// A cluster that is made for the run and ends with it, as the API has it.
    #[serde(default)]
    new_cluster: Option<Map<String, Value>>,
    /// One of the `job_clusters`.
    #[serde(default)]
    job_cluster_key: Option<String>,
    /// Clusters by their `job_cluster_key`, as the API has them.
    #[serde(default)]
    job_clusters: Option<Vec<Map<String, Value>>>,
    /// Environments of serverless tasks.
    #[serde(default)]
    environments: Option<Vec<Map<String, Value>>>,
    /// A repository in which the notebook is.
    #[serde(default)]
    git_source: Option<Map<String, Value>>,
    /// How often Databricks itself lets the notebook run again when it fails; -1 for ever. Airflow's word for retries within
    /// one run there; `retries` of the task starts other runs.
    #[serde(default)]
    #[schemars(range(min = -1))]
    max_retries: Option<i64>,
    /// How long Databricks waits before that, in milliseconds.
    #[serde(default)]
    min_retry_interval_millis: Option<u64>,
    /// Whether it does so, too, when the notebook took too long.
    #[serde(default)]
    retry_on_timeout: Option<bool>,
    /// The key of the task in the run; the id of the task by default.
    #[serde(default)]
    databricks_task_key: Option<String>,
    /// In Airflow, the run of a workflow around the task. Workflows are refused: write the tasks into `tasks` of
    /// `databricks_submit_run`.
    #[serde(default)]
    #[expect(dead_code, reason = "only refused")]
    workflow_run_metadata: Option<Map<String, Value>>,
}

impl NotebookArgs {
    fn into_body(self, task_id: &str, timeout: Option<Duration>) -> Map<String, Value> {
        let notebook = json!({
            "notebook_path": self.notebook_path,
            "source": value(self.source),
            "base_parameters": value(self.notebook_params),
        });
        let Value::Object(mut notebook) = notebook else { return Map::new() };
        notebook.retain(|_, value| !value.is_null());
        let key = self.databricks_task_key.unwrap_or_else(|| task_key(task_id));
        let task = merged(
            Map::new(),
            [
                ("task_key", key.into()),
                ("notebook_task", Value::Object(notebook)),
                ("existing_cluster_id", value(self.existing_cluster_id.filter(|id| !id.is_empty()))),
                ("new_cluster", value(self.new_cluster.filter(|cluster| !cluster.is_empty()))),
                ("job_cluster_key", value(self.job_cluster_key.filter(|key| !key.is_empty()))),
                ("max_retries", value(self.max_retries)),
                ("min_retry_interval_millis", value(self.min_retry_interval_millis)),
                ("retry_on_timeout", value(self.retry_on_timeout)),
                ("libraries", value(self.notebook_packages.filter(|packages| !packages.is_empty()))),
            ],
        );
        merged(
            Map::new(),
            [
                ("run_name", task_id.into()),
                ("tasks", json!([task])),
                ("job_clusters", value(self.job_clusters)),
                ("environments", value(self.environments)),
                ("git_source", value(self.git_source)),
                ("timeout_seconds", value(timeout.map(|limit| limit.as_secs().max(1)))),
            ],
        )
    }
}

/// How the run that the arguments describe is started and followed.
fn planned(args: With<Following, NotebookArgs>, ctx: &TaskContext) -> Result<Plan, TaskError> {
    let With { common: following, own } = args;
    // As in Airflow, Databricks itself minds the `execution_timeout`, too.
    let body = own.into_body(&ctx.key.task_id, ctx.time_limit);
    if body.len() < 2 {
        return Err(TaskError::fail(anyhow!("the request is empty")));
    }
    plan(Door::Submit, body, &following, POLLING_PERIOD)
}

/// A key that Databricks takes: letters, digits, `_` and `-`, at most 100.
pub(super) fn task_key(task_id: &str) -> String {
    let fits = |sign: char| if sign.is_ascii_alphanumeric() || matches!(sign, '_' | '-') { sign } else { '_' };
    task_id.chars().map(fits).take(100).collect()
}

impl Operator for Notebook {
    const NAME: &'static str = "databricks_notebook";
    const AIRFLOW_CLASSES: &'static [&'static str] = &["DatabricksNotebookOperator"];
    const SUMMARY: &'static str = "Runs a notebook on Databricks.";
    type Args = With<Asking, With<Following, NotebookArgs>>;

    async fn execute(&self, args: Self::Args, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let With { common: asking, own } = args;
        let plan = planned(own, ctx)?;
        let session = Session::open(&self.workspaces, &asking, ctx).await?;
        run::perform(&session, plan).await
    }

    async fn withdraw(&self, args: Self::Args, ctx: &TaskContext) -> Result<(), TaskError> {
        let With { common: asking, own } = args;
        let session = Session::open(&self.workspaces, &asking, ctx).await?;
        run::withdraw(&session, async { planned(own, ctx) }).await
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let mut problems = Asking::check(args);
        let is_given = |key: &str| {
            args.get(key).is_some_and(|value| {
                !value.is_null() && value != "" && value.as_object().is_none_or(|entries| !entries.is_empty())
            })
        };
        let clusters: Vec<&str> = CLUSTERS.into_iter().filter(|key| is_given(key)).collect();
        if let [first, second, ..] = clusters.as_slice() {
            problems.push(problem(&format!("/{second}"), format!("`{first}` and `{second}` exclude each other")));
        }
        if clusters.is_empty() {
            let message = "it does not say where to run: `existing_cluster_id`, `new_cluster`, `job_cluster_key` or `environments`";
            problems.push(problem("", message));
        }
        if is_given("job_cluster_key") && !is_given("job_clusters") {
            let message = "`job_cluster_key` is one of the `job_clusters`, of which there are none";
            problems.push(problem("/job_cluster_key", message));
        }
        if args.get("source").is_some_and(|source| source == "GIT") && !is_given("git_source") {
            problems.push(problem("/source", "`source: GIT` needs a `git_source`"));
        }
        if is_given("workflow_run_metadata") {
            problems.push(ArgumentProblem {
                help: Some("write the tasks of the workflow into `tasks` of one `databricks_submit_run`".to_owned()),
                ..problem("/workflow_run_metadata", "workflows of Airflow are not served")
            });
        }
        problems
    }
}
