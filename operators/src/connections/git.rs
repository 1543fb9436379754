//! Repositories of git: we ask for the branches.

use async_trait::async_trait;
use scheduler::connection::{Connection, ConnectionTest};

use crate::dag_sources::count_branches;

/// Tries out a repository.
pub(super) struct Git;

#[async_trait]
impl ConnectionTest for Git {
    async fn test(&self, connection: &Connection) -> anyhow::Result<String> {
        let branches = count_branches(connection).await?;
        Ok(format!("the repository lets us in; it has {branches} branches"))
    }
}
