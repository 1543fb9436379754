//! The step function: the state of one run and one event give the state that follows.
//!
//! [`Run::step`] changes the run and says in a [`Step`] what it changed; it reads no clock, draws no random number and
//! writes nothing. The engine makes its changes durable before anything outside learns of them.
//!
//! # What to rely on
//!
//! * The same run, event and time give the same result.
//! * A try is ended only by whoever holds its id; any later word about it is an [`UnknownTry`] and changes nothing.
//! * [`Run::settle_all`] finds nothing to do after any step: looking at what an event touched and looking at the whole
//!   run come to the same. That is why a restart needs no code of its own.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::instance::{Instance, InstanceIndex, Pushed};
use super::past::Blocked;
use super::retry::{self, Failure};
use super::run::Run;
use super::state::{RunState, TaskState};
use crate::dag::{Direction, RetryAction, TaskIndex, TaskRole};

/// How often a try whose process was lost is made again before that counts as a failure: a task that kills its process
/// must not be tried for ever.
pub const LOST_TRIES_MAX: u32 = 3;

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A queued run may begin.
    Begin,
    /// A scheduled task instance was given a slot and waits for a worker; its next try has this id.
    TryQueued {
        /// Which task instance.
        at: InstanceIndex,
        /// The id of the try.
        try_id: Uuid,
    },
    /// A try begins: the one that was queued under this id, or that of a scheduled task instance that was given a slot.
    TryStarted {
        /// Which task instance.
        at: InstanceIndex,
        /// The id of the try.
        try_id: Uuid,
    },
    /// A running try only waits from now on, and needs no slot. It goes on where it is, and ends as any other.
    TryDeferred {
        /// Which task instance.
        at: InstanceIndex,
        /// The id of the try.
        try_id: Uuid,
        /// What it waits for.
        reason: String,
        /// How that is called: `deferred`, `up_for_reschedule` or `awaiting_input`.
        state: TaskState,
    },
    /// A try ended.
    TryEnded {
        /// Which task instance.
        at: InstanceIndex,
        /// The id of the try.
        try_id: Uuid,
        /// How.
        end: TryEnd,
    },
    /// The wait before the next try is over.
    RetryDue {
        /// Which task instance.
        at: InstanceIndex,
    },
    /// The logical date that the run waited for has come.
    DateReached,
    /// How the run before went, as far as tasks wait for it: these may not start yet.
    PastSeen {
        /// The tasks that have to wait.
        blocked: Blocked,
    },
    /// The run took longer than its `dagrun_timeout` (Airflow 3: unfinished task instances are skipped).
    TimedOut,
    /// A person says how the run ended (Airflow 3: mark run).
    Marked {
        /// `success`, `failed`, or `queued` to let it begin again.
        state: RunState,
    },
    /// A person wants these task instances to run anew (Airflow 3: clear).
    Cleared {
        /// Which; those that there are not are passed over.
        instances: Vec<InstanceIndex>,
        /// Whether a run that is over begins again (Airflow 3: `reset_dag_runs`).
        reopens: bool,
    },
    /// A person says how these task instances ended (Airflow 3: mark task instance).
    InstancesMarked {
        /// Which; those that there are not are passed over.
        instances: Vec<InstanceIndex>,
        /// `success`, `failed` or `skipped`.
        state: TaskState,
    },
}

/// How a try ended. Workers write it down as JSON, which is why its words must stay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum TryEnd {
    /// Well.
    Success {
        /// What it left to map over.
        pushed: Pushed,
        /// What may follow.
        next: Next,
    },
    /// The task chose not to run.
    Skipped {
        /// Why.
        reason: String,
    },
    /// Badly.
    Failed {
        /// Why, in one line.
        error: String,
        /// The exit code of what ran, if something did.
        exit_code: Option<i32>,
        /// Whether `retries` apply.
        may_retry: bool,
    },
    /// The process that ran it was lost; nobody knows how far it came.
    Lost,
    /// The process that ran it shuts down and has stopped it.
    GivenBack,
}

impl TryEnd {
    /// A plain success.
    pub fn success() -> TryEnd {
        TryEnd::Success { pushed: Pushed::Nothing, next: Next::Everything }
    }
}

/// What of a task's downstream may follow its success (Airflow 3: branching, short circuit, latest only).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Next {
    /// All of it, as the trigger rules say.
    #[default]
    Everything,
    /// Of the direct downstream tasks only these tasks and groups, and whatever comes after them.
    Only(Vec<String>),
    /// None of the direct downstream tasks; the rest follows by trigger rules.
    NothingDirect,
    /// Nothing at all, whatever the trigger rules are; teardowns run nevertheless.
    Nothing,
}

/// What one step changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// The task instances that changed; one may be named twice.
    pub changed: Vec<InstanceIndex>,
    /// The tasks that have become several instances.
    pub expanded: Vec<TaskIndex>,
    /// Tries that are over and will be followed by another, as they ended.
    pub superseded: Vec<(InstanceIndex, Instance)>,
    /// Tries for whose end nobody waits any more.
    pub abandoned: Vec<Uuid>,
    /// Task instances of which nobody wants any more what their last try may have started elsewhere.
    pub withdrawn: Vec<InstanceIndex>,
    /// Whether what a try left behind is to be forgotten, because its task instance was cleared meanwhile.
    pub result_is_void: bool,
}

impl Step {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        *self == Step::default()
    }
}

/// Somebody speaks of a try that is not the current one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("try {try_id} of task `{task_id}` is not the current one")]
pub struct UnknownTry {
    /// Which task.
    pub task_id: String,
    /// The id that was named.
    pub try_id: Uuid,
}

impl Run {
    /// Moves the run on. Answers with what changed; the run itself may have changed, too.
    pub fn step(&mut self, event: Event, now: DateTime<Utc>) -> Result<Step, UnknownTry> {
        let mut step = Step::default();
        match event {
            Event::Begin => self.begin(now, &mut step),
            Event::TryQueued { at, try_id } => self.queue_try(at, try_id, now, &mut step),
            Event::TryStarted { at, try_id } => self.start_try(at, try_id, now, &mut step),
            Event::TryDeferred { at, try_id, reason, state } => {
                self.expect_current(at, try_id)?;
                self.defer_try(at, state, reason, now, &mut step);
            }
            Event::TryEnded { at, try_id, end } => {
                self.expect_current(at, try_id)?;
                self.end_try(at, end, now, &mut step);
            }
            Event::RetryDue { at } => self.retry(at, now, &mut step),
            Event::DateReached => self.settle_if_running(now, &mut step),
            Event::PastSeen { blocked } => {
                self.blocked_by_past = Some(blocked);
                self.settle_if_running(now, &mut step);
            }
            Event::TimedOut => self.time_out(now, &mut step),
            Event::Marked { state } => self.mark(state, now, &mut step),
            Event::Cleared { instances, reopens } => self.clear(&instances, reopens, now, &mut step),
            Event::InstancesMarked { instances, state } => self.mark_instances(&instances, state, now, &mut step),
        }
        self.conclude(now);
        Ok(step)
    }

    /// Looks at the whole run, as after a restart.
    pub fn settle_all(&mut self, now: DateTime<Utc>) -> Step {
        let mut step = Step::default();
        self.settle_if_running(now, &mut step);
        self.conclude(now);
        step
    }

    fn begin(&mut self, now: DateTime<Utc>, step: &mut Step) {
        if self.state == RunState::Queued {
            self.state = RunState::Running;
            self.start_date = Some(now);
            // The run before may have gone on since somebody looked.
            self.blocked_by_past = None;
            self.settle_if_running(now, step);
        }
    }

    fn queue_try(&mut self, at: InstanceIndex, try_id: Uuid, now: DateTime<Utc>, step: &mut Step) {
        let Some(instance) = self.get_mut(at) else { return };
        if instance.state == TaskState::Scheduled {
            instance.try_id = try_id;
            instance.queued_when = Some(now);
            instance.reason = None;
            self.put(at, TaskState::Queued);
            step.changed.push(at);
        }
    }

    fn start_try(&mut self, at: InstanceIndex, try_id: Uuid, now: DateTime<Utc>, step: &mut Step) {
        let Some(instance) = self.get_mut(at) else { return };
        let is_claimed = instance.state == TaskState::Queued && instance.try_id == try_id;
        if instance.state != TaskState::Scheduled && !is_claimed {
            return;
        }
        instance.try_id = try_id;
        instance.queued_when.get_or_insert(now);
        instance.start_date = instance.resumes_from().or(Some(now));
        instance.end_date = None;
        instance.reason = None;
        instance.error = None;
        self.put(at, TaskState::Running);
        step.changed.push(at);
    }

    fn defer_try(&mut self, at: InstanceIndex, state: TaskState, reason: String, now: DateTime<Utc>, step: &mut Step) {
        let instance = self.at_mut(at);
        // One that was cleared meanwhile is being stopped.
        if instance.state == TaskState::Running && state.only_waits() {
            instance.deferred_at.get_or_insert(now);
            instance.reason = Some(reason);
            self.put(at, state);
            step.changed.push(at);
        }
    }

    fn expect_current(&self, at: InstanceIndex, try_id: Uuid) -> Result<(), UnknownTry> {
        if self.get(at).is_some_and(|instance| instance.state.is_held() && instance.try_id == try_id) {
            return Ok(());
        }
        Err(UnknownTry { task_id: self.dag.task(at.task).task_id.clone(), try_id })
    }

    fn end_try(&mut self, at: InstanceIndex, end: TryEnd, now: DateTime<Utc>, step: &mut Step) {
        step.changed.push(at);
        if self.instance(at).state == TaskState::Restarting {
            return self.restart(at, now, step);
        }
        match end {
            TryEnd::Success { pushed, next } => self.succeed(at, pushed, &next, now, step),
            TryEnd::Skipped { reason } => {
                self.finish(at, TaskState::Skipped, now);
                self.at_mut(at).reason = Some(reason);
            }
            TryEnd::Failed { error, exit_code, may_retry } => {
                self.fail_try(at, Failure { error, exit_code, may_retry }, now, step);
            }
            TryEnd::Lost => self.lose_try(at, now, step),
            TryEnd::GivenBack => {
                self.at_mut(at).reason = Some("given back by a process that shut down".to_owned());
                self.put(at, TaskState::Scheduled);
            }
        }
        self.follow(at, now, step);
    }

    fn succeed(&mut self, at: InstanceIndex, pushed: Pushed, next: &Next, now: DateTime<Utc>, step: &mut Step) {
        let complaint = match self.skips_of(at.task, next) {
            Err(unknown) => Some(unknown),
            Ok(_) => self.unmappable(at.task, pushed),
        };
        if let Some(error) = complaint {
            return self.fail_try(at, Failure { error, exit_code: None, may_retry: false }, now, step);
        }
        let instance = self.at_mut(at);
        instance.pushed = pushed;
        // `finish` looks at what an instance skips, so it must say so before.
        let skips = self.skips_of(at.task, next).unwrap_or_default();
        self.at_mut(at).skips = skips;
        self.finish(at, TaskState::Success, now);
        if *next == Next::Nothing {
            self.skip_all(at, now, step);
        }
    }

    /// The tasks that are skipped because of what a task decided.
    fn skips_of(&self, task: TaskIndex, next: &Next) -> Result<Vec<TaskIndex>, String> {
        let is_teardown = |task: &TaskIndex| matches!(self.dag.task(*task).role, TaskRole::Teardown { .. });
        let mut skipped: BTreeSet<TaskIndex> = match next {
            Next::Everything => return Ok(Vec::new()),
            Next::Nothing => self.dag.relatives(task, Direction::Outgoing),
            Next::NothingDirect | Next::Only(_) => self.dag.downstream(task).collect(),
        };
        if let Next::Only(ids) = next {
            for id in ids {
                for followed in self.followed(task, id)? {
                    skipped.remove(&followed);
                    for after in self.dag.relatives(followed, Direction::Outgoing) {
                        skipped.remove(&after);
                    }
                }
            }
        }
        Ok(skipped.into_iter().filter(|task| !is_teardown(task)).collect())
    }

    /// The tasks that a branch means by an id: a task, by its full id or as a sibling in the group; or a group's roots.
    fn followed(&self, branch: TaskIndex, id: &str) -> Result<Vec<TaskIndex>, String> {
        if let Some(task) = self.dag.find(id) {
            return Ok(vec![task]);
        }
        if let Some(sibling) =
            self.dag.task(branch).group.as_ref().and_then(|group| self.dag.find(&format!("{group}.{id}")))
        {
            return Ok(vec![sibling]);
        }
        let members: BTreeSet<TaskIndex> = self.dag.tasks_in(id).collect();
        if members.is_empty() {
            return Err(format!("it decided for `{id}`, which is neither a task nor a group of this DAG"));
        }
        let is_root = |task: &&TaskIndex| !self.dag.upstream(**task).any(|before| members.contains(&before));
        Ok(members.iter().filter(is_root).copied().collect())
    }

    /// Airflow 3: what is mapped over must be a list or a mapping of bounded length, else the task that left it fails. What
    /// an instance of a mapped task leaves is an item of such a list, and may be anything.
    fn unmappable(&self, task: TaskIndex, pushed: Pushed) -> Option<String> {
        if self.dag.mapping(task).is_some() {
            return None;
        }
        let reader = self.dag.mapped_over(task)?;
        let reader = &self.dag.task(reader).task_id;
        match pushed {
            Pushed::Items(items) if items > self.map_length_max => Some(format!(
                "it left {items} items, and task `{reader}` is mapped over them: more than {} are not taken",
                self.map_length_max
            )),
            Pushed::Value => {
                Some(format!("it left neither a list nor a mapping, and task `{reader}` is mapped over it"))
            }
            // A reader of nothing is `upstream_failed`, which is its own affair.
            Pushed::Nothing | Pushed::Items(_) => None,
        }
    }

    /// Skips all that a short circuit cuts off, without asking the trigger rules.
    fn skip_all(&mut self, at: InstanceIndex, now: DateTime<Utc>, step: &mut Step) {
        let mut skipped = Vec::new();
        for task in self.instance(at).skips.clone() {
            let is_paired = self.dag.are_mapped_together(at.task, task);
            for index in self.indices(task).filter(|index| !is_paired || *index == at.map_index) {
                let other = InstanceIndex { task, map_index: index };
                if self.instance(other).state == TaskState::None {
                    self.finish(other, TaskState::Skipped, now);
                    skipped.push(other);
                }
            }
        }
        for other in skipped {
            step.changed.push(other);
            self.follow(other, now, step);
        }
    }

    fn lose_try(&mut self, at: InstanceIndex, now: DateTime<Utc>, step: &mut Step) {
        let instance = self.at_mut(at);
        if instance.state.only_waits() {
            // It did nothing that could have cost its process its life.
            instance.reason = Some("the process in which it waited is gone; it goes on waiting".to_owned());
            return self.put(at, TaskState::Scheduled);
        }
        if instance.lost_tries >= LOST_TRIES_MAX {
            let error = format!("the process that ran it was lost {} times", instance.lost_tries + 1);
            return self.fail_try(at, Failure { error, exit_code: None, may_retry: true }, now, step);
        }
        instance.lost_tries += 1;
        instance.reason = Some("the process that ran it was lost; it starts again".to_owned());
        self.put(at, TaskState::Scheduled);
    }

    fn fail_try(&mut self, at: InstanceIndex, failure: Failure, now: DateTime<Utc>, step: &mut Step) {
        let instance = self.instance(at);
        let decision = retry::decide(self.dag.task(at.task), &failure);
        let Failure { error, .. } = failure;
        if let RetryAction::Retry { delay } = decision
            && instance.try_number <= instance.max_tries
        {
            let due = delay.map_or_else(|| self.next_try_at(at, now), |delay| now + delay);
            let instance = self.at_mut(at);
            instance.end_date = Some(now);
            instance.next_try_at = Some(due);
            instance.reason = Some(format!("waits for its retry at {}", due.format("%Y-%m-%dT%H:%M:%SZ")));
            instance.error = Some(error);
            self.put(at, TaskState::UpForRetry);
            return;
        }
        // No further try sees to what this one may have left behind.
        self.withdraw(at, step);
        self.finish(at, TaskState::Failed, now);
        self.at_mut(at).error = Some(error);
        if self.dag.runs.fail_fast {
            self.fail_fast(now, step);
        }
    }

    /// Notes that nobody wants any more what the last try of an instance started, which may go on elsewhere.
    pub(super) fn withdraw(&self, at: InstanceIndex, step: &mut Step) {
        let instance = self.instance(at);
        if instance.has_begun() && !instance.state.is_finished() {
            step.withdrawn.push(at);
        }
    }

    fn next_try_at(&self, at: InstanceIndex, now: DateTime<Utc>) -> DateTime<Utc> {
        let task = self.dag.task(at.task);
        let try_number = self.instance(at).try_number;
        // Airflow 3 hashes the same words, so that a wait is the same before and after a restart.
        let date = retry::python_date(self.logical_date);
        let key = format!("{}#{}#{date}#{try_number}", self.dag.dag_id, task.task_id);
        retry::next_try_at(task, try_number, now, &key)
    }

    fn retry(&mut self, at: InstanceIndex, now: DateTime<Utc>, step: &mut Step) {
        let Some(instance) = self.get(at).filter(|instance| instance.state == TaskState::UpForRetry) else { return };
        step.superseded.push((at, Instance { state: TaskState::Failed, ..instance.clone() }));
        // Something before it may have been cleared meanwhile: its dependencies are looked at again.
        self.put(at, TaskState::None);
        step.changed.push(at);
        self.settle_one(at, now, step);
    }
}
