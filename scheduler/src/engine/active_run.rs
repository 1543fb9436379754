//! A run that this scheduler owns: its state in memory, and the rows that it becomes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::executor::RunAround;
use crate::dag::{Dag, TaskIndex};
use crate::operator::Registry;
use crate::run::{Instance, InstanceIndex, Limit, Pushed, Run, RunState, TaskState};
use crate::store::StoreError;
use crate::store::entity::{dag_run, task_instance, task_instance_history};
use crate::store::runs::InstanceKey;

/// A run that this scheduler owns.
#[derive(Debug)]
pub(crate) struct ActiveRun {
    /// The row, as last written or about to be.
    pub(crate) row: dag_run::Model,
    /// What it means.
    pub(crate) run: Run,
    /// What the last try of each task was given; it belongs to the row but not to the decision.
    rendered: HashMap<InstanceIndex, Rendered>,
    /// Where the last try of each task ran, as far as that is not this process.
    places: HashMap<InstanceIndex, Place>,
    /// What its tries share, as last handed to one.
    around: Option<Arc<RunAround>>,
    /// The run before, where tasks wait for that.
    pub(crate) before: Option<Uuid>,
    /// Tasks of which it is known whether any run before this one had them. That may take a look at all of them, so it is found
    /// out once.
    pub(crate) had_before: HashMap<String, bool>,
    /// Whether there are task instances whose rows were never written.
    is_new: bool,
    /// Whether any of them was written before.
    has_begun: bool,
}

impl ActiveRun {
    /// Builds the run from its rows; a run without task instances has never begun.
    pub(crate) fn restore(
        row: dag_run::Model,
        dag: Arc<Dag>,
        rows: Vec<task_instance::Model>,
    ) -> Result<ActiveRun, StoreError> {
        let state: RunState = row.state.parse().map_err(|_| corrupt("dag_run", &row.state))?;
        // A version that the run goes on with may have tasks that were never written.
        let known: HashSet<&str> = rows.iter().map(|row| row.task_id.as_str()).collect();
        let has_begun = !rows.is_empty();
        let is_new = dag.tasks().any(|(_, task)| !known.contains(task.task_id.as_str()));
        let (mut rendered, mut places) = (HashMap::new(), HashMap::new());
        let mut instances = Vec::with_capacity(dag.len());
        for stored in rows {
            // A task that this version of the DAG does not have.
            let Some(task) = dag.find(&stored.task_id) else { continue };
            let at = InstanceIndex { task, map_index: stored.map_index };
            if stored.rendered_fields.is_some() || stored.rendered_map_index.is_some() {
                let label = stored.rendered_map_index.clone();
                rendered.insert(at, Rendered { fields: stored.rendered_fields.clone(), label });
            }
            if let Some(hostname) = stored.hostname.clone() {
                let pid = stored.pid.and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0);
                places.insert(at, Place { hostname, pid });
            }
            instances.push((at, instance_of(&dag, stored)?));
        }
        let mut run = Run::restore(dag, row.run_id.clone(), row.logical_date, state, instances);
        run.start_date = row.start_date;
        run.end_date = row.end_date;
        run.keeps_to_dates = row.run_type != "backfill";
        run.decided = row.decided_state.as_deref().and_then(|word| word.parse().ok());
        let had_before = HashMap::new();
        Ok(ActiveRun { row, run, rendered, places, around: None, before: None, had_before, is_new, has_begun })
    }

    /// What the tries of the run share. A run that begins again is told anew.
    pub(crate) fn around(&mut self) -> Arc<RunAround> {
        if let Some(around) = self.around.as_ref().filter(|around| around.started == self.run.start_date) {
            return Arc::clone(around);
        }
        let around = RunAround::new(Arc::clone(&self.run.dag), self.row.clone(), self.run.start_date);
        Arc::clone(self.around.insert(Arc::new(around)))
    }

    /// The tasks to write: those that changed, or all of them the first time.
    pub(crate) fn take_all_if_new(&mut self) -> Option<Vec<InstanceIndex>> {
        std::mem::take(&mut self.is_new).then(|| self.run.instances().map(|(at, _)| at).collect())
    }

    /// Whether the run has ever begun: its task instances are written when it does.
    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// When it will have run for longer than it may (Airflow 3: `dagrun_timeout`).
    pub(crate) fn times_out_at(&self) -> Option<DateTime<Utc>> {
        let started = self.run.start_date.filter(|_| self.run.state == RunState::Running)?;
        self.run.dag.runs.dagrun_timeout.map(|limit| started + limit)
    }

    /// The date by which its task instances are put in order: what the run is about, or else when it could begin.
    pub(crate) fn date(&self) -> DateTime<Utc> {
        self.run.logical_date.unwrap_or(self.row.run_after)
    }

    /// Says why the run does not begin; true when that is news.
    pub(crate) fn explain(&mut self, limit: Option<&Limit>) -> bool {
        let reason = limit.map(ToString::to_string);
        let is_news = self.row.reason != reason;
        self.row.reason = reason;
        is_news
    }

    /// Remembers what a try was given after templates were filled in.
    pub(crate) fn set_rendered(&mut self, at: InstanceIndex, rendered: Rendered) {
        let Rendered { fields, label } = rendered;
        // A task without arguments leaves none to keep.
        let fields = fields.filter(|fields| fields.as_object().is_none_or(|fields| !fields.is_empty()));
        if fields.is_some() || label.is_some() {
            self.rendered.insert(at, Rendered { fields, label });
        }
    }

    /// Remembers where a try runs; absent when that is this process.
    pub(crate) fn set_place(&mut self, at: InstanceIndex, place: Option<Place>) {
        match place {
            Some(place) => self.places.insert(at, place),
            None => self.places.remove(&at),
        };
    }

    /// The row of the run as it is now.
    pub(crate) fn run_row(&mut self, now: DateTime<Utc>) -> dag_run::Model {
        self.row.state = self.run.state.word().to_owned();
        self.row.start_date = self.run.start_date;
        self.row.end_date = self.run.end_date;
        self.row.decided_state = self.run.decided.map(|state| state.word().to_owned());
        self.row.last_scheduling_decision = Some(now);
        self.row.updated_at = now;
        if self.run.state != RunState::Queued {
            self.row.reason = None;
        }
        if self.run.state.is_finished() {
            // Nobody needs to own what is over.
            self.row.owner = None;
        }
        self.row.clone()
    }

    /// How the database names the instance of a task.
    pub(crate) fn key(&self, at: InstanceIndex) -> InstanceKey {
        InstanceKey {
            dag_run_id: self.row.id,
            dag_id: self.row.dag_id.clone(),
            run_id: self.row.run_id.clone(),
            task_id: self.task_id(at.task),
            map_index: at.map_index,
        }
    }

    /// The row of a task instance as it is now.
    pub(crate) fn instance_row(&self, at: InstanceIndex, place: &Place, now: DateTime<Utc>) -> task_instance::Model {
        self.row_of(at, self.run.instance(at), place, now)
    }

    fn row_of(
        &self,
        at: InstanceIndex,
        instance: &Instance,
        place: &Place,
        now: DateTime<Utc>,
    ) -> task_instance::Model {
        let definition = self.run.dag.task(at.task);
        let has_begun = instance.has_begun();
        let rendered = self.rendered.get(&at);
        let place = self.places.get(&at).unwrap_or(place);
        task_instance::Model {
            dag_run_id: self.row.id,
            task_id: definition.task_id.clone(),
            map_index: at.map_index,
            dag_id: self.row.dag_id.clone(),
            run_id: self.row.run_id.clone(),
            task_index: to_i32(at.task.index()),
            state: instance.state.word().map(str::to_owned),
            try_number: to_i32(instance.try_number),
            max_tries: to_i32(instance.max_tries),
            try_id: instance.try_id,
            lost_tries: to_i32(instance.lost_tries),
            operator: definition.operator.clone(),
            pool: definition.pool.clone(),
            pool_slots: to_i32(definition.pool_slots),
            queue: definition.queue.clone(),
            priority_weight: self.run.dag.weight(at.task),
            scheduled_when: instance.scheduled_when,
            queued_when: instance.queued_when,
            start_date: instance.start_date,
            end_date: instance.end_date,
            deferred_at: instance.deferred_at,
            next_try_at: instance.next_try_at,
            hostname: has_begun.then(|| place.hostname.clone()),
            pid: has_begun.then(|| to_i32(place.pid)),
            reason: instance.reason.clone(),
            error: instance.error.clone(),
            note: None,
            rendered_fields: rendered.and_then(|rendered| rendered.fields.clone()),
            rendered_map_index: rendered.and_then(|rendered| rendered.label.clone()),
            pushed_items: match instance.pushed {
                Pushed::Nothing => None,
                Pushed::Value => Some(PUSHED_VALUE),
                Pushed::Items(items) => Some(to_i32(items)),
            },
            skips: (!instance.skips.is_empty())
                .then(|| instance.skips.iter().map(|task| Value::from(self.task_id(*task))).collect()),
            updated_at: now,
        }
    }

    fn task_id(&self, task: TaskIndex) -> String {
        self.run.dag.task(task).task_id.clone()
    }

    /// A try that is over, as it goes into history because another follows.
    pub(crate) fn history_row(
        &self,
        at: InstanceIndex,
        ended: &Instance,
        place: &Place,
        now: DateTime<Utc>,
    ) -> task_instance_history::Model {
        // Airflow shows an earlier try in the state in which it ended.
        self.row_of(at, ended, place, now).into()
    }

    /// The instance that people call so.
    pub(crate) fn index_of(&self, task_id: &str, map_index: i32) -> Option<InstanceIndex> {
        self.run.dag.find(task_id).map(|task| InstanceIndex { task, map_index })
    }

    /// The instances that a request names.
    pub(crate) fn indices_of(&self, named: &[(String, i32)]) -> Vec<InstanceIndex> {
        named.iter().filter_map(|(task_id, map_index)| self.index_of(task_id, *map_index)).collect()
    }

    /// How the waiting of a try is called that has given up its slot: by what it waits for, and how its task says that it
    /// waits.
    pub(crate) fn waiting_state(&self, at: InstanceIndex, operators: &Registry) -> TaskState {
        let task = self.run.dag.task(at.task);
        if operators.find(&task.operator).is_some_and(|operator| operator.asks_people) {
            return TaskState::AwaitingInput;
        }
        let says = |key: &str, word: Value| task.args.get(key) == Some(&word);
        // Airflow 3: one that is deferrable is deferred, whatever its mode.
        let reschedules = says("mode", "reschedule".into()) && !says("deferrable", true.into());
        if reschedules { TaskState::UpForReschedule } else { TaskState::Deferred }
    }

    /// The run with the tasks that its DAG has, so that others can be taken away.
    pub(crate) fn vanished(&self) -> (uuid::Uuid, Vec<String>) {
        (self.row.id, self.run.dag.tasks().map(|(_, task)| task.task_id.clone()).collect())
    }

    /// All rows, as they are now.
    pub(crate) fn rows(&self, place: &Place, now: DateTime<Utc>) -> Vec<task_instance::Model> {
        self.run.instances().map(|(at, _)| self.instance_row(at, place, now)).collect()
    }
}

/// Where tries run.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The machine.
    pub(crate) hostname: String,
    /// The process.
    pub(crate) pid: u32,
}

impl Place {
    /// For rows about tries that did not run here.
    pub(crate) fn nowhere() -> Place {
        Place { hostname: String::new(), pid: 0 }
    }
}

/// What a try was given, as people see it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Rendered {
    /// The arguments after templates were filled in.
    pub(crate) fields: Option<Value>,
    /// The name of a mapped instance.
    pub(crate) label: Option<String>,
}

/// How a row says that something was left over which cannot be mapped.
const PUSHED_VALUE: i32 = -1;

fn instance_of(dag: &Dag, row: task_instance::Model) -> Result<Instance, StoreError> {
    let skips = row.skips.as_ref().and_then(Value::as_array).into_iter().flatten();
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
        deferred_at: row.deferred_at,
        next_try_at: row.next_try_at,
        reason: row.reason,
        error: row.error,
        pushed: match row.pushed_items {
            None => Pushed::Nothing,
            Some(items) => u32::try_from(items).map_or(Pushed::Value, Pushed::Items),
        },
        skips: skips.filter_map(Value::as_str).filter_map(|task_id| dag.find(task_id)).collect(),
    })
}

fn corrupt(table: &'static str, value: &str) -> StoreError {
    StoreError::Corrupt { table, column: "state", value: value.to_owned() }
}

fn to_i32(number: impl TryInto<i32>) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}
