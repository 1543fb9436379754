//! `external_task_sensor`: waits for a run of another DAG, or for tasks of it.
//!
//! ```yaml
//! - task_id: sales_are_in
//!   operator: external_task_sensor
//!   external_dag_id: sales
//!   external_task_id: load
//!   execution_delta: 1h       # the run of sales an hour before this one
//! ```
//!
//! It waits for the run with the same logical date, as `execution_delta` moves it.

use std::sync::Arc;

use anyhow::anyhow;
use chrono::{DateTime, Utc};
use scheduler::operator::{
    AirflowClass, ArgumentProblem, Operator, Outcome, Outline, RunStanding, TaskContext, TaskError,
};
use scheduler::run::{RunState, TaskState};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::{OnceCell, Semaphore};

use super::arguments::Patience;
use super::wait::{Rhythm, Sight, Watch};
use crate::shapes::With;
use crate::span::{self, Offset};

/// The keys that name tasks, of which there may be one.
const NAMING: [&str; 3] = ["external_task_id", "external_task_ids", "external_task_group_id"];

/// The keys that list states.
const STATES: [&str; 3] = ["allowed_states", "skipped_states", "failed_states"];

/// The `external_task_sensor` operator.
pub struct ExternalTaskSensor {
    looks: Arc<Semaphore>,
}

impl ExternalTaskSensor {
    /// With as many looks at a time as `looks` allows.
    pub fn new(looks: Arc<Semaphore>) -> ExternalTaskSensor {
        ExternalTaskSensor { looks }
    }
}

/// Arguments of the `external_task_sensor` operator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExternalTaskArgs {
    /// The DAG that it waits for.
    #[schemars(length(min = 1))]
    external_dag_id: String,
    /// A task of that DAG, by its full id; without any of these three keys it waits for the run.
    #[serde(default)]
    external_task_id: Option<String>,
    /// Several tasks, all of which it waits for.
    #[serde(default)]
    external_task_ids: Option<Vec<String>>,
    /// A group, of whose tasks it waits for all.
    #[serde(default)]
    external_task_group_id: Option<String>,
    /// How long before this run's logical date that of the other run is: `1h`, or a number of seconds. Negative: after it.
    #[serde(default)]
    execution_delta: Option<Offset>,
    /// The states that it waits for; `[success]` by default.
    #[serde(default)]
    allowed_states: Option<Vec<String>>,
    /// The states at which it is skipped.
    #[serde(default)]
    skipped_states: Vec<String>,
    /// The states at which it fails; `retries` apply.
    #[serde(default)]
    failed_states: Vec<String>,
    /// Whether it fails at once when there is no such DAG, or no such task in it.
    #[serde(default)]
    check_existence: bool,
}

impl Operator for ExternalTaskSensor {
    const NAME: &'static str = "external_task_sensor";
    const SUMMARY: &'static str = "Waits for a run of another DAG, or for tasks of it.";
    type Args = With<Patience, ExternalTaskArgs>;

    fn airflow_classes() -> Vec<AirflowClass> {
        let help = "there is no Python to call; write `execution_delta`, how long before this run the other one is";
        let class = AirflowClass::named("ExternalTaskSensor").renamed("poll_interval", "poke_interval");
        let functions = ["execution_date_fn", "execution_date_fn_name", "execution_date_fn_file"];
        vec![functions.into_iter().fold(class, |class, key| class.refused(key, help))]
    }

    async fn execute(&self, args: Self::Args, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let With { own, common: patience } = args;
        let date = own.date(ctx)?;
        let checked = OnceCell::new();
        let watch = Watch {
            patience: &patience,
            ctx,
            awaited: own.in_words(date),
            rhythm: Rhythm::Intervals(Arc::clone(&self.looks)),
        };
        watch.until(|| own.look(ctx, date, &checked)).await
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let mut problems = Patience::check(args);
        problems.extend(span::check::<Offset>(args, "execution_delta"));
        let problem = |key: &str, message: String| ArgumentProblem { pointer: format!("/{key}"), message, help: None };
        let naming: Vec<&str> = NAMING.into_iter().filter(|key| args.contains_key(*key)).collect();
        if let [first, second, ..] = naming.as_slice() {
            problems.push(problem(second, format!("`{first}` and `{second}` exclude each other")));
        }
        let is_about_tasks = !naming.is_empty();
        let mut named: Vec<&str> = Vec::new();
        for key in STATES {
            for word in args.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
                let is_known = if is_about_tasks {
                    TaskState::from_word(Some(word)).is_ok()
                } else {
                    word.parse::<RunState>().is_ok()
                };
                let whose = if is_about_tasks { "task instances" } else { "runs" };
                if !is_known && !word.contains("{{") {
                    let known: Vec<&str> = if is_about_tasks {
                        TaskState::ALL.iter().filter_map(|state| state.word()).collect()
                    } else {
                        RunState::ALL.map(RunState::word).to_vec()
                    };
                    let help = Some(format!("the states are {}", known.join(", ")));
                    let message = format!("`{word}` is no state of {whose}");
                    problems.push(ArgumentProblem { help, ..problem(key, message) });
                } else if named.contains(&word) {
                    problems.push(problem(key, format!("`{word}` stands in two of the lists of states")));
                }
                named.push(word);
            }
        }
        problems
    }
}

impl ExternalTaskArgs {
    /// The logical date of the run that it waits for.
    fn date(&self, ctx: &TaskContext) -> Result<DateTime<Utc>, TaskError> {
        let own = ctx.run.logical_date.unwrap_or(ctx.run.run_after);
        let Some(Offset(delta)) = self.execution_delta else { return Ok(own) };
        own.checked_sub_signed(delta)
            .ok_or_else(|| TaskError::fail(anyhow!("`execution_delta` leads beyond all dates")))
    }

    fn in_words(&self, date: DateTime<Utc>) -> String {
        let dag = &self.external_dag_id;
        let what = match (&self.external_task_id, &self.external_task_ids, &self.external_task_group_id) {
            (Some(task), ..) => format!("task {task} of DAG {dag}"),
            (_, Some(tasks), _) => format!("tasks {} of DAG {dag}", tasks.join(", ")),
            (.., Some(group)) => format!("group {group} of DAG {dag}"),
            (None, None, None) => format!("the run of DAG {dag}"),
        };
        format!("{what} at {}", date.format("%Y-%m-%dT%H:%M:%SZ"))
    }

    async fn look(&self, ctx: &TaskContext, date: DateTime<Utc>, checked: &OnceCell<()>) -> Result<Sight, TaskError> {
        if self.check_existence {
            checked.get_or_try_init(|| self.check_existence(ctx)).await?;
        }
        let Some(tasks) = self.tasks(ctx).await? else { return Ok(Sight::NotYet) };
        match ctx.runs.standing(&self.external_dag_id, date, &tasks).await? {
            Some(standing) => Ok(self.judge(&standing, &tasks)),
            None => Ok(Sight::NotYet),
        }
    }

    /// The tasks that it waits for; empty when it waits for the run, none while nobody knows them.
    async fn tasks(&self, ctx: &TaskContext) -> Result<Option<Vec<String>>, TaskError> {
        if let Some(group) = &self.external_task_group_id {
            let outline = ctx.runs.outline(&self.external_dag_id).await?;
            return Ok(outline.and_then(|outline| members(&outline, group)));
        }
        Ok(Some(self.external_task_id.iter().chain(self.external_task_ids.iter().flatten()).cloned().collect()))
    }

    /// Airflow 3: `check_existence`, at the first look.
    async fn check_existence(&self, ctx: &TaskContext) -> Result<(), TaskError> {
        let dag = &self.external_dag_id;
        let outline = ctx.runs.outline(dag).await?;
        let outline = outline.ok_or_else(|| TaskError::retry(anyhow!("there is no DAG `{dag}`")))?;
        let named = self.external_task_id.iter().chain(self.external_task_ids.iter().flatten());
        if let Some(task) = named.into_iter().find(|task| !outline.tasks.contains(task)) {
            return Err(TaskError::retry(anyhow!("there is no task `{task}` in DAG `{dag}`")));
        }
        match &self.external_task_group_id {
            Some(group) if members(&outline, group).is_none() => {
                Err(TaskError::retry(anyhow!("there is no group `{group}` in DAG `{dag}`")))
            }
            _ => Ok(()),
        }
    }

    /// What the states say: one that fails it first, then one that skips it; all must be as it wants them.
    fn judge(&self, standing: &RunStanding, tasks: &[String]) -> Sight {
        let removed = TaskState::Removed.word();
        let instances = standing.instances.iter().filter(|(_, state)| state.as_deref() != removed);
        let states: Vec<(&str, &str)> = if tasks.is_empty() {
            vec![("the run", standing.state.as_str())]
        } else {
            instances.map(|(task, state)| (task.as_str(), state.as_deref().unwrap_or("none"))).collect()
        };
        let found = |wanted: &[String]| states.iter().find(|(_, state)| wanted.iter().any(|word| word == state));
        let told = |(whose, state): &(&str, &str)| format!("{whose} of DAG {} is {state}", self.external_dag_id);
        if let Some(failed) = found(&self.failed_states) {
            return Sight::Failed(told(failed));
        }
        if let Some(skipped) = found(&self.skipped_states) {
            return Sight::Void(told(skipped));
        }
        let is_allowed = |state: &str| match &self.allowed_states {
            Some(allowed) if !allowed.is_empty() => allowed.iter().any(|word| word == state),
            _ => state == "success",
        };
        let are_there = tasks.iter().all(|task| states.iter().any(|(whose, _)| whose == task));
        Sight::of(are_there && states.iter().all(|(_, state)| is_allowed(state)))
    }
}

/// The tasks of a group.
fn members(outline: &Outline, group: &str) -> Option<Vec<String>> {
    outline.groups.iter().find(|(id, _)| id == group).map(|(_, tasks)| tasks.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judged(args: &Value, tasks: &[&str], run: &str, states: &[(&str, &str)]) -> Sight {
        let mut all = json!({ "external_dag_id": "sales" });
        all.as_object_mut().unwrap().extend(args.as_object().unwrap().clone());
        let args: ExternalTaskArgs = serde_json::from_value(all).unwrap();
        let instances = states.iter().map(|(task, state)| ((*task).to_owned(), Some((*state).to_owned()))).collect();
        let tasks: Vec<String> = tasks.iter().map(|task| (*task).to_owned()).collect();
        args.judge(&RunStanding { state: run.to_owned(), instances }, &tasks)
    }

    #[test]
    fn the_run_counts_when_no_task_is_named() {
        assert_eq!(judged(&json!({}), &[], "success", &[]), Sight::There);
        assert_eq!(judged(&json!({}), &[], "failed", &[]), Sight::NotYet);
        assert_eq!(judged(&json!({ "allowed_states": ["failed"] }), &[], "failed", &[]), Sight::There);
        let failed = judged(&json!({ "failed_states": ["failed"] }), &[], "failed", &[]);
        assert_eq!(failed, Sight::Failed("the run of DAG sales is failed".to_owned()));
    }

    #[test]
    fn every_named_task_must_be_there_with_all_its_instances() {
        let both = &["a", "b"];
        let args = || json!({ "skipped_states": ["skipped"], "failed_states": ["failed"] });
        assert_eq!(judged(&args(), both, "running", &[("a", "success")]), Sight::NotYet);
        assert_eq!(judged(&args(), both, "running", &[("a", "success"), ("b", "success")]), Sight::There);
        let mapped = [("a", "success"), ("b", "success"), ("b", "running"), ("b", "removed")];
        assert_eq!(judged(&args(), both, "running", &mapped), Sight::NotYet);
        let skipped = judged(&args(), both, "running", &[("a", "skipped"), ("b", "running")]);
        assert_eq!(skipped, Sight::Void("a of DAG sales is skipped".to_owned()));
        let failed = judged(&args(), both, "running", &[("a", "skipped"), ("b", "failed")]);
        assert_eq!(failed, Sight::Failed("b of DAG sales is failed".to_owned()));
    }
}
