//! Which tasks a person means who clears or marks: the named ones, and what is upstream or downstream of them.

use std::collections::BTreeSet;

use crate::dag::{Dag, Direction, TaskIndex};

/// What belongs to the named tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Everything that they wait for.
    pub upstream: bool,
    /// Everything that waits for them.
    pub downstream: bool,
}

/// The named tasks with their relatives.
pub fn related(dag: &Dag, named: impl IntoIterator<Item = TaskIndex>, reach: Reach) -> BTreeSet<TaskIndex> {
    let mut found = BTreeSet::new();
    for task in named {
        found.insert(task);
        if reach.upstream {
            found.extend(dag.relatives(task, Direction::Incoming));
        }
        if reach.downstream {
            found.extend(dag.relatives(task, Direction::Outgoing));
        }
    }
    found
}

/// The tasks with the setups that they need and the teardowns of those and of setups among them, which are cleared with them
/// (Airflow 3: setup and teardown).
pub fn with_setups(dag: &Dag, tasks: &BTreeSet<TaskIndex>) -> BTreeSet<TaskIndex> {
    tasks.iter().flat_map(|task| dag.setups_and_teardowns(*task)).chain(tasks.iter().copied()).collect()
}
