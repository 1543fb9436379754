//! What tries read and leave in the database.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::assets;
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::dag::template::AssetEvents;
use crate::dag::{Dag, TaskGroup, TaskIndex};
use crate::operator::{Checkpoint, DagFile, Outline, RunReader, RunStanding, XComReader};
use crate::run::InstanceIndex;
use crate::store::{Db, StoreError, dags, runs};

/// The XComs of a run, as one of its task instances sees them; or as somebody outside does.
pub(super) struct StoredXComs {
    pub(super) db: Db,
    pub(super) run: Uuid,
    pub(super) dag: Arc<Dag>,
    pub(super) reader: Option<InstanceIndex>,
}

#[async_trait]
impl XComReader for StoredXComs {
    async fn pull(&self, task_id: &str, key: &str) -> anyhow::Result<Option<Value>> {
        let mut found = runs::pull_xcoms(self.db.read(), self.run, task_id, key).await?;
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

    async fn asset_events(&self) -> anyhow::Result<AssetEvents> {
        let inlets = self.reader.map(|reader| self.dag.task(reader.task).inlets.as_slice()).unwrap_or_default();
        Ok(assets::events_for(&self.db, self.run, inlets).await?)
    }
}

/// What a task left for itself.
pub(super) struct StoredCheckpoint {
    pub(super) db: Db,
    pub(super) run: Uuid,
    pub(super) task_id: String,
    pub(super) map_index: i32,
    pub(super) clock: Clock,
    /// The `retries` of the task.
    pub(super) retries: u32,
}

#[async_trait]
impl Checkpoint for StoredCheckpoint {
    async fn load(&self) -> anyhow::Result<Option<Value>> {
        Ok(runs::load_checkpoint(self.db.read(), self.run, &self.task_id, self.map_index).await?)
    }

    async fn save(&self, value: Value) -> anyhow::Result<()> {
        let txn = self.db.begin_write().await?;
        runs::save_checkpoint(&txn, self.run, &self.task_id, self.map_index, value, self.clock.now()).await?;
        Ok(crate::store::commit(txn).await?)
    }

    async fn tries_before_clear(&self) -> anyhow::Result<u32> {
        let max_tries = runs::max_tries(self.db.read(), self.run, &self.task_id, self.map_index).await?;
        // Clearing adds the retries to the tries so far (Airflow 3: clear).
        Ok(max_tries.unwrap_or(0).saturating_sub(self.retries))
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
