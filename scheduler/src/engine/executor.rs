//! The local executor: runs tries in this process.
//!
//! A try is an async operator on tokio. It is ordered only after its `running` is durable, and its end is reported to
//! the coordinator, which makes that durable in turn.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::active_run::Rendered;
use super::leash::Leash;
use super::rendering;
use super::try_storage::{StoredCheckpoint, StoredXComs};
use crate::clock::Clock;
use crate::dag::{Dag, params};
use crate::log::{self, TaskLog};
use crate::operator::{Next, Outcome, Registry, RunFacts, TaskContext, TaskError, TaskKey, Verdict};
use crate::run::{InstanceIndex, Pushed, TryEnd};
use crate::store::Db;
use crate::store::entity::dag_run;

/// After a try was told to stop, it has this long before it is abandoned.
const CANCEL_GRACE: Duration = Duration::from_secs(30);

/// An order to make a try.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// The run's key.
    pub(crate) run: Uuid,
    /// Which task instance.
    pub(crate) at: InstanceIndex,
    /// The try.
    pub(crate) try_id: Uuid,
    /// Counts from 1.
    pub(crate) try_number: u32,
    /// The definition that the run is pinned to.
    pub(crate) dag: Arc<Dag>,
    /// Which task instance, as people name it.
    pub(crate) key: TaskKey,
    /// The run around it.
    pub(crate) row: dag_run::Model,
    /// When the run began.
    pub(crate) started: Option<DateTime<Utc>>,
    /// When the try was ordered.
    pub(crate) ordered_at: DateTime<Utc>,
}

/// What became of a try.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// The run's key.
    pub(crate) run: Uuid,
    /// Which task instance, as people name it: the run may go on with another version of its DAG meanwhile.
    pub(crate) key: TaskKey,
    /// The try.
    pub(crate) try_id: Uuid,
    /// How it ended.
    pub(crate) end: TryEnd,
    /// What it left behind.
    pub(crate) xcoms: Vec<(String, Value)>,
    /// What it was given, as people see it.
    pub(crate) rendered: Rendered,
}

/// Why a running try is told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// It took longer than `execution_timeout`.
    Timeout(Duration),
    /// The coordinator asked for it.
    Cancelled,
}

/// What tries need of the process.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) db: Db,
    pub(crate) registry: Arc<Registry>,
    pub(crate) clock: Clock,
    pub(crate) home: PathBuf,
    pub(crate) log_folder: PathBuf,
    pub(crate) leash: Arc<Leash>,
}

/// Runs tries in this process.
pub(crate) struct LocalExecutor {
    surroundings: Surroundings,
    reports: mpsc::UnboundedSender<Report>,
    /// How each try under way is told to stop.
    running: HashMap<Uuid, CancellationToken>,
    tracker: TaskTracker,
}

impl LocalExecutor {
    /// An executor that reports to `reports`.
    pub(crate) fn new(surroundings: Surroundings, reports: mpsc::UnboundedSender<Report>) -> LocalExecutor {
        LocalExecutor { surroundings, reports, running: HashMap::new(), tracker: TaskTracker::new() }
    }

    /// Starts a try.
    pub(crate) fn start(&mut self, order: Order) {
        let held = self.surroundings.leash.hold();
        self.running.insert(order.try_id, held.stops.clone());
        let surroundings = self.surroundings.clone();
        let reports = self.reports.clone();
        self.tracker.spawn(async move {
            let mut report = make_try(&surroundings, order, held.stops.clone()).await;
            let was_stopped = matches!(report.end, TryEnd::Failed { .. }) && surroundings.leash.let_go_of(&held);
            if was_stopped {
                // Its children were killed because this process could not renew its lease, which is no fault of the task.
                report.end = TryEnd::GivenBack;
            }
            // Nobody listens any more only when the process ends; the next one finds the try lost.
            let _ = reports.send(report);
        });
    }

    /// Tells a try to stop; it reports when it has.
    pub(crate) fn cancel(&self, try_id: Uuid) {
        if let Some(cancel) = self.running.get(&try_id) {
            cancel.cancel();
        }
    }

    /// Tells every try to stop.
    pub(crate) fn cancel_all(&self) {
        for cancel in self.running.values() {
            cancel.cancel();
        }
    }

    /// A try has reported.
    pub(crate) fn forget(&mut self, try_id: Uuid) {
        self.running.remove(&try_id);
    }

    /// How many tries are under way.
    pub(crate) fn len(&self) -> usize {
        self.running.len()
    }

    /// Whether no try is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.running.is_empty()
    }
}

async fn make_try(surroundings: &Surroundings, order: Order, cancel: CancellationToken) -> Report {
    let mut rendered = Rendered::default();
    let ended = match open_log(surroundings, &order) {
        Ok(task_log) => {
            let ended = match facts(&order) {
                Ok(facts) => {
                    let ctx = context(surroundings, &order, facts, task_log.clone(), cancel);
                    supervise(surroundings, &order, &ctx, &mut rendered).await
                }
                Err(error) => Err(error),
            };
            write_end(&task_log, &ended);
            ended
        }
        Err(error) => Err(TaskError::retry(error.context("cannot write the log of this try"))),
    };
    let (end, xcoms) = match ended {
        Ok(Outcome::Success { return_value, xcoms, next }) => {
            let end = TryEnd::Success { pushed: pushed(&return_value), next: next.clone() };
            (end, all_xcoms(return_value, xcoms, &next))
        }
        Ok(Outcome::Skipped { reason }) => (TryEnd::Skipped { reason }, Vec::new()),
        Err(error) => match error.verdict {
            Verdict::Cancelled => (TryEnd::GivenBack, Vec::new()),
            verdict => {
                let may_retry = verdict == Verdict::Retry;
                let exit_code = error.exit_code;
                (TryEnd::Failed { error: error.to_string(), exit_code, may_retry }, Vec::new())
            }
        },
    };
    Report { run: order.run, key: order.key, try_id: order.try_id, end, xcoms, rendered }
}

fn open_log(surroundings: &Surroundings, order: &Order) -> anyhow::Result<TaskLog> {
    let path = log::path(&surroundings.log_folder, &order.key, order.try_number);
    Ok(TaskLog::open(&path, surroundings.clock.clone())?)
}

fn context(
    surroundings: &Surroundings,
    order: &Order,
    facts: RunFacts,
    task_log: TaskLog,
    cancelled: CancellationToken,
) -> TaskContext {
    TaskContext {
        key: order.key.clone(),
        try_number: order.try_number,
        try_id: order.try_id,
        run: Arc::new(facts),
        home: surroundings.home.clone(),
        log: task_log,
        cancelled,
        xcom: Arc::new(StoredXComs {
            db: surroundings.db.clone(),
            run: order.run,
            dag: Arc::clone(&order.dag),
            reader: Some(order.at),
        }),
        checkpoint: Arc::new(StoredCheckpoint {
            db: surroundings.db.clone(),
            run: order.run,
            task_id: order.key.task_id.clone(),
            map_index: order.key.map_index,
            clock: surroundings.clock.clone(),
        }),
    }
}

/// Runs the operator, and stops it when its time is up or somebody says so.
async fn supervise(
    surroundings: &Surroundings,
    order: &Order,
    ctx: &TaskContext,
    rendered: &mut Rendered,
) -> Result<Outcome, TaskError> {
    let task = order.dag.task(order.at.task);
    ctx.log.line(
        log::Level::Info,
        "updraft",
        &format!("Try {} of task `{}` (operator `{}`) begins", order.try_number, task.task_id, task.operator),
    );
    let operator = surroundings
        .registry
        .find(&task.operator)
        .ok_or_else(|| TaskError::fail(anyhow::anyhow!("this Updraft has no operator `{}`", task.operator)))?
        .clone();
    let (args, label) = rendering::render(&operator, order, ctx).await?;
    *rendered = Rendered { fields: Some(Value::Object(args.clone())), label };

    let stopping = ctx.cancelled.clone();
    let work = {
        let ctx = TaskContext { cancelled: CancellationToken::new(), ..ctx.clone() };
        let token = ctx.cancelled.clone();
        (token, tokio::spawn(async move { operator.execute(args, &ctx).await }))
    };
    let (token, mut handle) = work;
    let stop = tokio::select! {
        joined = &mut handle => return by_itself(flatten(joined)),
        () = stopping.cancelled() => Stop::Cancelled,
        stop = time_up(task.execution_timeout) => stop,
    };
    token.cancel();
    let last_word = tokio::time::timeout(CANCEL_GRACE, &mut handle).await;
    if last_word.is_err() {
        handle.abort();
    }
    match (stop, last_word) {
        // It was told to stop but had just ended: its result counts.
        (_, Ok(Ok(Ok(outcome)))) => Ok(outcome),
        (Stop::Timeout(limit), _) => {
            Err(TaskError::retry(anyhow::anyhow!("took longer than its execution_timeout of {}", spoken(limit))))
        }
        (Stop::Cancelled, _) => Err(TaskError::cancelled()),
    }
}

fn flatten(joined: Result<Result<Outcome, TaskError>, tokio::task::JoinError>) -> Result<Outcome, TaskError> {
    joined.unwrap_or_else(|error| {
        // A panic in an operator is a fault of ours, but it must not take the scheduler with it.
        Err(TaskError::retry(anyhow::anyhow!("the operator broke down: {error}")))
    })
}

/// An operator that gives up without having been told to has failed: making the same try again at once could go on for
/// ever.
fn by_itself(ended: Result<Outcome, TaskError>) -> Result<Outcome, TaskError> {
    ended.map_err(|error| match error.verdict {
        Verdict::Cancelled => TaskError { verdict: Verdict::Retry, ..error },
        _ => error,
    })
}

async fn time_up(limit: Option<Duration>) -> Stop {
    match limit {
        Some(limit) => {
            tokio::time::sleep(limit).await;
            Stop::Timeout(limit)
        }
        None => std::future::pending().await,
    }
}

fn write_end(task_log: &TaskLog, ended: &Result<Outcome, TaskError>) {
    let (level, event) = match ended {
        Ok(Outcome::Success { .. }) => (log::Level::Info, "Ended well".to_owned()),
        Ok(Outcome::Skipped { reason }) => (log::Level::Info, format!("Skipped: {reason}")),
        Err(error) if error.verdict == Verdict::Cancelled => (log::Level::Warning, "Stopped from outside".to_owned()),
        Err(error) => (log::Level::Error, format!("Failed: {error}")),
    };
    task_log.line(level, "updraft", &event);
}

fn pushed(return_value: &Value) -> Pushed {
    let items = |length: usize| Pushed::Items(u32::try_from(length).unwrap_or(u32::MAX));
    match return_value {
        Value::Null => Pushed::Nothing,
        Value::Array(list) => items(list.len()),
        Value::Object(mapping) => items(mapping.len()),
        _ => Pushed::Value,
    }
}

/// What a try leaves: its answer, and what it decided about its downstream (Airflow 3: `skipmixin_key`).
fn all_xcoms(return_value: Value, mut xcoms: Vec<(String, Value)>, next: &Next) -> Vec<(String, Value)> {
    if !return_value.is_null() {
        xcoms.push(("return_value".to_owned(), return_value));
    }
    let followed: Option<&[String]> = match next {
        Next::Everything => None,
        Next::Only(ids) => Some(ids),
        Next::Nothing | Next::NothingDirect => Some(&[]),
    };
    if let Some(followed) = followed {
        xcoms.push(("skipmixin_key".to_owned(), serde_json::json!({ "followed": followed })));
    }
    xcoms
}

/// A duration as people say it: `1h 30m`, `2.5s`.
fn spoken(duration: Duration) -> String {
    let secs = duration.as_secs();
    match (secs / 3600, secs / 60 % 60, secs % 60) {
        (0, 0, _) => format!("{}s", duration.as_secs_f64()),
        (0, minutes, 0) => format!("{minutes}m"),
        (0, minutes, rest) => format!("{minutes}m {rest}s"),
        (hours, 0, _) => format!("{hours}h"),
        (hours, minutes, _) => format!("{hours}h {minutes}m"),
    }
}

/// What tasks may know of the run: with its params, which are checked again when a task begins (Airflow 3: params).
fn facts(order: &Order) -> Result<RunFacts, TaskError> {
    let conf = order.row.conf.as_object().cloned().unwrap_or_default();
    let params = params::merge_and_validate(&order.dag, &conf).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        TaskError::fail(anyhow::anyhow!("{}", problems.join("; ")))
    })?;
    Ok(rendering::run_facts(&order.dag, &order.row, order.started, params))
}
