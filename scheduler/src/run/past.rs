//! Which tasks have to wait for the run before (Airflow 3: `depends_on_past`, `wait_for_downstream`).

use std::collections::{BTreeSet, HashMap};

use super::state::TaskState;
use crate::dag::{Dag, PastDependency, TaskIndex};

/// The states of a run's task instances, by task id.
pub type StatesByTask = HashMap<String, Vec<TaskState>>;

/// The tasks of `dag` that have to wait, given how the run before stands; nothing waits when there is none.
///
/// A task that the run before did not have is not waited for. Success and skipped are both well (Airflow 3:
/// `prev_dagrun_dep.py`).
pub fn blocked(dag: &Dag, before: Option<&StatesByTask>) -> BTreeSet<TaskIndex> {
    let Some(before) = before else { return BTreeSet::new() };
    let ended_well = |task: TaskIndex| {
        before.get(&dag.task(task).task_id).is_none_or(|states| {
            states.iter().all(|state| matches!(state, TaskState::Success | TaskState::Skipped | TaskState::Removed))
        })
    };
    dag.tasks()
        .filter(|(index, task)| match task.past {
            PastDependency::None => false,
            PastDependency::Itself => !ended_well(*index),
            PastDependency::ItselfAndDownstream => !ended_well(*index) || !dag.downstream(*index).all(ended_well),
        })
        .map(|(index, _)| index)
        .collect()
}
