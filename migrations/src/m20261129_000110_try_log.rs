//! The logs of tries, where those who read them share no folder with those who write them.

use sea_orm_migration::prelude::*;

use crate::columns::{number, text, uuid};

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(try_log()).await?;
        let by_source = Index::create().name("try_log_source").table(TryLog::Table).col(TryLog::Source).take();
        manager.create_index(by_source).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(TryLog::Table).take()).await
    }
}

fn try_log() -> TableCreateStatement {
    let mut of_run = ForeignKey::create()
        .from(TryLog::Table, TryLog::DagRunId)
        .to(DagRun::Table, DagRun::Id)
        .on_delete(ForeignKeyAction::Cascade)
        .take();
    Table::create()
        .table(TryLog::Table)
        .col(uuid(TryLog::DagRunId))
        .col(text(TryLog::TaskId))
        .col(number(TryLog::MapIndex))
        .col(number(TryLog::TryNumber))
        .col(ColumnDef::new(TryLog::BeginsAt).big_integer().not_null())
        .col(ColumnDef::new(TryLog::EndsAt).big_integer().not_null())
        .col(uuid(TryLog::Source))
        .col(ColumnDef::new(TryLog::Content).blob().not_null())
        .primary_key(
            Index::create()
                .col(TryLog::DagRunId)
                .col(TryLog::TaskId)
                .col(TryLog::MapIndex)
                .col(TryLog::TryNumber)
                .col(TryLog::BeginsAt),
        )
        .foreign_key(&mut of_run)
        .take()
}

/// A piece of the log of a try.
#[derive(DeriveIden)]
enum TryLog {
    Table,
    DagRunId,
    TaskId,
    MapIndex,
    TryNumber,
    BeginsAt,
    EndsAt,
    Source,
    Content,
}

#[derive(DeriveIden)]
enum DagRun {
    Table,
    Id,
}
