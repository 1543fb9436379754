//! Stands in for the engine: a context with everything in memory, and a call by name.

use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use operators::location::S3;
use operators::registry_with;
use scheduler::clock::Clock;
use scheduler::log::TaskLog;
use scheduler::operator::{
    Checkpoint, Outcome, Outlets, RunFacts, TaskContext, TaskError, TaskFacts, TaskKey, XComReader,
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{Connections, HeldSlot, NoRuns, Nobody, Pushes};

struct NoXCom;

#[async_trait]
impl XComReader for NoXCom {
    async fn pull(&self, _task_id: &str, _key: &str) -> anyhow::Result<Option<Value>> {
        Ok(None)
    }

    async fn pull_items(&self, _task_id: &str, _key: &str) -> anyhow::Result<Option<Arc<Vec<Value>>>> {
        Ok(None)
    }
}

#[derive(Default)]
struct MemoryCheckpoint(Mutex<Option<Value>>);

#[async_trait]
impl Checkpoint for MemoryCheckpoint {
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

/// A context whose home is `home` and whose log is `home/task.log`.
pub fn context(home: &Path) -> TaskContext {
    let clock = Clock::manual(DateTime::<Utc>::UNIX_EPOCH);
    TaskContext {
        key: TaskKey { dag_id: "test".into(), run_id: "manual".into(), task_id: "task".into(), map_index: -1 },
        try_number: 1,
        try_id: Uuid::now_v7(),
        started_at: DateTime::<Utc>::UNIX_EPOCH,
        clock: clock.clone(),
        run: Arc::new(RunFacts {
            run_type: "manual".into(),
            logical_date: None,
            data_interval_start: None,
            data_interval_end: None,
            partition_key: None,
            partition_date: None,
            next_interval: None,
            run_after: DateTime::<Utc>::UNIX_EPOCH,
            start_date: None,
            conf: serde_json::Map::new(),
            params: serde_json::Map::new(),
            owner: "test".into(),
            timezone: chrono_tz::UTC,
        }),
        task: Arc::new(TaskFacts { owner: "test".into(), email: Vec::new() }),
        home: home.to_owned(),
        log: TaskLog::at(home.join("task.log"), clock.clone()),
        cancelled: CancellationToken::new(),
        withdrawn: CancellationToken::new(),
        time_limit: None,
        xcom: Arc::new(NoXCom),
        xcom_writer: Arc::new(Pushes::default()),
        checkpoint: Arc::new(MemoryCheckpoint::default()),
        runs: Arc::new(NoRuns),
        run_maker: Arc::new(NoRuns),
        people: Arc::new(Nobody),
        outlets: Outlets::default(),
        slot: Arc::new(HeldSlot::default()),
        secrets: Arc::new(Connections::default()),
        files: Arc::default(),
    }
}

/// Runs an operator with arguments as JSON.
pub async fn try_run(operator: &str, args: Value, ctx: &TaskContext, s3: &S3) -> Result<Value, TaskError> {
    let registry = registry_with(s3).unwrap();
    let args = args.as_object().unwrap().clone();
    let operator = registry.find(operator).unwrap();
    let problems = operator.check(&args);
    if let [problem, ..] = problems.as_slice() {
        return Err(TaskError::fail(anyhow::anyhow!("{}: {}", problem.pointer, problem.message)));
    }
    match operator.execute(args, ctx).await? {
        Outcome::Success { return_value, .. } => Ok(return_value),
        Outcome::Skipped { reason } => panic!("skipped: {reason}"),
    }
}

/// The same, for what must succeed, on this machine.
pub async fn run(operator: &str, args: Value, home: &Path) -> Value {
    match try_run(operator, args, &context(home), &nowhere()).await {
        Ok(value) => value,
        Err(error) => panic!("{operator}: {error}"),
    }
}

/// The same, for what must fail: the message.
pub async fn fail(operator: &str, args: Value, home: &Path) -> String {
    match try_run(operator, args, &context(home), &nowhere()).await {
        Ok(value) => panic!("{operator} succeeded: {value}"),
        Err(error) => error.to_string().replace(home.to_str().unwrap(), "[HOME]"),
    }
}

/// No bucket is reached in tests that have none.
pub fn nowhere() -> S3 {
    S3::with_endpoint("http://127.0.0.1:9", "test", "test")
}

/// What a person reads of the tasks that ran in `home`.
pub fn log_text(home: &Path) -> String {
    let text = std::fs::read_to_string(home.join("task.log")).unwrap();
    let lines =
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["event"].as_str().unwrap().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}
