//! Tries that only wait: since when, and that workers say so.

use sea_orm_migration::prelude::*;

use crate::columns::{instant_null, text_null};

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds one column at a time.
        for column in [instant_null(TaskTry::ResumesFrom), text_null(TaskTry::Deferral)] {
            manager.alter_table(Table::alter().table(TaskTry::Table).add_column(column).take()).await?;
        }
        let deferred_at = instant_null(TaskInstance::DeferredAt);
        manager.alter_table(Table::alter().table(TaskInstance::Table).add_column(deferred_at).take()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let deferred_at = TaskInstance::DeferredAt;
        manager.alter_table(Table::alter().table(TaskInstance::Table).drop_column(deferred_at).take()).await?;
        for column in [TaskTry::Deferral, TaskTry::ResumesFrom] {
            manager.alter_table(Table::alter().table(TaskTry::Table).drop_column(column).take()).await?;
        }
        Ok(())
    }
}

/// A task within a run.
#[derive(DeriveIden)]
enum TaskInstance {
    Table,
    DeferredAt,
}

/// A try that was handed to the workers.
#[derive(DeriveIden)]
enum TaskTry {
    Table,
    ResumesFrom,
    Deferral,
}
