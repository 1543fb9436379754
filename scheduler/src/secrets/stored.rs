//! Secrets in the database.

use std::sync::Arc;

use async_trait::async_trait;

use crate::connection::Connection;
use crate::keyring::Keyring;
use crate::operator::SecretReader;
use crate::store::{Db, connections, variables};

/// The connections and variables that people keep in Updraft.
pub(super) struct StoredSecrets {
    pub(super) db: Db,
    pub(super) keyring: Arc<Keyring>,
}

#[async_trait]
impl SecretReader for StoredSecrets {
    async fn connection(&self, conn_id: &str) -> anyhow::Result<Option<Connection>> {
        let row = connections::find(self.db.read(), conn_id).await?;
        Ok(row.map(|row| connections::open(&row, &self.keyring)).transpose()?)
    }

    async fn variable(&self, key: &str) -> anyhow::Result<Option<String>> {
        let row = variables::find(self.db.read(), key).await?;
        Ok(row.map(|row| variables::open(&row, &self.keyring)).transpose()?)
    }
}
