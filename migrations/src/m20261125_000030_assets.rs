//! Assets: which there are, which DAGs and tasks name them, what became of them, and which DAGs wait for a run of it.

use sea_orm_migration::prelude::*;

use crate::columns::{counted_key, instant, json, number, text, text_null, uuid, uuid_null};

/// Creates and drops the tables.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [asset(), asset_reference(), asset_event(), asset_dag_run_queue(), asset_event_dag_run()] {
            manager.create_table(table).await?;
        }
        for index in indices() {
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(AssetEventDagRun::Table).take()).await?;
        manager.drop_table(Table::drop().table(AssetDagRunQueue::Table).take()).await?;
        manager.drop_table(Table::drop().table(AssetEvent::Table).take()).await?;
        manager.drop_table(Table::drop().table(AssetReference::Table).take()).await?;
        manager.drop_table(Table::drop().table(Asset::Table).take()).await
    }
}

fn indices() -> [IndexCreateStatement; 7] {
    [
        Index::create().name("asset_name_uri").table(Asset::Table).col(Asset::Name).col(Asset::Uri).unique().take(),
        Index::create()
            .name("asset_reference_asset")
            .table(AssetReference::Table)
            .col(AssetReference::AssetId)
            .col(AssetReference::Kind)
            .take(),
        // A try updates an asset once, however often its end is written.
        Index::create()
            .name("asset_event_try")
            .table(AssetEvent::Table)
            .col(AssetEvent::SourceTryId)
            .col(AssetEvent::AssetId)
            .unique()
            .take(),
        Index::create()
            .name("asset_event_asset")
            .table(AssetEvent::Table)
            .col(AssetEvent::AssetId)
            .col(AssetEvent::Id)
            .take(),
        Index::create().name("asset_event_timestamp").table(AssetEvent::Table).col(AssetEvent::Timestamp).take(),
        Index::create()
            .name("asset_dag_run_queue_asset")
            .table(AssetDagRunQueue::Table)
            .col(AssetDagRunQueue::AssetId)
            .take(),
        Index::create()
            .name("asset_event_dag_run_run")
            .table(AssetEventDagRun::Table)
            .col(AssetEventDagRun::DagRunId)
            .take(),
    ]
}

fn asset() -> TableCreateStatement {
    Table::create()
        .table(Asset::Table)
        .col(counted_key(Asset::Id))
        .col(text(Asset::Name))
        .col(text(Asset::Uri))
        .col(text(Asset::Group))
        .col(json(Asset::Extra))
        .col(instant(Asset::CreatedAt))
        .col(instant(Asset::UpdatedAt))
        .take()
}

fn asset_reference() -> TableCreateStatement {
    Table::create()
        .table(AssetReference::Table)
        .col(text(AssetReference::DagId))
        .col(text(AssetReference::Kind))
        .col(text(AssetReference::TaskId))
        .col(key(AssetReference::AssetId))
        .col(key(AssetReference::SeenEventId))
        .col(instant(AssetReference::CreatedAt))
        .col(instant(AssetReference::UpdatedAt))
        .primary_key(
            Index::create()
                .col(AssetReference::DagId)
                .col(AssetReference::Kind)
                .col(AssetReference::TaskId)
                .col(AssetReference::AssetId),
        )
        .check(Expr::col(AssetReference::Kind).is_in(["schedule", "outlet", "inlet"]))
        .foreign_key(&mut of_asset(AssetReference::Table, AssetReference::AssetId))
        .take()
}

fn asset_event() -> TableCreateStatement {
    Table::create()
        .table(AssetEvent::Table)
        .col(counted_key(AssetEvent::Id))
        .col(key(AssetEvent::AssetId))
        .col(json(AssetEvent::Extra))
        .col(text_null(AssetEvent::SourceDagId))
        .col(text_null(AssetEvent::SourceRunId))
        .col(text_null(AssetEvent::SourceTaskId))
        .col(number(AssetEvent::SourceMapIndex))
        .col(uuid_null(AssetEvent::SourceTryId))
        .col(instant(AssetEvent::Timestamp))
        .foreign_key(&mut of_asset(AssetEvent::Table, AssetEvent::AssetId))
        .take()
}

fn asset_dag_run_queue() -> TableCreateStatement {
    Table::create()
        .table(AssetDagRunQueue::Table)
        .col(text(AssetDagRunQueue::DagId))
        .col(key(AssetDagRunQueue::AssetId))
        .col(instant(AssetDagRunQueue::CreatedAt))
        .primary_key(Index::create().col(AssetDagRunQueue::DagId).col(AssetDagRunQueue::AssetId))
        .foreign_key(&mut of_asset(AssetDagRunQueue::Table, AssetDagRunQueue::AssetId))
        .take()
}

fn asset_event_dag_run() -> TableCreateStatement {
    let mut of_event = ForeignKey::create()
        .from(AssetEventDagRun::Table, AssetEventDagRun::AssetEventId)
        .to(AssetEvent::Table, AssetEvent::Id)
        .on_delete(ForeignKeyAction::Cascade)
        .take();
    let mut of_run = ForeignKey::create()
        .from(AssetEventDagRun::Table, AssetEventDagRun::DagRunId)
        .to(DagRun::Table, DagRun::Id)
        .on_delete(ForeignKeyAction::Cascade)
        .take();
    Table::create()
        .table(AssetEventDagRun::Table)
        .col(key(AssetEventDagRun::AssetEventId))
        .col(uuid(AssetEventDagRun::DagRunId))
        .primary_key(Index::create().col(AssetEventDagRun::AssetEventId).col(AssetEventDagRun::DagRunId))
        .foreign_key(&mut of_event)
        .foreign_key(&mut of_run)
        .take()
}

/// A key of another table, or 0.
fn key(name: impl IntoIden) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().take()
}

fn of_asset<T: IntoIden + 'static, C: IntoIden + 'static>(table: T, column: C) -> ForeignKeyCreateStatement {
    ForeignKey::create().from(table, column).to(Asset::Table, Asset::Id).on_delete(ForeignKeyAction::Cascade).take()
}

#[derive(DeriveIden)]
enum Asset {
    Table,
    Id,
    Name,
    Uri,
    Group,
    Extra,
    CreatedAt,
    UpdatedAt,
}

#[derive(DeriveIden)]
enum AssetReference {
    Table,
    DagId,
    Kind,
    TaskId,
    AssetId,
    SeenEventId,
    CreatedAt,
    UpdatedAt,
}

#[derive(DeriveIden)]
enum AssetEvent {
    Table,
    Id,
    AssetId,
    Extra,
    SourceDagId,
    SourceRunId,
    SourceTaskId,
    SourceMapIndex,
    SourceTryId,
    Timestamp,
}

#[derive(DeriveIden)]
enum AssetDagRunQueue {
    Table,
    DagId,
    AssetId,
    CreatedAt,
}

#[derive(DeriveIden)]
enum AssetEventDagRun {
    Table,
    AssetEventId,
    DagRunId,
}

#[derive(DeriveIden)]
enum DagRun {
    Table,
    Id,
}
