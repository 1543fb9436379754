//! The coordinator: owns the state of all active runs, and moves them on.
//!
//! One turn: take what has gathered, step the runs, write one transaction, let the world know. While the database does
//! not answer, a turn waits and tries again; nothing that it decided has been let out by then.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};
use uuid::Uuid;

use super::active_run::{ActiveRun, Place};
use super::admission::{self, Limits};
use super::callbacks::{self, CallbackService, Cause};
use super::executor::{LocalExecutor, Order, Report, Surroundings};
use super::pending::Pending;
use super::schedules::ScheduledDags;
use super::ticks::Ticks;
use super::timers::{Timer, Timers};
use super::wake::{Wake, Waker};
use super::{EngineError, EngineSettings, lease};
use crate::chain::Chain;
use crate::dag::TaskIndex;
use crate::events::Change;
use crate::operator::TaskKey;
use crate::run::{Event, RunState, TaskState};
use crate::store::entity::dag_run;
use crate::store::runs::{self, NewXCom};
use crate::store::{StoreError, commit};

/// Messages that one turn takes at most, so that a flood still commits now and then.
const TURN_MESSAGES_MAX: usize = 4096;

/// How often the engine looks around without having been woken: for leases that lapsed, for a clock that was set.
const LOOK_AROUND: Duration = Duration::from_secs(5);

/// The wait before a failed transaction is tried again; doubles up to the maximum.
const COMMIT_RETRY: Duration = Duration::from_millis(50);
const COMMIT_RETRY_MAX: Duration = Duration::from_secs(2);

pub(super) struct Coordinator {
    pub(super) settings: EngineSettings,
    pub(super) lease: Uuid,
    lost: watch::Receiver<bool>,
    lease_stop: CancellationToken,
    place: Place,
    pub(super) dags: ScheduledDags,
    pub(super) runs: HashMap<Uuid, ActiveRun>,
    /// Queued runs by DAG, oldest first; derived from `runs`.
    pub(super) queued: HashMap<String, BTreeSet<(DateTime<Utc>, Uuid)>>,
    /// Running runs by DAG; derived from `runs`.
    pub(super) running: HashMap<String, HashSet<Uuid>>,
    /// Runs with something ready; derived from `runs`.
    ready: HashSet<Uuid>,
    pub(super) timers: Timers,
    ticks: Ticks,
    executor: LocalExecutor,
    pub(super) callbacks: CallbackService,
    reports: mpsc::UnboundedReceiver<Report>,
    wakes: mpsc::UnboundedReceiver<Wake>,
    pub(super) pending: Pending,
    pub(super) todo: Todo,
    stopping: bool,
}

/// What wake-ups asked for. Done at the next turn, and kept when the database does not answer.
#[derive(Debug, Default)]
pub(super) struct Todo {
    pub(super) adopt: bool,
    /// Runs that are ours in the database, and not in memory yet.
    pub(super) take_over: Vec<dag_run::Model>,
    pub(super) requests: bool,
    pub(super) dags: BTreeSet<String>,
    pub(super) due: bool,
    pub(super) look_around: bool,
}

impl Coordinator {
    pub(super) async fn start(
        settings: EngineSettings,
        waker: Waker,
        wakes: mpsc::UnboundedReceiver<Wake>,
    ) -> Result<Coordinator, EngineError> {
        let (report_sender, reports) = mpsc::unbounded_channel();
        let surroundings = Surroundings {
            db: settings.db.clone(),
            registry: Arc::clone(settings.catalog.registry()),
            clock: settings.clock.clone(),
            home: settings.home.clone(),
            log_folder: settings.log_folder.clone(),
        };
        let place = Place { hostname: settings.holder.hostname.clone(), pid: settings.holder.pid };
        let lease = lease::acquire(&settings.db, &settings.holder, &settings.clock).await?;
        let (lost_sender, lost) = watch::channel(false);
        let lease_stop = CancellationToken::new();
        tokio::spawn(lease::keep(settings.db.clone(), lease, settings.clock.clone(), lost_sender, lease_stop.clone()));
        let callbacks = CallbackService::start(&settings, lease);
        let mut coordinator = Coordinator {
            settings,
            lease,
            lost,
            lease_stop,
            place,
            dags: ScheduledDags::new(),
            runs: HashMap::new(),
            queued: HashMap::new(),
            running: HashMap::new(),
            ready: HashSet::new(),
            timers: Timers::default(),
            ticks: Ticks::start(waker).await?,
            executor: LocalExecutor::new(surroundings, report_sender),
            callbacks,
            reports,
            wakes,
            pending: Pending::default(),
            todo: Todo { adopt: true, requests: true, due: true, ..Todo::default() },
            stopping: false,
        };
        coordinator.load_all_dags().await?;
        Ok(coordinator)
    }

    /// Takes turns until told to stop, then lets running tries end or gives them back.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            self.turn().await;
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.next_message() => {}
            }
            self.take_gathered();
        }
        self.wind_down().await;
    }

    /// Waits for something to do.
    async fn next_message(&mut self) {
        let until_timer = self.until_next_timer();
        tokio::select! {
            Some(report) = self.reports.recv() => self.on_report(report),
            Some(wake) = self.wakes.recv() => self.on_wake(wake),
            () = tokio::time::sleep(until_timer) => self.todo.look_around |= until_timer >= LOOK_AROUND,
            Ok(()) = self.lost.changed() => {}
        }
    }

    /// Timers go by the clock on the wall, which may be set; so no wait is longer than a regular look around.
    fn until_next_timer(&self) -> Duration {
        let now = self.settings.clock.now();
        match self.timers.next() {
            Some(at) => (at - now).to_std().unwrap_or(Duration::ZERO).min(LOOK_AROUND),
            None => LOOK_AROUND,
        }
    }

    /// Takes what arrived while the last commit was under way.
    fn take_gathered(&mut self) {
        for _ in 0..TURN_MESSAGES_MAX {
            if let Ok(report) = self.reports.try_recv() {
                self.on_report(report);
            } else if let Ok(wake) = self.wakes.try_recv() {
                self.on_wake(wake);
            } else {
                return;
            }
        }
    }

    fn on_wake(&mut self, wake: Wake) {
        match wake {
            Wake::Runs => self.todo.adopt = true,
            Wake::Requests => self.todo.requests = true,
            Wake::Dags(dag_ids) => self.todo.dags.extend(dag_ids),
            Wake::LookAround => self.todo.look_around = true,
            Wake::Due => {
                self.ticks.rang();
                self.todo.due = true;
            }
        }
    }

    fn on_report(&mut self, report: Report) {
        self.executor.forget(report.try_id);
        let Report { run, task, try_id, end, xcoms, rendered } = report;
        let Some(active) = self.runs.get_mut(&run) else {
            debug!(run.id = %run, try.id = %try_id, "a try of a run that is over reported its end");
            return;
        };
        active.set_rendered(task, rendered);
        let left = active.key(task);
        if self.step(run, Event::TryEnded { task, try_id, end }) {
            let new = xcoms.into_iter().map(|(key, value)| NewXCom { instance: left.clone(), key, value });
            self.pending.xcoms.extend(new);
        }
    }

    /// Moves a run on, and remembers what changed. False when the event came too late to count.
    pub(super) fn step(&mut self, id: Uuid, event: Event) -> bool {
        let now = self.settings.clock.now();
        let Some(active) = self.runs.get_mut(&id) else { return false };
        let before = active.run.state;
        let cause = Cause::of(&event);
        let held_before = held_tries(active, &event);
        if let Event::RetryDue { task } = event
            && active.run.instance(task).state == TaskState::UpForRetry
        {
            self.pending.history.push(active.history_row(task, &self.place, now));
        }
        match active.run.step(event, now) {
            Ok(changed) => {
                self.settled(id, before, changed);
                self.tell(id, before, cause);
                self.cancel_abandoned(id, held_before);
                true
            }
            Err(late) => {
                info!(run.id = %id, error = %late, "ignored a word about a try that nobody waits for");
                false
            }
        }
    }

    /// Keeps what there is to tell of a step, for the commit that makes the step durable.
    pub(super) fn tell(&mut self, id: Uuid, before: RunState, cause: Cause) {
        let Some(active) = self.runs.get(&id) else { return };
        let now = self.settings.clock.now();
        self.pending.callbacks.extend(callbacks::fired(active, &self.place, before, cause, now));
        let has_deadlines = !active.run.dag.callbacks.deadlines.is_empty();
        if has_deadlines && before != RunState::Success && active.run.state == RunState::Success {
            self.pending.succeeded.push((id, active.run.end_date.unwrap_or(now)));
        }
    }

    /// Tries that ran before a person or a timeout closed the run, and that nobody waits for now.
    fn cancel_abandoned(&mut self, id: Uuid, held_before: Vec<(TaskIndex, Uuid)>) {
        let Some(active) = self.runs.get(&id) else { return };
        let abandoned = held_before.into_iter().filter(|&(task, _)| !active.run.instance(task).state.is_held());
        self.pending.cancels.extend(abandoned.map(|(_, try_id)| try_id));
    }

    /// After a step: brings indices, timers and the next commit in line with what changed.
    pub(super) fn settled(&mut self, id: Uuid, before: RunState, changed: Vec<TaskIndex>) {
        let Some(active) = self.runs.get_mut(&id) else { return };
        active.index(&changed);
        if active.first_ready().is_some() {
            self.ready.insert(id);
        } else {
            self.ready.remove(&id);
        }
        for &task in &changed {
            let instance = active.run.instance(task);
            if let (TaskState::UpForRetry, Some(due)) = (instance.state, instance.next_try_at) {
                self.timers.set(due, Timer::Retry(id, task));
            }
        }
        let after = active.run.state;
        self.pending.touch_tasks(id, changed);
        if before != after {
            self.pending.touch_run(id);
            self.file(id);
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
        } else {
            queued.remove(&place);
        }
        let running = self.running.entry(dag_id).or_default();
        if state == RunState::Running {
            running.insert(id);
            if let (Some(limit), Some(started)) = (active.run.dag.runs.dagrun_timeout, active.run.start_date) {
                self.timers.set(started + limit, Timer::RunTimeout(id));
            }
        } else {
            running.remove(&id);
        }
    }

    /// One turn: everything that is to be done now, then one commit, then its effects.
    async fn turn(&mut self) {
        if *self.lost.borrow_and_update() {
            self.start_over().await;
        }
        if let Err(error) = self.do_what_was_asked().await {
            warn!(error = %Chain(&error), "the database did not do what was asked; trying again");
            tokio::time::sleep(COMMIT_RETRY).await;
        }
        self.ring_timers();
        if !self.stopping {
            self.begin_queued();
            self.admit();
        }
        self.write().await;
    }

    fn ring_timers(&mut self) {
        let now = self.settings.clock.now();
        while let Some(timer) = self.timers.take_due(now) {
            match timer {
                Timer::Retry(run, task) => {
                    let is_due = self
                        .runs
                        .get(&run)
                        .is_some_and(|active| active.run.instance(task).next_try_at.is_some_and(|due| due <= now));
                    if is_due {
                        self.step(run, Event::RetryDue { task });
                    }
                }
                Timer::RunTimeout(run) => {
                    let is_running = self.runs.get(&run).is_some_and(|active| active.run.state == RunState::Running);
                    if is_running {
                        self.step(run, Event::TimedOut);
                    }
                }
                // `begin_queued` looks at every DAG with queued runs.
                Timer::Begin(_) => {}
            }
        }
    }

    /// Lets queued runs begin, as far as `max_active_runs` allows (Airflow 3: oldest `run_after` first).
    fn begin_queued(&mut self) {
        let now = self.settings.clock.now();
        let mut begin = Vec::new();
        for (dag_id, queued) in &self.queued {
            let Some(dag) = self.dags.get(dag_id).filter(|dag| !dag.row.is_paused) else { continue };
            let running = self.running.get(dag_id).map_or(0, HashSet::len);
            let free = dag.max_active_runs().saturating_sub(running);
            for &(run_after, id) in queued.iter().take(free) {
                let earliest = self.runs.get(&id).and_then(|active| active.run.logical_date).unwrap_or(run_after);
                let earliest = earliest.max(run_after);
                if earliest > now {
                    self.timers.set(earliest, Timer::Begin(dag_id.clone()));
                } else {
                    begin.push(id);
                }
            }
        }
        for id in begin {
            self.step(id, Event::Begin);
        }
        self.queued.retain(|_, queued| !queued.is_empty());
    }

    /// Gives slots to ready task instances, and says to the others why they wait.
    fn admit(&mut self) {
        if self.ready.is_empty() {
            return;
        }
        let limits = Limits { parallelism: self.settings.parallelism };
        let dags = &self.dags;
        let is_paused = |dag_id: &str| dags.get(dag_id).is_some_and(|dag| dag.row.is_paused);
        let admitted =
            admission::admit(&self.runs, self.ready.iter().copied(), self.executor.held(), is_paused, limits);
        for (run, task) in admitted {
            self.order(run, task);
        }
        self.explain_waiting(limits);
    }

    fn order(&mut self, id: Uuid, task: TaskIndex) {
        let try_id = Uuid::now_v7();
        let Some(active) = self.runs.get(&id) else { return };
        let had_tries = !active.run.instance(task).try_id.is_nil();
        let key = active.key(task);
        if !self.step(id, Event::TryStarted { task, try_id }) {
            return;
        }
        let Some(active) = self.runs.get(&id) else { return };
        if had_tries {
            // All XComs of a task go whenever a try begins (Airflow 3: XCom).
            self.pending.forget_xcoms.push(key.clone());
        }
        self.pending.orders.push(Order {
            run: id,
            task,
            try_id,
            try_number: active.run.instance(task).try_number,
            dag: Arc::clone(&active.run.dag),
            key: TaskKey { dag_id: key.dag_id, run_id: key.run_id, task_id: key.task_id, map_index: key.map_index },
            row: active.row.clone(),
            started: active.run.start_date,
            ordered_at: self.settings.clock.now(),
        });
    }

    /// Every task instance that is ready and does not run has a stored reason.
    fn explain_waiting(&mut self, limits: Limits) {
        let mut held: HashMap<Uuid, usize> = HashMap::new();
        for run in self.executor.held().chain(self.pending.orders.iter().map(|order| order.run)) {
            *held.entry(run).or_default() += 1;
        }
        for &id in &self.ready {
            let Some(active) = self.runs.get_mut(&id) else { continue };
            let is_paused = self.dags.get(&active.row.dag_id).is_some_and(|dag| dag.row.is_paused);
            let reason = admission::reason(active, is_paused, held.get(&id).copied().unwrap_or(0), limits);
            let waiting: Vec<TaskIndex> = active.ready().collect();
            let news = waiting.into_iter().filter(|&task| active.run.explain(task, Some(&reason))).collect::<Vec<_>>();
            if !news.is_empty() {
                self.pending.touch_tasks(id, news);
            }
        }
    }

    /// Makes everything that changed durable, then lets the world know.
    async fn write(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let now = self.settings.clock.now();
        let batch = self.pending.batch(&mut self.runs, &self.place, now);
        let mut wait = COMMIT_RETRY;
        loop {
            match self.try_write(&batch, now).await {
                Ok(()) => break,
                Err(StoreError::Fenced) => {
                    self.start_over().await;
                    return;
                }
                Err(problem) => {
                    error!(error = %Chain(&problem), "could not write what happened; nothing goes on until it is written");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(COMMIT_RETRY_MAX);
                }
            }
        }
        if !batch.callbacks.is_empty() {
            self.callbacks.wake();
        }
        self.take_effect();
    }

    async fn try_write(&self, batch: &runs::Batch, now: DateTime<Utc>) -> Result<(), StoreError> {
        let txn = self.settings.db.begin_write().await?;
        runs::write(&txn, self.lease, batch, now).await?;
        commit(txn).await
    }

    /// What may happen only now that it is durable.
    fn take_effect(&mut self) {
        let mut done = std::mem::take(&mut self.pending);
        for order in done.orders.drain(..) {
            self.executor.start(order);
        }
        for try_id in done.cancels.drain(..) {
            self.executor.cancel(try_id);
        }
        done.announce(&self.runs, &self.settings.changes);
        for id in done.runs() {
            if self.runs.get(&id).is_some_and(|active| active.run.state.is_finished()) {
                self.forget(id);
            }
        }
    }

    /// Lets go of a run that is over, or no longer ours. A DAG that waits for a free place is looked at again.
    fn forget(&mut self, id: Uuid) {
        let Some(active) = self.runs.remove(&id) else { return };
        self.ready.remove(&id);
        if let Some(running) = self.running.get_mut(&active.row.dag_id) {
            running.remove(&id);
        }
        self.todo.due = true;
    }

    /// Our lease was taken over: nothing that we know counts any more. Stops everything, and begins anew.
    async fn start_over(&mut self) {
        self.executor.cancel_all();
        self.lease_stop.cancel();
        self.runs.clear();
        self.queued.clear();
        self.running.clear();
        self.ready.clear();
        self.timers.clear();
        self.pending = Pending::default();
        while !self.executor.is_idle() {
            let Some(report) = self.reports.recv().await else { break };
            self.executor.forget(report.try_id);
        }
        loop {
            match lease::acquire(&self.settings.db, &self.settings.holder, &self.settings.clock).await {
                Ok(lease) => {
                    self.lease = lease;
                    self.callbacks.use_lease(lease);
                    break;
                }
                Err(problem) => {
                    warn!(error = %Chain(&problem), "cannot get a new lease; trying again");
                    tokio::time::sleep(COMMIT_RETRY_MAX).await;
                }
            }
        }
        let (lost_sender, lost) = watch::channel(false);
        self.lost = lost;
        self.lease_stop = CancellationToken::new();
        tokio::spawn(lease::keep(
            self.settings.db.clone(),
            self.lease,
            self.settings.clock.clone(),
            lost_sender,
            self.lease_stop.clone(),
        ));
        self.todo = Todo { adopt: true, requests: true, due: true, ..Todo::default() };
    }

    /// Sets the alarm for the earliest run to come.
    pub(super) async fn arm(&mut self) {
        let now = self.settings.clock.now();
        let due = self
            .dags
            .values()
            .filter(|dag| !dag.row.is_paused && !dag.row.is_stale)
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
    async fn wind_down(mut self) {
        self.stopping = true;
        let deadline = tokio::time::Instant::now() + self.settings.grace;
        if !self.executor.is_idle() {
            info!("waiting up to {:?} for running tasks to end", self.settings.grace);
        }
        while !self.executor.is_idle() {
            tokio::select! {
                Some(report) = self.reports.recv() => self.on_report(report),
                () = tokio::time::sleep_until(deadline) => break,
            }
            self.take_gathered();
            self.write().await;
        }
        self.executor.cancel_all();
        while !self.executor.is_idle() {
            let Some(report) = self.reports.recv().await else { break };
            self.on_report(report);
            self.take_gathered();
        }
        self.write().await;
        self.callbacks.stop().await;
        self.lease_stop.cancel();
        if let Err(problem) = release(&self.settings, self.lease).await {
            warn!(error = %Chain(&problem), "could not give the lease back; the next process waits until it lapses");
        }
        self.ticks.stop().await;
    }
}

async fn release(settings: &EngineSettings, lease: Uuid) -> Result<(), StoreError> {
    let txn = settings.db.begin_write().await?;
    crate::store::leases::release(&txn, lease).await?;
    commit(txn).await
}

/// The tries under way in a run that an event may close; none for events that close nothing.
fn held_tries(active: &ActiveRun, event: &Event) -> Vec<(TaskIndex, Uuid)> {
    if !matches!(event, Event::Marked { .. } | Event::TimedOut) {
        return Vec::new();
    }
    active
        .run
        .instances()
        .filter(|(_, instance)| instance.state.is_held())
        .map(|(task, instance)| (task, instance.try_id))
        .collect()
}
