//! What tries read and leave in the database.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::assets;
use super::gate::Gate;
use super::lists::{ListOf, Lists, items_of};
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::dag::template::{AssetEvents, LastSuccess, Left, XComRef, XComRun};
use crate::dag::{Dag, TaskGroup, TaskIndex};
use crate::operator::{Checkpoint, DagFile, Outline, RunReader, RunStanding, TaskKey, XComReader, XComWriter};
use crate::run::{InstanceIndex, UNMAPPED};
use crate::storable;
use crate::store::checkpoints::{self, Keeper};
use crate::store::entity::task_instance;
use crate::store::runs::{InstanceKey, NewXCom};
use crate::store::xcoms::{LeftXCom, WhichRun};
use crate::store::{Db, StoreError, dags, runs, schedules, task_states, xcoms};

/// The XComs of a run, as one of its task instances sees them; or as somebody outside does.
pub(super) struct StoredXComs {
    pub(super) db: Db,
    pub(super) run: Uuid,
    pub(super) dag: Arc<Dag>,
    pub(super) reader: Option<InstanceIndex>,
    /// What tasks are mapped over.
    pub(super) lists: Arc<Lists>,
    /// What other tasks left, and where the run is, may still be on its way into the database.
    pub(super) gate: Gate,
}

impl StoredXComs {
    /// The database, as it is when the reader begins.
    async fn stored(&self) -> anyhow::Result<&Db> {
        anyhow::ensure!(self.gate.passed().await, "it was stopped before it began");
        Ok(&self.db)
    }
}

#[async_trait]
impl XComReader for StoredXComs {
    async fn pull(&self, task_id: &str, key: &str) -> anyhow::Result<Option<Value>> {
        let mut found = runs::pull_xcoms(self.stored().await?.read(), self.run, task_id, key).await?;
        let Some(task) = self.dag.find(task_id) else { return Ok(None) };
        if let Some(reader) = self.reader.filter(|reader| self.dag.are_mapped_together(task, reader.task)) {
            found.retain(|(index, _)| *index == reader.map_index);
            return Ok(found.pop().map(|(_, value)| value));
        }
        if self.dag.mapping(task).is_some() {
            return Ok(Some(Value::Array(found.into_iter().map(|(_, value)| value).collect())));
        }
        Ok(found.pop().map(|(_, value)| value))
    }

    async fn pull_items(&self, task_id: &str, key: &str) -> anyhow::Result<Option<Arc<Vec<Value>>>> {
        let is_mapped = self.dag.find(task_id).is_some_and(|task| self.dag.mapping(task).is_some());
        let written_at = if is_mapped {
            // What mapped tasks leave is many values, and some of them one for each reader.
            None
        } else {
            xcoms::written_at(self.stored().await?.read(), self.run, task_id, UNMAPPED, key).await?
        };
        let of = written_at.map(|written_at| ListOf {
            run: self.run,
            task_id: task_id.to_owned(),
            key: key.to_owned(),
            written_at,
        });
        if let Some(items) = of.as_ref().and_then(|of| self.lists.get(of)) {
            return Ok(Some(items));
        }
        let Some(items) = self.pull(task_id, key).await?.and_then(items_of).map(Arc::new) else { return Ok(None) };
        if let Some(of) = of {
            self.lists.keep(of, &items);
        }
        Ok(Some(items))
    }

    async fn pull_of(&self, task_id: &str, key: &str, map_index: i32) -> anyhow::Result<Option<Value>> {
        Ok(xcoms::value(self.stored().await?.read(), self.run, task_id, map_index, key).await?)
    }

    async fn pull_from(&self, xcom: &XComRef) -> anyhow::Result<Option<Left>> {
        let XComRef { run: XComRun { dag_id, run_id, or_before }, task_id, key, map_index } = xcom;
        let here = self.dag.find(task_id).filter(|_| dag_id.is_none());
        // In a mapped group, an instance sees what the one beside it left, in earlier runs as well.
        let beside =
            self.reader.filter(|reader| here.is_some_and(|task| self.dag.are_mapped_together(task, reader.task)));
        let map_index = map_index.or(beside.map(|reader| reader.map_index));
        let of = LeftXCom { task_id, key, map_index };
        let run = WhichRun { own: self.run, dag_id: dag_id.as_deref(), run_id: run_id.as_deref() };
        let mut found = xcoms::of_run(self.stored().await?.read(), &run, *or_before, &of).await?;
        if map_index.is_some() {
            return Ok(found.pop().map(|(_, value)| Left::One(value)));
        }
        Ok(left_by_all(found, here.is_some_and(|task| self.dag.mapping(task).is_some())))
    }

    async fn asset_events(&self) -> anyhow::Result<AssetEvents> {
        let inlets = self.reader.map(|reader| self.dag.task(reader.task).inlets.as_slice()).unwrap_or_default();
        Ok(assets::events_for(self.stored().await?, self.run, inlets).await?)
    }

    async fn last_success(&self) -> anyhow::Result<LastSuccess> {
        let found = schedules::last_success(self.stored().await?.read(), self.run).await?;
        Ok(found.map_or_else(LastSuccess::default, |run| LastSuccess {
            data_interval_start: run.data_interval_start,
            data_interval_end: run.data_interval_end,
            start_date: run.start_date,
            end_date: run.end_date,
        }))
    }
}

/// What all instances of a task left in another run: a list where it was mapped there, as in this run. Where nothing was left,
/// whether it is mapped here tells.
fn left_by_all(found: Vec<(i32, Value)>, is_mapped_here: bool) -> Option<Left> {
    let was_mapped = found.first().map_or(is_mapped_here, |(index, _)| *index != UNMAPPED);
    let mut values = found.into_iter().map(|(_, value)| value);
    if was_mapped { Some(Left::Several(values.collect())) } else { values.next().map(Left::One) }
}

/// What a try leaves before its end.
pub(super) struct StoredPushes {
    pub(super) db: Db,
    pub(super) key: Arc<TaskKey>,
    pub(super) keeper: Keeper,
    pub(super) clock: Clock,
}

#[async_trait]
impl XComWriter for StoredPushes {
    async fn push(&self, key: &str, value: Value) -> anyhow::Result<()> {
        let instance = InstanceKey::of(self.keeper.run, &self.key);
        let (key, value) = (storable::xcom_key(key.to_owned())?, storable::value(value));
        let new = NewXCom { instance, key, value };
        let txn = self.db.begin_write().await?;
        // What another try leaves must not be mixed with that of this one.
        if checkpoints::is_awaited(&txn, &self.keeper).await? {
            runs::push_xcom(&txn, new, self.clock.now()).await?;
        }
        Ok(crate::store::commit(txn).await?)
    }
}

/// What a task left for itself.
pub(super) struct StoredCheckpoint {
    pub(super) db: Db,
    pub(super) keeper: Keeper,
    pub(super) dag_id: String,
    pub(super) clock: Clock,
    /// The `retries` of the task.
    pub(super) retries: u32,
}

#[async_trait]
impl Checkpoint for StoredCheckpoint {
    async fn load(&self) -> anyhow::Result<Option<Value>> {
        let Keeper { run, task_id, map_index, .. } = &self.keeper;
        Ok(checkpoints::load(self.db.read(), *run, task_id, *map_index).await?)
    }

    async fn save(&self, value: Value) -> anyhow::Result<()> {
        let txn = self.db.begin_write().await?;
        checkpoints::save(&txn, &self.keeper, storable::value(value), self.clock.now()).await?;
        Ok(crate::store::commit(txn).await?)
    }

    async fn tries_before_clear(&self) -> anyhow::Result<u32> {
        let Keeper { run, task_id, map_index, .. } = &self.keeper;
        let max_tries = runs::max_tries(self.db.read(), *run, task_id, *map_index).await?;
        // Clearing adds the retries to the tries so far (Airflow 3: clear).
        Ok(max_tries.unwrap_or(0).saturating_sub(self.retries))
    }

    async fn recall(&self) -> anyhow::Result<Option<Value>> {
        Ok(task_states::load(self.db.read(), &self.dag_id, &self.keeper.task_id, self.keeper.map_index).await?)
    }

    async fn remember(&self, value: Value) -> anyhow::Result<()> {
        let txn = self.db.begin_write().await?;
        let (dag_id, task_id) = (&self.dag_id, &self.keeper.task_id);
        task_states::save(&txn, dag_id, task_id, self.keeper.map_index, storable::value(value), self.clock.now())
            .await?;
        Ok(crate::store::commit(txn).await?)
    }

    async fn has_succeeded(&self, run_id: &str) -> anyhow::Result<bool> {
        let Some(run) = runs::find(self.db.read(), &self.dag_id, run_id).await? else { return Ok(false) };
        let instances = runs::instances(self.db.read(), run.id).await?;
        let Keeper { task_id, map_index, .. } = &self.keeper;
        let is_it = |instance: &task_instance::Model| instance.task_id == *task_id && instance.map_index == *map_index;
        let state = instances.into_iter().find(is_it).and_then(|instance| instance.state);
        Ok(state.as_deref() == Some("success"))
    }
}

/// What a withdrawn try left, for whoever ends what it started. A further try may keep something else meanwhile, so this is as it
/// was found.
pub(super) struct LeftCheckpoint(pub(super) Value);

#[async_trait]
impl Checkpoint for LeftCheckpoint {
    async fn load(&self) -> anyhow::Result<Option<Value>> {
        Ok(Some(self.0.clone()))
    }

    async fn save(&self, _value: Value) -> anyhow::Result<()> {
        anyhow::bail!("a try that is withdrawn keeps nothing more")
    }
}

/// How runs of any DAG stand.
pub(super) struct StoredRuns {
    pub(super) db: Db,
    pub(super) catalog: Catalog,
}

#[async_trait]
impl RunReader for StoredRuns {
    async fn outline(&self, dag_id: &str) -> anyhow::Result<Option<Outline>> {
        let row = match dags::get_live(self.db.read(), dag_id).await {
            Ok(row) => row,
            Err(StoreError::NotFound { .. }) => return Ok(None),
            Err(problem) => return Err(problem.into()),
        };
        let dag = self.catalog.definition(dag_id, &row.version_hash, &row.relative_fileloc, &row.source)?;
        let name = |task: TaskIndex| dag.task(task).task_id.clone();
        let members = |group: &TaskGroup| (group.group_id.clone(), dag.tasks_in(&group.group_id).map(name).collect());
        Ok(Some(Outline {
            tasks: dag.tasks().map(|(_, task)| task.task_id.clone()).collect(),
            groups: dag.groups.iter().map(members).collect(),
        }))
    }

    async fn dag_file(&self, dag_id: &str) -> anyhow::Result<Option<DagFile>> {
        let Some(row) = dags::find(self.db.read(), dag_id).await? else { return Ok(None) };
        let Some(folder) = Path::new(&row.fileloc).parent() else { return Ok(None) };
        let depth = Path::new(&row.relative_fileloc).components().count();
        let root = Path::new(&row.fileloc).ancestors().nth(depth).unwrap_or(folder);
        Ok(Some(DagFile { root: root.to_owned(), folder: folder.to_owned() }))
    }

    async fn standing(
        &self,
        dag_id: &str,
        logical_date: DateTime<Utc>,
        task_ids: &[String],
    ) -> anyhow::Result<Option<RunStanding>> {
        Ok(runs::standing(self.db.read(), dag_id, logical_date, task_ids)
            .await?
            .map(|(state, instances)| RunStanding { state, instances }))
    }

    async fn state(&self, dag_id: &str, run_id: &str) -> anyhow::Result<Option<String>> {
        Ok(runs::find(self.db.read(), dag_id, run_id).await?.map(|run| run.state))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_another_run_left_has_the_shape_of_the_task_there() {
        let list = |values: &[i32]| Some(Left::Several(values.iter().map(|value| json!(value)).collect()));
        assert_eq!(left_by_all(vec![(0, json!(7))], false), list(&[7]), "it is mapped no more, or in another DAG");
        assert_eq!(left_by_all(vec![(0, json!(7)), (2, json!(8))], true), list(&[7, 8]));
        assert_eq!(left_by_all(vec![(UNMAPPED, json!(7))], true), Some(Left::One(json!(7))), "it was not mapped then");
        assert_eq!(left_by_all(Vec::new(), true), list(&[]));
        assert_eq!(left_by_all(Vec::new(), false), None);
    }
}
