//! Databricks: we ask the workspace who we are.

use async_trait::async_trait;
use scheduler::connection::{Connection, ConnectionTest};

use crate::databricks;
use crate::notifiers::Environment;

/// Tries out a workspace.
pub(super) struct Databricks(pub(super) Environment);

#[async_trait]
impl ConnectionTest for Databricks {
    async fn test(&self, connection: &Connection) -> anyhow::Result<String> {
        let name = databricks::who_we_are(connection, &self.0).await?;
        Ok(format!("the workspace knows us as {}", name.as_deref().unwrap_or("somebody without a name")))
    }
}
