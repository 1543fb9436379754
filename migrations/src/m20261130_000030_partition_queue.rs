//! Who waits for parts of assets, and which updates of parts wait for a run.

use sea_orm_migration::prelude::*;

use crate::columns::{instant_null, text};

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let flag = ColumnDef::new(AssetReference::ByPartition).boolean().not_null().default(false).take();
        manager.alter_table(Table::alter().table(AssetReference::Table).add_column(flag).take()).await?;
        manager.create_table(asset_partition_queue()).await?;
        let by_event = Index::create()
            .name("asset_partition_queue_event")
            .table(AssetPartitionQueue::Table)
            .col(AssetPartitionQueue::AssetEventId)
            .take();
        manager.create_index(by_event).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(AssetPartitionQueue::Table).take()).await?;
        let flag = AssetReference::ByPartition;
        manager.alter_table(Table::alter().table(AssetReference::Table).drop_column(flag).take()).await
    }
}

fn asset_partition_queue() -> TableCreateStatement {
    let mut of_event = ForeignKey::create()
        .from(AssetPartitionQueue::Table, AssetPartitionQueue::AssetEventId)
        .to(AssetEvent::Table, AssetEvent::Id)
        .on_delete(ForeignKeyAction::Cascade)
        .take();
    Table::create()
        .table(AssetPartitionQueue::Table)
        .col(text(AssetPartitionQueue::DagId))
        .col(ColumnDef::new(AssetPartitionQueue::AssetEventId).big_integer().not_null().take())
        .col(instant_null(AssetPartitionQueue::PartitionDate))
        .primary_key(Index::create().col(AssetPartitionQueue::DagId).col(AssetPartitionQueue::AssetEventId))
        .foreign_key(&mut of_event)
        .take()
}

#[derive(DeriveIden)]
enum AssetReference {
    Table,
    ByPartition,
}

#[derive(DeriveIden)]
enum AssetPartitionQueue {
    Table,
    DagId,
    AssetEventId,
    PartitionDate,
}

#[derive(DeriveIden)]
enum AssetEvent {
    Table,
    Id,
}
