//! What the next commit will make durable, and what may happen only after it.

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::active_run::{ActiveRun, Place};
use super::executor::Order;
use crate::events::{Change, Changes};
use crate::run::{InstanceIndex, TaskState};
use crate::store::asset_events::NewAssetEvent;
use crate::store::entity::{callback_request, task_instance_history};
use crate::store::runs::{Batch, InstanceKey, NewXCom};
use crate::store::tries::TryBatch;

/// Changes that gather while the commit before them is under way.
#[derive(Default)]
pub(super) struct Pending {
    touched: HashMap<Uuid, Touched>,
    pub(super) history: Vec<task_instance_history::Model>,
    /// Task instances that have become several.
    pub(super) expanded: Vec<InstanceKey>,
    forget_xcoms: Vec<InstanceKey>,
    xcoms: HashMap<InstanceKey, Vec<NewXCom>>,
    pub(super) requests_done: Vec<i64>,
    /// Runs that went on with another version of their DAG, with the tasks that it has.
    pub(super) vanished: Vec<(Uuid, Vec<String>)>,
    pub(super) callbacks: Vec<callback_request::Model>,
    pub(super) succeeded: Vec<(Uuid, DateTime<Utc>)>,
    /// What task instances that succeeded have made.
    pub(super) asset_events: Vec<NewAssetEvent>,
    /// Tries to start once their `running` is durable.
    pub(super) orders: Vec<Order>,
    /// Tries of this process to stop once it is durable that nobody waits for them.
    pub(super) cancels: Vec<Uuid>,
    /// Tries that workers make.
    pub(super) tries: TryBatch,
    /// Task instances of which nobody wants any more what their last try may have started elsewhere.
    pub(super) withdrawn: Vec<InstanceKey>,
}

#[derive(Default)]
struct Touched {
    run: bool,
    instances: BTreeSet<InstanceIndex>,
}

impl Pending {
    /// The run itself changed.
    pub(super) fn touch_run(&mut self, run: Uuid) {
        self.touched.entry(run).or_default().run = true;
    }

    /// These task instances of the run changed.
    pub(super) fn touch_instances(&mut self, run: Uuid, instances: impl IntoIterator<Item = InstanceIndex>) {
        let mut instances = instances.into_iter().peekable();
        if instances.peek().is_some() {
            self.touched.entry(run).or_default().instances.extend(instances);
        }
    }

    /// A try of a task instance left these values under these keys.
    pub(super) fn leave_xcoms(&mut self, instance: InstanceKey, xcoms: Vec<(String, Value)>) {
        let new = xcoms.into_iter().map(|(key, value)| NewXCom { instance: instance.clone(), key, value });
        let new: Vec<NewXCom> = new.collect();
        if !new.is_empty() {
            self.xcoms.entry(instance).or_default().extend(new);
        }
    }

    /// Another try of a task instance begins: what those before it left goes, also what is still to be written
    /// (Airflow 3: XCom).
    pub(super) fn forget_xcoms_of(&mut self, instance: InstanceKey) {
        self.xcoms.remove(&instance);
        self.forget_xcoms.push(instance);
    }

    /// Whether there is nothing to write, and nothing to bring about.
    pub(super) fn is_empty(&self) -> bool {
        self.touched.is_empty()
            && self.requests_done.is_empty()
            && self.tries.is_empty()
            && self.orders.is_empty()
            && self.cancels.is_empty()
    }

    /// Takes out the runs that are over, with all that there is to write about them, so that they can be written before the
    /// rest. None if there are none, or if something is to be written that must not be torn apart from what it brought about.
    pub(super) fn split_off_over(&mut self, runs: &HashMap<Uuid, ActiveRun>) -> Option<Pending> {
        let Pending {
            touched,
            history,
            expanded,
            forget_xcoms,
            xcoms,
            requests_done,
            vanished,
            callbacks,
            succeeded,
            asset_events,
            orders,
            // Of tries that nobody waits for, of whatever runs; they are stopped with the rest.
            cancels: _,
            tries,
            withdrawn,
        } = self;
        if !requests_done.is_empty() || !vanished.is_empty() || !tries.is_empty() {
            return None;
        }
        // A try that is not wanted any more before it began begins and is stopped in one go.
        let begins: HashSet<Uuid> = orders.iter().map(|order| order.run).collect();
        let is_over = |id: &Uuid, active: &ActiveRun| active.run.state.is_finished() && !begins.contains(id);
        let over: HashMap<Uuid, &ActiveRun> =
            touched.keys().filter_map(|id| Some((*id, runs.get(id).filter(|active| is_over(id, active))?))).collect();
        if over.is_empty() {
            return None;
        }
        let names: HashSet<(&str, &str)> =
            over.values().map(|active| (active.row.dag_id.as_str(), active.row.run_id.as_str())).collect();
        let is_of = |key: &InstanceKey| over.contains_key(&key.dag_run_id);
        let made = |event: &NewAssetEvent| {
            event.source.as_ref().is_some_and(|by| names.contains(&(by.dag_id.as_str(), by.run_id.as_str())))
        };
        Some(Pending {
            history: history.extract_if(.., |row| over.contains_key(&row.dag_run_id)).collect(),
            expanded: expanded.extract_if(.., |key| is_of(key)).collect(),
            forget_xcoms: forget_xcoms.extract_if(.., |key| is_of(key)).collect(),
            xcoms: xcoms.extract_if(|key, _| is_of(key)).collect(),
            callbacks: callbacks.extract_if(.., |row| over.contains_key(&row.dag_run_id)).collect(),
            succeeded: succeeded.extract_if(.., |(run, _)| over.contains_key(run)).collect(),
            asset_events: asset_events.extract_if(.., |event| made(event)).collect(),
            withdrawn: withdrawn.extract_if(.., |key| is_of(key)).collect(),
            touched: touched.extract_if(|id, _| over.contains_key(id)).collect(),
            ..Pending::default()
        })
    }

    /// The rows to write.
    pub(super) fn batch(&mut self, runs: &mut HashMap<Uuid, ActiveRun>, place: &Place, now: DateTime<Utc>) -> Batch {
        let mut batch = Batch {
            history: std::mem::take(&mut self.history),
            expanded: std::mem::take(&mut self.expanded),
            forget_xcoms: std::mem::take(&mut self.forget_xcoms),
            xcoms: std::mem::take(&mut self.xcoms).into_values().flatten().collect(),
            requests_done: std::mem::take(&mut self.requests_done),
            vanished: std::mem::take(&mut self.vanished),
            callbacks: std::mem::take(&mut self.callbacks),
            succeeded: std::mem::take(&mut self.succeeded),
            tries: std::mem::take(&mut self.tries),
            asset_events: std::mem::take(&mut self.asset_events),
            withdrawn: std::mem::take(&mut self.withdrawn),
            ..Batch::default()
        };
        let has_new = !batch.expanded.is_empty();
        for (id, touched) in &mut self.touched {
            let Some(active) = runs.get_mut(id) else { continue };
            if touched.run {
                batch.runs.push(active.run_row(now));
            }
            let all = active.take_all_if_new();
            let rows = match &all {
                Some(_) if !active.has_begun() => &mut batch.first_instances,
                Some(_) => &mut batch.new_instances,
                None if has_new => &mut batch.new_instances,
                None => &mut batch.instances,
            };
            touched.instances.extend(all.into_iter().flatten());
            let known = touched.instances.iter().filter(|&&at| active.run.get(at).is_some());
            rows.extend(known.map(|&at| active.instance_row(at, place, now)));
        }
        batch
    }

    /// Tells whoever watches what is now durable.
    pub(super) fn announce(&self, runs: &HashMap<Uuid, ActiveRun>, changes: &Changes) {
        if !changes.is_watched() {
            return;
        }
        for (id, touched) in &self.touched {
            let Some(active) = runs.get(id) else { continue };
            let (dag_id, run_id) = (&active.row.dag_id, &active.row.run_id);
            for &at in &touched.instances {
                let Some(state) = active.run.get(at).map(|instance| instance.state) else { continue };
                if state != TaskState::None {
                    let task_id = &active.run.dag.task(at.task).task_id;
                    let change = Change::task_instance(dag_id, run_id, task_id, state.word());
                    changes.send(change.of_instance(at.map_index));
                }
            }
            if touched.run {
                changes.send(Change::dag_run(dag_id, run_id, active.run.state.word()));
            }
        }
    }

    /// The runs that were touched.
    pub(super) fn runs(&self) -> impl Iterator<Item = Uuid> {
        self.touched.keys().copied()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn instance(task_id: &str) -> InstanceKey {
        InstanceKey {
            dag_run_id: Uuid::nil(),
            dag_id: "a".to_owned(),
            run_id: "one".to_owned(),
            task_id: task_id.to_owned(),
            map_index: -1,
        }
    }

    /// A task that is cleared before its end is durable leaves nothing of that to its next try.
    #[test]
    fn what_is_not_written_yet_is_forgotten_as_well() {
        let mut pending = Pending::default();
        for task_id in ["again", "other"] {
            pending.leave_xcoms(instance(task_id), vec![("k".to_owned(), json!(1)), ("l".to_owned(), json!(2))]);
        }

        pending.forget_xcoms_of(instance("again"));
        pending.leave_xcoms(instance("again"), vec![("k".to_owned(), json!(3))]);

        let batch = pending.batch(&mut HashMap::new(), &Place::nowhere(), DateTime::default());
        let left: BTreeSet<String> = batch
            .xcoms
            .iter()
            .map(|left| format!("{} of {}: {}", left.key, left.instance.task_id, left.value))
            .collect();
        assert_eq!(left, BTreeSet::from(["k of again: 3", "k of other: 1", "l of other: 2"].map(str::to_owned)));
        assert_eq!(batch.forget_xcoms, [instance("again")]);
    }
}
