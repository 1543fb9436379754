//! Schedules or settles the task instances whose time has come, and whatever follows from that.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};

use super::instance::{Instance, InstanceIndex, Pushed};
use super::obstacle::{WAITS_FOR_ABSENT, WAITS_FOR_DATE, WAITS_FOR_PAST};
use super::past::Unmet;
use super::run::Run;
use super::state::{RunState, TaskState};
use super::step::Step;
use super::trigger_rule::{self, Upstream, Verdict};
use crate::dag::{MappedValues, Mapping, PastDependency, TaskIndex, TaskRole};

/// Upstream tasks that a reason names.
const NAMED_MAX: usize = 3;

/// What is to be looked at: one instance of a task, or all of them.
#[derive(Clone, Copy)]
struct Look {
    task: TaskIndex,
    map_index: Option<i32>,
}

/// What holds now of a task instance in `none`.
enum Prospect {
    Run,
    Wait(Wait),
    Settle(TaskState),
}

impl Prospect {
    fn waiting_for_past(unmet: Unmet) -> Prospect {
        Prospect::Wait(Wait::Past(unmet))
    }
}

/// What it waits for.
enum Wait {
    Upstream,
    Setup(TaskIndex),
    /// Something between its setups and it, which is a teardown.
    Scope(TaskIndex),
    Past(Unmet),
    Mapping,
}

/// How many instances a mapped task has.
enum Length {
    Known(usize),
    Unknown,
    /// It will never be known.
    Lost(TaskState),
}

impl Run {
    pub(super) fn settle_if_running(&mut self, now: DateTime<Utc>, step: &mut Step) {
        if self.state == RunState::Running {
            if let Some(date) = self.date_to_come(now) {
                return self.wait_for_date(date, step);
            }
            let all = (0..self.dag.len()).rev().map(|task| Look { task: TaskIndex::new(task), map_index: None });
            self.settle(all.collect(), now, step);
        }
    }

    /// Nothing is scheduled or settled before the logical date.
    fn wait_for_date(&mut self, date: DateTime<Utc>, step: &mut Step) {
        let reason = format!("{WAITS_FOR_DATE}{}", date.to_rfc3339_opts(SecondsFormat::AutoSi, true));
        for task in (0..self.dag.len()).map(TaskIndex::new) {
            let indices: Vec<i32> = self.indices(task).collect();
            self.explain_with(task, &indices, &reason, step);
        }
    }

    /// After the instance at `at` changed: looks at what waits for it.
    pub(super) fn follow(&mut self, at: InstanceIndex, now: DateTime<Utc>, step: &mut Step) {
        if self.state == RunState::Running && self.instance(at).state.is_finished() {
            let looks = self.after(at);
            self.settle(looks, now, step);
        }
    }

    /// Looks at one instance.
    pub(super) fn settle_one(&mut self, at: InstanceIndex, now: DateTime<Utc>, step: &mut Step) {
        if self.state == RunState::Running {
            self.settle(vec![Look { task: at.task, map_index: Some(at.map_index) }], now, step);
        }
    }

    /// What may have changed because the instance at `at` ended.
    fn after(&self, at: InstanceIndex) -> Vec<Look> {
        let dag = &self.dag;
        dag.waiting_for(at.task)
            .chain(self.instance(at).skips.iter().copied())
            .map(|task| {
                let is_paired = dag.are_mapped_together(at.task, task) && self.is_expanded(task);
                Look { task, map_index: is_paired.then_some(at.map_index) }
            })
            .collect()
    }

    fn settle(&mut self, mut looks: Vec<Look>, now: DateTime<Utc>, step: &mut Step) {
        while let Some(look) = looks.pop() {
            if let Some(reason) = self.out_of_date(look.task) {
                self.settle_unexpanded(look.task, TaskState::Skipped, Some(&reason), now, step, &mut looks);
                continue;
            }
            if !self.expand(look.task, now, step, &mut looks) {
                continue;
            }
            // Where nothing differs from instance to instance, one look tells of all.
            let shared = if self.is_alike(look.task) { Some(self.prospect(look.task, None)) } else { None };
            let indices: Vec<i32> = match look.map_index {
                Some(index) if self.get(InstanceIndex { task: look.task, map_index: index }).is_some() => vec![index],
                _ => self.indices(look.task).collect(),
            };
            if let Some(Prospect::Wait(wait)) = &shared {
                self.explain_all(look.task, &indices, wait, step);
                continue;
            }
            for map_index in indices {
                let at = InstanceIndex { task: look.task, map_index };
                if self.get(at).is_none_or(|instance| instance.state != TaskState::None) {
                    continue;
                }
                let own;
                let prospect = match &shared {
                    Some(shared) => shared,
                    None => {
                        own = self.prospect(look.task, Some(at));
                        &own
                    }
                };
                match prospect {
                    Prospect::Run => self.schedule(at, now),
                    Prospect::Wait(wait) => {
                        let reason = self.words(at.task, wait);
                        if !self.explain(at, Some(&reason)) {
                            continue;
                        }
                    }
                    Prospect::Settle(state) => {
                        self.finish(at, *state, now);
                        looks.extend(self.after(at));
                    }
                }
                step.changed.push(at);
            }
        }
    }

    /// Sees to it that a mapped task has as many instances as it is mapped over; false while that is not known.
    fn expand(&mut self, task: TaskIndex, now: DateTime<Utc>, step: &mut Step, looks: &mut Vec<Look>) -> bool {
        let dag = Arc::clone(&self.dag);
        let Some(mapping) = dag.mapping(task) else { return true };
        let is_waiting = |run: &Run| {
            run.indices(task)
                .any(|index| run.instance(InstanceIndex { task, map_index: index }).state == TaskState::None)
        };
        if !is_waiting(self) {
            return false;
        }
        match self.length(mapping) {
            Length::Known(0) => {
                self.settle_unexpanded(task, TaskState::Skipped, None, now, step, looks);
                false
            }
            Length::Known(length) => {
                let is_expanded = self.is_expanded(task);
                if !is_expanded {
                    step.expanded.push(task);
                }
                if !is_expanded || self.wanted(task) != length {
                    // What waited for an instance that is removed may go on.
                    let removed = self.resize(task, length, now, step);
                    looks.extend(removed.into_iter().flat_map(|at| self.after(at)));
                }
                true
            }
            Length::Unknown => {
                let indices: Vec<i32> = self.indices(task).collect();
                self.explain_all(task, &indices, &Wait::Mapping, step);
                false
            }
            Length::Lost(state) => {
                self.settle_unexpanded(task, state, None, now, step, looks);
                false
            }
        }
    }

    /// Why the task does not run in this run, whatever comes before it.
    fn out_of_date(&self, task: TaskIndex) -> Option<String> {
        let logical_date = self.logical_date.filter(|_| self.keeps_to_dates)?;
        self.dag.task(task).out_of_date(logical_date)
    }

    /// A task that is not looked at any further, because of its dates or because it has nothing to be mapped over.
    fn settle_unexpanded(
        &mut self,
        task: TaskIndex,
        state: TaskState,
        reason: Option<&str>,
        now: DateTime<Utc>,
        step: &mut Step,
        looks: &mut Vec<Look>,
    ) {
        for map_index in self.indices(task) {
            let at = InstanceIndex { task, map_index };
            if self.instance(at).state == TaskState::None {
                self.finish(at, state, now);
                self.explain(at, reason);
                step.changed.push(at);
                looks.extend(self.after(at));
            }
        }
    }

    /// How many instances a mapping makes, as far as what it is over is known.
    fn length(&self, mapping: &Mapping) -> Length {
        let mut product = 1usize;
        for values in mapping.values() {
            match self.items(values) {
                Length::Known(items) => product = product.saturating_mul(items),
                other => return other,
            }
        }
        Length::Known(product)
    }

    fn items(&self, values: &MappedValues) -> Length {
        let task_id = match values {
            MappedValues::Literal(items) => return Length::Known(items.len()),
            MappedValues::Output { task_id, .. } => task_id,
        };
        let Some(task) = self.dag.find(task_id) else { return Length::Lost(TaskState::UpstreamFailed) };
        let instances = self.instances[task.index()].as_slice();
        if instances.iter().any(|instance| !instance.state.is_finished()) {
            return Length::Unknown;
        }
        if self.dag.mapping(task).is_some() {
            return items_of_mapped(instances);
        }
        match instances.first().map(|instance| (instance.state, instance.pushed)) {
            Some((TaskState::Success, Pushed::Items(items))) => Length::Known(items as usize),
            Some((TaskState::Skipped, _)) => Length::Lost(TaskState::Skipped),
            // Also a success that left nothing: there is nothing to run it with (Airflow 3).
            _ => Length::Lost(TaskState::UpstreamFailed),
        }
    }

    /// Whether the same holds of all instances of a task.
    fn is_alike(&self, task: TaskIndex) -> bool {
        !self.dag.upstream(task).any(|before| self.dag.are_mapped_together(before, task))
    }

    fn prospect(&self, task: TaskIndex, at: Option<InstanceIndex>) -> Prospect {
        match self.prospect_by_rules(task, at) {
            Prospect::Settle(TaskState::Skipped) if self.dag.task(task).past_before_skipping => {
                self.unmet_past(task).map_or(Prospect::Settle(TaskState::Skipped), Prospect::waiting_for_past)
            }
            prospect => prospect,
        }
    }

    fn prospect_by_rules(&self, task: TaskIndex, at: Option<InstanceIndex>) -> Prospect {
        let definition = self.dag.task(task);
        let is_teardown = matches!(definition.role, TaskRole::Teardown { .. });
        if !is_teardown && self.was_skipped(task, at) {
            return Prospect::Settle(TaskState::Skipped);
        }
        if let Some(prospect) = self.setups(task) {
            return prospect;
        }
        let mut counts = self.upstream[task.index()];
        if let Some(at) = at {
            let inner = self.inner_upstream(at);
            if inner.removed > 0 {
                return Prospect::Settle(TaskState::Removed);
            }
            counts = counts.plus(inner);
        }
        match trigger_rule::evaluate(definition.trigger_rule, counts) {
            Verdict::Run => self.prospect_of_ready(task, at),
            Verdict::Wait => Prospect::Wait(Wait::Upstream),
            Verdict::Settle(state) => Prospect::Settle(state),
        }
    }

    /// What is left to wait for when the trigger rule is met.
    fn prospect_of_ready(&self, task: TaskIndex, at: Option<InstanceIndex>) -> Prospect {
        // Airflow 3: a teardown waits for everything between its setups and it, also where a rule did not.
        if let Some(open) = self.dag.scope_of_teardown(task).iter().find(|within| self.is_open(**within, at)) {
            return Prospect::Wait(Wait::Scope(*open));
        }
        self.unmet_past(task).map_or(Prospect::Run, Prospect::waiting_for_past)
    }

    /// Whether a task has an instance that has not ended, or the one that goes with `at`.
    fn is_open(&self, task: TaskIndex, at: Option<InstanceIndex>) -> bool {
        match at.filter(|at| self.dag.are_mapped_together(task, at.task)) {
            Some(at) => self.paired(at, task).is_some_and(|instance| !instance.state.is_finished()),
            None => self.instances[task.index()].as_slice().iter().any(|instance| !instance.state.is_finished()),
        }
    }

    /// Whether something upstream decided to skip it, now or before it was cleared (Airflow 3: NotPreviouslySkippedDep).
    fn was_skipped(&self, task: TaskIndex, at: Option<InstanceIndex>) -> bool {
        let Some(at) = at else { return self.skipped_by[task.index()] > 0 };
        let (outside, inside): (Vec<TaskIndex>, Vec<TaskIndex>) =
            self.dag.upstream(task).partition(|before| !self.dag.are_mapped_together(*before, task));
        let skips = |instance: &Instance| instance.state == TaskState::Success && instance.skips.contains(&task);
        inside.iter().any(|before| self.paired(at, *before).is_some_and(skips))
            || outside.iter().any(|before| self.instances[before.index()].as_slice().iter().any(skips))
    }

    /// Airflow 3: a task needs the setups in whose scope it is to have succeeded, whatever its trigger rule.
    fn setups(&self, task: TaskIndex) -> Option<Prospect> {
        let mut waiting = None;
        for &setup in self.dag.indirect_setups(task) {
            for instance in self.instances[setup.index()].as_slice() {
                match instance.state {
                    TaskState::Success | TaskState::Removed => {}
                    TaskState::Failed | TaskState::UpstreamFailed => {
                        return Some(Prospect::Settle(TaskState::UpstreamFailed));
                    }
                    TaskState::Skipped => return Some(Prospect::Settle(TaskState::Skipped)),
                    _ => waiting = Some(Prospect::Wait(Wait::Setup(setup))),
                }
            }
        }
        waiting
    }

    /// The instances upstream of `at` within the mapped group that is around both.
    fn inner_upstream(&self, at: InstanceIndex) -> Upstream {
        let mut counts = Upstream::default();
        for before in self.dag.upstream(at.task).filter(|before| self.dag.are_mapped_together(*before, at.task)) {
            let is_setup = self.dag.task(before).role == TaskRole::Setup;
            if let Some(instance) = self.paired(at, before) {
                counts.add(instance.state, is_setup);
            }
        }
        counts
    }

    /// Why a task waits for the run before, if it does; as long as nobody has looked, it does.
    fn unmet_past(&self, task: TaskIndex) -> Option<Unmet> {
        if self.dag.task(task).past == PastDependency::None {
            return None;
        }
        self.blocked_by_past.as_ref().map_or(Some(Unmet::NotWell), |blocked| blocked.get(&task).copied())
    }

    /// Gives instances that wait for the same their reason.
    fn explain_all(&mut self, task: TaskIndex, indices: &[i32], wait: &Wait, step: &mut Step) {
        let reason = self.words(task, wait);
        self.explain_with(task, indices, &reason, step);
    }

    fn explain_with(&mut self, task: TaskIndex, indices: &[i32], reason: &str, step: &mut Step) {
        for &map_index in indices {
            let at = InstanceIndex { task, map_index };
            let is_waiting = self.get(at).is_some_and(|instance| instance.state == TaskState::None);
            if is_waiting && self.explain(at, Some(reason)) {
                step.changed.push(at);
            }
        }
    }

    /// Why a task waits, in words that change only when what they name does.
    fn words(&self, task: TaskIndex, wait: &Wait) -> String {
        let name = |task: TaskIndex| self.dag.task(task).task_id.as_str();
        match wait {
            Wait::Past(Unmet::NotWell) => WAITS_FOR_PAST.to_owned(),
            Wait::Past(Unmet::Absent) => WAITS_FOR_ABSENT.to_owned(),
            Wait::Setup(setup) => format!("waits for the setup {}", name(*setup)),
            Wait::Scope(within) => format!("waits for {}, which works with what it takes away", name(*within)),
            Wait::Mapping => {
                let sources = self.dag.mapping(task).into_iter().flat_map(Mapping::values);
                let names = sources.filter_map(|values| match values {
                    MappedValues::Output { task_id, .. } => Some(task_id.as_str()),
                    MappedValues::Literal(_) => None,
                });
                format!("waits for what {} leaves to map over", Named(names.collect()))
            }
            Wait::Upstream => {
                let is_open = |before: &TaskIndex| self.is_open(*before, None);
                let open = self.dag.upstream(task).filter(is_open).map(name).take(NAMED_MAX + 1).collect::<Vec<_>>();
                match open.as_slice() {
                    [] => "waits for what can no longer come: its trigger rule is not met".to_owned(),
                    _ => format!("waits for {}", Named(open)),
                }
            }
        }
    }

    /// Puts an instance into a state in which it stays.
    pub(super) fn finish(&mut self, at: InstanceIndex, state: TaskState, now: DateTime<Utc>) {
        debug_assert!(state.is_finished());
        let instance = self.at_mut(at);
        debug_assert!(!instance.state.is_finished());
        instance.start_date.get_or_insert(now);
        instance.end_date = Some(now);
        instance.deferred_at = None;
        instance.next_try_at = None;
        instance.reason = None;
        self.put(at, state);
    }

    pub(super) fn schedule(&mut self, at: InstanceIndex, now: DateTime<Utc>) {
        let instance = self.at_mut(at);
        instance.try_number += 1;
        instance.lost_tries = 0;
        instance.scheduled_when = Some(now);
        instance.queued_when = None;
        instance.deferred_at = None;
        instance.next_try_at = None;
        instance.reason = None;
        self.put(at, TaskState::Scheduled);
    }

    /// Ends the run when nothing is left to do (Airflow 3: only the leaves count).
    pub(super) fn conclude(&mut self, now: DateTime<Utc>) {
        if self.state != RunState::Running {
            return;
        }
        let may_still_move = !self.is_stuck() || self.waits_for_past() || self.date_to_come(now).is_some();
        if self.unfinished > 0 && may_still_move {
            return;
        }
        let computed = if self.is_stuck() { RunState::Failed } else { self.outcome() };
        self.state = self.decided.take().unwrap_or(computed);
        self.end_date = Some(now);
    }

    /// How the run ends by its leaves.
    pub(super) fn outcome(&self) -> RunState {
        let is_bad = |state: TaskState| matches!(state, TaskState::Failed | TaskState::UpstreamFailed);
        let failed = self.instances().any(|(at, instance)| is_bad(instance.state) && self.dag.is_leaf(at.task));
        if failed { RunState::Failed } else { RunState::Success }
    }
}

/// A mapped task leaves a list of what its instances left, in their order, without those that left nothing.
fn items_of_mapped(instances: &[Instance]) -> Length {
    let any = |state: TaskState| instances.iter().any(|instance| instance.state == state);
    if any(TaskState::Failed) || any(TaskState::UpstreamFailed) {
        return Length::Lost(TaskState::UpstreamFailed);
    }
    let left = |instance: &&Instance| instance.state == TaskState::Success && instance.pushed != Pushed::Nothing;
    let items = instances.iter().filter(left).count();
    // All skipped: there is nothing, rather than an empty list.
    if items == 0 && any(TaskState::Skipped) { Length::Lost(TaskState::Skipped) } else { Length::Known(items) }
}

/// Names in a sentence; only the first few.
struct Named<'a>(Vec<&'a str>);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.0[..self.0.len().min(NAMED_MAX)];
        match shown {
            _ if self.0.len() > NAMED_MAX => write!(f, "{} and others", shown.join(", ")),
            [rest @ .., last] if !rest.is_empty() => write!(f, "{} and {last}", rest.join(", ")),
            _ => f.write_str(&shown.join(", ")),
        }
    }
}
