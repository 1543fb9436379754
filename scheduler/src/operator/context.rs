//! What the engine lends to one try of a task.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Outlets, People, RunMaker, TaskError};
use crate::clock::Clock;
use crate::connection::Connection;
use crate::dag::template::{AssetEvents, LastSuccess, Left, XComRef};
use crate::log::TaskLog;

/// Which task instance: a task within a run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TaskKey {
    /// The DAG.
    pub dag_id: String,
    /// The run, as people name it (`scheduled__2026-11-21T00:00:00+00:00`).
    pub run_id: String,
    /// The task.
    pub task_id: String,
    /// The index within a mapped task; -1 when it is not mapped.
    pub map_index: i32,
}

/// What a task may know of the run that it is part of.
#[derive(Clone, Debug, PartialEq)]
pub struct RunFacts {
    /// `scheduled`, `manual`, ….
    pub run_type: String,
    /// Identifies the stretch of time that the run is about; none for some manual runs (Airflow 3: logical date).
    pub logical_date: Option<DateTime<Utc>>,
    /// The beginning of that stretch.
    pub data_interval_start: Option<DateTime<Utc>>,
    /// The end of that stretch; the same as its beginning under Airflow 3's trigger timetables.
    pub data_interval_end: Option<DateTime<Utc>>,
    /// Which part of its data the run is about; none for most (Airflow 3: partitions).
    pub partition_key: Option<String>,
    /// The instant that the key stands for, if it stands for one.
    pub partition_date: Option<DateTime<Utc>>,
    /// Both ends of the stretch of time that the next run of the schedule is about, as far as there is one. While it lasts,
    /// this run is the latest one (Airflow 3: LatestOnlyOperator).
    pub next_interval: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// The earliest instant at which the run might start.
    pub run_after: DateTime<Utc>,
    /// When its first task became due.
    pub start_date: Option<DateTime<Utc>>,
    /// What the person or program that triggered it passed along.
    pub conf: Map<String, Value>,
    /// The DAG's params with `conf` laid over them.
    pub params: Map<String, Value>,
    /// The DAG's owner, as written.
    pub owner: String,
    /// The time zone of the DAG.
    pub timezone: Tz,
}

/// What a try may know of its task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskFacts {
    /// Who to ask.
    pub owner: String,
    /// The addresses that its `email` names.
    pub email: Vec<String>,
}

/// Reads what other tasks left behind: their XComs, and what became of assets; and what run succeeded last.
#[async_trait]
pub trait XComReader: Send + Sync {
    /// The value under `key` of `task_id` in this run, if there is one.
    async fn pull(&self, task_id: &str, key: &str) -> anyhow::Result<Option<Value>>;

    /// The items of the list or mapping under `key` of `task_id` in this run, over which tasks are mapped; none when there is
    /// something else, or nothing.
    async fn pull_items(&self, task_id: &str, key: &str) -> anyhow::Result<Option<Arc<Vec<Value>>>>;

    /// The value that one instance of a mapped task left, if there is one.
    async fn pull_of(&self, task_id: &str, key: &str, map_index: i32) -> anyhow::Result<Option<Value>> {
        let _ = (task_id, key, map_index);
        Ok(None)
    }

    /// What a task left in another run, if it left anything.
    async fn pull_from(&self, xcom: &XComRef) -> anyhow::Result<Option<Left>> {
        let _ = xcom;
        Ok(None)
    }

    /// What became of the assets that the run was made for, and of the inlets of the task.
    async fn asset_events(&self) -> anyhow::Result<AssetEvents> {
        Ok(AssetEvents::default())
    }

    /// The newest run before this one, by logical date, that succeeded.
    async fn last_success(&self) -> anyhow::Result<LastSuccess> {
        Ok(LastSuccess::default())
    }
}

/// Leaves XComs of a task while it is under way.
#[async_trait]
pub trait XComWriter: Send + Sync {
    /// Leaves `value` under `key` durably before it returns, unless nobody waits for this try any more. It stays when the try
    /// fails, and goes when another one begins.
    async fn push(&self, key: &str, value: Value) -> anyhow::Result<()>;
}

/// Keeps a small value that survives the process, for operators that started something elsewhere.
#[async_trait]
pub trait Checkpoint: Send + Sync {
    /// What an earlier process, or an earlier try, stored.
    async fn load(&self) -> anyhow::Result<Option<Value>>;
    /// Stores `value` durably before it returns.
    async fn save(&self, value: Value) -> anyhow::Result<()>;
    /// How many tries there had been when the task was last cleared; 0 if it never was. The tries since then are one and its
    /// retries, and what may be done once is to be done once by all of them.
    async fn tries_before_clear(&self) -> anyhow::Result<u32> {
        Ok(0)
    }

    /// What the task remembers from runs before this one (Airflow 3: task state store).
    async fn recall(&self) -> anyhow::Result<Option<Value>> {
        Ok(None)
    }
    /// Lets the task remember `value` in runs to come, durably before it returns.
    async fn remember(&self, value: Value) -> anyhow::Result<()> {
        let _ = value;
        Ok(())
    }
    /// Whether the task succeeded in the run that people call `run_id`.
    async fn has_succeeded(&self, run_id: &str) -> anyhow::Result<bool> {
        let _ = run_id;
        Ok(false)
    }
}

/// The slot that a try holds.
pub trait Slot: Send + Sync {
    /// The try needs it no more, because from here on it only waits. Only the first word counts.
    fn give_up(&self, reason: String);
}

/// Reads how runs of any DAG stand, for tasks that wait for them.
#[async_trait]
pub trait RunReader: Send + Sync {
    /// The tasks and groups of a DAG as its file is now; none when there is no such DAG.
    async fn outline(&self, dag_id: &str) -> anyhow::Result<Option<Outline>>;

    /// Where the file of a DAG is; none when there is no such file.
    async fn dag_file(&self, dag_id: &str) -> anyhow::Result<Option<DagFile>> {
        let _ = dag_id;
        Ok(None)
    }

    /// The run of a DAG about that logical date, and its task instances of these tasks; none when there is no such run.
    async fn standing(
        &self,
        dag_id: &str,
        logical_date: DateTime<Utc>,
        task_ids: &[String],
    ) -> anyhow::Result<Option<RunStanding>>;

    /// The state of the run that people call `run_id`, in Airflow's word; none when there is no such run.
    async fn state(&self, dag_id: &str, run_id: &str) -> anyhow::Result<Option<String>>;
}

/// Where the file of a DAG is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DagFile {
    /// The folder of all DAG files.
    pub root: PathBuf,
    /// The folder of this one, within that.
    pub folder: PathBuf,
}

/// What there is in a DAG.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// The tasks, by their full ids, in the order of the file.
    pub tasks: Vec<String>,
    /// The groups, each with its tasks, those of groups within it included.
    pub groups: Vec<(String, Vec<String>)>,
}

/// How a run stands, in Airflow's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunStanding {
    /// The state of the run.
    pub state: String,
    /// Task instances, each with its state; none for one that waits for what is before it.
    pub instances: Vec<(String, Option<String>)>,
}

/// Reads connections and variables, wherever they are kept.
#[async_trait]
pub trait SecretReader: Send + Sync {
    /// The connection of that id, if there is one.
    async fn connection(&self, conn_id: &str) -> anyhow::Result<Option<Connection>>;

    /// The value of that variable, if there is one.
    async fn variable(&self, key: &str) -> anyhow::Result<Option<String>>;

    /// Keeps up what reading needs, a token that ends for example, for as long as it is awaited: a process that lives for long
    /// awaits it beside its work. Ends when there is nothing to keep up, or with why that is not possible.
    async fn keep_up(&self) -> anyhow::Result<()> {
        Ok(())
    }
}

/// Everything that one try may use. Cheap to clone.
#[derive(Clone)]
pub struct TaskContext {
    /// Which task instance this is.
    pub key: TaskKey,
    /// Counts from 1.
    pub try_number: u32,
    /// Identifies this try everywhere; pass it on wherever the other side understands idempotency keys.
    pub try_id: Uuid,
    /// When it began; also when a process before this one began it, and it goes on waiting here.
    pub started_at: DateTime<Utc>,
    /// The time.
    pub clock: Clock,
    /// The run around it.
    pub run: Arc<RunFacts>,
    /// The task that it is a try of.
    pub task: Arc<TaskFacts>,
    /// `UPDRAFT_HOME`: where relative data paths of native operators begin.
    pub home: PathBuf,
    /// What a person reads of this try.
    pub log: TaskLog,
    /// Fires when the try must stop: cancelled, timed out, or the process shuts down.
    pub cancelled: CancellationToken,
    /// Has fired before [`TaskContext::cancelled`] does when the work is not wanted any more: the task was cleared or marked,
    /// its run ended, its time is up. Without it the process only lets go of the try, which goes on elsewhere; so what it
    /// started outside must be stopped there if this has fired, and must be left alone if it has not.
    pub withdrawn: CancellationToken,
    /// The task's `execution_timeout`. The engine minds it until the try is deferred; an operator that starts something
    /// outside and waits for it minds it from then on, counted from [`TaskContext::started_at`].
    pub time_limit: Option<Duration>,
    /// What other tasks left behind.
    pub xcom: Arc<dyn XComReader>,
    /// What it leaves behind before its end, which brings the rest.
    pub xcom_writer: Arc<dyn XComWriter>,
    /// What this task left for itself.
    pub checkpoint: Arc<dyn Checkpoint>,
    /// How runs stand.
    pub runs: Arc<dyn RunReader>,
    /// Makes runs in the name of the task.
    pub run_maker: Arc<dyn RunMaker>,
    /// Asks people in the name of the try.
    pub people: Arc<dyn People>,
    /// The assets that its task makes, and what it says of them.
    pub outlets: Outlets,
    /// What it holds while it works.
    pub slot: Arc<dyn Slot>,
    /// Connections and variables; see [`TaskContext::connection`].
    pub secrets: Arc<dyn SecretReader>,
    /// The files whose texts are among its arguments, by the JSON pointers of those (see [`super::Operator::TEMPLATE_FILES`]).
    pub files: Arc<BTreeMap<String, String>>,
}

impl TaskContext {
    /// The name of the file whose text stands for an argument, or for the text at that place in a list there.
    pub fn file_of(&self, key: &str, at: usize) -> Option<&str> {
        let found = self.files.get(&format!("/{key}")).or_else(|| self.files.get(&format!("/{key}/{at}")));
        found.map(String::as_str)
    }

    /// Leaves XComs at once, for whoever looks at the task while it runs or after it has failed. A try does not fail because
    /// they cannot be left.
    pub async fn push_xcoms(&self, xcoms: Vec<(String, Value)>) {
        for (key, value) in xcoms {
            if let Err(problem) = self.xcom_writer.push(&key, value).await {
                self.log.warning(format_args!("The XCom `{key}` cannot be left before the end: {problem:#}"));
            }
        }
    }

    /// Says that from here on the try only waits: its task instance is `deferred`, its slot is free for others, and its
    /// log keeps no file open (Airflow 3: deferral, without a triggerer).
    ///
    /// The try goes on where it is, and ends as any other does. When its process ends before it does, the same try is begun
    /// anew in another, with the same [`TaskContext::started_at`]; so what it waits for must be looked at again from the
    /// start, or be kept in [`TaskContext::checkpoint`]. The engine minds its `execution_timeout` no more, see
    /// [`TaskContext::time_limit`].
    ///
    /// `reason` says what it waits for, in words that do not change by themselves.
    pub fn defer(&self, reason: impl Into<String>) {
        self.log.let_go();
        let reason: String = reason.into();
        self.slot.give_up(self.log.mask(&reason));
    }

    /// The connection of that id. Its secrets are masked in the log of the try from here on.
    pub async fn connection(&self, conn_id: &str) -> Result<Connection, TaskError> {
        let found = self.secrets.connection(conn_id).await.map_err(TaskError::retry)?;
        let Some(connection) = found else {
            return Err(TaskError::fail(anyhow::anyhow!(
                "there is no connection `{conn_id}`; make it in the UI, with `updraft connections add {conn_id} …`, or as \
                 the environment variable UPDRAFT_CONN_{}",
                conn_id.to_uppercase()
            )));
        };
        self.log.hide_connection(&connection);
        Ok(connection)
    }
}
