//! Kafka: we ask which topics there are.

use anyhow::anyhow;
use async_trait::async_trait;
use scheduler::connection::{Connection, ConnectionTest};

use crate::kafka::{Cluster, in_time, not_done};

/// Tries out a cluster.
pub(super) struct Kafka;

#[async_trait]
impl ConnectionTest for Kafka {
    async fn test(&self, connection: &Connection) -> anyhow::Result<String> {
        let cluster = Cluster::of(connection).map_err(|problem| anyhow!(problem))?;
        let client = cluster.connect().await.map_err(|trouble| trouble.error)?;
        let topics = in_time(client.list_topics()).await.map_err(|trouble| not_done(trouble, &cluster).error)?;
        Ok(format!("{} answered; it has {} topics", cluster.shown(), topics.len()))
    }
}
