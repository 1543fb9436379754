//! One execution of a DAG, in memory: its task instances, and what is counted of them so that a step costs little.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::instance::{Instance, InstanceIndex, Instances, UNMAPPED};
use super::past::Blocked;
use super::state::{RunState, TaskState};
use super::step::Step;
use super::trigger_rule::Upstream;
use crate::dag::{Dag, MAP_LENGTH_MAX, PastDependency, TaskIndex, TaskRole};

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
    /// How a person said that it ends, while its teardowns still run.
    pub decided: Option<RunState>,
    /// Whether tasks keep to dates of their own; in a backfill they do not (Airflow 3).
    pub keeps_to_dates: bool,
    /// What is mapped over has at most so many items, unless it stands in the file (Airflow 3: `max_map_length`).
    pub map_length_max: u32,
    pub(super) instances: Vec<Instances>,
    /// The tasks that may not start yet because of the run before; `None` while nobody has looked.
    pub(super) blocked_by_past: Option<Blocked>,
    // What follows is derived from the instances, and kept beside them.
    pub(super) unfinished: usize,
    /// The unfinished ones that are no longer in `none`.
    alive: usize,
    /// For each task, the instances of its direct upstream tasks outside of the mapped group that is around both.
    pub(super) upstream: Vec<Upstream>,
    /// For each task, how many instances have decided to skip it.
    pub(super) skipped_by: Vec<usize>,
}

impl Run {
    /// A new run, in `queued`.
    pub fn new(dag: Arc<Dag>, run_id: String, logical_date: Option<DateTime<Utc>>) -> Run {
        Run::restore(dag, run_id, logical_date, RunState::Queued, [])
    }

    /// A run as it was stored; tasks without a stored instance have a new one.
    pub fn restore(
        dag: Arc<Dag>,
        run_id: String,
        logical_date: Option<DateTime<Utc>>,
        state: RunState,
        stored: impl IntoIterator<Item = (InstanceIndex, Instance)>,
    ) -> Run {
        let instances = dag.tasks().map(|(_, task)| Instances::One(Instance::new(task.retries))).collect();
        let (upstream, skipped_by) = (vec![Upstream::default(); dag.len()], vec![0; dag.len()]);
        let mut run = Run {
            dag,
            run_id,
            logical_date,
            state,
            start_date: None,
            end_date: None,
            decided: None,
            keeps_to_dates: true,
            map_length_max: MAP_LENGTH_MAX,
            instances,
            blocked_by_past: None,
            unfinished: 0,
            alive: 0,
            upstream,
            skipped_by,
        };
        let mut stored: Vec<(InstanceIndex, Instance)> = stored.into_iter().collect();
        stored.sort_by_key(|(at, _)| *at);
        for (at, instance) in stored {
            run.place_stored(at, instance);
        }
        run.count_all();
        run
    }

    fn place_stored(&mut self, at: InstanceIndex, instance: Instance) {
        let retries = self.dag.task(at.task).retries;
        let slot = &mut self.instances[at.task.index()];
        let Ok(place) = usize::try_from(at.map_index) else {
            *slot = Instances::One(instance);
            return;
        };
        let mut mapped = match std::mem::replace(slot, Instances::Mapped(Vec::new())) {
            Instances::One(_) => Vec::new(),
            Instances::Mapped(mapped) => mapped,
        };
        // Somebody may have deleted an instance before; nobody asks for it any more.
        mapped.resize_with(place, || Instance { state: TaskState::Removed, ..Instance::new(retries) });
        mapped.push(instance);
        *slot = Instances::Mapped(mapped);
    }

    fn count_all(&mut self) {
        for task in (0..self.dag.len()).map(TaskIndex::new) {
            for place in 0..self.instances[task.index()].as_slice().len() {
                let instance = &self.instances[task.index()].as_slice()[place];
                let (state, skips) = (instance.state, instance.skips.clone());
                self.count(state, 1);
                self.tell_downstream(task, None, Some(state));
                if state == TaskState::Success {
                    for skipped in skips {
                        self.skipped_by[skipped.index()] += 1;
                    }
                }
            }
        }
    }

    /// A task instance, which must exist.
    pub fn instance(&self, at: InstanceIndex) -> &Instance {
        self.get(at).expect("the caller names an instance that there is")
    }

    /// A task instance, if it exists.
    pub fn get(&self, at: InstanceIndex) -> Option<&Instance> {
        let instances = self.instances.get(at.task.index())?;
        instances.place(at.map_index).map(|place| &instances.as_slice()[place])
    }

    pub(super) fn get_mut(&mut self, at: InstanceIndex) -> Option<&mut Instance> {
        let instances = self.instances.get_mut(at.task.index())?;
        instances.place(at.map_index).map(|place| &mut instances.as_mut_slice()[place])
    }

    pub(super) fn at_mut(&mut self, at: InstanceIndex) -> &mut Instance {
        self.get_mut(at).expect("the caller names an instance that there is")
    }

    /// All task instances, in the order of the DAG's tasks and of their map indices.
    pub fn instances(&self) -> impl Iterator<Item = (InstanceIndex, &Instance)> {
        self.instances.iter().enumerate().flat_map(|(task, instances)| {
            let task = TaskIndex::new(task);
            let named = move |place: usize| InstanceIndex { task, map_index: instances.map_index(place) };
            instances.as_slice().iter().enumerate().map(move |(place, instance)| (named(place), instance))
        })
    }

    /// The map indices of a task's instances.
    pub fn indices(&self, task: TaskIndex) -> impl Iterator<Item = i32> + use<> {
        self.instances[task.index()].indices()
    }

    /// Says why a task instance does not run; true when that is news.
    pub fn explain(&mut self, at: InstanceIndex, reason: Option<&str>) -> bool {
        let Some(instance) = self.get_mut(at) else { return false };
        if instance.reason.as_deref() == reason {
            return false;
        }
        instance.reason = reason.map(str::to_owned);
        true
    }

    /// The tasks that have to wait because of the run before; `None` while nobody has looked.
    pub fn blocked_by_past(&self) -> Option<&Blocked> {
        self.blocked_by_past.as_ref()
    }

    /// The logical date, while it is to come and nothing of the run has been scheduled: until then nothing is (Airflow 3:
    /// "Logical date is in future"). A run that has begun its work goes on with it when the clock is set back.
    pub fn date_to_come(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let date = self.logical_date.filter(|date| *date > now)?;
        let has_tries = |(_, instance): (InstanceIndex, &Instance)| instance.try_number > 0;
        // What a person said of the run's end is not for later.
        (self.decided.is_none() && !self.instances().any(has_tries)).then_some(date)
    }

    /// Whether nothing is left that could still move by itself.
    pub(super) fn is_stuck(&self) -> bool {
        self.alive == 0 && self.unfinished > 0
    }

    /// Whether something that has not ended may yet be let go by the run before (Airflow 3: such a run is no deadlock).
    pub(super) fn waits_for_past(&self) -> bool {
        self.dag.depends_on_past()
            && self.instances().any(|(at, instance)| {
                !instance.state.is_finished() && self.dag.task(at.task).past != PastDependency::None
            })
    }

    /// The one way to change a state: keeps what is counted in line with it.
    pub(super) fn put(&mut self, at: InstanceIndex, state: TaskState) {
        let instance = self.at_mut(at);
        let before = std::mem::replace(&mut instance.state, state);
        let was_success = before == TaskState::Success;
        if was_success != (state == TaskState::Success) {
            for skipped in instance.skips.clone() {
                let count = &mut self.skipped_by[skipped.index()];
                *count = if was_success { *count - 1 } else { *count + 1 };
            }
        }
        self.count(before, -1);
        self.count(state, 1);
        self.tell_downstream(at.task, Some(before), Some(state));
    }

    fn count(&mut self, state: TaskState, sign: isize) {
        let change = |place: &mut usize| *place = place.saturating_add_signed(sign);
        if !state.is_finished() {
            change(&mut self.unfinished);
            if state != TaskState::None {
                change(&mut self.alive);
            }
        }
    }

    /// Counts an instance of `task` out of one state and into another, with all that wait for it.
    fn tell_downstream(&mut self, task: TaskIndex, before: Option<TaskState>, after: Option<TaskState>) {
        let dag = Arc::clone(&self.dag);
        let is_setup = dag.task(task).role == TaskRole::Setup;
        for waiting in dag.downstream(task).filter(|waiting| !dag.are_mapped_together(task, *waiting)) {
            let counts = &mut self.upstream[waiting.index()];
            if let Some(before) = before {
                counts.take(before, is_setup);
            }
            if let Some(after) = after {
                counts.add(after, is_setup);
            }
        }
    }

    /// Makes a task's only instance the first of `length`, or changes how many there are.
    ///
    /// Instances beyond `length` are removed (Airflow 3: mapped tasks that run again with another length). Answers with those.
    pub(super) fn resize(
        &mut self,
        task: TaskIndex,
        length: usize,
        now: DateTime<Utc>,
        step: &mut Step,
    ) -> Vec<InstanceIndex> {
        let retries = self.dag.task(task).retries;
        if let Instances::One(first) = &self.instances[task.index()] {
            self.instances[task.index()] = Instances::Mapped(vec![first.clone()]);
            step.changed.push(InstanceIndex { task, map_index: 0 });
        }
        let known = self.instances[task.index()].as_slice().len();
        for place in known..length {
            if let Instances::Mapped(instances) = &mut self.instances[task.index()] {
                instances.push(Instance::new(retries));
            }
            self.count(TaskState::None, 1);
            self.tell_downstream(task, None, Some(TaskState::None));
            step.changed.push(InstanceIndex { task, map_index: i32::try_from(place).unwrap_or(i32::MAX) });
        }
        let mut removed = Vec::new();
        for place in 0..known {
            let at = InstanceIndex { task, map_index: i32::try_from(place).unwrap_or(i32::MAX) };
            let state = self.instance(at).state;
            let is_held_by_nobody = state == TaskState::None || state.is_finished();
            if place < length && state == TaskState::Removed {
                // There were fewer before: it is wanted again.
                self.bring_back_one(at, now, step);
            } else if place >= length && is_held_by_nobody && state != TaskState::Removed {
                // How it ended says nothing of the run any more.
                self.put(at, TaskState::Removed);
                step.changed.push(at);
                removed.push(at);
            }
        }
        removed
    }

    /// Whether a task has become several instances.
    pub fn is_expanded(&self, task: TaskIndex) -> bool {
        matches!(self.instances[task.index()], Instances::Mapped(_))
    }

    /// The instances of a task that are wanted.
    pub(super) fn wanted(&self, task: TaskIndex) -> usize {
        let instances = self.instances[task.index()].as_slice();
        instances.iter().filter(|instance| instance.state != TaskState::Removed).count()
    }

    /// The instance of `other` that goes with `at`: the one with the same map index where one mapped group is around both.
    pub(super) fn paired(&self, at: InstanceIndex, other: TaskIndex) -> Option<&Instance> {
        let same = InstanceIndex { task: other, map_index: at.map_index };
        self.get(same).or_else(|| self.get(InstanceIndex { task: other, map_index: UNMAPPED }))
    }
}
