//! What a step gives reason to tell, and whom (Airflow 3: callbacks).
//!
//! Only what the scheduler and the tasks themselves do is told, never what a person marks; and only the task whose try
//! began or ended tells something, never one that a trigger rule or a branch settled.

use chrono::{DateTime, Utc};
use tracing::error;

use crate::dag::template::{CallbackFacts, TryFacts};
use crate::engine::active_run::{ActiveRun, Place};
use crate::operator::CallbackKind;
use crate::run::{Event, Instance, InstanceIndex, RunState, TaskState, UNMAPPED};
use crate::store::callbacks;
use crate::store::entity::callback_request;

/// What moved a run, as far as callbacks care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Cause {
    /// A try began.
    TryStarted(InstanceIndex),
    /// A try ended.
    TryEnded(InstanceIndex),
    /// The run took longer than its `dagrun_timeout`.
    TimedOut,
    /// A person said so.
    Person,
    /// Anything else.
    Other,
}

impl Cause {
    pub(in crate::engine) fn of(event: &Event) -> Cause {
        match event {
            Event::TryStarted { at, .. } => Cause::TryStarted(*at),
            Event::TryEnded { at, .. } => Cause::TryEnded(*at),
            Event::TimedOut => Cause::TimedOut,
            Event::Marked { .. } => Cause::Person,
            // What a run comes to once a person has marked its last task is the scheduler's finding, as in Airflow.
            Event::Begin
            | Event::TryQueued { .. }
            | Event::TryDeferred { .. }
            | Event::RetryDue { .. }
            | Event::DateReached
            | Event::PastSeen { .. }
            | Event::Cleared { .. }
            | Event::InstancesMarked { .. } => Cause::Other,
        }
    }
}

/// The callbacks that a step calls; `before` is the state of the run before it.
pub(in crate::engine) fn fired(
    active: &ActiveRun,
    place: &Place,
    before: RunState,
    cause: Cause,
    now: DateTime<Utc>,
) -> Vec<callback_request::Model> {
    let dag = &active.run.dag;
    let mut calls = Vec::new();
    if let Some((at, kind)) = of_task(active, cause) {
        let count = dag.task(at.task).callbacks.of(kind).len();
        if count > 0 {
            let facts = facts(active, place, Some(at), None);
            calls.extend((0..count).map(|position| request(active, kind, position, Some(at), &facts, now)));
        }
    }
    if let Some((kind, reason)) = of_run(active, before, cause) {
        let count = dag.callbacks.of(kind).len();
        if count > 0 {
            let decisive = decisive(active);
            let facts = facts(active, place, decisive, Some(reason));
            calls.extend((0..count).map(|position| request(active, kind, position, None, &facts, now)));
        }
    }
    calls
}

/// What there is to tell of a task.
fn of_task(active: &ActiveRun, cause: Cause) -> Option<(InstanceIndex, CallbackKind)> {
    let (at, is_start) = match cause {
        Cause::TryStarted(at) => (at, true),
        Cause::TryEnded(at) => (at, false),
        Cause::TimedOut | Cause::Person | Cause::Other => return None,
    };
    let instance = active.run.get(at)?;
    let kind = match (instance.state, is_start) {
        // A try that goes on waiting after a restart has told so before.
        (TaskState::Running, true) if instance.resumes_from().is_some() => return None,
        (TaskState::Running, true) => CallbackKind::OnExecute,
        (TaskState::Success, false) => CallbackKind::OnSuccess,
        (TaskState::Failed, false) => CallbackKind::OnFailure,
        (TaskState::UpForRetry, false) => CallbackKind::OnRetry,
        (TaskState::Skipped, false) => CallbackKind::OnSkipped,
        // Lost, given back or cleared meanwhile: a try begins again, and nothing has become of it yet.
        _ => return None,
    };
    Some((at, kind))
}

/// What there is to tell of the run, and why it ended (Airflow 3: the `reason` of a DAG's callback).
fn of_run(active: &ActiveRun, before: RunState, cause: Cause) -> Option<(CallbackKind, &'static str)> {
    let after = active.run.state;
    if before != RunState::Running || cause == Cause::Person {
        return None;
    }
    match after {
        RunState::Success => Some((CallbackKind::OnSuccess, "success")),
        RunState::Failed if cause == Cause::TimedOut => Some((CallbackKind::OnFailure, "timed_out")),
        RunState::Failed if active.run.instances().any(|(_, instance)| is_stuck(instance)) => {
            Some((CallbackKind::OnFailure, "all_tasks_deadlocked"))
        }
        RunState::Failed => Some((CallbackKind::OnFailure, "task_failure")),
        RunState::Queued | RunState::Running => None,
    }
}

/// A run that ends leaves nothing unfinished, unless nothing of it could ever have moved again.
fn is_stuck(instance: &Instance) -> bool {
    !instance.state.is_finished()
}

/// The task that the callbacks of a run speak of: the last one that failed, else the last one that ended.
fn decisive(active: &ActiveRun) -> Option<InstanceIndex> {
    let is_failed = active.run.state == RunState::Failed;
    let ended = active.run.instances().filter(|(_, instance)| instance.end_date.is_some());
    ended
        .max_by_key(|(_, instance)| (is_failed && instance.state == TaskState::Failed, instance.end_date))
        .map(|(at, _)| at)
}

fn facts(active: &ActiveRun, place: &Place, at: Option<InstanceIndex>, reason: Option<&str>) -> CallbackFacts {
    let instance = at.and_then(|at| Some((at, active.run.get(at)?)));
    let exception = instance.and_then(|(_, instance)| match instance.state {
        TaskState::Failed | TaskState::UpForRetry => instance.error.clone(),
        // Airflow hands a skip over as the exception that it is there.
        TaskState::Skipped => instance.reason.clone(),
        _ => None,
    });
    CallbackFacts {
        exception,
        reason: reason.map(str::to_owned),
        run_state: active.run.state.word().to_owned(),
        run_start: active.run.start_date,
        run_end: active.run.end_date,
        instance: instance.map(|(at, instance)| TryFacts {
            task_id: active.run.dag.task(at.task).task_id.clone(),
            map_index: at.map_index,
            try_number: instance.try_number,
            state: instance.state.to_string(),
            start_date: instance.start_date,
            end_date: instance.end_date,
            hostname: (!instance.try_id.is_nil()).then(|| place.hostname.clone()),
        }),
        deadline: None,
        url: None,
    }
}

fn request(
    active: &ActiveRun,
    kind: CallbackKind,
    position: usize,
    at: Option<InstanceIndex>,
    facts: &CallbackFacts,
    now: DateTime<Utc>,
) -> callback_request::Model {
    let try_number = at.and_then(|at| active.run.get(at)).map(|instance| instance.try_number);
    let position = i32::try_from(position).unwrap_or(i32::MAX);
    callback_request::Model {
        task_id: at.map(|at| active.run.dag.task(at.task).task_id.clone()),
        map_index: at.map_or(UNMAPPED, |at| at.map_index),
        try_number: try_number.and_then(|number| i32::try_from(number).ok()),
        ..callbacks::called(&active.row, kind.word(), position, as_json(facts), now)
    }
}

/// Facts as they are stored.
pub(super) fn as_json(facts: &CallbackFacts) -> serde_json::Value {
    serde_json::to_value(facts).unwrap_or_else(|problem| {
        error!(%problem, "cannot write down what a callback is about");
        serde_json::Value::Null
    })
}
