//! What tries read and leave in the database.

use async_trait::async_trait;
use serde_json::Value;
use uuid::Uuid;

use crate::clock::Clock;
use crate::operator::{Checkpoint, XComReader};
use crate::store::{Db, runs};

/// The XComs of a run.
pub(super) struct StoredXComs {
    pub(super) db: Db,
    pub(super) run: Uuid,
}

#[async_trait]
impl XComReader for StoredXComs {
    async fn pull(&self, task_id: &str, key: &str) -> anyhow::Result<Option<Value>> {
        Ok(runs::pull_xcom(self.db.read(), self.run, task_id, -1, key).await?)
    }
}

/// What a task left for itself.
pub(super) struct StoredCheckpoint {
    pub(super) db: Db,
    pub(super) run: Uuid,
    pub(super) task_id: String,
    pub(super) map_index: i32,
    pub(super) clock: Clock,
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
}
