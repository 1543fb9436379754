//! Which version of its DAG a try was made with that keeps something: only that one can say how what it started is ended.

use sea_orm_migration::prelude::*;

use crate::columns::uuid_null;

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let version = uuid_null(TaskCheckpoint::DagVersionId);
        manager.alter_table(Table::alter().table(TaskCheckpoint::Table).add_column(version).take()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let version = TaskCheckpoint::DagVersionId;
        manager.alter_table(Table::alter().table(TaskCheckpoint::Table).drop_column(version).take()).await
    }
}

/// What a task left for itself.
#[derive(DeriveIden)]
enum TaskCheckpoint {
    Table,
    DagVersionId,
}
