//! What a person asks for: trigger, pause, mark. One transaction each, then a wake-up; answered when it is durable.
//!
//! The database is the only way in, so that an API server in another process, the command line and the web UI all take
//! the same path; the wake-up makes the engine look sooner, and carries nothing.
//!
//! A run that a scheduler owns is changed by its owner alone: what is asked of it waits as a request. A run that is over
//! belongs to nobody, and is changed here, with the same step function.

mod affected;
mod assets;
mod backfill;
mod callbacks;
mod clear;
mod connections;
mod delete;
mod delete_dag;
mod delete_task_instance;
mod favorites;
mod finished;
mod mark;
mod pools;
mod reparse;
mod respond;
mod retention;
mod run_maker;
mod sign_out;
mod variables;
mod waiting;
mod xcoms;

pub use affected::{Affected, Relatives, TaskRef};
pub use backfill::{BackfillDate, Fate, NewBackfill, Reprocess};
pub use clear::{ClearRun, ClearTasks, ClearedRun, Runs, StatesMeant};
pub use connections::ConnectionPatch;
pub use mark::MarkTasks;
pub use pools::PoolPatch;
pub use respond::Response;
pub use retention::{Removal, Retention};
pub use run_maker::triggered_run;
pub use variables::VariablePatch;
pub use waiting::Waited;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::dag::partition::Partition;
use crate::dag::timetable::Timetable;
use crate::dag::{Dag, params};
use crate::engine::wake::{Wake, Waker};
use crate::events::{Change, Changes};
use crate::keyring::Keyring;
use crate::run::{RunState, RunType};
use crate::run_id;
use crate::store::audit::{self, Deed};
use crate::store::entity::{dag, dag_run};
use crate::store::requests::{self, Request};
use crate::store::{Db, StoreError, commit, dags, runs, versions};

/// How long an answer waits for the scheduler that owns a run.
const REQUEST_WAIT: Duration = Duration::from_secs(15);

/// How often it looks whether the request was carried out, besides being told.
const REQUEST_LOOK: Duration = Duration::from_millis(200);

/// Remarks are short (Airflow 3: 1,000 characters).
const NOTE_CHARS_MAX: usize = 1000;

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// There is no such thing.
    #[error("{what} `{id}` does not exist")]
    NotFound {
        /// What.
        what: &'static str,
        /// By which name.
        id: String,
    },
    /// It clashes with something that is there.
    #[error("{0}")]
    Conflict(String),
    /// It makes no sense as asked.
    #[error("{0}")]
    Invalid(String),
    /// Somebody else is to do it.
    #[error("{0}")]
    Forbidden(String),
    /// No scheduler is there to do it.
    #[error("no scheduler has carried it out in time; it stays asked for")]
    NoScheduler,
    /// The logs of tries cannot be read.
    #[error("the logs cannot be read")]
    Logs(#[source] std::io::Error),
    /// The database refuses.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for ControlError {
    fn from(error: StoreError) -> ControlError {
        match error {
            StoreError::NotFound { what, id } => ControlError::NotFound { what, id },
            other => ControlError::Store(other),
        }
    }
}

/// Who triggers (Airflow 3: DagRunTriggeredByType).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggeredBy {
    /// The command line.
    Cli,
    /// A program.
    RestApi,
    /// A person in the web UI.
    Ui,
    /// `dags test`.
    Test,
    /// A task.
    Operator,
}

impl TriggeredBy {
    fn word(self) -> &'static str {
        match self {
            TriggeredBy::Cli => "cli",
            TriggeredBy::RestApi => "rest_api",
            TriggeredBy::Ui => "ui",
            TriggeredBy::Test => "test",
            TriggeredBy::Operator => "operator",
        }
    }
}

/// A run to be made.
#[derive(Clone, Debug)]
pub struct Trigger {
    /// Its name; made up when absent.
    pub run_id: Option<String>,
    /// Its logical date; a run may have none.
    pub logical_date: Option<DateTime<Utc>>,
    /// Its data interval; the timetable's when absent.
    pub data_interval: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// The partition that it is about; only DAGs whose schedule makes runs of partitions take one.
    pub partition_key: Option<String>,
    /// When it may start; now when absent.
    pub run_after: Option<DateTime<Utc>>,
    /// What it is given.
    pub conf: Map<String, Value>,
    /// A remark.
    pub note: Option<String>,
    /// Through what.
    pub triggered_by: TriggeredBy,
    /// By whom.
    pub user: Option<String>,
}

/// What is to be changed of a run.
#[derive(Clone, Debug, Default)]
pub struct RunPatch {
    /// How it ended, or `queued` to let it begin again.
    pub state: Option<RunState>,
    /// A remark; an empty one deletes it.
    pub note: Option<String>,
}

/// Carries out what people ask for. Cheap to clone.
#[derive(Clone)]
pub struct Control {
    db: Db,
    catalog: Catalog,
    clock: Clock,
    changes: Changes,
    waker: Waker,
    keyring: Arc<Keyring>,
}

impl Control {
    /// A control over the database; `waker` reaches the engine if there is one in this process.
    pub fn new(db: Db, catalog: Catalog, clock: Clock, changes: Changes, waker: Waker) -> Control {
        Control { db, catalog, clock, changes, waker, keyring: Arc::default() }
    }

    /// The same, with the keys that secrets are encrypted with; without them it takes none.
    pub fn with_keyring(self, keyring: Arc<Keyring>) -> Control {
        Control { keyring, ..self }
    }

    /// Makes a run. It begins as soon as its DAG is not paused and `max_active_runs` allows.
    pub async fn trigger(&self, dag_id: &str, trigger: Trigger) -> Result<dag_run::Model, ControlError> {
        self.make_run(dag_id, trigger, RunType::Manual).await
    }

    async fn make_run(
        &self,
        dag_id: &str,
        trigger: Trigger,
        run_type: RunType,
    ) -> Result<dag_run::Model, ControlError> {
        let now = self.clock.now();
        let txn = self.db.begin_write().await?;
        let dag = dags::get_live(&txn, dag_id).await?;
        let run = self.asked_run(&txn, &dag, trigger, run_type, now).await?;
        runs::insert(&txn, run.clone()).await.map_err(|error| match error {
            StoreError::Exists { .. } => ControlError::Conflict(format!(
                "DAG `{dag_id}` has a run `{}` or one with the same logical date already",
                run.run_id
            )),
            other => other.into(),
        })?;
        let deed = Deed {
            event: "trigger_dag_run",
            dag_id: Some(dag_id),
            run_id: Some(&run.run_id),
            owner: run.triggering_user_name.as_deref(),
            extra: Some(json!({ "conf": run.conf, "logical_date": run.logical_date })),
            ..Deed::default()
        };
        audit::record(&txn, deed, now).await?;
        commit(txn).await?;
        self.changes.send(Change::dag_run(dag_id, &run.run_id, "queued"));
        self.waker.wake(Wake::Runs);
        Ok(run)
    }

    async fn asked_run(
        &self,
        txn: &sea_orm::DatabaseTransaction,
        dag: &dag::Model,
        trigger: Trigger,
        run_type: RunType,
        now: DateTime<Utc>,
    ) -> Result<dag_run::Model, ControlError> {
        if dag.has_import_errors {
            return Err(ControlError::Invalid(format!(
                "DAG `{}` has import errors; mend its file before it is triggered",
                dag.dag_id
            )));
        }
        let definition = self
            .catalog
            .definition(&dag.dag_id, &dag.version_hash, &dag.relative_fileloc, &dag.source)
            .map_err(|error| ControlError::Invalid(error.to_string()))?;
        assert_allowed(&definition, run_type)?;
        params::merge_and_validate(&definition, &trigger.conf).map_err(|problems| {
            ControlError::Invalid(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
        })?;
        check_note(trigger.note.as_deref())?;
        let run_after = trigger.run_after.unwrap_or(now);
        let run_id = match trigger.run_id {
            Some(run_id) => {
                run_id::check(&run_id, run_type).map_err(|error| ControlError::Invalid(error.to_string()))?;
                run_id
            }
            None => run_id::generate(run_type, run_after, trigger.logical_date),
        };
        let timetable = Timetable::new(&definition.schedule, definition.timezone)
            .map_err(|error| ControlError::Invalid(error.to_string()))?;
        let partition = trigger.partition_key.map(|key| partition_of(&dag.dag_id, &timetable, &key)).transpose()?;
        let partition_date = partition.as_ref().and_then(|partition| partition.date);
        let interval = trigger.logical_date.map(|date| timetable.manual_interval(date));
        let interval = trigger.data_interval.or_else(|| interval.map(|interval| (interval.start, interval.end)));
        Ok(dag_run::Model {
            id: Uuid::now_v7(),
            dag_id: dag.dag_id.clone(),
            run_id,
            run_type: run_type.word().to_owned(),
            state: RunState::Queued.word().to_owned(),
            logical_date: trigger.logical_date,
            data_interval_start: interval.map(|interval| interval.0),
            data_interval_end: interval.map(|interval| interval.1),
            partition_key: partition.map(|partition| partition.key),
            partition_date,
            run_after,
            queued_at: Some(now),
            start_date: None,
            end_date: None,
            last_scheduling_decision: None,
            triggered_by: Some(trigger.triggered_by.word().to_owned()),
            triggering_user_name: trigger.user,
            conf: Value::Object(trigger.conf),
            note: trigger.note.filter(|note| !note.is_empty()),
            dag_version_id: versions::current(txn, dag, now).await?,
            backfill_id: None,
            sort_ordinal: None,
            decided_state: None,
            clear_number: 0,
            owner: None,
            reason: None,
            updated_at: now,
        })
    }

    /// Pauses or unpauses a DAG.
    pub async fn set_paused(
        &self,
        dag_id: &str,
        is_paused: bool,
        user: Option<&str>,
    ) -> Result<dag::Model, ControlError> {
        let now = self.clock.now();
        let txn = self.db.begin_write().await?;
        if !dags::set_paused(&txn, dag_id, is_paused, now).await? {
            return Err(ControlError::NotFound { what: "DAG", id: dag_id.to_owned() });
        }
        let deed = Deed {
            event: "patch_dag",
            dag_id: Some(dag_id),
            owner: user,
            extra: Some(json!({ "is_paused": is_paused })),
            ..Deed::default()
        };
        audit::record(&txn, deed, now).await?;
        let row = dags::find(&txn, dag_id).await?;
        commit(txn).await?;
        self.waker.wake(Wake::Dags(vec![dag_id.to_owned()]));
        self.changes.send(Change::dag(dag_id));
        row.ok_or_else(|| ControlError::NotFound { what: "DAG", id: dag_id.to_owned() })
    }

    /// Changes a run: first the remark, then the state (Airflow 3: patch_dag_run).
    pub async fn patch_run(
        &self,
        dag_id: &str,
        run_id: &str,
        patch: RunPatch,
        user: Option<&str>,
    ) -> Result<dag_run::Model, ControlError> {
        check_note(patch.note.as_deref())?;
        let now = self.clock.now();
        let txn = self.db.begin_write().await?;
        let mut run = runs::get_locked(&txn, dag_id, run_id).await?;
        if let Some(note) = &patch.note {
            let note = Some(note.as_str()).filter(|note| !note.is_empty());
            runs::set_note(&txn, run.id, note, now).await?;
        }
        let mut request = None;
        if let Some(state) = patch.state {
            let is_over = run.state.parse().is_ok_and(RunState::is_finished);
            if is_over {
                self.set_state_of_finished(&txn, &mut run, state, now).await?;
            } else {
                let mark = Request::Mark { state: state.word().to_owned() };
                request = Some(requests::insert(&txn, run.id, &mark, user, now).await?);
            }
        }
        let deed = Deed {
            event: "patch_dag_run",
            dag_id: Some(dag_id),
            run_id: Some(run_id),
            owner: user,
            extra: Some(json!({ "state": patch.state.map(RunState::word), "note": patch.note })),
            ..Deed::default()
        };
        audit::record(&txn, deed, now).await?;
        commit(txn).await?;
        self.waker.wake(Wake::Runs);
        if let Some(request) = request {
            self.carried_out(request).await?;
        }
        let run = runs::get(self.db.read(), dag_id, run_id).await?;
        if let Ok(state) = run.state.parse::<RunState>() {
            self.changes.send(Change::dag_run(dag_id, run_id, state.word()));
        }
        Ok(run)
    }

    /// Waits until the owner of the run has done what was asked.
    async fn carried_out(&self, request: i64) -> Result<(), ControlError> {
        let mut changes = self.changes.subscribe();
        self.waker.wake(Wake::Requests);
        let wait = async {
            while requests::is_pending(self.db.read(), request).await? {
                tokio::select! {
                    hint = changes.recv() => {
                        if let Err(RecvError::Closed) = hint { break }
                    }
                    () = tokio::time::sleep(REQUEST_LOOK) => {}
                }
            }
            Ok::<(), StoreError>(())
        };
        match tokio::time::timeout(REQUEST_WAIT, wait).await {
            Ok(done) => Ok(done?),
            Err(_) => Err(ControlError::NoScheduler),
        }
    }
}

/// Refuses a run of a kind that its DAG leaves out (Airflow 3: `allowed_run_types`).
fn assert_allowed(dag: &Dag, run_type: RunType) -> Result<(), ControlError> {
    if dag.runs.allows(run_type) {
        return Ok(());
    }
    Err(ControlError::Invalid(format!(
        "DAG `{}` has no {} runs: its `allowed_run_types` leave them out",
        dag.dag_id,
        run_type.word()
    )))
}

/// The partition that somebody names by its key (Airflow 3: `validate_partition_key`).
fn partition_of(dag_id: &str, timetable: &Timetable, key: &str) -> Result<Partition, ControlError> {
    match timetable.partition_of_key(key) {
        Some(partition) => partition.map_err(|error| ControlError::Invalid(error.to_string())),
        None => Err(ControlError::Invalid(format!("DAG `{dag_id}` is not partitioned and takes no `partition_key`"))),
    }
}

fn check_note(note: Option<&str>) -> Result<(), ControlError> {
    match note {
        Some(note) if note.chars().count() > NOTE_CHARS_MAX => {
            Err(ControlError::Invalid(format!("a note has at most {NOTE_CHARS_MAX} characters")))
        }
        _ => Ok(()),
    }
}
