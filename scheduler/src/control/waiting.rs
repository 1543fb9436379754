//! What people ask about what does not run: everything that is in its way.

use std::collections::HashMap;

use super::{Control, ControlError};
use crate::dag::Dag;
use crate::run::{Obstacle, RunState, TaskState, Waiting};
use crate::store::entity::{dag_run, task_instance};
use crate::store::{StoreError, dags, runs};

/// A task instance, and what is in its way.
#[derive(Clone, Debug)]
pub struct Waited {
    /// The task instance.
    pub instance: task_instance::Model,
    /// What is in its way; nothing when it runs or is over.
    pub obstacles: Vec<Obstacle>,
}

impl Control {
    /// What is in the way of every task instance of a run, in the order of the DAG file; of those of one task when
    /// `task_id` says which. A run that has not begun has no task instances.
    pub async fn obstacles(
        &self,
        dag_id: &str,
        run_id: &str,
        task_id: Option<&str>,
    ) -> Result<Vec<Waited>, ControlError> {
        let run = runs::get(self.db.read(), dag_id, run_id).await?;
        let is_paused = dags::find(self.db.read(), dag_id).await?.is_some_and(|dag| dag.is_paused);
        let definition = self.definition_of(&run).await?;
        let instances = runs::instances(self.db.read(), run.id).await?;
        let mut states: HashMap<&str, Vec<TaskState>> = HashMap::new();
        for instance in &instances {
            states.entry(&instance.task_id).or_default().push(state(instance)?);
        }
        let asked = instances.iter().filter(|instance| task_id.is_none_or(|task_id| instance.task_id == task_id));
        asked
            .map(|instance| {
                let waiting = Waiting {
                    dag_id,
                    is_paused,
                    run: run_state(&run)?,
                    run_reason: run.reason.as_deref(),
                    state: state(instance)?,
                    reason: instance.reason.as_deref(),
                    upstream: upstream(&definition, &instance.task_id, &states),
                };
                Ok(Waited { instance: instance.clone(), obstacles: waiting.obstacles() })
            })
            .collect()
    }

    /// The definition that a run is pinned to.
    async fn definition_of(&self, run: &dag_run::Model) -> Result<std::sync::Arc<Dag>, ControlError> {
        let version = dags::find_version(self.db.read(), run.dag_version_id).await?;
        let version = version
            .ok_or_else(|| ControlError::NotFound { what: "version of the DAG of run", id: run.run_id.clone() })?;
        self.catalog
            .definition(&version.dag_id, &version.hash, &version.relative_fileloc, &version.source)
            .map_err(|error| ControlError::Invalid(error.to_string()))
    }
}

fn upstream<'a>(dag: &'a Dag, task_id: &str, states: &HashMap<&str, Vec<TaskState>>) -> Vec<(&'a str, TaskState)> {
    let Some(task) = dag.find(task_id) else { return Vec::new() };
    let mut upstream = Vec::new();
    for before in dag.upstream(task) {
        let name = dag.task(before).task_id.as_str();
        upstream.extend(states.get(name).into_iter().flatten().map(|state| (name, *state)));
    }
    upstream
}

fn state(instance: &task_instance::Model) -> Result<TaskState, StoreError> {
    let word = instance.state.as_deref();
    TaskState::from_word(word).map_err(|_| corrupt("task_instance", word.unwrap_or_default()))
}

fn run_state(run: &dag_run::Model) -> Result<RunState, StoreError> {
    run.state.parse().map_err(|_| corrupt("dag_run", &run.state))
}

fn corrupt(table: &'static str, value: &str) -> StoreError {
    StoreError::Corrupt { table, column: "state", value: value.to_owned() }
}
