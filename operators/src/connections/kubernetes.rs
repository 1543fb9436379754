//! Kubernetes: we ask the cluster who we are.

use async_trait::async_trait;
use scheduler::connection::{Connection, ConnectionTest};

use crate::kubernetes;
use crate::notifiers::Environment;

/// Tries out a cluster.
pub(super) struct Kubernetes(pub(super) Environment);

#[async_trait]
impl ConnectionTest for Kubernetes {
    async fn test(&self, connection: &Connection) -> anyhow::Result<String> {
        let (name, address) = kubernetes::who_we_are(connection, &self.0).await?;
        Ok(format!("the cluster at {address} knows us as {name}"))
    }
}
