//! What tasks remember from run to run.

use sea_orm_migration::prelude::*;

use crate::columns::{instant, json, number, text};

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(TaskState::Table)
            .col(text(TaskState::DagId))
            .col(text(TaskState::TaskId))
            .col(number(TaskState::MapIndex))
            .col(json(TaskState::Value))
            .col(instant(TaskState::UpdatedAt))
            .primary_key(Index::create().col(TaskState::DagId).col(TaskState::TaskId).col(TaskState::MapIndex))
            .take();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(TaskState::Table).take()).await
    }
}

#[derive(DeriveIden)]
enum TaskState {
    Table,
    DagId,
    TaskId,
    MapIndex,
    Value,
    UpdatedAt,
}
