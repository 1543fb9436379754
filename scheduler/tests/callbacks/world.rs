//! An engine of a test's own: a clock that moves by hand, tasks that do as the DAG says, a notifier that remembers.

use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use scheduler::catalog::Catalog;
use scheduler::clock::Clock;
use scheduler::control::{Control, ControlError, RunPatch, Trigger, TriggeredBy};
use scheduler::dag::spec::{SourceFile, load, render};
use scheduler::engine::leash::Leash;
use scheduler::engine::wake::{Wake, Waker};
use scheduler::engine::{Engine, EngineSettings, Execution};
use scheduler::events::Changes;
use scheduler::log::{self, LogLine, Logs};
use scheduler::operator::{
    DeliveryError, Notice, Notifier, Operator, Outcome, Registry, TaskContext, TaskError, TaskKey,
};
use scheduler::run::RunState;
use scheduler::secrets::Secrets;
use scheduler::store::entity::{callback_request, dag, dag_run, deadline};
use scheduler::store::leases::Holder;
use scheduler::store::read::{self, CallbackFilter, Direction, Paging, Sorting};
use scheduler::store::{callbacks, commit, dags, deadlines, runs};
use scheduler::testing::TestDb;
use schemars::JsonSchema;
use serde::Deserialize;
use tempfile::TempDir;
use tokio::sync::{Semaphore, watch};
use uuid::Uuid;

/// How long a test waits for something that must come.
const PATIENCE: Duration = Duration::from_mins(2);

#[derive(Clone, Copy, Debug)]
pub enum Backend {
    Sqlite,
    Postgres,
}

pub fn noon() -> DateTime<Utc> {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

/// Does at each try what the DAG file says: `ok`, `fail` (a retry may help), `give_up`, `skip`, `hold`: waits until the test
/// lets it go, or `wait`: the same, deferred.
struct Script {
    gate: Arc<Semaphore>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScriptArgs {
    /// One for each try; the last one counts for all that follow.
    does: Vec<String>,
}

impl Operator for Script {
    const NAME: &'static str = "script";
    const SUMMARY: &'static str = "Does as it is told.";
    type Args = ScriptArgs;

    async fn execute(&self, args: ScriptArgs, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let place = (ctx.try_number as usize - 1).min(args.does.len() - 1);
        match args.does[place].as_str() {
            "ok" => Ok(Outcome::value("well done")),
            "fail" => Err(TaskError::retry(anyhow::anyhow!("try {} broke", ctx.try_number))),
            "give_up" => Err(TaskError::fail(anyhow::anyhow!("hopeless"))),
            "skip" => Ok(Outcome::Skipped { reason: "nothing to do".to_owned() }),
            how @ ("hold" | "wait") => {
                if how == "wait" {
                    ctx.defer("waits to be let go");
                }
                tokio::select! {
                permit = self.gate.acquire() => {
                    permit.unwrap().forget();
                    Ok(Outcome::done())
                }
                () = ctx.cancelled.cancelled() => Err(TaskError::cancelled()),
                }
            }
            other => panic!("no task can `{other}`"),
        }
    }
}

/// What the notifier answers to an attempt.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    Retry,
    RetryAfter(Duration),
    Fail,
    Panic,
}

/// Remembers what it was told, and answers as the test wants it to: the listed answers first, well from then on.
#[derive(Clone)]
pub struct Recorder {
    told: Arc<watch::Sender<Vec<String>>>,
    answers: Arc<Mutex<VecDeque<Answer>>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FakeArgs {
    /// What to tell.
    text: String,
}

impl Notifier for Recorder {
    const NAME: &'static str = "fake";
    const SUMMARY: &'static str = "Remembers.";
    const PLAIN: Option<&'static str> = Some("text");
    type Args = FakeArgs;

    fn receiver(&self, _: &serde_json::Map<String, serde_json::Value>) -> Option<String> {
        Some("the test".to_owned())
    }

    async fn deliver(&self, args: FakeArgs, notice: &Notice) -> Result<(), DeliveryError> {
        let answer = self.answers.lock().unwrap().pop_front();
        match answer {
            None => {
                let task = notice.instance.as_ref().map_or("-", |instance| instance.key.task_id.as_str());
                let line = format!("{} {task}: {}", notice.kind, args.text);
                self.told.send_modify(|told| told.push(line));
                Ok(())
            }
            Some(Answer::Retry) => Err(DeliveryError::retry(anyhow::anyhow!("the receiver is away"))),
            Some(Answer::RetryAfter(wait)) => {
                Err(DeliveryError::retry_after(anyhow::anyhow!("the receiver is busy"), wait))
            }
            Some(Answer::Fail) => Err(DeliveryError::fail(anyhow::anyhow!("there is no such receiver"))),
            Some(Answer::Panic) => panic!("a fault of the notifier"),
        }
    }
}

impl Recorder {
    fn new() -> Recorder {
        Recorder { told: Arc::new(watch::channel(Vec::new()).0), answers: Arc::default() }
    }

    /// Answers so, one after the other, before it takes anything.
    pub fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.answers.lock().unwrap().extend(answers);
    }

    /// What was told so far, in no order.
    pub fn told(&self) -> BTreeSet<String> {
        self.told.borrow().iter().cloned().collect()
    }

    /// How often something was told.
    pub fn count(&self) -> usize {
        self.told.borrow().len()
    }

    /// Waits until that much was told; answers with all of it, in order of text.
    pub async fn wait_for(&self, count: usize) -> Vec<String> {
        let mut told = self.told.subscribe();
        let waited = tokio::time::timeout(PATIENCE, told.wait_for(|told| told.len() >= count)).await;
        let Ok(lines) = waited else { panic!("only this was told: {:?}", self.told()) };
        let mut lines = lines.unwrap().clone();
        lines.sort();
        lines
    }
}

pub struct World {
    pub db: TestDb,
    pub clock: Clock,
    pub recorder: Recorder,
    catalog: Catalog,
    gate: Arc<Semaphore>,
    home: TempDir,
    waker: Waker,
    engine: Option<Engine>,
}

impl World {
    /// A world at noon with these DAGs, and a running engine.
    pub async fn new(backend: Backend, file: &str) -> World {
        let mut world = World::asleep(backend, file).await;
        world.start().await;
        world
    }

    /// The same without an engine.
    pub async fn asleep(backend: Backend, file: &str) -> World {
        let db = match backend {
            Backend::Sqlite => TestDb::sqlite().await,
            Backend::Postgres => TestDb::postgres().await,
        };
        let (recorder, gate) = (Recorder::new(), Arc::new(Semaphore::new(0)));
        let mut registry = Registry::default();
        registry.register(Script { gate: Arc::clone(&gate) }).unwrap();
        registry.register_notifier(recorder.clone()).unwrap();
        let catalog = Catalog::new(Arc::new(registry));
        let clock = Clock::manual(noon());
        let home = tempfile::tempdir().unwrap();
        let world = World { db, clock, recorder, catalog, gate, home, waker: Waker::new().0, engine: None };
        world.store_dags(file).await;
        world
    }

    async fn store_dags(&self, file: &str) {
        let source = SourceFile::new("test.yaml", file);
        let loaded = load(&source, self.catalog.registry());
        assert!(loaded.problems.is_empty(), "{}", render(&source, &loaded.problems, false));
        let rows: Vec<_> = loaded
            .dags
            .iter()
            .map(|loaded| (dag_row(&loaded.dag.dag_id, &loaded.hash, file), BTreeSet::new()))
            .collect();
        let txn = self.db.begin_write().await.unwrap();
        dags::upsert(&txn, &rows).await.unwrap();
        commit(txn).await.unwrap();
    }

    /// Starts an engine, the first one or another after [`World::stop`].
    pub async fn start(&mut self) {
        let (waker, wakes) = Waker::new();
        self.waker = waker.clone();
        let settings = EngineSettings {
            db: (*self.db).clone(),
            catalog: self.catalog.clone(),
            clock: self.clock.clone(),
            changes: Changes::default(),
            home: self.home.path().to_owned(),
            logs: Logs::Folder(self.log_folder()),
            parallelism: 32,
            max_map_length: 1024,
            holder: Holder { pid: 1, ..Holder::alone("test", "here") },
            base_url: Some("http://localhost:8080/".to_owned()),
            grace: Duration::ZERO,
            execution: Execution::Here,
            bus: None,
            leash: Arc::new(Leash::endless()),
            secrets: Secrets::new(Vec::new(), (*self.db).clone(), Arc::default()),
            run_maker: Arc::new(self.control()),
            makes_due_runs: true,
        };
        self.engine = Some(Engine::start(settings, waker, wakes).await.unwrap());
    }

    /// Stops the engine cleanly.
    pub async fn stop(&mut self) {
        self.engine.take().unwrap().stop().await;
    }

    /// Lets time pass.
    pub fn advance(&self, by: TimeDelta) {
        self.clock.set(self.clock.now() + by);
        self.waker.wake(Wake::LookAround);
    }

    /// Lets one task go that holds.
    pub fn let_go(&self) {
        self.gate.add_permits(1);
    }

    fn control(&self) -> Control {
        let changes = Changes::default();
        Control::new((*self.db).clone(), self.catalog.clone(), self.clock.clone(), changes, self.waker.clone())
    }

    /// Makes a run.
    pub async fn trigger(&self, dag_id: &str, run_id: &str) -> dag_run::Model {
        self.trigger_about(dag_id, run_id, Some(self.clock.now())).await
    }

    /// A run without a logical date.
    pub async fn trigger_undated(&self, dag_id: &str, run_id: &str) -> dag_run::Model {
        self.trigger_about(dag_id, run_id, None).await
    }

    async fn trigger_about(&self, dag_id: &str, run_id: &str, logical_date: Option<DateTime<Utc>>) -> dag_run::Model {
        let trigger = Trigger {
            run_id: Some(run_id.to_owned()),
            logical_date,
            data_interval: None,
            partition_key: None,
            run_after: None,
            conf: Default::default(),
            note: None,
            triggered_by: TriggeredBy::Test,
            user: None,
        };
        self.control().trigger(dag_id, trigger).await.unwrap()
    }

    /// Somebody wants a callback to be told again.
    pub async fn retry(&self, id: Uuid) -> Result<callback_request::Model, ControlError> {
        self.control().retry_callback(id, Some("ann")).await
    }

    /// All callbacks of a run, in the order in which they were called, with what became of them.
    pub async fn callbacks(&self, run: &dag_run::Model) -> Vec<callback_request::Model> {
        let filter = CallbackFilter { run_id: Some(run.run_id.clone()), ..CallbackFilter::default() };
        let sorting = Sorting::new(vec![(read::callback_sort_key("id").unwrap(), Direction::Ascending)]);
        let paging = Paging::Offset { limit: 100, offset: 0 };
        read::list_callbacks(self.db.read(), &filter, &sorting, &paging).await.unwrap().rows
    }

    /// Makes a run, and waits until it is over.
    pub async fn run(&self, dag_id: &str, run_id: &str) -> dag_run::Model {
        self.trigger(dag_id, run_id).await;
        self.finished(dag_id, run_id).await
    }

    /// A person marks a run.
    pub async fn mark(&self, dag_id: &str, run_id: &str, state: RunState) {
        let patch = RunPatch { state: Some(state), note: None };
        self.control().patch_run(dag_id, run_id, patch, Some("ann")).await.unwrap();
    }

    /// Keeps queued runs from beginning.
    pub async fn pause(&self, dag_id: &str) {
        self.control().set_paused(dag_id, true, None).await.unwrap();
    }

    /// Waits until a run is over.
    pub async fn finished(&self, dag_id: &str, run_id: &str) -> dag_run::Model {
        self.eventually("the end of the run", || async {
            let run = runs::get(self.db.read(), dag_id, run_id).await.unwrap();
            matches!(run.state.as_str(), "success" | "failed").then_some(run)
        })
        .await
    }

    /// Waits until a task is in a state.
    pub async fn task_is(&self, run: &dag_run::Model, task_id: &str, state: &str) {
        self.eventually(&format!("task {task_id} in {state}"), || async {
            let instances = runs::instances(self.db.read(), run.id).await.unwrap();
            let is = |instance: &scheduler::store::entity::task_instance::Model| {
                instance.task_id == task_id && instance.state.as_deref() == Some(state)
            };
            instances.iter().any(is).then_some(())
        })
        .await;
    }

    /// Waits until a run has nothing left to tell.
    pub async fn all_told(&self, run: &dag_run::Model) {
        self.eventually("the last delivery", || async { self.outbox(run).await.is_empty().then_some(()) }).await;
    }

    /// What a run still has to tell.
    pub async fn outbox(&self, run: &dag_run::Model) -> Vec<callback_request::Model> {
        callbacks::of_run(self.db.read(), run.id).await.unwrap()
    }

    /// The deadlines of a run.
    pub async fn deadlines(&self, run: &dag_run::Model) -> Vec<deadline::Model> {
        deadlines::of_run(self.db.read(), run.id).await.unwrap()
    }

    fn log_folder(&self) -> std::path::PathBuf {
        self.home.path().join("logs")
    }

    /// What Updraft itself says in the log of a try.
    pub fn log(&self, run: &dag_run::Model, task_id: &str, try_number: u32) -> Vec<String> {
        let key = TaskKey {
            dag_id: run.dag_id.clone(),
            run_id: run.run_id.clone(),
            task_id: task_id.to_owned(),
            map_index: -1,
        };
        let text = std::fs::read_to_string(log::path(&self.log_folder(), &key, try_number)).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<LogLine>(line).unwrap());
        lines.filter(|line| line.logger == "updraft").map(|line| line.event).collect()
    }

    /// Waits until `look` finds something; the database is asked again and again, for a look from outside hears no news.
    pub async fn eventually<T, F: Future<Output = Option<T>>>(&self, what: &str, look: impl Fn() -> F) -> T {
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                if let Some(found) = look().await {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("waited in vain for {what}; told: {:?}", self.recorder.told()))
    }
}

fn dag_row(dag_id: &str, hash: &str, file: &str) -> dag::Model {
    dag::Model {
        dag_id: dag_id.to_owned(),
        dag_display_name: None,
        task_display_names: None,
        is_paused: false,
        is_stale: false,
        has_import_errors: false,
        fileloc: String::new(),
        relative_fileloc: "test.yaml".to_owned(),
        bundle_name: "dags-folder".to_owned(),
        last_parsed_time: None,
        last_parse_duration_ms: None,
        description: None,
        owners: String::new(),
        timetable_summary: None,
        timetable_description: None,
        timezone: "UTC".to_owned(),
        max_active_runs: 16,
        max_active_tasks: 16,
        allowed_run_types: None,
        next_dagrun_logical_date: None,
        next_dagrun_data_interval_start: None,
        next_dagrun_data_interval_end: None,
        next_dagrun_run_after: None,
        version_hash: hash.to_owned(),
        source: file.to_owned(),
        updated_at: noon(),
    }
}
