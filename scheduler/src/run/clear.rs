//! What people and timeouts do to a run from outside: clear, mark, end it early.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::instance::{Instance, InstanceIndex, Pushed};
use super::run::Run;
use super::state::{RunState, TaskState};
use super::step::Step;
use crate::dag::{Dag, Direction, TaskIndex, TaskRole};

impl Run {
    /// Makes task instances run anew (Airflow 3: clear). A run that is over begins again, or is left as it is.
    pub(super) fn clear(&mut self, instances: &[InstanceIndex], reopens: bool, now: DateTime<Utc>, step: &mut Step) {
        for &at in instances {
            self.clear_one(at, now, step);
        }
        self.unschedule_behind(instances, step);
        if reopens && self.state.is_finished() {
            self.reopen();
        } else if reopens && !instances.is_empty() {
            // How it was to end was said before.
            self.decided = None;
        }
        self.settle_if_running(now, step);
    }

    fn clear_one(&mut self, at: InstanceIndex, now: DateTime<Utc>, step: &mut Step) {
        let Some(instance) = self.get(at).cloned() else { return };
        let retries = self.dag.task(at.task).retries;
        self.withdraw(at, step);
        match instance.state {
            TaskState::None | TaskState::Restarting | TaskState::Removed => return,
            // It is stopped first; when it has, `restart` does the rest.
            state if state.is_held() => {
                step.abandoned.push(instance.try_id);
                self.at_mut(at).reason = Some("cleared while it ran; it starts anew once it has stopped".to_owned());
                self.put(at, TaskState::Restarting);
            }
            // Its try has not begun, so that the number can be used again.
            TaskState::Scheduled if !instance.is_cut_off() => {
                self.at_mut(at).try_number -= 1;
                self.reset(at, retries);
            }
            // No process holds it, so that nothing is to be stopped first.
            TaskState::Scheduled => {
                step.superseded.push((at, cleared(instance, now)));
                self.reset(at, retries);
            }
            state => {
                if instance.has_begun() {
                    let ended_as = if state == TaskState::UpForRetry { TaskState::Failed } else { state };
                    step.superseded.push((at, Instance { state: ended_as, ..instance }));
                }
                self.reset(at, retries);
            }
        }
        step.changed.push(at);
    }

    /// What was about to start behind cleared instances waits for them again.
    fn unschedule_behind(&mut self, cleared: &[InstanceIndex], step: &mut Step) {
        let behind: BTreeSet<TaskIndex> = cleared.iter().flat_map(|at| self.dag.waiting_for(at.task)).collect();
        let about_to_start = |(at, instance): &(InstanceIndex, &Instance)| {
            instance.state == TaskState::Scheduled && behind.contains(&at.task)
        };
        let waiting: Vec<InstanceIndex> = self.instances().filter(about_to_start).map(|(at, _)| at).collect();
        for at in waiting {
            self.at_mut(at).try_number -= 1;
            self.put(at, TaskState::None);
            step.changed.push(at);
        }
    }

    /// Lets an instance begin anew, with fresh retries.
    fn reset(&mut self, at: InstanceIndex, retries: u32) {
        // First the state, which still needs to know whom the instance skipped.
        self.put(at, TaskState::None);
        let instance = self.at_mut(at);
        *instance = Instance {
            try_number: instance.try_number,
            try_id: instance.try_id,
            max_tries: instance.try_number + retries,
            ..Instance::new(retries)
        };
    }

    /// Lets tasks begin anew that the version `before` of the DAG did not have, and one before that had (Airflow 3: restored).
    /// No process holds what is left of them. How many instances of a mapped task are wanted is found out anew.
    pub fn bring_back(&mut self, before: &Dag, now: DateTime<Utc>) -> Step {
        let mut step = Step::default();
        let is_back = |at: &InstanceIndex| before.find(&self.dag.task(at.task).task_id).is_none();
        let back: Vec<InstanceIndex> = self.instances().map(|(at, _)| at).filter(is_back).collect();
        for at in back {
            self.bring_back_one(at, now, &mut step);
        }
        step
    }

    /// Lets an instance that was removed begin anew. Its tries go into history, and go on counting.
    pub(super) fn bring_back_one(&mut self, at: InstanceIndex, now: DateTime<Utc>, step: &mut Step) {
        let instance = self.instance(at).clone();
        if instance.has_begun() {
            let end_date = instance.end_date.or(Some(now));
            step.superseded.push((at, Instance { state: TaskState::Removed, end_date, ..instance }));
        }
        self.reset(at, self.dag.task(at.task).retries);
        step.changed.push(at);
    }

    /// A try that was cleared while it ran has stopped.
    pub(super) fn restart(&mut self, at: InstanceIndex, now: DateTime<Utc>, step: &mut Step) {
        let ended = cleared(self.instance(at).clone(), now);
        if ended.start_date.is_some() {
            step.superseded.push((at, ended));
        }
        step.result_is_void = true;
        self.reset(at, self.dag.task(at.task).retries);
        self.settle_if_running(now, step);
    }

    fn reopen(&mut self) {
        self.state = RunState::Queued;
        self.start_date = None;
        self.end_date = None;
        self.decided = None;
    }

    /// Says how task instances ended; what failed because of them gets another chance (Airflow 3: mark task instance).
    pub(super) fn mark_instances(
        &mut self,
        instances: &[InstanceIndex],
        state: TaskState,
        now: DateTime<Utc>,
        step: &mut Step,
    ) {
        if !matches!(state, TaskState::Success | TaskState::Failed | TaskState::Skipped) {
            return;
        }
        let mut marked = Vec::new();
        for &at in instances {
            let Some(instance) = self.get(at).filter(|instance| instance.state != state) else { continue };
            if instance.state.is_held() {
                step.abandoned.push(instance.try_id);
            }
            let was_finished = instance.state.is_finished();
            self.withdraw(at, step);
            if was_finished {
                self.put(at, TaskState::None);
            }
            self.finish(at, state, now);
            step.changed.push(at);
            marked.push(at);
        }
        let revived = self.failed_behind(&marked);
        for &at in &revived {
            self.clear_one(at, now, step);
        }
        match self.state {
            RunState::Running => self.settle_if_running(now, step),
            RunState::Queued => {}
            RunState::Success | RunState::Failed if !revived.is_empty() => self.reopen(),
            // Nothing is left to do: the run ends as its leaves now say.
            RunState::Success | RunState::Failed => self.state = self.outcome(),
        }
    }

    /// What is downstream of these instances and failed, itself or because of what was before it.
    fn failed_behind(&self, marked: &[InstanceIndex]) -> Vec<InstanceIndex> {
        let behind: BTreeSet<TaskIndex> =
            marked.iter().flat_map(|at| self.dag.relatives(at.task, Direction::Outgoing)).collect();
        self.instances()
            .filter(|(at, _)| behind.contains(&at.task) && !marked.contains(at))
            .filter(|(_, instance)| matches!(instance.state, TaskState::Failed | TaskState::UpstreamFailed))
            .map(|(at, _)| at)
            .collect()
    }

    /// Says how the run ends. What runs ends with it and what waits is skipped; teardowns still run, and the run is over
    /// when they have (Airflow 3: mark run).
    pub(super) fn mark(&mut self, state: RunState, now: DateTime<Utc>, step: &mut Step) {
        let running_becomes = match state {
            RunState::Success => TaskState::Success,
            RunState::Failed => TaskState::Failed,
            RunState::Queued | RunState::Running => return self.reopen(),
        };
        if self.state.is_finished() {
            self.state = state;
            return;
        }
        let ends_as = |state: TaskState| {
            let runs = state == TaskState::Running || state.only_waits();
            if runs { running_becomes } else { TaskState::Skipped }
        };
        self.close(|role| matches!(role, TaskRole::Teardown { .. }), ends_as, now, step);
        self.state = RunState::Running;
        self.start_date.get_or_insert(now);
        self.decided = Some(state);
        self.settle_if_running(now, step);
    }

    /// The run took too long: everything that has not ended is skipped.
    pub(super) fn time_out(&mut self, now: DateTime<Utc>, step: &mut Step) {
        if self.state.is_finished() {
            return;
        }
        self.close(|_| false, |_| TaskState::Skipped, now, step);
        self.state = RunState::Running;
        self.start_date.get_or_insert(now);
        self.decided = Some(RunState::Failed);
    }

    /// A task failed for good, and with it the run: what runs fails, what waits is skipped, here or elsewhere, and teardowns
    /// still run (Airflow 3: `_stop_remaining_tasks`).
    pub(super) fn fail_fast(&mut self, now: DateTime<Utc>, step: &mut Step) {
        let ends_as =
            |state: TaskState| if state == TaskState::Running { TaskState::Failed } else { TaskState::Skipped };
        self.close(|role| matches!(role, TaskRole::Teardown { .. }), ends_as, now, step);
        // The leaves were skipped and say nothing of the failure.
        self.decided = Some(RunState::Failed);
        self.settle_if_running(now, step);
    }

    /// Ends every instance that has not ended, save those of tasks that are spared, and whatever they started elsewhere. What
    /// was handed out has not begun, and what was cleared is to begin anew; both are ended as what waits (Airflow 3).
    fn close(
        &mut self,
        is_spared: impl Fn(TaskRole) -> bool,
        ends_as: impl Fn(TaskState) -> TaskState,
        now: DateTime<Utc>,
        step: &mut Step,
    ) {
        let open: Vec<(InstanceIndex, TaskState)> = self
            .instances()
            .filter(|(at, instance)| !instance.state.is_finished() && !is_spared(self.dag.task(at.task).role))
            .map(|(at, instance)| (at, instance.state))
            .collect();
        for (at, state) in open {
            if state.is_held() {
                step.abandoned.push(self.instance(at).try_id);
            }
            self.withdraw(at, step);
            self.finish(at, ends_as(state), now);
            step.changed.push(at);
        }
    }
}

/// A try as it ended that was cleared under way.
fn cleared(instance: Instance, now: DateTime<Utc>) -> Instance {
    Instance {
        state: TaskState::Failed,
        end_date: Some(now),
        reason: None,
        error: Some("cleared while it ran".to_owned()),
        pushed: Pushed::Nothing,
        ..instance
    }
}
