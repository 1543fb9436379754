//! A worker: takes tries that the scheduler has handed out, makes them, and reports how they ended.
//!
//! It needs no open port: all that passes between it and the scheduler is in Postgres. It is woken through the
//! [`crate::bus`], and looks by itself now and then, because a wake-up may be lost.
//!
//! **Invariant:** a try is begun only after the database knows that it is this worker's, and a report counts only while
//! the worker's lease does.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::ConnectionTrait;
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

use crate::bus::{Bus, Message};
use crate::catalog::Catalog;
use crate::chain::Chain;
use crate::clock::{Clock, since_boot};
use crate::engine::active_run::Rendered;
use crate::engine::executor::{Deferral, LocalExecutor, Order, Report, RunAround, Surroundings, Told};
use crate::engine::lease::{self, KeptLease};
use crate::engine::leash::Leash;
use crate::engine::outage::Outage;
use crate::engine::outcome::Outcome;
use crate::engine::wake::Wake;
use crate::events::Changes;
use crate::log::Logs;
use crate::operator::{RunMaker, TaskKey};
use crate::run::{InstanceIndex, TryEnd};
use crate::secrets::Secrets;
use crate::store::entity::task_try;
use crate::store::leases::{self, Holder, Offer};
use crate::store::tries::{self, Taker};
use crate::store::{Db, StoreError, commit, runs, versions};

/// How often a worker looks for tries without having been woken.
const LOOK_AROUND: Duration = Duration::from_secs(2);

/// The wait before the database is asked again after it refused.
const RETRY: Duration = Duration::from_millis(500);

/// What a worker needs to know.
pub struct WorkerSettings {
    /// Where the truth is.
    pub db: Db,
    /// Definitions and operators.
    pub catalog: Catalog,
    /// The time.
    pub clock: Clock,
    /// `UPDRAFT_HOME`.
    pub home: PathBuf,
    /// Where the logs of tries go.
    pub logs: Logs,
    /// Who we are.
    pub holder: Holder,
    /// What it takes.
    pub offer: Offer,
    /// The other processes.
    pub bus: Bus,
    /// How long tries may go on without a renewed lease.
    pub leash: Arc<Leash>,
    /// How long running tries may go on after [`Worker::stop`].
    pub grace: Duration,
    /// Where connections and variables are looked for.
    pub secrets: Secrets,
    /// Makes the runs that tasks ask for.
    pub run_maker: Arc<dyn RunMaker>,
    /// Whom to tell, and who tells of answers.
    pub changes: Changes,
}

/// A running worker.
pub struct Worker {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Worker {
    /// Starts taking tries.
    pub async fn start(settings: WorkerSettings) -> Result<Worker, StoreError> {
        let stop = CancellationToken::new();
        let lease = register(&settings).await?;
        let (leash, until) = (Arc::clone(&settings.leash), stop.clone());
        tokio::spawn(async move { until.run_until_cancelled(leash.watch()).await });
        let task = tokio::spawn(Loop::new(settings, lease).run(stop.clone()));
        Ok(Worker { stop, task })
    }

    /// Stops: takes nothing more, gives running tries their grace period, stops the rest, and gives them back.
    pub async fn stop(self) {
        self.stop.cancel();
        // A panic has been reported by then; the scheduler finds the tries lost.
        let _ = self.task.await;
    }

    /// Completes when the worker has ended by itself, which it does only when it is broken.
    pub async fn ended(&mut self) {
        let _ = (&mut self.task).await;
    }
}

async fn register(settings: &WorkerSettings) -> Result<KeptLease, StoreError> {
    let WorkerSettings { db, holder, offer, clock, leash, .. } = settings;
    let began = since_boot();
    let txn = db.begin_write().await?;
    let lease = leases::register(&txn, holder, offer, clock.now()).await?;
    commit(txn).await?;
    leash.lengthen(began, lease::leash_of(holder.patience));
    Ok(KeptLease::keep(lease, holder.patience, db.clone(), clock.clone(), Arc::clone(leash)))
}

struct Loop {
    settings: WorkerSettings,
    kept: KeptLease,
    executor: LocalExecutor,
    told: mpsc::UnboundedReceiver<Told>,
    /// Tries that only wait, of which the database does not know that yet.
    deferred: Vec<Deferral>,
    /// Ends that the database does not know yet.
    unreported: Vec<Report>,
    /// Whether tries may be ours of which we do not know, because the answer to the commit that took them was lost.
    is_unsure: bool,
    outage: Outage,
    /// Whether it is told to stop.
    stopping: bool,
}

impl Loop {
    fn new(settings: WorkerSettings, kept: KeptLease) -> Loop {
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
        let executor = LocalExecutor::new(surroundings, sender);
        Loop {
            settings,
            kept,
            executor,
            told,
            deferred: Vec::new(),
            unreported: Vec::new(),
            is_unsure: false,
            outage: Outage::default(),
            stopping: false,
        }
    }

    async fn run(mut self, stop: CancellationToken) {
        let mut heard = self.settings.bus.subscribe();
        while !stop.is_cancelled() {
            let wait = match self.turn().await {
                Ok(()) => {
                    self.outage.over(self.settings.clock.now());
                    LOOK_AROUND
                }
                Err(StoreError::Fenced) => {
                    self.start_over(&stop).await;
                    continue;
                }
                Err(problem) => {
                    self.outage.met("no tries can be taken or reported", &problem, self.settings.clock.now());
                    RETRY
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                Some(told) = self.told.recv() => self.on_told(told),
                () = work(&mut heard) => {}
                Ok(()) = self.kept.lost.changed() => {}
                () = tokio::time::sleep(wait) => {}
            }
            self.gather();
        }
        self.wind_down().await;
    }

    /// One turn: report what ended, stop what is to stop, take what there is room for.
    async fn turn(&mut self) -> Result<(), StoreError> {
        if *self.kept.lost.borrow_and_update() {
            return Err(StoreError::Fenced);
        }
        self.report_and_stop_cancelled().await?;
        self.take().await
    }

    async fn report_and_stop_cancelled(&mut self) -> Result<(), StoreError> {
        self.report().await?;
        self.stop_cancelled().await
    }

    fn gather(&mut self) {
        while let Ok(told) = self.told.try_recv() {
            self.on_told(told);
        }
    }

    fn on_told(&mut self, told: Told) {
        match told {
            Told::Deferred(deferral) => {
                self.executor.defer(deferral.try_id);
                if self.stopping {
                    self.executor.let_go_of(deferral.try_id);
                }
                self.deferred.push(deferral);
            }
            // That it is lost to this worker is said of all such tries at once, when the lease is given back.
            Told::Ended(report) if self.stopping && self.executor.has_let_go_of(&report) => {
                self.executor.forget(report.try_id);
            }
            Told::Ended(report) => self.unreported.push(report),
        }
    }

    /// Lets the scheduler know which tries wait, and how tries ended.
    async fn report(&mut self) -> Result<(), StoreError> {
        if self.unreported.is_empty() && self.deferred.is_empty() {
            return Ok(());
        }
        let now = self.settings.clock.now();
        let txn = self.settings.db.begin_write().await?;
        leases::assert_held(&txn, self.kept.id).await?;
        for Deferral { try_id, reason, .. } in &self.deferred {
            tries::defer(&txn, self.kept.id, *try_id, reason).await?;
        }
        for report in &self.unreported {
            let Report { try_id, end, xcoms, outlet_events, rendered, .. } = report.clone();
            let outcome = Outcome { end, xcoms, outlet_events, rendered }.write();
            tries::report(&txn, self.kept.id, try_id, outcome, now).await?;
        }
        commit(txn).await?;
        self.deferred.clear();
        for report in self.unreported.drain(..) {
            self.executor.forget(report.try_id);
        }
        self.settings.bus.send(Message::Wake(Wake::Tries));
        Ok(())
    }

    async fn stop_cancelled(&mut self) -> Result<(), StoreError> {
        if !self.executor.is_idle() {
            for try_id in tries::to_stop(self.settings.db.read(), self.kept.id).await? {
                self.executor.cancel(try_id);
            }
        }
        Ok(())
    }

    async fn take(&mut self) -> Result<(), StoreError> {
        let under_way = u64::try_from(self.executor.len()).unwrap_or(u64::MAX);
        let free = u64::from(self.settings.offer.concurrency).saturating_sub(under_way);
        if free == 0 || self.settings.leash.has_run_out() {
            return Ok(());
        }
        let Holder { hostname, pid, .. } = &self.settings.holder;
        let taker = Taker { lease: self.kept.id, hostname, pid: *pid, queues: &self.settings.offer.queues };
        let txn = self.settings.db.begin_write().await?;
        let mut taken = if self.is_unsure { self.unknown(&txn).await? } else { Vec::new() };
        let free = free.saturating_sub(u64::try_from(taken.len()).unwrap_or(u64::MAX));
        taken.extend(tries::take(&txn, &taker, free, self.settings.clock.now()).await?);
        self.is_unsure = true;
        commit(txn).await?;
        self.is_unsure = false;
        if taken.is_empty() {
            return Ok(());
        }
        self.settings.bus.send(Message::Wake(Wake::Tries));
        let mut runs = RunsAround::new();
        for row in taken {
            self.begin(row, &mut runs).await;
        }
        Ok(())
    }

    /// Tries that are ours and were never begun. Nobody else would begin them while we live.
    async fn unknown(&self, db: &impl ConnectionTrait) -> Result<Vec<task_try::Model>, StoreError> {
        let held = tries::held_by(db, self.kept.id).await?;
        Ok(held.into_iter().filter(|row| !self.executor.makes(row.try_id)).collect())
    }

    /// Begins a try that is ours. One that cannot begin has ended.
    async fn begin(&mut self, row: task_try::Model, known: &mut RunsAround) {
        let now = self.settings.clock.now();
        let order = loop {
            match self.order(&row, known, now).await {
                // It is ours, and nobody else would begin it.
                Err(Unstartable::Store(problem)) if problem.is_passing() => tokio::time::sleep(RETRY).await,
                other => break other,
            }
        };
        match order {
            Ok(order) => self.executor.start(&order),
            Err(problem) => {
                warn!(try.id = %row.try_id, task = %row.task_id, "a try cannot begin: {problem}");
                let end = TryEnd::Failed { error: problem.to_string(), exit_code: None, may_retry: true };
                let key = Arc::new(TaskKey {
                    dag_id: String::new(),
                    run_id: String::new(),
                    task_id: row.task_id,
                    map_index: row.map_index,
                });
                let (xcoms, outlet_events, rendered) = (Vec::new(), Vec::new(), Rendered::default());
                let (run, try_id) = (row.dag_run_id, row.try_id);
                self.unreported.push(Report { run, key, try_id, end, xcoms, outlet_events, rendered });
            }
        }
    }

    async fn order(
        &self,
        row: &task_try::Model,
        known: &mut RunsAround,
        now: DateTime<Utc>,
    ) -> Result<Order, Unstartable> {
        let around = match known.entry((row.dag_run_id, row.dag_version_id)) {
            Entry::Occupied(found) => found.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(self.around(row).await?),
        };
        let task = around.dag.find(&row.task_id).ok_or(Unstartable::NoTask)?;
        let key = Arc::new(TaskKey {
            dag_id: around.dag.dag_id.clone(),
            run_id: around.run_id().to_owned(),
            task_id: row.task_id.clone(),
            map_index: row.map_index,
        });
        Ok(Order {
            run: row.dag_run_id,
            at: InstanceIndex { task, map_index: row.map_index },
            try_id: row.try_id,
            try_number: u32::try_from(row.try_number).unwrap_or(1),
            key,
            around: Arc::clone(around),
            started_at: row.resumes_from.or(row.started_at).unwrap_or(now),
            goes_on: row.resumes_from.is_some(),
            ordered_at: now,
        })
    }

    /// The run around a try, in the version by which the try is made.
    async fn around(&self, row: &task_try::Model) -> Result<Arc<RunAround>, Unstartable> {
        let run = runs::find_by_key(self.settings.db.read(), row.dag_run_id).await?.ok_or(Unstartable::NoRun)?;
        let version =
            versions::find(self.settings.db.read(), row.dag_version_id).await?.ok_or(Unstartable::NoVersion)?;
        let (catalog, file) = (&self.settings.catalog, &version.relative_fileloc);
        let dag = catalog
            .definition(&version.dag_id, &version.hash, file, &version.source)
            .map_err(|problem| Unstartable::Definition(problem.to_string()))?;
        let started = run.start_date;
        Ok(Arc::new(RunAround::new(dag, run, started)))
    }

    /// The lease was lost: whatever goes on here is made again elsewhere. Stops it, and begins anew.
    async fn start_over(&mut self, stop: &CancellationToken) {
        warn!("the scheduler has given this worker up; stopping its tries, and beginning anew");
        self.kept.let_go();
        self.settings.leash.let_go();
        self.executor.let_go_of_all();
        // Nobody wants to know which waited, and how they ended.
        self.deferred.clear();
        for report in self.unreported.drain(..) {
            self.executor.forget(report.try_id);
        }
        while !self.executor.is_idle() {
            match self.told.recv().await {
                Some(Told::Ended(report)) => self.executor.forget(report.try_id),
                Some(Told::Deferred(_)) => {}
                None => break,
            }
        }
        while !stop.is_cancelled() {
            match register(&self.settings).await {
                Ok(kept) => {
                    self.kept = kept;
                    return;
                }
                Err(problem) => {
                    self.outage.met("there is no new lease", &problem, self.settings.clock.now());
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    async fn wind_down(mut self) {
        self.kept.drain();
        self.stopping = true;
        // Those that only wait need no grace: they go on waiting elsewhere.
        self.executor.let_go_of_deferred();
        let deadline = tokio::time::Instant::now() + self.settings.grace;
        if self.executor.len() > 0 {
            info!("waiting up to {:?} for running tasks to end", self.settings.grace);
        }
        let mut heard = self.settings.bus.subscribe();
        let mut is_over = false;
        while !(self.executor.is_idle() && self.unreported.is_empty() && self.deferred.is_empty()) {
            match self.report_and_stop_cancelled().await {
                Ok(()) => {}
                Err(StoreError::Fenced) => break,
                Err(problem) => {
                    self.outage.met("the end of tries cannot be reported", &problem, self.settings.clock.now());
                    tokio::time::sleep(RETRY).await;
                }
            }
            // What could not begin is reported, too, and was never under way.
            let under_way = self.executor.under_way().saturating_sub(self.unreported.len());
            if under_way > 0 {
                tokio::select! {
                    Some(told) = self.told.recv() => self.on_told(told),
                    () = work(&mut heard) => {}
                    () = tokio::time::sleep(LOOK_AROUND) => {}
                    () = tokio::time::sleep_until(deadline), if !is_over => {
                        is_over = true;
                        self.executor.let_go_of_all();
                    }
                }
                self.gather();
            }
        }
        self.kept.let_go();
        self.settings.leash.let_go();
        if let Err(problem) = lease::release(&self.settings.db, self.kept.id).await {
            warn!(error = %Chain(&problem), "could not give the lease back; the scheduler will take this worker for lost");
        }
        self.settings.bus.send(Message::Wake(Wake::Tries));
    }
}

/// What tries of the same run, in the same version, share.
type RunsAround = HashMap<(Uuid, Uuid), Arc<RunAround>>;

/// Why a try cannot begin.
#[derive(Debug, thiserror::Error)]
enum Unstartable {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("its run is gone")]
    NoRun,
    #[error("the version of the DAG that it belongs to is gone")]
    NoVersion,
    #[error("the version of the DAG that it belongs to has no such task")]
    NoTask,
    #[error("{0}")]
    Definition(String),
}

/// Waits until there may be something to do.
async fn work(heard: &mut broadcast::Receiver<Message>) {
    loop {
        match heard.recv().await {
            Ok(Message::Work | Message::Missed) | Err(broadcast::error::RecvError::Lagged(_)) => return,
            Ok(_) => {}
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use schemars::JsonSchema;
    use serde::Deserialize;
    use tempfile::TempDir;

    use super::*;
    use crate::control::{Control, Trigger, TriggeredBy};
    use crate::engine::wake::Waker;
    use crate::operator::{Operator, Outcome, Registry, TaskContext, TaskError};
    use crate::sources::folder::DagFolder;
    use crate::store::entity::dag_run;
    use crate::store::tries::TryBatch;
    use crate::testing::TestDb;

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct NoArgs {}

    struct Endless;

    impl Operator for Endless {
        const NAME: &'static str = "endless";
        const SUMMARY: &'static str = "Goes on until it is told to stop.";
        type Args = NoArgs;

        async fn execute(&self, _: NoArgs, ctx: &TaskContext) -> Result<Outcome, TaskError> {
            ctx.cancelled.cancelled().await;
            Err(TaskError::cancelled())
        }
    }

    fn noon() -> DateTime<Utc> {
        "2026-11-21T12:00:00Z".parse().unwrap()
    }

    async fn worker(db: &TestDb, folder: &Path) -> Loop {
        let mut registry = Registry::default();
        registry.register(Endless).unwrap();
        let (catalog, clock) = (Catalog::new(Arc::new(registry)), Clock::manual(noon()));
        let (changes, waker) = (Changes::default(), Waker::new().0);
        let control = Control::new((**db).clone(), catalog.clone(), clock.clone(), changes.clone(), waker);
        let settings = WorkerSettings {
            db: (**db).clone(),
            catalog,
            clock,
            home: folder.to_owned(),
            logs: Logs::Folder(folder.join("logs")),
            holder: Holder::alone("worker", "here"),
            offer: Offer { queues: vec!["default".to_owned()], concurrency: 2 },
            bus: Bus::connect(db.url(), (**db).clone(), CancellationToken::new()).await.unwrap(),
            leash: Arc::new(Leash::endless()),
            grace: Duration::from_hours(1),
            secrets: Secrets::new(Vec::new(), (**db).clone(), Arc::default()),
            run_maker: Arc::new(control),
            changes,
        };
        let kept = register(&settings).await.unwrap();
        Loop::new(settings, kept)
    }

    fn taken_by(worker: Uuid) -> task_try::Model {
        task_try::Model {
            try_id: Uuid::now_v7(),
            dag_run_id: Uuid::now_v7(),
            task_id: "extract".to_owned(),
            map_index: -1,
            try_number: 1,
            dag_version_id: Uuid::now_v7(),
            queue: "default".to_owned(),
            priority_weight: 1,
            ordered_at: noon(),
            worker: Some(worker),
            hostname: None,
            pid: None,
            started_at: Some(noon()),
            resumes_from: None,
            deferral: None,
            is_seen: false,
            is_cancelled: false,
            outcome: None,
            ended_at: None,
        }
    }

    async fn write(db: &Db, batch: TryBatch) {
        let txn = db.begin_write().await.unwrap();
        tries::write(&txn, &batch).await.unwrap();
        commit(txn).await.unwrap();
    }

    /// A run of a DAG whose only task goes on until it is told to stop.
    async fn endless_run(worker: &Loop, folder: &Path) -> dag_run::Model {
        let WorkerSettings { db, catalog, clock, changes, .. } = &worker.settings;
        let dags = folder.join("dags");
        std::fs::create_dir(&dags).unwrap();
        std::fs::write(dags.join("dag.yaml"), "tasks: [{task_id: extract, operator: endless}]\n").unwrap();
        let waker = Waker::new().0;
        let (catalog, clock, changes) = (catalog.clone(), clock.clone(), changes.clone());
        let control = Control::new(db.clone(), catalog.clone(), clock.clone(), changes.clone(), waker.clone());
        DagFolder::new(dags, db.clone(), catalog, clock, changes, waker, false).sync().await.unwrap();
        let trigger = Trigger {
            run_id: Some("one".to_owned()),
            logical_date: None,
            data_interval: None,
            partition_key: None,
            run_after: None,
            conf: serde_json::Map::new(),
            note: None,
            triggered_by: TriggeredBy::Test,
            user: None,
        };
        control.trigger("dag", trigger).await.unwrap()
    }

    #[tokio::test]
    async fn a_try_that_is_cancelled_while_its_worker_ends_is_stopped() {
        let (db, folder) = (TestDb::postgres().await, TempDir::new().unwrap());
        let mut worker = worker(&db, folder.path()).await;
        let run = endless_run(&worker, folder.path()).await;
        let row = task_try::Model {
            dag_run_id: run.id,
            dag_version_id: run.dag_version_id,
            worker: None,
            started_at: None,
            ..taken_by(Uuid::nil())
        };
        let try_id = row.try_id;
        write(&db, TryBatch { queued: vec![row], ..TryBatch::default() }).await;
        worker.turn().await.unwrap();
        assert!(worker.executor.makes(try_id));
        write(&db, TryBatch { cancelled: vec![try_id], ..TryBatch::default() }).await;

        // Long before the time is up that it grants.
        let ends = tokio::time::timeout(Duration::from_mins(1), worker.wind_down());
        ends.await.expect("nothing is left to wait for");

        let told = tries::news(db.read(), 10).await.unwrap().remove(0);
        assert_eq!((told.try_id, told.outcome.unwrap().0["end"].as_str()), (try_id, Some("given_back")));
    }

    #[tokio::test]
    async fn a_try_is_begun_also_when_the_answer_that_it_was_taken_is_lost() {
        let (db, folder) = (TestDb::postgres().await, TempDir::new().unwrap());
        let mut worker = worker(&db, folder.path()).await;
        // As after a commit that Postgres carried out, and of which the connection broke before it said so.
        let row = taken_by(worker.kept.id);
        let try_id = row.try_id;
        write(&db, TryBatch { queued: vec![row], ..TryBatch::default() }).await;
        worker.is_unsure = true;

        worker.turn().await.unwrap();

        // Its run is no more, so that it ends where it begins.
        let ended: Vec<Uuid> = worker.unreported.iter().map(|report| report.try_id).collect();
        assert_eq!(ended, [try_id]);
        worker.turn().await.unwrap();
        assert!(worker.unreported.is_empty(), "it is begun once, and reported");
        assert!(tries::held_by(db.read(), worker.kept.id).await.unwrap().is_empty());
        worker.kept.let_go();
    }
}
