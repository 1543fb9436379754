//! An engine over a database and a folder of DAG files of a test's own, and a clock that moves when it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use scheduler::catalog::Catalog;
use scheduler::clock::Clock;
use scheduler::control::{Control, Trigger, TriggeredBy};
use scheduler::dag::Dag;
use scheduler::engine::leash::Leash;
use scheduler::engine::wake::{Wake, Waker};
use scheduler::engine::{Engine, EngineSettings, Execution};
use scheduler::events::Changes;
use scheduler::log::Logs;
use scheduler::operator::{Operator, Outcome, Registry, TaskContext, TaskError};
use scheduler::secrets::Secrets;
use scheduler::sources::folder::DagFolder;
use scheduler::store::entity::{dag, dag_run, process_lease, task_instance};
use scheduler::store::leases::{self, Holder};
use scheduler::store::{commit, dags, runs};
use scheduler::testing::TestDb;
use schemars::JsonSchema;
use sea_orm::EntityTrait;
use serde::Deserialize;
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::watch;

/// How long a test waits for something that must come; far beyond what it takes.
const PATIENCE: Duration = Duration::from_mins(2);

/// A DAG that ticks every second. Once its run for an instant is over, whatever else was due by then was looked at, too.
const PROBE: &str =
    "schedule: '* * * * * *'\ncatchup: none\nmax_active_runs: 1000\ntasks: [{task_id: a, operator: empty}]\n";

#[derive(Clone, Copy, Debug)]
pub enum Backend {
    Sqlite,
    Postgres,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NoArgs {}

struct Empty;

impl Operator for Empty {
    const NAME: &'static str = "empty";
    const SUMMARY: &'static str = "Does nothing.";
    type Args = NoArgs;

    async fn execute(&self, _: NoArgs, _: &TaskContext) -> Result<Outcome, TaskError> {
        Ok(Outcome::done())
    }
}

/// Is over before anything of it is durable.
struct Nothing;

impl Operator for Nothing {
    const NAME: &'static str = "nothing";
    const SUMMARY: &'static str = "Has no effect.";
    const IS_INSTANT: bool = true;
    type Args = NoArgs;

    async fn execute(&self, _: NoArgs, _: &TaskContext) -> Result<Outcome, TaskError> {
        Ok(Outcome::done())
    }
}

struct Fail;

impl Operator for Fail {
    const NAME: &'static str = "fail";
    const SUMMARY: &'static str = "Fails.";
    type Args = NoArgs;

    async fn execute(&self, _: NoArgs, _: &TaskContext) -> Result<Outcome, TaskError> {
        Err(TaskError::fail(anyhow::anyhow!("as it was asked to")))
    }
}

/// Waits until the test lets go, and leaves a list.
struct Hold {
    released: watch::Receiver<bool>,
}

impl Operator for Hold {
    const NAME: &'static str = "hold";
    const SUMMARY: &'static str = "Waits for the test.";
    type Args = NoArgs;

    async fn execute(&self, _: NoArgs, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let mut released = self.released.clone();
        tokio::select! {
            _ = released.wait_for(|released| *released) => Ok(Outcome::value(json!(["a", "b", "c"]))),
            () = ctx.cancelled.cancelled() => Err(TaskError::cancelled()),
        }
    }
}

/// How many `stubborn` tries are at work, and how many there were at most.
#[derive(Default)]
pub struct AtWork {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl AtWork {
    pub fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

/// Waits until the test lets go, also when it is told to stop.
struct Stubborn {
    released: watch::Receiver<bool>,
    at_work: Arc<AtWork>,
}

impl Operator for Stubborn {
    const NAME: &'static str = "stubborn";
    const SUMMARY: &'static str = "Waits for the test, whatever anybody says.";
    type Args = NoArgs;

    async fn execute(&self, _: NoArgs, _: &TaskContext) -> Result<Outcome, TaskError> {
        let now = self.at_work.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.at_work.most.fetch_max(now, Ordering::SeqCst);
        let mut released = self.released.clone();
        let _ = released.wait_for(|released| *released).await;
        self.at_work.now.fetch_sub(1, Ordering::SeqCst);
        Ok(Outcome::done())
    }
}

pub fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Everything around an engine, and the engine while it runs.
pub struct World {
    pub db: Arc<TestDb>,
    pub clock: Clock,
    pub control: Control,
    pub at_work: Arc<AtWork>,
    folder: Arc<TempDir>,
    files: DagFolder,
    catalog: Catalog,
    changes: Changes,
    waker: Waker,
    wakes: Option<tokio::sync::mpsc::UnboundedReceiver<Wake>>,
    engine: Option<Engine>,
    release: Arc<watch::Sender<bool>>,
    instance: String,
}

impl World {
    /// A world without DAGs, in which it is `now`, and no engine runs yet.
    pub async fn new(backend: Backend, now: &str) -> World {
        let db = match backend {
            Backend::Sqlite => TestDb::sqlite().await,
            Backend::Postgres => TestDb::postgres().await,
        };
        let folder = Arc::new(TempDir::new().unwrap());
        std::fs::create_dir(folder.path().join("dags")).unwrap();
        let release = Arc::new(watch::channel(false).0);
        World::over(Arc::new(db), folder, release, Clock::manual(at(now)), "one")
    }

    /// A second process over the same database, files and clock.
    pub fn another(&self) -> World {
        World::over(
            Arc::clone(&self.db),
            Arc::clone(&self.folder),
            Arc::clone(&self.release),
            self.clock.clone(),
            "another",
        )
    }

    fn over(
        db: Arc<TestDb>,
        folder: Arc<TempDir>,
        release: Arc<watch::Sender<bool>>,
        clock: Clock,
        instance: &str,
    ) -> World {
        let mut registry = Registry::default();
        registry.register(Empty).unwrap();
        registry.register(Nothing).unwrap();
        registry.register(Fail).unwrap();
        registry.register(Hold { released: release.subscribe() }).unwrap();
        let at_work = Arc::<AtWork>::default();
        registry.register(Stubborn { released: release.subscribe(), at_work: Arc::clone(&at_work) }).unwrap();
        let catalog = Catalog::new(Arc::new(registry));
        let changes = Changes::default();
        let (waker, wakes) = Waker::new();
        let files = DagFolder::new(
            folder.path().join("dags"),
            (**db).clone(),
            catalog.clone(),
            clock.clone(),
            changes.clone(),
            waker.clone(),
            false,
        );
        let control = Control::new((**db).clone(), catalog.clone(), clock.clone(), changes.clone(), waker.clone());
        World {
            db,
            clock,
            control,
            at_work,
            folder,
            files,
            catalog,
            changes,
            waker,
            wakes: Some(wakes),
            engine: None,
            release,
            instance: instance.to_owned(),
        }
    }

    /// Writes a DAG file, and lets the database know of it.
    pub async fn dag(&mut self, dag_id: &str, text: &str) {
        let path = self.folder.path().join("dags").join(format!("{dag_id}.yaml"));
        // Two texts of the same length, written within one tick of the file system's clock, must not look alike.
        let is_new = !path.exists();
        std::fs::write(&path, text).unwrap();
        if !is_new {
            let later = std::time::SystemTime::now() + Duration::from_secs(5);
            std::fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
        }
        self.files.sync().await.unwrap();
    }

    /// Takes a DAG file away, and lets the database know of it.
    pub async fn remove_dag(&mut self, dag_id: &str) {
        std::fs::remove_file(self.folder.path().join("dags").join(format!("{dag_id}.yaml"))).unwrap();
        self.files.sync().await.unwrap();
    }

    /// Starts the engine, and waits until it has looked at everything.
    pub async fn start(&mut self) {
        self.dag("probe", PROBE).await;
        let (waker, wakes) = match self.wakes.take() {
            Some(wakes) => (self.waker.clone(), wakes),
            None => panic!("a world's engine is started once; `restart` makes another"),
        };
        let settings = EngineSettings {
            db: (**self.db).clone(),
            catalog: self.catalog.clone(),
            clock: self.clock.clone(),
            changes: self.changes.clone(),
            home: self.folder.path().to_owned(),
            logs: Logs::Folder(self.folder.path().join("logs")),
            parallelism: 1000,
            max_map_length: 1024,
            holder: Holder::alone(&self.instance, "here"),
            base_url: None,
            grace: Duration::from_secs(5),
            execution: Execution::Here,
            bus: None,
            leash: Arc::new(Leash::endless()),
            secrets: Secrets::new(Vec::new(), (**self.db).clone(), Arc::default()),
            run_maker: Arc::new(self.control.clone()),
            makes_due_runs: true,
        };
        self.engine = Some(Engine::start(settings, waker, wakes).await.unwrap());
        self.settle().await;
    }

    /// Stops the engine; what it ran is given back.
    pub async fn stop(&mut self) {
        if let Some(engine) = self.engine.take() {
            engine.stop().await;
        }
    }

    /// Stops the engine, and starts the next one at `now`.
    pub async fn restart(mut self, now: &str) -> World {
        self.stop().await;
        self.clock.set(at(now));
        let mut next = World::over(
            Arc::clone(&self.db),
            Arc::clone(&self.folder),
            Arc::clone(&self.release),
            self.clock.clone(),
            &self.instance,
        );
        next.start().await;
        next
    }

    /// It becomes `now`; returns when everything that was due by then was looked at.
    pub async fn becomes(&self, now: &str) {
        self.clock.set(at(now));
        self.settle().await;
    }

    /// Waits until the engine has looked at everything there is at present.
    pub async fn settle(&self) {
        // A probe's run for this instant may be there already; the next one comes a microsecond later.
        let now = self.clock.now() + chrono::TimeDelta::seconds(1);
        self.clock.set(now);
        self.waker.wake(Wake::LookAround);
        self.eventually("the probe", || async {
            let made = runs::newest(self.db.read(), Some("probe"), 1).await.unwrap().pop()?;
            (made.run_after + chrono::TimeDelta::seconds(1) > now && made.state == "success").then_some(())
        })
        .await;
    }

    /// Polls until there is an answer; changes of the database have no other witness that sees them all.
    pub async fn eventually<T, F: Future<Output = Option<T>>>(&self, what: &str, mut look: impl FnMut() -> F) -> T {
        let mut changes = self.changes.subscribe();
        let wait = async {
            loop {
                if let Some(found) = look().await {
                    return found;
                }
                let _ = tokio::time::timeout(Duration::from_millis(50), changes.recv()).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{what} did not come"))
    }

    /// Takes the lead away from whoever has it, who does not know yet.
    pub async fn lapse(&self) {
        let lease = process_lease::Entity::find().one(self.db.read()).await.unwrap().unwrap();
        let txn = self.db.begin_write().await.unwrap();
        leases::lapse(&txn, None, "somebody", &[lease.id]).await.unwrap();
        commit(txn).await.unwrap();
    }

    /// What all tries said.
    pub fn logs(&self) -> String {
        let (mut said, mut folders) = (String::new(), vec![self.folder.path().join("logs")]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    said += &std::fs::read_to_string(path).unwrap();
                }
            }
        }
        said
    }

    /// Lets every `hold` task end, those to come included.
    pub fn release(&self) {
        self.release.send_replace(true);
    }

    /// From now on, `hold` tasks wait again.
    pub fn hold(&self) {
        self.release.send_replace(false);
    }

    /// The runs of a DAG in the order in which they were due.
    pub async fn runs(&self, dag_id: &str) -> Vec<dag_run::Model> {
        let mut runs = runs::newest(self.db.read(), Some(dag_id), 1000).await.unwrap();
        runs.sort_by_key(|run| (run.run_after, run.id));
        runs
    }

    /// When the runs of a DAG were due, as `2026-11-21T00:00:00`, in order.
    pub async fn due(&self, dag_id: &str) -> Vec<String> {
        self.runs(dag_id).await.iter().map(|run| run.run_after.format("%Y-%m-%dT%H:%M:%S").to_string()).collect()
    }

    /// The states of the runs of a DAG in the order in which they were due.
    pub async fn states(&self, dag_id: &str) -> Vec<String> {
        self.runs(dag_id).await.into_iter().map(|run| run.state).collect()
    }

    /// Waits until the runs of a DAG have these states.
    pub async fn become_states(&self, dag_id: &str, expected: &[&str]) {
        self.eventually(&format!("{expected:?} of {dag_id}"), || async {
            (self.states(dag_id).await == expected).then_some(())
        })
        .await;
    }

    /// The task instances of a run, by their ids.
    pub async fn instances(&self, run: &dag_run::Model) -> Vec<(String, Option<String>)> {
        let rows: Vec<task_instance::Model> = runs::instances(self.db.read(), run.id).await.unwrap();
        rows.into_iter().map(|row| (row.task_id, row.state)).collect()
    }

    /// Waits until a task of a run is in that state (`none` is a state here), and for that reason, which may be empty.
    pub async fn task_becomes(&self, run: &dag_run::Model, task_id: &str, state: &str, reason: &str) {
        let wanted = (state.to_owned(), reason.to_owned());
        self.eventually(&format!("{task_id} of {} {wanted:?}", run.run_id), || async {
            let rows = runs::instances(self.db.read(), run.id).await.unwrap();
            let row = rows.into_iter().find(|row| row.task_id == task_id)?;
            let found = (row.state.unwrap_or_else(|| "none".to_owned()), row.reason.unwrap_or_default());
            (found == wanted).then_some(())
        })
        .await;
    }

    pub async fn row(&self, dag_id: &str) -> dag::Model {
        dags::find(self.db.read(), dag_id).await.unwrap().unwrap()
    }

    pub fn definition(&self, row: &dag::Model) -> Arc<Dag> {
        self.catalog.definition(&row.dag_id, &row.version_hash, &row.relative_fileloc, &row.source).unwrap()
    }

    pub async fn pause(&self, dag_id: &str) {
        self.control.set_paused(dag_id, true, None).await.unwrap();
    }

    pub async fn unpause(&self, dag_id: &str) {
        self.control.set_paused(dag_id, false, None).await.unwrap();
    }

    /// Triggers a run at the present.
    pub async fn trigger(&self, dag_id: &str, run_id: &str) -> dag_run::Model {
        self.trigger_about(dag_id, run_id, self.clock.now()).await
    }

    /// Triggers a run that is about another time.
    pub async fn trigger_about(&self, dag_id: &str, run_id: &str, date: DateTime<Utc>) -> dag_run::Model {
        self.trigger_after(dag_id, run_id, date, None).await
    }

    /// Triggers a run that is about a time, and may not begin before another.
    pub async fn trigger_after(
        &self,
        dag_id: &str,
        run_id: &str,
        date: DateTime<Utc>,
        run_after: Option<DateTime<Utc>>,
    ) -> dag_run::Model {
        let trigger = Trigger {
            run_id: Some(run_id.to_owned()),
            logical_date: Some(date),
            data_interval: None,
            partition_key: None,
            run_after,
            conf: serde_json::Map::new(),
            note: None,
            triggered_by: TriggeredBy::Test,
            user: None,
        };
        self.control.trigger(dag_id, trigger).await.unwrap()
    }
}
