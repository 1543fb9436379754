//! Backfills: runs for a range of dates in the past, with a limit of their own.

use sea_orm_migration::prelude::*;

use crate::columns::{counted_key, flag, instant, instant_null, json, number, number_null, text, text_null};

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(backfill()).await?;
        let active = Index::create().name("backfill_dag").table(Backfill::Table).col(Backfill::DagId).take();
        manager.create_index(active).await?;
        for column in [ColumnDef::new(DagRun::BackfillId).big_integer().null().take(), number_null(DagRun::SortOrdinal)]
        {
            manager.alter_table(Table::alter().table(DagRun::Table).add_column(column).take()).await?;
        }
        let of_backfill = Index::create().name("dag_run_backfill").table(DagRun::Table).col(DagRun::BackfillId).take();
        manager.create_index(of_backfill).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let index = Index::drop().name("dag_run_backfill").table(DagRun::Table).to_owned();
        manager.drop_index(index).await?;
        for column in [DagRun::BackfillId, DagRun::SortOrdinal] {
            manager.alter_table(Table::alter().table(DagRun::Table).drop_column(column).take()).await?;
        }
        manager.drop_table(Table::drop().table(Backfill::Table).take()).await
    }
}

fn backfill() -> TableCreateStatement {
    Table::create()
        .table(Backfill::Table)
        .col(counted_key(Backfill::Id))
        .col(text(Backfill::DagId))
        .col(instant(Backfill::FromDate))
        .col(instant(Backfill::ToDate))
        .col(json(Backfill::DagRunConf))
        .col(flag(Backfill::IsPaused))
        .col(text(Backfill::ReprocessBehavior))
        .col(number(Backfill::MaxActiveRuns))
        .col(text_null(Backfill::TriggeringUserName))
        .col(instant(Backfill::CreatedAt))
        .col(instant_null(Backfill::CompletedAt))
        .col(instant(Backfill::UpdatedAt))
        .check(Expr::col(Backfill::ReprocessBehavior).is_in(["none", "failed", "completed"]))
        .take()
}

#[derive(DeriveIden)]
enum Backfill {
    Table,
    Id,
    DagId,
    FromDate,
    ToDate,
    DagRunConf,
    IsPaused,
    ReprocessBehavior,
    MaxActiveRuns,
    TriggeringUserName,
    CreatedAt,
    CompletedAt,
    UpdatedAt,
}

#[derive(DeriveIden)]
enum DagRun {
    Table,
    BackfillId,
    SortOrdinal,
}
