//! Which part of its data a run is about, and an update of an asset.

use sea_orm_migration::prelude::*;

use crate::columns::{instant_null, text_null};

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds one column at a time.
        for column in [text_null(DagRun::PartitionKey), instant_null(DagRun::PartitionDate)] {
            manager.alter_table(Table::alter().table(DagRun::Table).add_column(column).take()).await?;
        }
        let key = text_null(AssetEvent::PartitionKey);
        manager.alter_table(Table::alter().table(AssetEvent::Table).add_column(key).take()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let key = AssetEvent::PartitionKey;
        manager.alter_table(Table::alter().table(AssetEvent::Table).drop_column(key).take()).await?;
        for column in [DagRun::PartitionKey, DagRun::PartitionDate] {
            manager.alter_table(Table::alter().table(DagRun::Table).drop_column(column).take()).await?;
        }
        Ok(())
    }
}

#[derive(DeriveIden)]
enum DagRun {
    Table,
    PartitionKey,
    PartitionDate,
}

#[derive(DeriveIden)]
enum AssetEvent {
    Table,
    PartitionKey,
}
