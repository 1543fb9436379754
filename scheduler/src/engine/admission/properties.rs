//! Whatever becomes ready, ends, is deferred, paused or changed, and in whatever order: no limit is ever exceeded, and no
//! task instance stays ready while a slot that it may take is free.
//!
//! Held against a slow, obvious model, which sorts all that wait and counts everything anew for each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use uuid::Uuid;

use super::{Admission, Rank};
use crate::dag::callback::{DagCallbacks, TaskCallbacks};
use crate::dag::{
    AnswerPolicy, Dag, DagHead, DagRunPolicy, PastDependency, Schedule, Task, TaskIndex, TaskRole, TriggerRule,
    WeightRule,
};
use crate::run::{InstanceIndex, Limit, TaskState};
use crate::store::entity::pool;

/// A run, a task and a map index.
type Which = (usize, usize, i32);

#[derive(Clone, Debug)]
enum Op {
    /// The task instance takes this state, unless its run is gone.
    Becomes(Which, TaskState),
    /// The first that runs, counted from there, ends in this state.
    Ends(usize, TaskState),
    Pools(Vec<(u8, i32, bool)>),
    Paused(usize, bool),
    /// The run is over and forgotten, and another takes its place.
    Forget(usize),
}

#[derive(Clone, Debug)]
struct World {
    parallelism: usize,
    dags: Vec<Arc<Dag>>,
    /// The DAG and the date of each run.
    runs: Vec<(usize, DateTime<Utc>)>,
    ops: Vec<Op>,
}

const TASKS: usize = 4;
const INDICES: i32 = 3;

fn pool_name(number: u8) -> String {
    format!("pool{number}")
}

prop_compose! {
    fn a_task()(
        pool in 0u8..3,
        pool_slots in 1u32..4,
        priority_weight in -1i32..3,
        per_dag in prop::option::weighted(0.3, 1u32..4),
        per_run in prop::option::weighted(0.3, 1u32..3),
    ) -> Task {
        Task {
            task_id: String::new(),
            display_name: None,
            operator: "empty".to_owned(),
            args: serde_json::Map::new(),
            trigger_rule: TriggerRule::AllSuccess,
            role: TaskRole::Work,
            start_date: None,
            end_date: None,
            past: PastDependency::None,
            past_before_skipping: false,
            ignores_first_past: false,
            params: BTreeMap::new(),
            group: None,
            mapping: None,
            map_index_template: None,
            retries: 0,
            retry_delay: Duration::ZERO,
            retry_exponential_backoff: 0.0,
            max_retry_delay: None,
            execution_timeout: None,
            priority_weight,
            weight_rule: WeightRule::Absolute,
            pool: pool_name(pool),
            pool_slots,
            max_active_tis_per_dag: per_dag,
            max_active_tis_per_dagrun: per_run,
            queue: "default".to_owned(),
            owner: "airflow".to_owned(),
            email: Vec::new(),
            doc_md: None,
            outlets: Vec::new(),
            outlet_aliases: Vec::new(),
            inlets: Vec::new(),
            answer: AnswerPolicy::default(),
            retry_policy: Vec::new(),
            callbacks: TaskCallbacks::default(),
        }
    }
}

fn a_dag(number: usize, max_active_tasks: u32, tasks: Vec<Task>) -> Arc<Dag> {
    let head = DagHead {
        dag_id: format!("dag{number}"),
        display_name: None,
        description: None,
        doc_md: None,
        schedule: Schedule::Never,
        timezone: chrono_tz::UTC,
        start_date: None,
        end_date: None,
        runs: DagRunPolicy { max_active_tasks, ..DagRunPolicy::default() },
        tags: BTreeSet::new(),
        owner: "airflow".to_owned(),
        owner_links: BTreeMap::new(),
        params: BTreeMap::new(),
        default_args: serde_json::Map::new(),
        template_searchpath: Vec::new(),
        callbacks: DagCallbacks::default(),
        groups: Vec::new(),
    };
    let named = tasks.into_iter().enumerate().map(|(n, task)| (Task { task_id: format!("t{n}"), ..task }, Vec::new()));
    Arc::new(Dag::new(head, named.collect()).expect("tasks without dependencies make a DAG"))
}

fn which() -> impl Strategy<Value = Which> {
    (0..5usize, 0..TASKS, 0..INDICES)
}

fn an_op() -> impl Strategy<Value = Op> {
    let end = prop_oneof![
        4 => Just(TaskState::Success),
        1 => Just(TaskState::UpForRetry),
        1 => Just(TaskState::Scheduled),
        2 => Just(TaskState::Deferred),
        1 => Just(TaskState::UpForReschedule),
        1 => Just(TaskState::AwaitingInput),
        1 => Just(TaskState::Restarting),
    ];
    prop_oneof![
        10 => which().prop_map(|which| Op::Becomes(which, TaskState::Scheduled)),
        1 => which().prop_map(|which| Op::Becomes(which, TaskState::Skipped)),
        6 => (0..100usize, end).prop_map(|(number, state)| Op::Ends(number, state)),
        1 => prop::collection::vec((0u8..3, -1i32..6, any::<bool>()), 0..4).prop_map(Op::Pools),
        1 => (0..3usize, any::<bool>()).prop_map(|(dag, is_paused)| Op::Paused(dag, is_paused)),
        1 => (0..5usize).prop_map(Op::Forget),
    ]
}

prop_compose! {
    fn a_world()(
        parallelism in 1usize..12,
        dags in prop::collection::vec((1u32..6, prop::collection::vec(a_task(), TASKS)), 3),
        runs in prop::collection::vec((0..3usize, 0i64..3), 5),
        ops in prop::collection::vec(an_op(), 1..120),
    ) -> World {
        let dags = dags.into_iter().enumerate().map(|(number, (most, tasks))| a_dag(number, most, tasks)).collect();
        let runs = runs
            .into_iter()
            .map(|(dag, days)| (dag, DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(days)))
            .collect();
        World { parallelism, dags, runs, ops }
    }
}

/// Whether a state takes slots whatever the pools say.
fn runs(state: TaskState) -> bool {
    state.is_held() && !state.only_waits()
}

/// The slow, obvious model: states, and limits that are counted each time.
struct Model<'a> {
    world: &'a World,
    states: BTreeMap<Which, TaskState>,
    pools: BTreeMap<String, (i32, bool)>,
    paused: BTreeSet<usize>,
}

impl Model<'_> {
    fn task(&self, (run, task, _): Which) -> &Task {
        self.world.dags[self.world.runs[run].0].task(TaskIndex::new(task))
    }

    fn count(&self, counts: impl Fn(Which, TaskState) -> bool) -> usize {
        self.states.iter().filter(|(which, state)| counts(**which, **state)).count()
    }

    /// The limits that keep an instance from starting now.
    fn limits(&self, which: Which) -> Vec<&'static str> {
        let task = self.task(which);
        let (dag, _) = self.world.runs[which.0];
        let policy = &self.world.dags[dag].runs;
        // Airflow 3: of what is rescheduled, no limit takes account.
        let is_active = |state: TaskState| state.is_held() && state != TaskState::UpForReschedule;
        let same_task = |other: Which| self.world.runs[other.0].0 == dag && other.1 == which.1;
        let of_run = self.count(|other, state| other.0 == which.0 && runs(state));
        let of_task = self.count(|other, state| same_task(other) && is_active(state));
        let of_task_in_run = self.count(|other, state| other.0 == which.0 && same_task(other) && is_active(state));
        let (slots, include_deferred) = self.pools.get(&task.pool).copied().unwrap_or((0, false));
        let taken: u32 = self
            .states
            .iter()
            .filter(|(_, state)| runs(**state) || include_deferred && **state == TaskState::Deferred)
            .map(|(other, _)| self.task(*other))
            .filter(|other| other.pool == task.pool)
            .map(|other| other.pool_slots)
            .sum();
        let reached = |most: Option<u32>, active: usize| most.is_some_and(|most| active >= most as usize);
        let all = [
            (self.paused.contains(&dag), "paused"),
            (slots >= 0 && i64::from(taken) + i64::from(task.pool_slots) > i64::from(slots), "pool"),
            (of_run >= policy.max_active_tasks as usize, "max_active_tasks"),
            (reached(task.max_active_tis_per_dagrun, of_task_in_run), "max_active_tis_per_dagrun"),
            (reached(task.max_active_tis_per_dag, of_task), "max_active_tis_per_dag"),
            (self.count(|_, state| runs(state)) >= self.world.parallelism, "parallelism"),
        ];
        all.into_iter().filter_map(|(is_met, name)| is_met.then_some(name)).collect()
    }

    /// All that wait, best first (airflow-semantics section 5): weight, date, map index.
    fn waiting(&self) -> Vec<Which> {
        let mut waiting: Vec<Which> =
            self.states.iter().filter(|(_, state)| **state == TaskState::Scheduled).map(|(which, _)| *which).collect();
        waiting.sort_by_key(|&(run, task, map_index)| {
            let weight = self.task((run, task, map_index)).priority_weight;
            (-weight, self.world.runs[run].1, map_index, run_id(run), task)
        });
        waiting
    }

    /// What must start now, in that order.
    fn admit(&mut self) -> Vec<Which> {
        let mut started = Vec::new();
        for which in self.waiting() {
            if self.limits(which).is_empty() {
                self.states.insert(which, TaskState::Running);
                started.push(which);
            }
        }
        started
    }

    /// Changes the model; answers with what the admission must be told of states.
    fn apply(&mut self, op: &Op) -> Option<(Which, TaskState)> {
        match op {
            Op::Becomes(which, state) => {
                // What runs ends by ending.
                let runs = self.states.get(which).is_some_and(|state| runs(*state));
                (!runs).then_some((*which, *state))
            }
            Op::Ends(number, state) => {
                let running: Vec<Which> =
                    self.states.iter().filter(|(_, state)| runs(**state)).map(|(which, _)| *which).collect();
                (!running.is_empty()).then(|| (running[number % running.len()], *state))
            }
            Op::Pools(pools) => {
                self.pools = pools
                    .iter()
                    .map(|(number, slots, include_deferred)| (pool_name(*number), (*slots, *include_deferred)))
                    .collect();
                None
            }
            Op::Paused(dag, is_paused) => {
                if *is_paused {
                    self.paused.insert(*dag)
                } else {
                    self.paused.remove(dag)
                };
                None
            }
            Op::Forget(run) => {
                self.states.retain(|which, _| which.0 != *run);
                None
            }
        }
    }
}

fn run_id(run: usize) -> Uuid {
    Uuid::from_u128(run as u128)
}

fn rows(pools: &BTreeMap<String, (i32, bool)>) -> Vec<pool::Model> {
    let row = |(name, (slots, include_deferred)): (&String, &(i32, bool))| pool::Model {
        id: 0,
        name: name.clone(),
        slots: *slots,
        description: None,
        include_deferred: *include_deferred,
    };
    pools.iter().map(row).collect()
}

fn carry_out(admission: &mut Admission, model: &mut Model<'_>, op: &Op) {
    if let Some((which, state)) = model.apply(op) {
        model.states.insert(which, state);
        let at = InstanceIndex { task: TaskIndex::new(which.1), map_index: which.2 };
        admission.file(run_id(which.0), at, Some(state));
    }
    match op {
        Op::Pools(_) => admission.set_pools(&rows(&model.pools)),
        Op::Paused(dag, is_paused) => {
            admission.hold_back(&format!("dag{dag}"), is_paused.then_some(Limit::DagPaused));
        }
        Op::Forget(run) => {
            admission.forget(run_id(*run));
            enter(admission, model.world, *run);
        }
        Op::Becomes(..) | Op::Ends(..) => {}
    }
}

fn enter(admission: &mut Admission, world: &World, run: usize) {
    let (dag, date) = world.runs[run];
    admission.enter(run_id(run), Arc::clone(&world.dags[dag]), date);
}

/// Starts what may start.
fn start(admission: &mut Admission) -> Vec<Which> {
    let mut started = Vec::new();
    let mut tour = admission.tour();
    while let Some(rank) = admission.next(&mut tour) {
        admission.file(rank.run, rank.at(), Some(TaskState::Running));
        started.push(which_is(rank));
    }
    started
}

/// The model's name for what has a rank.
fn which_is(rank: Rank) -> Which {
    (usize::try_from(rank.run.as_u128()).unwrap(), rank.at().task.index(), rank.at().map_index)
}

/// The model's word for a limit.
fn word(limit: &Limit) -> &'static str {
    match limit {
        Limit::DagPaused | Limit::DagStale => "paused",
        Limit::PoolMissing { .. } | Limit::PoolTooSmall { .. } | Limit::PoolFull { .. } => "pool",
        Limit::MaxActiveTasks(_) => "max_active_tasks",
        Limit::MaxActiveTisPerDag(_) => "max_active_tis_per_dag",
        Limit::MaxActiveTisPerDagrun(_) => "max_active_tis_per_dagrun",
        Limit::Parallelism(_) => "parallelism",
        Limit::RunAfter(_) | Limit::MaxActiveRuns(_) | Limit::BackfillPaused | Limit::BackfillMaxActiveRuns(_) => {
            "of runs"
        }
        Limit::NoWorker { .. } | Limit::WorkersBusy { .. } => "of workers",
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_starts_is_what_may_best_first_and_the_rest_is_told_why(world in a_world()) {
        let mut admission = Admission::new(world.parallelism);
        let mut model = Model { world: &world, states: BTreeMap::new(), pools: BTreeMap::new(), paused: BTreeSet::new() };
        for run in 0..world.runs.len() {
            enter(&mut admission, &world, run);
        }
        let first = Op::Pools(vec![(0, 3, false), (1, -1, false)]);
        let mut told: BTreeSet<Which> = BTreeSet::new();
        for op in std::iter::once(&first).chain(&world.ops) {
            carry_out(&mut admission, &mut model, op);

            let started = start(&mut admission);
            let must_start = model.admit();
            prop_assert_eq!(&started, &must_start, "after {:?}", op);

            let waiting: BTreeSet<Which> = model.waiting().into_iter().collect();
            for which in &waiting {
                prop_assert!(!model.limits(*which).is_empty(), "{:?} waits for nothing", which);
            }
            told.retain(|which| waiting.contains(which));
            for (limit, ranks) in admission.explain(false) {
                for rank in ranks {
                    let which = which_is(rank);
                    prop_assert!(model.limits(which).contains(&word(&limit)), "{:?} is told {}", which, limit);
                    told.insert(which);
                }
            }
            prop_assert_eq!(&told, &waiting, "each that waits has been told why");
        }
        let mut all = 0;
        for (limit, ranks) in admission.explain(true) {
            for rank in ranks {
                let which = which_is(rank);
                prop_assert!(model.limits(which).contains(&word(&limit)), "{:?} is told {}", which, limit);
                all += 1;
            }
        }
        prop_assert_eq!(all, told.len());
    }

    #[test]
    fn what_was_forgotten_holds_nothing(world in a_world()) {
        let mut admission = Admission::new(world.parallelism);
        let mut model = Model { world: &world, states: BTreeMap::new(), pools: BTreeMap::new(), paused: BTreeSet::new() };
        for run in 0..world.runs.len() {
            enter(&mut admission, &world, run);
        }
        for op in std::iter::once(&Op::Pools(vec![(0, 3, false), (1, -1, true)])).chain(&world.ops) {
            carry_out(&mut admission, &mut model, op);
            start(&mut admission);
            model.admit();
        }

        for run in admission.runs.keys().copied().collect::<Vec<_>>() {
            admission.forget(run);
        }

        prop_assert_eq!(admission.running, 0);
        prop_assert!(admission.lanes.is_empty() && admission.queues.is_empty());
        prop_assert!(admission.active_per_dag.values().flat_map(|tasks| tasks.values()).all(|active| *active == 0));
        prop_assert!(admission.pools.are_free());
    }
}
