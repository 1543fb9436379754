//! Lets the rows of task instances be updated in place.
//!
//! Each try changes its row at least twice. Postgres writes nothing to the indices of a table when no indexed column changes
//! and the new row fits on the page of the old one; so no index holds the state, and pages are filled by half.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_index(Index::drop().name(STATE_INDEX).table(TaskInstance::Table).to_owned()).await?;
        fill(manager, "SET (fillfactor = 50)").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let index = Index::create().name(STATE_INDEX).table(TaskInstance::Table).col(TaskInstance::State).take();
        manager.create_index(index).await?;
        fill(manager, "RESET (fillfactor)").await
    }
}

const STATE_INDEX: &str = "task_instance_state";

async fn fill(manager: &SchemaManager<'_>, how: &str) -> Result<(), DbErr> {
    if manager.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    manager.get_connection().execute_unprepared(&format!("ALTER TABLE task_instance {how}")).await.map(|_| ())
}

#[derive(DeriveIden)]
enum TaskInstance {
    Table,
    State,
}
