//! The step function: the state of one run and one event give the state that follows.
//!
//! [`Run::step`] changes the run and names the task instances that it touched; it reads no clock, draws no random
//! number and writes nothing. The engine makes its changes durable before anything outside learns of them.
//!
//! # What to rely on
//!
//! * The same run, event and time give the same result.
//! * A try is ended only by whoever holds its id; any later word about it is an [`UnknownTry`] and changes nothing.
//! * [`Run::settle_all`] finds nothing to do after any step: looking at what an event touched and looking at the whole
//!   run come to the same. That is why a restart needs no code of its own.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::retry;
use super::state::{RunState, TaskState};
use super::trigger_rule::{self, Upstream, Verdict};
use crate::dag::{Dag, TaskIndex};

/// How often a try whose process was lost is made again before that counts as a failure: a task that kills its process
/// must not be tried for ever.
pub const LOST_TRIES_MAX: u32 = 3;

/// A task within a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// Where it stands.
    pub state: TaskState,
    /// The current or last try; 0 before the first.
    pub try_number: u32,
    /// Tries beyond this number need no more retries: the last one is `max_tries + 1` (Airflow 3).
    pub max_tries: u32,
    /// Identifies the current or last try.
    pub try_id: Uuid,
    /// How often the process that ran the current try was lost.
    pub lost_tries: u32,
    /// When its dependencies were met.
    pub scheduled_when: Option<DateTime<Utc>>,
    /// When it was handed out.
    pub queued_when: Option<DateTime<Utc>>,
    /// When the try began.
    pub start_date: Option<DateTime<Utc>>,
    /// When the try ended.
    pub end_date: Option<DateTime<Utc>>,
    /// When the next try is due, in `up_for_retry`.
    pub next_try_at: Option<DateTime<Utc>>,
    /// Why it does not run now.
    pub reason: Option<String>,
    /// Why the try failed, in one line.
    pub error: Option<String>,
}

impl Instance {
    /// An instance that waits for its dependencies.
    pub fn new(retries: u32) -> Instance {
        Instance {
            state: TaskState::None,
            try_number: 0,
            max_tries: retries,
            try_id: Uuid::nil(),
            lost_tries: 0,
            scheduled_when: None,
            queued_when: None,
            start_date: None,
            end_date: None,
            next_try_at: None,
            reason: None,
            error: None,
        }
    }
}

/// One execution of a DAG.
#[derive(Clone, Debug)]
pub struct Run {
    /// The definition that the run is pinned to.
    pub dag: Arc<Dag>,
    /// The run, as people name it.
    pub run_id: String,
    /// The stretch of time that it is about.
    pub logical_date: Option<DateTime<Utc>>,
    /// Where it stands.
    pub state: RunState,
    /// When it began.
    pub start_date: Option<DateTime<Utc>>,
    /// When it ended.
    pub end_date: Option<DateTime<Utc>>,
    instances: Vec<Instance>,
    unfinished: usize,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A queued run may begin.
    Begin,
    /// A scheduled task instance was given a slot, and its next try this id.
    TryStarted {
        /// Which task.
        task: TaskIndex,
        /// The id of the try.
        try_id: Uuid,
    },
    /// A try ended.
    TryEnded {
        /// Which task.
        task: TaskIndex,
        /// The id of the try.
        try_id: Uuid,
        /// How.
        end: TryEnd,
    },
    /// The wait before the next try is over.
    RetryDue {
        /// Which task.
        task: TaskIndex,
    },
    /// The run took longer than its `dagrun_timeout` (Airflow 3: unfinished task instances are skipped).
    TimedOut,
    /// A person says how the run ended (Airflow 3: mark run).
    Marked {
        /// `success`, `failed`, or `queued` to let it begin again.
        state: RunState,
    },
}

/// How a try ended.
#[derive(Clone, Debug, PartialEq)]
pub enum TryEnd {
    /// Well.
    Success,
    /// The task chose not to run.
    Skipped {
        /// Why.
        reason: String,
    },
    /// Badly.
    Failed {
        /// Why, in one line.
        error: String,
        /// Whether `retries` apply.
        may_retry: bool,
    },
    /// The process that ran it was lost; nobody knows how far it came.
    Lost,
    /// The process that ran it shuts down and has stopped it.
    GivenBack,
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
    /// A new run, in `queued`.
    pub fn new(dag: Arc<Dag>, run_id: String, logical_date: Option<DateTime<Utc>>) -> Run {
        let instances = dag.tasks().map(|(_, task)| Instance::new(task.retries)).collect();
        Run::restore(dag, run_id, logical_date, RunState::Queued, instances)
    }

    /// A run as it was stored; `instances` are in the order of the DAG's tasks.
    pub fn restore(
        dag: Arc<Dag>,
        run_id: String,
        logical_date: Option<DateTime<Utc>>,
        state: RunState,
        instances: Vec<Instance>,
    ) -> Run {
        debug_assert_eq!(dag.len(), instances.len());
        let unfinished = instances.iter().filter(|instance| !instance.state.is_finished()).count();
        Run { dag, run_id, logical_date, state, start_date: None, end_date: None, instances, unfinished }
    }

    /// The instance of a task.
    pub fn instance(&self, task: TaskIndex) -> &Instance {
        &self.instances[task.index()]
    }

    /// All instances, in the order of the DAG's tasks.
    pub fn instances(&self) -> impl ExactSizeIterator<Item = (TaskIndex, &Instance)> {
        self.instances.iter().enumerate().map(|(place, instance)| (TaskIndex::new(place), instance))
    }

    /// Says why a task instance does not run; true when that is news.
    pub fn explain(&mut self, task: TaskIndex, reason: Option<&str>) -> bool {
        let instance = &mut self.instances[task.index()];
        if instance.reason.as_deref() == reason {
            return false;
        }
        instance.reason = reason.map(str::to_owned);
        true
    }

    /// Moves the run on. Answers with the tasks whose instances changed; the run itself may have changed, too.
    pub fn step(&mut self, event: Event, now: DateTime<Utc>) -> Result<Vec<TaskIndex>, UnknownTry> {
        let mut changed = Vec::new();
        match event {
            Event::Begin => {
                if self.state == RunState::Queued {
                    self.state = RunState::Running;
                    self.start_date = Some(now);
                    self.settle((0..self.instances.len()).map(TaskIndex::new).collect(), now, &mut changed);
                }
            }
            Event::TryStarted { task, try_id } => {
                let instance = &mut self.instances[task.index()];
                if instance.state == TaskState::Scheduled {
                    instance.state = TaskState::Running;
                    instance.try_id = try_id;
                    instance.queued_when = Some(now);
                    instance.start_date = Some(now);
                    instance.end_date = None;
                    instance.reason = None;
                    instance.error = None;
                    changed.push(task);
                }
            }
            Event::TryEnded { task, try_id, end } => {
                self.expect_current(task, try_id)?;
                self.end_try(task, end, now);
                changed.push(task);
                self.follow(task, now, &mut changed);
            }
            Event::RetryDue { task } => {
                if self.instances[task.index()].state == TaskState::UpForRetry {
                    self.schedule(task, now);
                    changed.push(task);
                }
            }
            Event::TimedOut => self.close(RunState::Failed, TaskState::Skipped, now, &mut changed),
            Event::Marked { state: RunState::Success } => {
                self.close(RunState::Success, TaskState::Success, now, &mut changed);
            }
            Event::Marked { state: RunState::Failed } => {
                self.close(RunState::Failed, TaskState::Failed, now, &mut changed);
            }
            Event::Marked { state: RunState::Queued | RunState::Running } => {
                self.state = RunState::Queued;
                self.start_date = None;
                self.end_date = None;
            }
        }
        self.conclude(now);
        Ok(changed)
    }

    /// Looks at the whole run, as after a restart.
    pub fn settle_all(&mut self, now: DateTime<Utc>) -> Vec<TaskIndex> {
        let mut changed = Vec::new();
        if self.state == RunState::Running {
            self.settle((0..self.instances.len()).map(TaskIndex::new).collect(), now, &mut changed);
            self.conclude(now);
        }
        changed
    }

    fn expect_current(&self, task: TaskIndex, try_id: Uuid) -> Result<(), UnknownTry> {
        let instance = &self.instances[task.index()];
        if instance.state.is_held() && instance.try_id == try_id {
            return Ok(());
        }
        Err(UnknownTry { task_id: self.dag.task(task).task_id.clone(), try_id })
    }

    fn end_try(&mut self, task: TaskIndex, end: TryEnd, now: DateTime<Utc>) {
        match end {
            TryEnd::Success => self.finish(task, TaskState::Success, now),
            TryEnd::Skipped { reason } => {
                self.finish(task, TaskState::Skipped, now);
                self.instances[task.index()].reason = Some(reason);
            }
            TryEnd::Failed { error, may_retry } => self.fail_try(task, error, may_retry, now),
            TryEnd::Lost => {
                let instance = &mut self.instances[task.index()];
                if instance.lost_tries >= LOST_TRIES_MAX {
                    let error = format!("the process that ran it was lost {} times", instance.lost_tries + 1);
                    self.fail_try(task, error, true, now);
                } else {
                    instance.lost_tries += 1;
                    instance.state = TaskState::Scheduled;
                    instance.reason = Some("the process that ran it was lost; it starts again".to_owned());
                }
            }
            TryEnd::GivenBack => {
                let instance = &mut self.instances[task.index()];
                instance.state = TaskState::Scheduled;
                instance.reason = Some("given back by a process that shut down".to_owned());
            }
        }
    }

    fn fail_try(&mut self, task: TaskIndex, error: String, may_retry: bool, now: DateTime<Utc>) {
        let definition = self.dag.task(task);
        let instance = &self.instances[task.index()];
        if !may_retry || instance.try_number > instance.max_tries {
            self.finish(task, TaskState::Failed, now);
        } else {
            // Airflow 3 hashes the same words, so that a wait is the same before and after a restart.
            let key = format!(
                "{}#{}#{}#{}",
                self.dag.dag_id,
                definition.task_id,
                retry::python_date(self.logical_date),
                instance.try_number
            );
            let due = retry::next_try_at(definition, instance.try_number, now, &key);
            let instance = &mut self.instances[task.index()];
            instance.state = TaskState::UpForRetry;
            instance.end_date = Some(now);
            instance.next_try_at = Some(due);
            instance.reason = Some(format!("waits for its retry at {}", due.format("%Y-%m-%dT%H:%M:%SZ")));
        }
        self.instances[task.index()].error = Some(error);
    }

    /// Puts an instance into a state in which it stays.
    fn finish(&mut self, task: TaskIndex, state: TaskState, now: DateTime<Utc>) {
        debug_assert!(state.is_finished());
        let instance = &mut self.instances[task.index()];
        debug_assert!(!instance.state.is_finished());
        instance.state = state;
        instance.start_date.get_or_insert(now);
        instance.end_date = Some(now);
        instance.next_try_at = None;
        instance.reason = None;
        self.unfinished -= 1;
    }

    fn schedule(&mut self, task: TaskIndex, now: DateTime<Utc>) {
        let instance = &mut self.instances[task.index()];
        instance.state = TaskState::Scheduled;
        instance.try_number += 1;
        instance.lost_tries = 0;
        instance.scheduled_when = Some(now);
        instance.queued_when = None;
        instance.next_try_at = None;
        instance.reason = None;
    }

    /// After `task` changed: looks at what waits for it.
    fn follow(&mut self, task: TaskIndex, now: DateTime<Utc>, changed: &mut Vec<TaskIndex>) {
        if self.state == RunState::Running && self.instances[task.index()].state.is_finished() {
            let downstream = self.dag.downstream(task).collect();
            self.settle(downstream, now, changed);
        }
    }

    /// Schedules or settles those of `tasks` whose time has come, and whatever follows from that.
    fn settle(&mut self, mut tasks: Vec<TaskIndex>, now: DateTime<Utc>, changed: &mut Vec<TaskIndex>) {
        let dag = Arc::clone(&self.dag);
        while let Some(task) = tasks.pop() {
            if self.instances[task.index()].state != TaskState::None {
                continue;
            }
            let states = dag.upstream(task).map(|upstream| self.instances[upstream.index()].state);
            match trigger_rule::evaluate(dag.task(task).trigger_rule, Upstream::count(states)) {
                Verdict::Wait => continue,
                Verdict::Run => self.schedule(task, now),
                Verdict::Settle(state) => {
                    self.finish(task, state, now);
                    tasks.extend(dag.downstream(task));
                }
            }
            changed.push(task);
        }
    }

    /// Ends the run from outside (Airflow 3: what runs takes `held_becomes`, what waits is skipped).
    fn close(&mut self, state: RunState, held_becomes: TaskState, now: DateTime<Utc>, changed: &mut Vec<TaskIndex>) {
        for place in 0..self.instances.len() {
            let task = TaskIndex::new(place);
            let instance = &self.instances[place];
            if instance.state.is_finished() {
                continue;
            }
            let held =
                instance.state.is_held() || matches!(instance.state, TaskState::Deferred | TaskState::UpForReschedule);
            self.finish(task, if held { held_becomes } else { TaskState::Skipped }, now);
            changed.push(task);
        }
        self.state = state;
        self.start_date.get_or_insert(now);
        self.end_date = Some(now);
    }

    /// Ends the run when nothing is left to do (Airflow 3: only the leaves count).
    fn conclude(&mut self, now: DateTime<Utc>) {
        if self.state != RunState::Running || self.unfinished > 0 {
            return;
        }
        let failed = self.instances().any(|(task, instance)| {
            matches!(instance.state, TaskState::Failed | TaskState::UpstreamFailed)
                && self.dag.downstream(task).next().is_none()
        });
        self.state = if failed { RunState::Failed } else { RunState::Success };
        self.end_date = Some(now);
    }
}
