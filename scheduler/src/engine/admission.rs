//! Who starts next: the one place where limits are applied.
//!
//! First tries, retries, triggered, cleared and backfilled runs and runs taken over all pass here, because all that is
//! known of a task instance is its state: [`Admission::file`] is told each state that changed, and replaces what the
//! instance stood for before. What is taken of a limit is the sum of what stands there; nothing is counted by events, so
//! no crash, kill or doubled word can leave a slot behind.
//!
//! ```text
//!   queue   the lanes that want the same number of slots of the same pool; a full pool closes all of it
//!   └ lane  the ready instances of one run that share every limit, best first; only the first can be next
//! ```
//!
//! A lane stands in its queue while its own limits let it, so that a turn looks at as many lanes as it starts tasks, and
//! not at all that wait: [`Admission::next`] takes the best first lane of all queues until no slot is left.

mod lanes;
mod pools;
#[cfg(test)]
mod properties;
mod tour;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::dag::{Dag, TaskIndex};
use crate::run::{InstanceIndex, Limit, TaskState};
use lanes::{Lane, LaneKey, RunEntry};
use pools::{Pools, Wanted};

/// Where a task instance stands in the order of those that wait: heavier first, then the earlier date, then the lower
/// index of a mapped task (Airflow 3: pools, slots, priority). It also says which instance that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    weight: Reverse<i32>,
    date: DateTime<Utc>,
    map_index: i32,
    pub(super) run: Uuid,
    task: TaskIndex,
}

impl Rank {
    /// Which task instance of the run.
    pub(super) fn at(self) -> InstanceIndex {
        InstanceIndex { task: self.task, map_index: self.map_index }
    }
}

/// What a task instance is to the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It is ready, and wants slots.
    Waits,
    /// It has slots.
    Runs,
    /// It waits for something elsewhere; some limits count it.
    Deferred,
    /// It waits for a person; the same, save pools, of which it takes no slot (Airflow 3.3).
    AwaitsInput,
}

impl Standing {
    fn of(state: TaskState) -> Option<Standing> {
        match state {
            TaskState::Scheduled => Some(Standing::Waits),
            TaskState::Deferred => Some(Standing::Deferred),
            // Airflow 3: of what waits so, no limit takes account.
            TaskState::UpForReschedule => None,
            TaskState::AwaitingInput => Some(Standing::AwaitsInput),
            state if state.is_held() => Some(Standing::Runs),
            _ => None,
        }
    }
}

/// The lanes of one queue that may start something, by the rank of their first.
type Queue = BTreeSet<(Rank, LaneKey)>;

/// Every limit, what is taken of it, and who waits for it.
#[derive(Debug, Default)]
pub(super) struct Admission {
    /// Most task instances at the same time (Airflow 3: `[core] parallelism`).
    parallelism: usize,
    /// Task instances that run, of all runs.
    running: usize,
    pools: Pools,
    /// The DAGs of which nothing starts, and why: they are paused, or their files are gone.
    held_back: HashMap<String, Limit>,
    runs: HashMap<Uuid, RunEntry>,
    lanes: HashMap<LaneKey, Lane>,
    queues: BTreeMap<Wanted, Queue>,
    /// Active instances by DAG and task, of tasks with `max_active_tis_per_dag`.
    active_per_dag: HashMap<String, HashMap<String, usize>>,
    /// Began to wait since [`Admission::explain`] last spoke.
    unexplained: Vec<(LaneKey, Rank)>,
}

impl Admission {
    /// An admission without pools and without runs.
    pub(super) fn new(parallelism: usize) -> Admission {
        Admission { parallelism, ..Admission::default() }
    }

    /// Sets the pools as the database has them. Those that are not named do not exist any more.
    pub(super) fn set_pools(&mut self, pools: &[crate::store::entity::pool::Model]) {
        self.pools.set(pools);
    }

    /// Says what keeps everything of a DAG from starting, if something does.
    pub(super) fn hold_back(&mut self, dag_id: &str, limit: Option<Limit>) {
        let now = limit.is_some();
        let before = match limit {
            Some(limit) => self.held_back.insert(dag_id.to_owned(), limit),
            None => self.held_back.remove(dag_id),
        };
        if before.is_some() != now {
            let runs: Vec<Uuid> =
                self.runs.iter().filter(|(_, run)| run.dag.dag_id == dag_id).map(|(id, _)| *id).collect();
            for run in runs {
                self.place_lanes_of(run);
            }
        }
    }

    /// Takes in a run; its task instances are filed one by one. `date` is its logical date, or in place of one the
    /// earliest instant at which it could start.
    pub(super) fn enter(&mut self, run: Uuid, dag: Arc<Dag>, date: DateTime<Utc>) {
        self.runs.insert(run, RunEntry::new(dag, date));
    }

    /// Lets go of a run, and of everything that it holds.
    pub(super) fn forget(&mut self, run: Uuid) {
        let Some(entry) = self.runs.get(&run) else { return };
        for at in entry.standings.keys().copied().collect::<Vec<_>>() {
            self.stand(run, at, None);
        }
        let entry = self.runs.remove(&run);
        for key in entry.into_iter().flat_map(|entry| entry.lanes) {
            self.lanes.remove(&key);
        }
    }

    /// Says in which state a task instance is now; in none when there is no such instance any more.
    pub(super) fn file(&mut self, run: Uuid, at: InstanceIndex, state: Option<TaskState>) {
        self.stand(run, at, state.and_then(Standing::of));
    }

    /// What keeps each task instance from starting that began to wait since this was last asked, or each that waits.
    /// Speaks of those that are left after a tour.
    pub(super) fn explain(&mut self, everything: bool) -> Vec<(Limit, Vec<Rank>)> {
        let fresh = std::mem::take(&mut self.unexplained);
        let mut by_lane: HashMap<LaneKey, Vec<Rank>> = HashMap::new();
        if everything {
            by_lane.extend(self.lanes.iter().map(|(key, lane)| (*key, lane.waiting.iter().copied().collect())));
        } else {
            for (key, rank) in fresh {
                if self.lanes.get(&key).is_some_and(|lane| lane.waiting.contains(&rank)) {
                    by_lane.entry(key).or_default().push(rank);
                }
            }
        }
        by_lane.into_iter().filter_map(|(key, ranks)| Some((self.limit(key)?, ranks))).collect()
    }

    /// The limit that a lane meets first: what lasts longest is said before what passes by itself.
    fn limit(&self, key: LaneKey) -> Option<Limit> {
        let (run, lane) = (self.runs.get(&key.run)?, self.lanes.get(&key)?);
        if let Some(limit) = self.held_back.get(&run.dag.dag_id) {
            return Some(limit.clone());
        }
        if let Some(never) = self.pools.never(key.wanted) {
            return Some(never);
        }
        if run.is_full() {
            return Some(Limit::MaxActiveTasks(run.max_active_tasks()));
        }
        if let Some(most) = run.full_for(key, lane) {
            return Some(Limit::MaxActiveTisPerDagrun(most));
        }
        if let Some(most) = self.full_per_dag(key) {
            return Some(Limit::MaxActiveTisPerDag(most));
        }
        if let Some(full) = self.pools.full(key.wanted) {
            return Some(full);
        }
        (self.running >= self.parallelism).then_some(Limit::Parallelism(self.parallelism))
    }
}
