//! The coordinator: owns the state of all active runs, and moves them on.
//!
//! One turn: take what has gathered, step the runs, write one transaction, let the world know. While the database does
//! not answer, a turn waits and tries again; nothing that it decided has been let out by then.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use uuid::Uuid;

use super::active_run::{ActiveRun, Place};
use super::admission::Admission;
use super::assets::{AssetQueue, PartitionQueue, updates};
use super::backfills::KnownBackfills;
use super::callbacks::{self, CallbackService, Cause};
use super::executor::{Deferral, LocalExecutor, Order, Report, Surroundings, Told};
use super::lease::{self, KeptLease};
use super::outage::Outage;
use super::pending::Pending;
use super::schedules::ScheduledDags;
use super::ticks::Ticks;
use super::timers::{Timer, Timers};
use super::wake::{Wake, Waker};
use super::withdrawal::Withdrawals;
use super::{EngineError, EngineSettings, Execution};
use crate::bus::Message;
use crate::chain::Chain;
use crate::events::Change;
use crate::operator::TaskKey;
use crate::run::{Event, InstanceIndex, RunState, Step, TaskState};
use crate::store::entity::dag_run;
use crate::store::runs::Express;

/// Messages that one turn takes at most, so that a flood still commits now and then.
const TURN_MESSAGES_MAX: usize = 4096;

/// Tries that one turn makes itself at most, and tasks of runs that begin in it, for the same reason. A run whose tasks have
/// no effect may begin and end in one turn: then each of its rows is written once.
const TURN_TRIES_MAX: usize = 10_000;

/// Tries that a turn makes itself, after which the runs that are over are written while it goes on: some ten milliseconds of
/// work for it, and for the database.
const PORTION_TRIES: usize = 1000;

/// How often the engine looks around without having been woken: for leases that lapsed, for a clock that was set.
const LOOK_AROUND: Duration = Duration::from_secs(5);

/// How often the engine looks whether tries may begin again, after its lease could not be renewed in time.
const LOOK_AFTER_LEASH: Duration = Duration::from_millis(500);

/// The wait before what was asked for is tried again.
const RETRY: Duration = Duration::from_millis(50);

pub(super) struct Coordinator {
    pub(super) settings: EngineSettings,
    lease: KeptLease,
    /// Whether our lease was taken over: nothing that we know counts any more.
    pub(super) is_fenced: bool,
    pub(super) place: Place,
    pub(super) dags: ScheduledDags,
    pub(super) runs: HashMap<Uuid, ActiveRun>,
    /// Queued runs by DAG, oldest first; derived from `runs`.
    pub(super) queued: HashMap<String, BTreeSet<(DateTime<Utc>, Uuid)>>,
    /// Running runs by DAG; derived from `runs`.
    pub(super) running: HashMap<String, HashSet<Uuid>>,
    /// As last read.
    pub(super) backfills: KnownBackfills,
    /// As last read.
    pub(super) asset_queue: AssetQueue,
    /// As last read.
    pub(super) partition_queue: PartitionQueue,
    /// Who starts next; derived from `runs`.
    pub(super) admission: Admission,
    pub(super) timers: Timers,
    ticks: Ticks,
    pub(super) executor: LocalExecutor,
    pub(super) withdrawals: Withdrawals,
    /// Tries that workers make, or are to make.
    pub(super) handed_out: HashSet<Uuid>,
    pub(super) callbacks: CallbackService,
    /// What becomes of the tries of this process.
    told: mpsc::UnboundedReceiver<Told>,
    wakes: mpsc::UnboundedReceiver<Wake>,
    pub(super) express: Express,
    pub(super) pending: Pending,
    pub(super) todo: Todo,
    pub(super) outage: Outage,
    /// When to look around next, by a clock that nobody sets.
    look_at: tokio::time::Instant,
    stopping: bool,
}

/// What wake-ups asked for. Done at the next turn, and kept when the database does not answer.
#[derive(Debug, Default)]
pub(super) struct Todo {
    pub(super) adopt: bool,
    /// Whether runs may be ours of which we do not know, because the answer to the commit that adopted them was lost.
    pub(super) is_unsure: bool,
    /// Runs that are ours in the database, and not in memory yet.
    pub(super) take_over: VecDeque<dag_run::Model>,
    pub(super) requests: bool,
    pub(super) dags: BTreeSet<String>,
    pub(super) pools: bool,
    /// What is queued of assets may not be what was read.
    pub(super) assets: bool,
    pub(super) due: bool,
    pub(super) look_around: bool,
    pub(super) backfills: bool,
    /// Whether workers may have something to tell.
    pub(super) tries: bool,
    /// Whether there may be checkpoints that were withdrawn.
    pub(super) withdrawals: bool,
    /// Leases of processes that are dead.
    pub(super) dead: BTreeSet<Uuid>,
    /// DAGs in which tasks wait for the run before, where something changed.
    pub(super) past: BTreeSet<String>,
    /// Queued runs that have not been told why they wait; each turn tells them.
    pub(super) unexplained: BTreeSet<Uuid>,
    /// Whether what waits may wait for something else now; each turn finds out.
    pub(super) explain: bool,
    /// Whether a turn ended although there was more that it could have started.
    again: bool,
}

impl Todo {
    fn is_empty(&self) -> bool {
        let Todo {
            adopt,
            take_over,
            requests,
            dags,
            pools,
            assets,
            due,
            look_around,
            backfills,
            tries,
            withdrawals,
            dead,
            past,
            again,
            ..
        } = self;
        let flags = [backfills, adopt, requests, pools, assets, due, look_around, tries, withdrawals, again];
        !flags.into_iter().any(|flag| *flag)
            && dead.is_empty()
            && take_over.is_empty()
            && dags.is_empty()
            && past.is_empty()
    }
}

impl Coordinator {
    /// Begins to lead, under that lease.
    pub(super) async fn start(
        settings: EngineSettings,
        lease: Uuid,
        waker: Waker,
        wakes: mpsc::UnboundedReceiver<Wake>,
    ) -> Result<Coordinator, (EngineError, mpsc::UnboundedReceiver<Wake>)> {
        let ticks = match Ticks::start(waker).await {
            Ok(ticks) => ticks,
            Err(problem) => return Err((problem.into(), wakes)),
        };
        let mut coordinator = Coordinator::new(settings, lease, ticks, wakes);
        let loaded = async {
            coordinator.load_all_dags().await?;
            coordinator.load_pools().await
        };
        match loaded.await {
            Ok(()) => Ok(coordinator),
            Err(problem) => Err((problem.into(), coordinator.let_go().await)),
        }
    }

    fn new(settings: EngineSettings, lease: Uuid, ticks: Ticks, wakes: mpsc::UnboundedReceiver<Wake>) -> Coordinator {
        let (sender, told) = mpsc::unbounded_channel();
        let surroundings = Surroundings {
            db: settings.db.clone(),
            catalog: settings.catalog.clone(),
            clock: settings.clock.clone(),
            home: settings.home.clone(),
            logs: settings.logs.clone(),
            leash: Arc::clone(&settings.leash),
            secrets: settings.secrets.clone(),
            run_maker: Arc::clone(&settings.run_maker),
            changes: settings.changes.clone(),
        };
        let parallelism = settings.parallelism;
        let place = Place { hostname: settings.holder.hostname.clone(), pid: settings.holder.pid };
        let (db, clock, leash) = (settings.db.clone(), settings.clock.clone(), Arc::clone(&settings.leash));
        let lease = KeptLease::keep(lease, settings.holder.patience, db, clock, leash);
        let express = Express::new(settings.db.clone());
        let callbacks = CallbackService::start(&settings, lease.id);
        let executor = LocalExecutor::new(surroundings, sender);
        let withdrawals = Withdrawals::new(executor.shared());
        Coordinator {
            settings,
            lease,
            is_fenced: false,
            place,
            dags: ScheduledDags::new(),
            runs: HashMap::new(),
            queued: HashMap::new(),
            running: HashMap::new(),
            backfills: KnownBackfills::new(),
            asset_queue: AssetQueue::new(),
            partition_queue: PartitionQueue::new(),
            admission: Admission::new(parallelism),
            timers: Timers::default(),
            ticks,
            executor,
            withdrawals,
            handed_out: HashSet::new(),
            callbacks,
            told,
            wakes,
            express,
            pending: Pending::default(),
            todo: Todo {
                adopt: true,
                requests: true,
                assets: true,
                due: true,
                backfills: true,
                tries: true,
                withdrawals: true,
                ..Todo::default()
            },
            outage: Outage::default(),
            look_at: tokio::time::Instant::now() + LOOK_AROUND,
            stopping: false,
        }
    }

    /// Takes turns until told to stop, then lets running tries end or gives them back. Ends sooner when its lease is lost.
    /// Hands back where wake-ups arrive.
    pub(super) async fn run(mut self, stop: CancellationToken) -> mpsc::UnboundedReceiver<Wake> {
        while !stop.is_cancelled() {
            self.lease.beat(self.settings.clock.now());
            self.turn().await;
            if self.is_fenced {
                return self.let_go().await;
            }
            // A run that ended leaves its place to another, and what a task left may be waited for elsewhere.
            if self.todo.is_empty() {
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = self.next_message() => {}
                }
            }
            self.take_gathered();
        }
        self.lease.beat_no_more();
        self.wind_down().await
    }

    /// The lease under which everything is written.
    pub(super) fn lease(&self) -> Uuid {
        self.lease.id
    }

    /// Where the tries of this process run.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Waits for something to do.
    async fn next_message(&mut self) {
        let until_timer = self.until_next_timer();
        tokio::select! {
            Some(told) = self.told.recv() => self.on_told(told),
            Some(wake) = self.wakes.recv() => self.on_wake(wake),
            () = tokio::time::sleep(until_timer) => {}
            Ok(()) = self.lease.lost.changed() => {}
        }
    }

    /// Timers go by the clock on the wall, which may be set; so no wait is longer than until the regular look around.
    fn until_next_timer(&self) -> Duration {
        let now = self.settings.clock.now();
        let mut until_look = self.look_at.saturating_duration_since(tokio::time::Instant::now());
        if self.settings.leash.has_run_out() {
            // Nobody says that the lease was renewed.
            until_look = until_look.min(LOOK_AFTER_LEASH);
        }
        match self.timers.next() {
            Some(at) => (at - now).to_std().unwrap_or(Duration::ZERO).min(until_look),
            None => until_look,
        }
    }

    /// The regular look is due however busy the engine is.
    fn look_when_due(&mut self) {
        let now = tokio::time::Instant::now();
        if now >= self.look_at {
            self.look_at = now + LOOK_AROUND;
            self.todo.look_around = true;
        }
    }

    /// Takes what arrived while the last commit was under way.
    fn take_gathered(&mut self) {
        for _ in 0..TURN_MESSAGES_MAX {
            if let Ok(told) = self.told.try_recv() {
                self.on_told(told);
            } else if let Ok(wake) = self.wakes.try_recv() {
                self.on_wake(wake);
            } else {
                return;
            }
        }
    }

    /// Commands, and servers that watch nothing, tell of answers by waking the engine.
    fn pass_on_answers(&self) {
        if self.settings.changes.is_watched() {
            self.settings.changes.send(Change::hitl_details());
        }
    }

    fn on_wake(&mut self, wake: Wake) {
        match wake {
            Wake::Runs => self.todo.adopt = true,
            Wake::Requests => self.todo.requests = true,
            Wake::Dags(dag_ids) => self.todo.dags.extend(dag_ids),
            Wake::Pools => self.todo.pools = true,
            Wake::Backfills => self.todo.backfills = true,
            Wake::Assets => self.todo.assets = true,
            Wake::Answers => self.pass_on_answers(),
            Wake::Callbacks => self.callbacks.wake(),
            Wake::LookAround => {
                self.todo.look_around = true;
                self.pass_on_answers();
            }
            Wake::Tries => self.todo.tries = true,
            Wake::Dead(leases) => self.todo.dead.extend(leases),
            Wake::Due => {
                self.ticks.rang();
                self.todo.due = true;
            }
        }
    }

    fn on_told(&mut self, told: Told) {
        match told {
            Told::Deferred(deferral) => self.on_deferral(deferral),
            Told::Ended(report) => {
                let is_left = self.stopping && self.executor.has_let_go_of(&report);
                self.executor.forget(report.try_id);
                self.todo.withdrawals |= self.withdrawals.awaits_try();
                if !is_left {
                    self.on_report(report);
                }
            }
        }
    }

    /// A try of this process only waits from now on.
    fn on_deferral(&mut self, deferral: Deferral) {
        let Deferral { run, key, try_id, reason } = deferral;
        self.executor.defer(try_id);
        if self.stopping {
            self.executor.let_go_of(try_id);
        }
        let Some(active) = self.runs.get(&run) else { return };
        let Some(at) = active.index_of(&key.task_id, key.map_index) else { return };
        let state = active.waiting_state(at, self.settings.catalog.registry());
        self.step(run, Event::TryDeferred { at, try_id, reason, state });
    }

    pub(super) fn on_report(&mut self, report: Report) {
        let Report { run, key, try_id, end, xcoms, outlet_events, rendered } = report;
        let Some(active) = self.runs.get_mut(&run) else {
            debug!(run.id = %run, try.id = %try_id, "a try of a run that is over reported its end");
            return;
        };
        let Some(at) = active.index_of(&key.task_id, key.map_index) else { return };
        active.set_rendered(at, rendered);
        let left = active.key(at);
        let counts = self.step(run, Event::TryEnded { at, try_id, end }).is_some_and(|step| !step.result_is_void);
        if counts {
            self.pending.leave_xcoms(left, xcoms);
            if let Some(active) = self.runs.get(&run) {
                self.pending.asset_events.extend(updates(active, at, outlet_events));
            }
        }
    }

    /// Moves a run on, and remembers what changed. `None` when the event came too late to count.
    pub(super) fn step(&mut self, id: Uuid, event: Event) -> Option<Step> {
        let now = self.settings.clock.now();
        let active = self.runs.get_mut(&id)?;
        let before = active.run.state;
        let cause = Cause::of(&event);
        match active.run.step(event, now) {
            Ok(step) => {
                self.settled(id, before, &step, now);
                self.tell(id, before, cause, now);
                Some(step)
            }
            Err(late) => {
                info!(run.id = %id, error = %late, "ignored a word about a try that nobody waits for");
                None
            }
        }
    }

    /// Keeps what there is to tell of a step, for the commit that makes the step durable.
    pub(super) fn tell(&mut self, id: Uuid, before: RunState, cause: Cause, now: DateTime<Utc>) {
        let Some(active) = self.runs.get(&id) else { return };
        self.pending.callbacks.extend(callbacks::fired(active, &self.place, before, cause, now));
        let has_deadlines = !active.run.dag.callbacks.deadlines.is_empty();
        if has_deadlines && before != RunState::Success && active.run.state == RunState::Success {
            self.pending.succeeded.push((id, active.run.end_date.unwrap_or(now)));
        }
    }

    /// After a step: brings indices, timers and the next commit in line with what changed.
    pub(super) fn settled(&mut self, id: Uuid, before: RunState, step: &Step, now: DateTime<Utc>) {
        let Some(active) = self.runs.get_mut(&id) else { return };
        for (at, ended) in &step.superseded {
            self.pending.history.push(active.history_row(*at, ended, &self.place, now));
        }
        let expanded = step.expanded.iter().map(|task| active.key(InstanceIndex::unmapped(*task)));
        self.pending.expanded.extend(expanded);
        self.pending.withdrawn.extend(step.withdrawn.iter().map(|at| active.key(*at)));
        for &at in &step.changed {
            let instance = active.run.get(at);
            self.admission.file(id, at, instance.map(|instance| instance.state));
            let Some(instance) = instance else { continue };
            if let (TaskState::UpForRetry, Some(due)) = (instance.state, instance.next_try_at) {
                self.timers.set(due, Timer::Retry(id, at));
            }
        }
        let after = active.run.state;
        if let Some(date) = active.run.date_to_come(now).filter(|_| after == RunState::Running) {
            self.timers.set(date, Timer::DateReached(id));
        }
        self.pending.touch_instances(id, step.changed.iter().copied());
        for &try_id in &step.abandoned {
            self.stop_try(try_id);
        }
        if before != after {
            self.pending.touch_run(id);
            self.file(id);
        }
    }

    /// Has a try stopped, wherever it is made, as soon as it is durable that nobody waits for it.
    pub(super) fn stop_try(&mut self, try_id: Uuid) {
        if self.handed_out.contains(&try_id) {
            self.pending.tries.cancelled.push(try_id);
        } else {
            self.pending.cancels.push(try_id);
        }
    }

    /// Puts a run where its state belongs.
    pub(super) fn file(&mut self, id: Uuid) {
        let Some(active) = self.runs.get(&id) else { return };
        let dag_id = active.row.dag_id.clone();
        let place = (active.row.run_after, id);
        let state = active.run.state;
        let queued = self.queued.entry(dag_id.clone()).or_default();
        if state == RunState::Queued {
            queued.insert(place);
            self.todo.unexplained.insert(id);
        } else {
            queued.remove(&place);
        }
        let running = self.running.entry(dag_id).or_default();
        if state == RunState::Running {
            running.insert(id);
        } else {
            running.remove(&id);
        }
        if let Some(due) = active.times_out_at() {
            self.timers.set(due, Timer::RunTimeout(id));
        }
    }

    /// One turn: everything that is to be done now, then one commit, then its effects.
    async fn turn(&mut self) {
        if *self.lease.lost.borrow_and_update() {
            self.is_fenced = true;
            return;
        }
        self.look_when_due();
        match self.do_what_was_asked().await {
            Ok(()) => self.outage.over(self.settings.clock.now()),
            Err(problem) => {
                self.outage.met("what was asked for cannot be done", &problem, self.settings.clock.now());
                tokio::time::sleep(RETRY).await;
            }
        }
        self.ring_timers();
        self.todo.again = false;
        // What would begin under a leash that has run out would end at once, and begin again.
        if !self.stopping && !self.settings.leash.has_run_out() {
            self.begin_queued();
            self.admit().await;
        }
        if !self.is_fenced {
            self.write().await;
        }
    }

    fn ring_timers(&mut self) {
        let now = self.settings.clock.now();
        while let Some(timer) = self.timers.take_due(now) {
            match timer {
                Timer::Retry(run, at) => {
                    let instance = self.runs.get(&run).and_then(|active| active.run.get(at));
                    if instance.is_some_and(|instance| instance.next_try_at.is_some_and(|due| due <= now)) {
                        self.step(run, Event::RetryDue { at });
                    }
                }
                Timer::RunTimeout(run) => {
                    // It may have begun anew since, or have another limit.
                    let is_due = self.runs.get(&run).and_then(ActiveRun::times_out_at).is_some_and(|due| due <= now);
                    if is_due {
                        self.step(run, Event::TimedOut);
                    }
                }
                Timer::DateReached(run) => {
                    self.step(run, Event::DateReached);
                }
                // `begin_queued` looks at every DAG with queued runs.
                Timer::Begin(_) => {}
            }
        }
    }

    /// Lets queued runs begin, as far as `max_active_runs` allows (Airflow 3: oldest `run_after` first).
    fn begin_queued(&mut self) {
        let now = self.settings.clock.now();
        let (mut begin, mut later) = (Vec::new(), Vec::new());
        for (dag_id, queued) in &self.queued {
            let Some(dag) = self.dags.get(dag_id).filter(|dag| dag.is_active()) else { continue };
            begin.extend(self.backfill_runs_to_begin(queued.iter().map(|(_, id)| *id)));
            let mut free = dag.max_active_runs().saturating_sub(self.running_by_schedule_or_hand(dag_id));
            for &(run_after, id) in queued.iter().filter(|(_, id)| self.backfill_of(*id).is_none()) {
                if free == 0 {
                    break;
                }
                if run_after > now {
                    // Those after it are for later still.
                    later.push((run_after, Timer::Begin(dag_id.clone())));
                    break;
                }
                begin.push(id);
                free -= 1;
            }
        }
        for (run_after, timer) in later {
            self.timers.set(run_after, timer);
        }
        let mut tasks = 0;
        for id in begin {
            if tasks >= TURN_TRIES_MAX {
                self.todo.again = true;
                break;
            }
            tasks += self.runs.get(&id).map_or(0, |active| active.run.dag.len());
            self.step(id, Event::Begin);
        }
        self.queued.retain(|_, queued| !queued.is_empty());
    }

    /// The running runs of a DAG that are not part of a backfill.
    pub(super) fn running_by_schedule_or_hand(&self, dag_id: &str) -> usize {
        let running = self.running.get(dag_id).into_iter().flatten();
        running.filter(|id| self.backfill_of(**id).is_none()).count()
    }

    /// Gives slots to ready task instances, and says to the others why they wait.
    ///
    /// What has no effect is over by then, and what it kept from starting may start: Airflow's scheduler ends such a task
    /// without having it run (Airflow 3: EmptyOperator). A long chain of them is a few commits. Runs that are over with it are
    /// written in portions: while the database takes one, the next is decided.
    async fn admit(&mut self) {
        let (mut made, mut handed_over) = (0, 0);
        let mut writing = None;
        'turn: loop {
            let before = made;
            let mut tour = self.admission.tour();
            while let Some(first) = self.admission.next(&mut tour) {
                made += usize::from(self.order(first.run, first.at()));
                if made - handed_over >= PORTION_TRIES {
                    handed_over = made;
                    self.hear_what_was_told();
                    writing = self.begin_writing_what_is_over(writing).await;
                    // The database may have been away since.
                    if self.is_fenced || self.settings.leash.has_run_out() {
                        self.todo.again = true;
                        break 'turn;
                    }
                }
            }
            if made == before {
                break;
            }
            self.hear_what_was_told();
            // Without a leash, a try would be given back again and again.
            if made >= TURN_TRIES_MAX || self.settings.leash.has_run_out() {
                self.todo.again = true;
                break;
            }
        }
        self.explain_waiting();
        self.end_writing(writing).await;
    }

    fn hear_what_was_told(&mut self) {
        while let Ok(told) = self.told.try_recv() {
            self.on_told(told);
        }
    }

    /// Orders a try. True when it has been made already.
    fn order(&mut self, id: Uuid, at: InstanceIndex) -> bool {
        let try_id = Uuid::now_v7();
        let Some(active) = self.runs.get(&id) else { return false };
        let instance = active.run.instance(at);
        let had_tries = !instance.try_id.is_nil() && instance.resumes_from().is_none();
        let key = active.key(at);
        let is_made_at_once = self.executor.makes_at_once(active.run.dag.task(at.task));
        let is_handed_out = self.settings.execution == Execution::Workers && !is_made_at_once;
        let event = if is_handed_out { Event::TryQueued { at, try_id } } else { Event::TryStarted { at, try_id } };
        if self.step(id, event).is_none() {
            return false;
        }
        if had_tries {
            // All XComs of a task go whenever a try begins, save one that goes on waiting (Airflow 3: XCom).
            self.pending.forget_xcoms_of(key.clone());
        }
        if is_handed_out {
            self.hand_out(id, at, try_id);
            return false;
        }
        let Some(active) = self.runs.get_mut(&id) else { return false };
        active.set_place(at, None);
        let (around, instance, now) = (active.around(), active.run.instance(at), self.settings.clock.now());
        let order = Order {
            run: id,
            at,
            try_id,
            try_number: instance.try_number,
            key: Arc::new(TaskKey {
                dag_id: key.dag_id,
                run_id: key.run_id,
                task_id: key.task_id,
                map_index: key.map_index,
            }),
            around,
            started_at: instance.start_date.unwrap_or(now),
            goes_on: instance.resumes_from().is_some(),
            ordered_at: now,
        };
        if is_made_at_once && self.executor.make_at_once(&order) {
            return true;
        }
        self.pending.orders.push(order);
        false
    }

    /// Lets go of a run that is over, or no longer ours. A DAG that waits for a free place is looked at again.
    pub(super) fn forget(&mut self, id: Uuid) {
        let Some(active) = self.runs.remove(&id) else { return };
        self.todo.backfills |= active.row.backfill_id.is_some();
        self.admission.forget(id);
        if let Some(running) = self.running.get_mut(&active.row.dag_id) {
            running.remove(&id);
        }
        self.todo.due = true;
    }

    /// Stops everything that goes on here. What was not written is forgotten: whoever leads finds it in the database.
    async fn let_go(mut self) -> mpsc::UnboundedReceiver<Wake> {
        self.lease.let_go();
        self.settings.leash.let_go();
        self.withdrawals.stop();
        self.executor.let_go_of_all();
        while !self.executor.is_idle() {
            match self.told.recv().await {
                Some(Told::Ended(report)) => self.executor.forget(report.try_id),
                Some(Told::Deferred(_)) => {}
                None => break,
            }
        }
        self.callbacks.stop().await;
        self.ticks.stop().await;
        self.wakes
    }

    /// Sets the alarm for the earliest run to come.
    pub(super) async fn arm(&mut self) {
        let now = self.settings.clock.now();
        let due = self
            .dags
            .values()
            .filter(|dag| dag.is_active())
            .filter_map(|dag| dag.next.map(|next| next.run_after))
            .filter(|&run_after| run_after > now)
            .min();
        self.ticks.arm(due, now).await;
    }

    /// Tells whoever watches that a DAG changed.
    pub(super) fn announce_dag(&self, dag_id: &str) {
        self.settings.changes.send(Change::dag(dag_id));
    }

    /// Gives running tries their grace period, stops the rest, and gives everything back.
    async fn wind_down(mut self) -> mpsc::UnboundedReceiver<Wake> {
        self.stopping = true;
        let deadline = tokio::time::Instant::now() + self.settings.grace;
        // Those that only wait need no grace: they go on waiting elsewhere.
        self.executor.let_go_of_deferred();
        if self.executor.len() > 0 {
            info!("waiting up to {:?} for running tasks to end", self.settings.grace);
        }
        while !self.executor.is_idle() {
            tokio::select! {
                Some(told) = self.told.recv() => self.on_told(told),
                () = tokio::time::sleep_until(deadline) => break,
            }
            self.take_gathered();
            self.write().await;
        }
        self.executor.let_go_of_all();
        while !self.executor.is_idle() {
            let Some(told) = self.told.recv().await else { break };
            self.on_told(told);
            self.take_gathered();
        }
        self.write().await;
        let (db, lease, bus) = (self.settings.db.clone(), self.lease(), self.settings.bus.clone());
        let wakes = self.let_go().await;
        match lease::release(&db, lease).await {
            // Whoever stands by can lead at once.
            Ok(()) => bus.iter().for_each(|bus| bus.send(Message::Wake(Wake::LookAround))),
            Err(problem) => {
                warn!(error = %Chain(&problem), "could not give the lease back; the next process waits until it lapses");
            }
        }
        wakes
    }
}
