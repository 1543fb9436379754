//! The runs of a DAG that are not over, without all that it has ever had.

use sea_orm_migration::prelude::*;

/// The index; on few rows, whatever the history.
const UNFINISHED: &str =
    "CREATE INDEX dag_run_unfinished ON dag_run (dag_id, owner) WHERE state IN ('queued', 'running')";

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(UNFINISHED).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared("DROP INDEX dag_run_unfinished").await?;
        Ok(())
    }
}
