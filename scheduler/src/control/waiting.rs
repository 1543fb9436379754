//! What people ask about what does not run: everything that is in its way.

use super::{Control, ControlError};
use crate::run::{Limit, Obstacle, RunState, TaskState, Waiting};
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
    /// `task_id` says which. A run that has not begun may have no task instances.
    pub async fn obstacles(
        &self,
        dag_id: &str,
        run_id: &str,
        task_id: Option<&str>,
    ) -> Result<Vec<Waited>, ControlError> {
        let run = runs::get(self.db.read(), dag_id, run_id).await?;
        let dag = dags::find(self.db.read(), dag_id).await?;
        let held_back = dag.and_then(|dag| Limit::of_dag(dag.is_paused, dag.is_stale));
        let instances = runs::instances(self.db.read(), run.id).await?;
        let asked = instances.into_iter().filter(|instance| task_id.is_none_or(|task_id| instance.task_id == task_id));
        asked.map(|instance| waited(&run, held_back.clone(), instance)).collect()
    }
}

fn waited(
    run: &dag_run::Model,
    held_back: Option<Limit>,
    instance: task_instance::Model,
) -> Result<Waited, ControlError> {
    let waiting = Waiting {
        dag_id: &run.dag_id,
        held_back,
        run: run.state.parse::<RunState>().map_err(|_| corrupt("dag_run", &run.state))?,
        run_reason: run.reason.as_deref(),
        state: state(&instance)?,
        reason: instance.reason.as_deref(),
    };
    let obstacles = waiting.obstacles();
    Ok(Waited { instance, obstacles })
}

fn state(instance: &task_instance::Model) -> Result<TaskState, StoreError> {
    let word = instance.state.as_deref();
    TaskState::from_word(word).map_err(|_| corrupt("task_instance", word.unwrap_or_default()))
}

fn corrupt(table: &'static str, value: &str) -> StoreError {
    StoreError::Corrupt { table, column: "state", value: value.to_owned() }
}
