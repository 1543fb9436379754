//! Lanes: the ready task instances of a run that share every limit, and whether the lane's own limits let one start.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::pools::Wanted;
use super::{Admission, Rank, Standing};
use crate::dag::{Dag, TaskIndex};
use crate::run::InstanceIndex;

/// Names a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct LaneKey {
    pub(super) run: Uuid,
    pub(super) wanted: Wanted,
    /// The task, when it has limits of its own.
    pub(super) task: Option<TaskIndex>,
}

/// A lane.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) waiting: BTreeSet<Rank>,
    /// Instances that run or are deferred.
    active: usize,
    /// The rank under which it stands in its queue; none while its own limits close it.
    placed: Option<Rank>,
}

/// What admission knows of a run.
#[derive(Debug)]
pub(super) struct RunEntry {
    pub(super) dag: Arc<Dag>,
    date: DateTime<Utc>,
    /// Task instances that run.
    running: usize,
    pub(super) lanes: BTreeSet<LaneKey>,
    pub(super) standings: HashMap<InstanceIndex, Standing>,
}

impl RunEntry {
    pub(super) fn new(dag: Arc<Dag>, date: DateTime<Utc>) -> RunEntry {
        RunEntry { dag, date, running: 0, lanes: BTreeSet::new(), standings: HashMap::new() }
    }

    pub(super) fn max_active_tasks(&self) -> usize {
        self.dag.runs.max_active_tasks as usize
    }

    /// Whether as many of its task instances run as may (Airflow 3: `max_active_tasks` is of a run).
    pub(super) fn is_full(&self) -> bool {
        self.running >= self.max_active_tasks()
    }

    /// The limit of the lane's task within the run, if it is reached.
    pub(super) fn full_for(&self, key: LaneKey, lane: &Lane) -> Option<usize> {
        let most = self.dag.task(key.task?).max_active_tis_per_dagrun? as usize;
        (lane.active >= most).then_some(most)
    }
}

impl Admission {
    /// Replaces what a task instance stands for.
    pub(super) fn stand(&mut self, run: Uuid, at: InstanceIndex, standing: Option<Standing>) {
        let Some(entry) = self.runs.get_mut(&run) else { return };
        let InstanceIndex { task, map_index } = at;
        let before = match standing {
            Some(standing) => entry.standings.insert(at, standing),
            None => entry.standings.remove(&at),
        };
        if before == standing {
            return;
        }
        let was_full = entry.is_full();
        let definition = entry.dag.task(task);
        let is_limited = definition.max_active_tis_per_dag.is_some() || definition.max_active_tis_per_dagrun.is_some();
        let wanted = Wanted { pool: self.pools.id(&definition.pool), slots: definition.pool_slots };
        let key = LaneKey { run, wanted, task: is_limited.then_some(task) };
        let rank = Rank { weight: Reverse(entry.dag.weight(task)), date: entry.date, map_index, run, task };
        entry.lanes.insert(key);
        if let Some(before) = before {
            self.tally(key, rank, before, false);
        }
        if let Some(standing) = standing {
            self.tally(key, rank, standing, true);
        }
        if self.runs.get(&run).is_some_and(|entry| entry.is_full() != was_full) {
            self.place_lanes_of(run);
        } else {
            self.place(key);
        }
    }

    /// Adds a task instance to the sums of its limits, or takes it out of them.
    fn tally(&mut self, key: LaneKey, rank: Rank, standing: Standing, is_there: bool) {
        let lane = self.lanes.entry(key).or_default();
        let Some(run) = self.runs.get_mut(&key.run) else { return };
        match standing {
            Standing::Waits if is_there => {
                lane.waiting.insert(rank);
                self.unexplained.push((key, rank));
                return;
            }
            Standing::Waits => {
                lane.waiting.remove(&rank);
                return;
            }
            Standing::Runs => {
                change(&mut self.running, 1, is_there);
                change(&mut run.running, 1, is_there);
                change_slots(self.pools.running(key.wanted.pool), key.wanted.slots, is_there);
            }
            Standing::Deferred => change_slots(self.pools.deferred(key.wanted.pool), key.wanted.slots, is_there),
            Standing::AwaitsInput => (),
        }
        change(&mut lane.active, 1, is_there);
        let definition = run.dag.task(rank.task);
        if definition.max_active_tis_per_dag.is_some() {
            let of_dag = self.active_per_dag.entry(run.dag.dag_id.clone()).or_default();
            change(of_dag.entry(definition.task_id.clone()).or_default(), 1, is_there);
        }
    }

    /// The limit of the lane's task over all runs, if it is reached (Airflow 3: `max_active_tis_per_dag`).
    pub(super) fn full_per_dag(&self, key: LaneKey) -> Option<usize> {
        let dag = &self.runs.get(&key.run)?.dag;
        let task = dag.task(key.task?);
        let most = task.max_active_tis_per_dag? as usize;
        let active = self.active_per_dag.get(&dag.dag_id)?.get(&task.task_id)?;
        (*active >= most).then_some(most)
    }

    /// Puts every lane of a run where its limits let it stand.
    pub(super) fn place_lanes_of(&mut self, run: Uuid) {
        let Some(entry) = self.runs.get(&run) else { return };
        for key in entry.lanes.iter().copied().collect::<Vec<_>>() {
            self.place(key);
        }
    }

    /// Puts a lane into its queue under its first, or takes it out while the limits of its run close it. What other
    /// runs can change (pools, `max_active_tis_per_dag`) is looked at when its turn comes.
    fn place(&mut self, key: LaneKey) {
        let (Some(entry), Some(lane)) = (self.runs.get(&key.run), self.lanes.get_mut(&key)) else { return };
        let is_open =
            !entry.is_full() && entry.full_for(key, lane).is_none() && !self.held_back.contains_key(&entry.dag.dag_id);
        let wanted = if is_open { lane.waiting.first().copied() } else { None };
        if wanted == lane.placed {
            return;
        }
        let queue = self.queues.entry(key.wanted).or_default();
        if let Some(before) = std::mem::replace(&mut lane.placed, wanted) {
            queue.remove(&(before, key));
        }
        if let Some(now) = wanted {
            queue.insert((now, key));
        } else if queue.is_empty() {
            self.queues.remove(&key.wanted);
        }
    }
}

fn change(sum: &mut usize, by: usize, is_more: bool) {
    *sum = if is_more { *sum + by } else { *sum - by };
}

fn change_slots(sum: &mut u64, slots: u32, is_more: bool) {
    *sum = if is_more { *sum + u64::from(slots) } else { *sum - u64::from(slots) };
}
