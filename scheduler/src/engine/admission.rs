//! Who starts next: the one place where limits are applied.
//!
//! First tries, retries, triggered runs and runs taken over all pass here. Counts are derived from what is running each
//! time; there is no counter that a crash could leave wrong.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::active_run::ActiveRun;
use crate::run::InstanceIndex;

/// What bounds the installation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Most task instances at the same time (Airflow 3: `[core] parallelism`).
    pub(super) parallelism: usize,
}

/// Larger weights first, then earlier logical dates, then the order in which runs were made (Airflow 3: priority).
type Rank = (i32, Reverse<Option<DateTime<Utc>>>, Reverse<Uuid>);

/// Chooses what starts now, best first.
///
/// `held` are the task instances that run; `is_paused` says whether a DAG is.
pub(super) fn admit(
    runs: &HashMap<Uuid, ActiveRun>,
    candidates: impl Iterator<Item = Uuid>,
    held: impl Iterator<Item = Uuid>,
    is_paused: impl Fn(&str) -> bool,
    limits: Limits,
) -> Vec<(Uuid, InstanceIndex)> {
    let mut held_by_run: HashMap<Uuid, usize> = HashMap::new();
    let mut free = limits.parallelism;
    for run in held {
        *held_by_run.entry(run).or_default() += 1;
        free = free.saturating_sub(1);
    }

    let mut queue: BinaryHeap<(Rank, Uuid)> = BinaryHeap::new();
    let mut ready: HashMap<Uuid, std::iter::Peekable<Box<dyn Iterator<Item = InstanceIndex> + '_>>> = HashMap::new();
    for id in candidates {
        let Some(active) = runs.get(&id).filter(|active| !is_paused(&active.row.dag_id)) else { continue };
        if let Some((weight, _)) = active.first_ready() {
            queue.push((rank(active, weight), id));
            let tasks: Box<dyn Iterator<Item = InstanceIndex>> = Box::new(active.ready());
            ready.insert(id, tasks.peekable());
        }
    }

    let mut admitted = Vec::new();
    while free > 0 {
        let Some((_, id)) = queue.pop() else { break };
        let active = &runs[&id];
        let in_run = held_by_run.entry(id).or_default();
        if *in_run >= active.run.dag.runs.max_active_tasks as usize {
            continue;
        }
        let Some(task) = ready.get_mut(&id).and_then(Iterator::next) else { continue };
        admitted.push((id, task));
        *in_run += 1;
        free -= 1;
        if let Some(&next) = ready.get_mut(&id).and_then(std::iter::Peekable::peek) {
            queue.push((rank(active, active.run.dag.task(next.task).priority_weight), id));
        }
    }
    admitted
}

fn rank(active: &ActiveRun, weight: i32) -> Rank {
    (weight, Reverse(active.run.logical_date), Reverse(active.id()))
}

/// Why a ready task instance of `active` did not start.
pub(super) fn reason(active: &ActiveRun, is_paused: bool, held_in_run: usize, limits: Limits) -> String {
    let max_active_tasks = active.run.dag.runs.max_active_tasks;
    if is_paused {
        "DAG paused".to_owned()
    } else if held_in_run >= max_active_tasks as usize {
        format!("{max_active_tasks} tasks of this run are running, as many as max_active_tasks allows")
    } else {
        format!("{} tasks are running, as many as parallelism allows", limits.parallelism)
    }
}
