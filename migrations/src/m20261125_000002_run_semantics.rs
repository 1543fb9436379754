//! What clearing, branching and mapping ask the database to remember of runs and task instances.

use sea_orm_migration::prelude::*;

use crate::columns::{json_null, number_null, text_null};

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds one column at a time.
        let columns = [
            text_null(TaskInstance::RenderedMapIndex),
            number_null(TaskInstance::PushedItems),
            json_null(TaskInstance::Skips),
        ];
        for column in columns {
            manager.alter_table(Table::alter().table(TaskInstance::Table).add_column(column).take()).await?;
        }
        let decided = text_null(DagRun::DecidedState);
        manager.alter_table(Table::alter().table(DagRun::Table).add_column(decided).take()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in [TaskInstance::RenderedMapIndex, TaskInstance::PushedItems, TaskInstance::Skips] {
            manager.alter_table(Table::alter().table(TaskInstance::Table).drop_column(column).take()).await?;
        }
        manager.alter_table(Table::alter().table(DagRun::Table).drop_column(DagRun::DecidedState).take()).await
    }
}

#[derive(DeriveIden)]
enum TaskInstance {
    Table,
    RenderedMapIndex,
    PushedItems,
    Skips,
}

#[derive(DeriveIden)]
enum DagRun {
    Table,
    DecidedState,
}
