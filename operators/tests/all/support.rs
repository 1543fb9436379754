//! What the engine would lend to a try, in memory and in a folder that goes away.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use scheduler::clock::Clock;
use scheduler::connection::Connection;
use scheduler::log::{LogLine, TaskLog};
use scheduler::operator::{
    Answer, Checkpoint, MadeRun, Operator, Outcome, Outlets, Outline, People, Question, RunFacts, RunMaker, RunReader,
    RunRefusal, RunStanding, SecretReader, Slot, TaskContext, TaskError, TaskKey, WantedRun, XComReader, XComWriter,
};
use serde_json::{Map, Value};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::bomb::Bomb;

/// A home folder, a log and a context; everything goes away with it.
pub struct Bench {
    folder: TempDir,
    pub ctx: TaskContext,
    /// What the try has left before its end.
    pub pushed: Arc<Pushes>,
}

impl Bench {
    pub fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        std::fs::create_dir(&home).unwrap();
        let pushed = Arc::new(Pushes::default());
        let ctx = TaskContext {
            key: TaskKey {
                dag_id: "pipeline".to_owned(),
                run_id: "manual__1".to_owned(),
                task_id: "task".to_owned(),
                map_index: -1,
            },
            try_number: 1,
            try_id: Uuid::new_v4(),
            started_at: Clock::System.now(),
            clock: Clock::System,
            run: Arc::new(run_facts()),
            task: Arc::default(),
            home,
            log: TaskLog::at(folder.path().join("try.log"), Clock::System),
            cancelled: CancellationToken::new(),
            withdrawn: CancellationToken::new(),
            time_limit: None,
            xcom: Arc::new(NothingBefore),
            xcom_writer: Arc::clone(&pushed) as Arc<dyn XComWriter>,
            checkpoint: Arc::new(Kept::default()),
            runs: Arc::new(NoRuns),
            run_maker: Arc::new(NoRuns),
            people: Arc::new(Nobody),
            outlets: Outlets::default(),
            slot: Arc::new(HeldSlot::default()),
            files: Arc::default(),
            secrets: Arc::new(Connections::default()),
        };
        Bench { folder, ctx, pushed }
    }

    /// Where relative locations begin.
    pub fn home(&self) -> &Path {
        &self.ctx.home
    }

    /// A file below the home, with its folders.
    pub fn file(&self, path: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.home().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// What the try has said so far.
    pub fn log(&self) -> Vec<LogLine> {
        let text = std::fs::read_to_string(self.folder.path().join("try.log")).unwrap();
        // Of a line that is being written there may be only a part.
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        whole.map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The same as one text, a line each.
    pub fn log_text(&self) -> String {
        self.log().into_iter().map(|line| line.event + "\n").collect()
    }

    /// Whether the try has said these words; perhaps it has said nothing yet.
    pub fn has_said(&self, words: &str) -> bool {
        self.folder.path().join("try.log").is_file() && self.log_text().contains(words)
    }

    /// Runs `operator` with arguments as JSON, as the engine does after templates are filled in.
    pub async fn run<O: Operator>(&self, operator: &O, args: Value) -> Result<Outcome, TaskError> {
        let args = serde_json::from_value(args).expect("the arguments fit the operator");
        operator.execute(args, &self.ctx).await
    }

    /// Has `operator` end what a try before left, as the engine does.
    pub async fn withdraw<O: Operator>(&self, operator: &O, args: Value) -> Result<(), TaskError> {
        let args = serde_json::from_value(args).expect("the arguments fit the operator");
        operator.withdraw(args, &self.ctx).await
    }
}

/// The XCom `return_value` of an outcome that must be a success.
pub fn return_value(outcome: Result<Outcome, TaskError>) -> Value {
    match outcome.expect("the try succeeds") {
        Outcome::Success { return_value, .. } => return_value,
        Outcome::Skipped { reason } => panic!("skipped: {reason}"),
    }
}

/// The reference data that lie beside the repository, if they are there: `UPDRAFT_SHARED`, else `../shared`.
pub fn shared() -> Option<PathBuf> {
    let folder = match std::env::var_os("UPDRAFT_SHARED") {
        Some(folder) => PathBuf::from(folder),
        None => repository().join("../shared"),
    };
    folder.join("data").is_dir().then_some(folder)
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn run_facts() -> RunFacts {
    let midnight = DateTime::parse_from_rfc3339("2026-11-21T00:00:00Z").unwrap().to_utc();
    RunFacts {
        run_type: "manual".to_owned(),
        logical_date: Some(midnight),
        data_interval_start: Some(midnight),
        data_interval_end: Some(midnight),
        partition_key: None,
        partition_date: None,
        next_interval: None,
        run_after: midnight,
        start_date: Some(midnight),
        conf: Map::new(),
        params: Map::new(),
        owner: "tests".to_owned(),
        timezone: chrono_tz::UTC,
    }
}

/// Connections that a test makes; no variables.
#[derive(Default)]
pub struct Connections(pub Vec<Connection>);

#[async_trait]
impl SecretReader for Connections {
    async fn connection(&self, conn_id: &str) -> anyhow::Result<Option<Connection>> {
        Ok(self.0.iter().find(|connection| connection.conn_id == conn_id).cloned())
    }

    async fn variable(&self, _key: &str) -> anyhow::Result<Option<String>> {
        Ok(None)
    }
}

/// XComs that a try has left before its end.
#[derive(Default)]
pub struct Pushes(Mutex<Map<String, Value>>);

impl Pushes {
    /// All of them so far.
    pub fn all(&self) -> Map<String, Value> {
        self.0.lock().unwrap().clone()
    }
}

#[async_trait]
impl XComWriter for Pushes {
    async fn push(&self, key: &str, value: Value) -> anyhow::Result<()> {
        self.0.lock().unwrap().insert(key.to_owned(), value);
        Ok(())
    }
}

/// No task has run before this one.
struct NothingBefore;

#[async_trait]
impl XComReader for NothingBefore {
    async fn pull(&self, _task_id: &str, _key: &str) -> anyhow::Result<Option<Value>> {
        Ok(None)
    }

    async fn pull_items(&self, _task_id: &str, _key: &str) -> anyhow::Result<Option<Arc<Vec<Value>>>> {
        Ok(None)
    }
}

#[derive(Default)]
struct Kept(Mutex<Option<Value>>);

#[async_trait]
impl Checkpoint for Kept {
    async fn load(&self) -> anyhow::Result<Option<Value>> {
        Ok(self.0.lock().unwrap().clone())
    }

    async fn save(&self, value: Value) -> anyhow::Result<()> {
        // A database makes its callers wait, too.
        tokio::task::yield_now().await;
        *self.0.lock().unwrap() = Some(value);
        Ok(())
    }
}

/// A checkpoint at which a process may die, before and after it is durable.
pub struct Mined {
    pub kept: Arc<Mutex<Option<Value>>>,
    pub bomb: Bomb,
}

#[async_trait]
impl Checkpoint for Mined {
    async fn load(&self) -> anyhow::Result<Option<Value>> {
        Ok(self.kept.lock().unwrap().clone())
    }

    async fn save(&self, value: Value) -> anyhow::Result<()> {
        self.bomb.moment().await;
        *self.kept.lock().unwrap() = Some(value);
        self.bomb.moment().await;
        Ok(())
    }
}

/// No DAG has run.
pub struct NoRuns;

#[async_trait]
impl RunReader for NoRuns {
    async fn outline(&self, _dag_id: &str) -> anyhow::Result<Option<Outline>> {
        Ok(None)
    }

    async fn standing(
        &self,
        _dag_id: &str,
        _logical_date: DateTime<Utc>,
        _task_ids: &[String],
    ) -> anyhow::Result<Option<RunStanding>> {
        Ok(None)
    }

    async fn state(&self, _dag_id: &str, _run_id: &str) -> anyhow::Result<Option<String>> {
        Ok(None)
    }
}

#[async_trait]
impl RunMaker for NoRuns {
    async fn make(&self, _by: &TaskKey, _try_number: u32, wanted: WantedRun) -> Result<MadeRun, RunRefusal> {
        Err(RunRefusal::NotNow(format!("there is no DAG `{}`", wanted.dag_id)))
    }
}

/// There is nobody to ask.
pub struct Nobody;

#[async_trait]
impl People for Nobody {
    async fn ask(&self, _question: &Question) -> anyhow::Result<bool> {
        Ok(true)
    }

    async fn answer(&self, _until: Option<DateTime<Utc>>) -> anyhow::Result<Option<Answer>> {
        std::future::pending().await
    }

    async fn fall_back(&self, _chosen: &[String], _params: Map<String, Value>) -> anyhow::Result<Answer> {
        anyhow::bail!("nobody was asked")
    }
}

/// A slot that remembers why it was given up.
#[derive(Default)]
pub struct HeldSlot {
    reason: Mutex<Option<String>>,
    given_up: tokio::sync::Notify,
}

impl HeldSlot {
    /// The reason, as soon as there is one.
    pub async fn reason(&self) -> String {
        loop {
            let given_up = self.given_up.notified();
            if let Some(reason) = self.reason.lock().unwrap().clone() {
                return reason;
            }
            given_up.await;
        }
    }

    /// Whether the try only waits.
    pub fn is_free(&self) -> bool {
        self.reason.lock().unwrap().is_some()
    }
}

impl Slot for HeldSlot {
    fn give_up(&self, reason: String) {
        self.reason.lock().unwrap().get_or_insert(reason);
        self.given_up.notify_waiters();
    }
}
