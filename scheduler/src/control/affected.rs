//! Which task instances a person means who clears or marks.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;

use super::{Control, ControlError};
use crate::dag::{Dag, TaskIndex};
use crate::run::selection::{self, Reach};
use crate::store::entity::{dag_run, task_instance};
use crate::store::read::InstanceName;
use crate::store::{StoreError, runs, versions};

/// A task that a person names, or one of its mapped instances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRef {
    /// The task, or a group of tasks.
    pub task_id: String,
    /// One of its instances; all of them when absent.
    pub map_index: Option<i32>,
}

/// What goes with the named tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relatives {
    /// Everything that they wait for.
    pub upstream: bool,
    /// Everything that waits for them.
    pub downstream: bool,
    /// The same in all runs with an earlier logical date.
    pub past: bool,
    /// The same in all runs with a later logical date.
    pub future: bool,
}

impl Relatives {
    pub(super) fn reach(self) -> Reach {
        Reach { upstream: self.upstream, downstream: self.downstream }
    }
}

/// A task instance that is, or would be, changed.
pub type Affected = InstanceName;

/// A run of which something is asked, with all that is stored of it.
pub(super) struct Meant {
    pub row: dag_run::Model,
    pub dag: Arc<Dag>,
    pub instances: Vec<task_instance::Model>,
}

impl Meant {
    /// The stored instances of some tasks, as people name them.
    pub fn affected(
        &self,
        tasks: &BTreeSet<TaskIndex>,
        named: &[TaskRef],
        is_wanted: impl Fn(&task_instance::Model) -> bool,
    ) -> Vec<Affected> {
        let is_named = |row: &task_instance::Model| {
            let mut of_task = named.iter().filter(|named| named.task_id == row.task_id).peekable();
            // What came along as a relative is meant whole.
            of_task.peek().is_none() || of_task.any(|named| named.map_index.is_none_or(|index| index == row.map_index))
        };
        self.instances
            .iter()
            .filter(|row| self.dag.find(&row.task_id).is_some_and(|task| tasks.contains(&task)))
            .filter(|row| is_named(row) && is_wanted(row))
            .map(|row| Affected {
                dag_id: row.dag_id.clone(),
                run_id: row.run_id.clone(),
                task_id: row.task_id.clone(),
                map_index: row.map_index,
            })
            .collect()
    }

    /// The tasks of another version of the DAG of which the run has no instance, or had it taken away.
    pub fn new_tasks(&self, other: &Dag) -> Vec<String> {
        let is_new = |task_id: &str| {
            self.dag.find(task_id).is_none() || !self.instances.iter().any(|row| row.task_id == task_id)
        };
        other.tasks().map(|(_, task)| task.task_id.clone()).filter(|task_id| is_new(task_id)).collect()
    }

    /// Writes a remark on task instances; an empty one deletes it.
    pub async fn remark(
        &self,
        txn: &DatabaseTransaction,
        affected: &[Affected],
        note: &str,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let note = Some(note).filter(|note| !note.is_empty());
        for instance in affected {
            let key = (self.row.id, instance.task_id.as_str(), instance.map_index);
            runs::set_instance_note(txn, key, note, now).await?;
        }
        Ok(())
    }

    /// The tasks that are named, with their relatives; all tasks when none is named. What this version of the DAG does not have is
    /// left out: see [`assert_known`].
    pub fn tasks(&self, named: &[TaskRef], reach: Reach) -> BTreeSet<TaskIndex> {
        if named.is_empty() {
            return self.dag.tasks().map(|(task, _)| task).collect();
        }
        selection::related(&self.dag, named.iter().flat_map(|task| self.called(&task.task_id)), reach)
    }

    /// The task of that id, or those in the group of that id.
    fn called(&self, id: &str) -> Vec<TaskIndex> {
        match self.dag.find(id) {
            Some(task) => vec![task],
            None => self.dag.tasks_in(id).collect(),
        }
    }
}

/// Refuses a task that none of the runs knows. Each has the version of the DAG that it is pinned to, so that the earlier ones may
/// not have it yet, and the later ones not any more.
pub(super) fn assert_known(named: &[TaskRef], runs: &[Meant]) -> Result<(), ControlError> {
    let is_unknown = |task: &&TaskRef| runs.iter().all(|run| run.called(&task.task_id).is_empty());
    match named.iter().find(is_unknown) {
        Some(TaskRef { task_id, .. }) if !runs.is_empty() => {
            Err(ControlError::NotFound { what: "task", id: task_id.clone() })
        }
        _ => Ok(()),
    }
}

impl Control {
    /// A run with its definition and its task instances, locked until the transaction ends.
    pub(super) async fn meant(&self, txn: &DatabaseTransaction, row: dag_run::Model) -> Result<Meant, ControlError> {
        let version = versions::find(txn, row.dag_version_id)
            .await?
            .ok_or_else(|| StoreError::NotFound { what: "DAG version", id: row.dag_version_id.to_string() })?;
        let dag = self
            .catalog
            .definition(&version.dag_id, &version.hash, &version.relative_fileloc, &version.source)
            .map_err(|error| ControlError::Invalid(error.to_string()))?;
        let instances = runs::instances(txn, row.id).await?;
        Ok(Meant { row, dag, instances })
    }

    /// The same of several runs.
    pub(super) async fn all_meant(
        &self,
        txn: &DatabaseTransaction,
        rows: Vec<dag_run::Model>,
    ) -> Result<Vec<Meant>, ControlError> {
        let mut all = Vec::with_capacity(rows.len());
        for row in rows {
            all.push(self.meant(txn, row).await?);
        }
        Ok(all)
    }

    /// The run that is named, and those before and after it as far as they are meant.
    pub(super) async fn with_past_and_future(
        &self,
        txn: &DatabaseTransaction,
        run: dag_run::Model,
        relatives: Relatives,
    ) -> Result<Vec<dag_run::Model>, ControlError> {
        if !relatives.past && !relatives.future {
            return Ok(vec![run]);
        }
        let Some(date) = run.logical_date else {
            return Err(ControlError::Invalid(format!(
                "run `{}` has no logical date, so that no runs are before or after it",
                run.run_id
            )));
        };
        let from = if relatives.past { None } else { Some(date) };
        let until = if relatives.future { None } else { Some(date) };
        Ok(runs::between_locked(txn, &run.dag_id, from, until).await?)
    }
}
