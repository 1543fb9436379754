//! Which tasks have to wait for the run before (Airflow 3: `depends_on_past`, `wait_for_downstream`,
//! `ignore_first_depends_on_past`).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};

use super::state::TaskState;
use crate::dag::{Dag, PastDependency, Task, TaskIndex};

/// The states of a run's task instances, by task id.
pub type StatesByTask = HashMap<String, Vec<TaskState>>;

/// What is known of the run before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunBefore {
    /// What it is about.
    pub logical_date: Option<DateTime<Utc>>,
    /// Its task instances.
    pub states: StatesByTask,
    /// Of the tasks that it does not have, those that a run before it had.
    pub had_earlier: BTreeSet<String>,
}

/// Why a task waits for the run before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmet {
    /// Something there has not ended well, or not ended.
    NotWell,
    /// The run before does not have the task.
    Absent,
}

/// The tasks that have to wait for the run before, and why.
pub type Blocked = BTreeMap<TaskIndex, Unmet>;

/// The tasks of `dag` that have to wait, given how the run before stands; nothing waits when there is none.
///
/// Success and skipped are both well (Airflow 3: `prev_dagrun_dep.py`). So is an instance that was removed because there is
/// less to map over: Airflow waits for it, and it never comes.
pub fn blocked(dag: &Dag, before: Option<&RunBefore>) -> Blocked {
    let Some(before) = before else { return Blocked::new() };
    dag.tasks().filter_map(|(index, task)| Some((index, unmet(dag, index, task, before)?))).collect()
}

/// The tasks that the run before does not have although they ask about it, which may be new.
pub fn maybe_new<'d>(dag: &'d Dag, states: &StatesByTask) -> Vec<&'d str> {
    let may_be_new = |task: &&Task| {
        task.past != PastDependency::None && task.ignores_first_past && !states.contains_key(&task.task_id)
    };
    dag.tasks().map(|(_, task)| task).filter(may_be_new).map(|task| task.task_id.as_str()).collect()
}

fn unmet(dag: &Dag, index: TaskIndex, task: &Task, before: &RunBefore) -> Option<Unmet> {
    if task.past == PastDependency::None || began_later(dag, task, before) {
        return None;
    }
    let is_well = |state: &TaskState| matches!(state, TaskState::Success | TaskState::Skipped | TaskState::Removed);
    let states_of = |task: TaskIndex| before.states.get(&dag.task(task).task_id);
    let Some(own) = states_of(index) else {
        let is_new = !before.had_earlier.contains(&task.task_id);
        return (!(task.ignores_first_past && is_new)).then_some(Unmet::Absent);
    };
    // What comes after it is only asked about where the run before has it.
    let downstream = dag.downstream(index).filter(|_| task.past == PastDependency::ItselfAndDownstream);
    let all_well = own.iter().all(is_well) && downstream.filter_map(states_of).flatten().all(is_well);
    (!all_well).then_some(Unmet::NotWell)
}

/// Whether a task of a DAG that catches up was not to run yet in the run before.
fn began_later(dag: &Dag, task: &Task, before: &RunBefore) -> bool {
    let is_earlier = task.start_date.zip(before.logical_date).is_some_and(|(start, date)| date < start);
    dag.runs.catchup.is_on() && is_earlier
}
