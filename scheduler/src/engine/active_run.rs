//! A run that this scheduler owns: its state in memory, and the rows that it becomes.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sea_orm::prelude::Uuid;
use serde_json::Value;

use crate::dag::{Dag, TaskIndex};
use crate::run::{Instance, Run, RunState, TaskState};
use crate::store::StoreError;
use crate::store::entity::{dag_run, task_instance, task_instance_history};
use crate::store::runs::InstanceKey;

/// Orders what is ready within a run: larger weights first, then the order of the file.
type ReadyKey = (std::cmp::Reverse<i32>, u32);

/// A run that this scheduler owns.
#[derive(Debug)]
pub(super) struct ActiveRun {
    /// The row, as last written or about to be.
    pub(super) row: dag_run::Model,
    /// What it means.
    pub(super) run: Run,
    /// Task instances in `scheduled`; derived from the states, and kept beside them so that the best is found at once.
    ready: BTreeSet<ReadyKey>,
    /// What the last try of each task was given; it belongs to the row but not to the decision.
    rendered: HashMap<TaskIndex, Value>,
    /// Whether the rows of the task instances were never written.
    is_new: bool,
}

impl ActiveRun {
    /// Builds the run from its rows; a run without task instances has never begun.
    pub(super) fn restore(
        row: dag_run::Model,
        dag: Arc<Dag>,
        rows: Vec<task_instance::Model>,
    ) -> Result<ActiveRun, StoreError> {
        let state: RunState = row.state.parse().map_err(|_| corrupt("dag_run", &row.state))?;
        let is_new = rows.is_empty();
        let mut stored: HashMap<String, task_instance::Model> =
            rows.into_iter().map(|row| (row.task_id.clone(), row)).collect();
        let mut rendered = HashMap::new();
        let mut instances = Vec::with_capacity(dag.len());
        for (index, task) in dag.tasks() {
            match stored.remove(&task.task_id) {
                None => instances.push(Instance::new(task.retries)),
                Some(row) => {
                    if let Some(fields) = row.rendered_fields.clone() {
                        rendered.insert(index, fields);
                    }
                    instances.push(instance_of(row)?);
                }
            }
        }
        let mut run = Run::restore(dag, row.run_id.clone(), row.logical_date, state, instances);
        run.start_date = row.start_date;
        run.end_date = row.end_date;
        let mut active = ActiveRun { row, run, ready: BTreeSet::new(), rendered, is_new };
        let all: Vec<TaskIndex> = active.run.instances().map(|(task, _)| task).collect();
        active.index(&all);
        Ok(active)
    }

    /// The tasks to write: those that changed, or all of them the first time.
    pub(super) fn take_all_if_new(&mut self) -> Option<Vec<TaskIndex>> {
        std::mem::take(&mut self.is_new).then(|| self.run.instances().map(|(task, _)| task).collect())
    }

    /// Whether the run has ever begun: its task instances are written when it does.
    pub(super) fn has_begun(&self) -> bool {
        !self.is_new
    }

    /// Brings the index of ready tasks in line with the states of `changed`.
    pub(super) fn index(&mut self, changed: &[TaskIndex]) {
        for &task in changed {
            let key = ready_key(&self.run.dag, task);
            if self.run.instance(task).state == TaskState::Scheduled {
                self.ready.insert(key);
            } else {
                self.ready.remove(&key);
            }
        }
    }

    /// The ready task that goes first, with its weight.
    pub(super) fn first_ready(&self) -> Option<(i32, TaskIndex)> {
        self.ready.first().map(|&(weight, place)| (weight.0, TaskIndex::new(place as usize)))
    }

    /// All ready tasks, best first.
    pub(super) fn ready(&self) -> impl Iterator<Item = TaskIndex> {
        self.ready.iter().map(|&(_, place)| TaskIndex::new(place as usize))
    }

    /// Remembers what a try was given after templates were filled in.
    pub(super) fn set_rendered(&mut self, task: TaskIndex, fields: Option<Value>) {
        if let Some(fields) = fields {
            self.rendered.insert(task, fields);
        }
    }

    /// The row of the run as it is now.
    pub(super) fn run_row(&mut self, now: DateTime<Utc>) -> dag_run::Model {
        self.row.state = self.run.state.word().to_owned();
        self.row.start_date = self.run.start_date;
        self.row.end_date = self.run.end_date;
        self.row.last_scheduling_decision = Some(now);
        self.row.updated_at = now;
        if self.run.state.is_finished() {
            // Nobody needs to own what is over.
            self.row.owner = None;
        }
        self.row.clone()
    }

    /// How the database names the instance of a task.
    pub(super) fn key(&self, task: TaskIndex) -> InstanceKey {
        InstanceKey {
            dag_run_id: self.row.id,
            dag_id: self.row.dag_id.clone(),
            run_id: self.row.run_id.clone(),
            task_id: self.run.dag.task(task).task_id.clone(),
            map_index: -1,
        }
    }

    /// The row of a task instance as it is now.
    pub(super) fn instance_row(&self, task: TaskIndex, place: &Place, now: DateTime<Utc>) -> task_instance::Model {
        let definition = self.run.dag.task(task);
        let instance = self.run.instance(task);
        let has_begun = instance.start_date.is_some() && !instance.try_id.is_nil();
        task_instance::Model {
            dag_run_id: self.row.id,
            task_id: definition.task_id.clone(),
            map_index: -1,
            dag_id: self.row.dag_id.clone(),
            run_id: self.row.run_id.clone(),
            task_index: to_i32(task.index()),
            state: instance.state.word().map(str::to_owned),
            try_number: to_i32(instance.try_number),
            max_tries: to_i32(instance.max_tries),
            try_id: instance.try_id,
            lost_tries: to_i32(instance.lost_tries),
            operator: definition.operator.clone(),
            pool: definition.pool.clone(),
            pool_slots: to_i32(definition.pool_slots),
            queue: definition.queue.clone(),
            priority_weight: definition.priority_weight,
            scheduled_when: instance.scheduled_when,
            queued_when: instance.queued_when,
            start_date: instance.start_date,
            end_date: instance.end_date,
            next_try_at: instance.next_try_at,
            hostname: has_begun.then(|| place.hostname.clone()),
            pid: has_begun.then(|| to_i32(place.pid)),
            reason: instance.reason.clone(),
            error: instance.error.clone(),
            note: None,
            rendered_fields: self.rendered.get(&task).cloned(),
            updated_at: now,
        }
    }

    /// The last try of a task, as it goes into history when another begins.
    pub(super) fn history_row(
        &self,
        task: TaskIndex,
        place: &Place,
        now: DateTime<Utc>,
    ) -> task_instance_history::Model {
        let row = self.instance_row(task, place, now);
        task_instance_history::Model {
            dag_run_id: row.dag_run_id,
            task_id: row.task_id,
            map_index: row.map_index,
            try_number: row.try_number,
            dag_id: row.dag_id,
            run_id: row.run_id,
            // Airflow shows an earlier try in the state in which it ended.
            state: Some("failed".to_owned()),
            max_tries: row.max_tries,
            try_id: row.try_id,
            operator: row.operator,
            pool: row.pool,
            pool_slots: row.pool_slots,
            queue: row.queue,
            priority_weight: row.priority_weight,
            scheduled_when: row.scheduled_when,
            queued_when: row.queued_when,
            start_date: row.start_date,
            end_date: row.end_date,
            hostname: row.hostname,
            pid: row.pid,
            error: row.error,
            rendered_fields: row.rendered_fields,
        }
    }

    /// The run's key.
    pub(super) fn id(&self) -> Uuid {
        self.row.id
    }
}

/// Where tries run.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The machine.
    pub(super) hostname: String,
    /// The process.
    pub(super) pid: u32,
}

fn ready_key(dag: &Dag, task: TaskIndex) -> ReadyKey {
    (std::cmp::Reverse(dag.task(task).priority_weight), u32::try_from(task.index()).unwrap_or(u32::MAX))
}

fn instance_of(row: task_instance::Model) -> Result<Instance, StoreError> {
    let state = TaskState::from_word(row.state.as_deref())
        .map_err(|_| corrupt("task_instance", row.state.as_deref().unwrap_or_default()))?;
    Ok(Instance {
        state,
        try_number: u32::try_from(row.try_number).unwrap_or(0),
        max_tries: u32::try_from(row.max_tries).unwrap_or(0),
        try_id: row.try_id,
        lost_tries: u32::try_from(row.lost_tries).unwrap_or(0),
        scheduled_when: row.scheduled_when,
        queued_when: row.queued_when,
        start_date: row.start_date,
        end_date: row.end_date,
        next_try_at: row.next_try_at,
        reason: row.reason,
        error: row.error,
    })
}

fn corrupt(table: &'static str, value: &str) -> StoreError {
    StoreError::Corrupt { table, column: "state", value: value.to_owned() }
}

fn to_i32(number: impl TryInto<i32>) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}
