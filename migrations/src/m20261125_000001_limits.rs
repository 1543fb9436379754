//! Pools, and why a run waits.

use sea_orm_migration::prelude::*;

use crate::columns::{counted_key, flag, number, text, text_null};

/// Creates the pools with the one that every task takes slots from unless it names another.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// The pool that is always there (Airflow 3: `default_pool`, 128 slots).
const DEFAULT_POOL: (&str, i32) = ("default_pool", 128);

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(pool()).await?;
        let (name, slots) = DEFAULT_POOL;
        let default_pool = Query::insert()
            .into_table(Pool::Table)
            .columns([Pool::Name, Pool::Slots, Pool::Description, Pool::IncludeDeferred])
            .values_panic([name.into(), slots.into(), "Default pool".into(), false.into()])
            .to_owned();
        manager.execute(default_pool).await?;
        let reason = Table::alter().table(DagRun::Table).add_column(text_null(DagRun::Reason)).take();
        manager.alter_table(reason).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let reason = Table::alter().table(DagRun::Table).drop_column(DagRun::Reason).take();
        manager.alter_table(reason).await?;
        manager.drop_table(Table::drop().table(Pool::Table).take()).await
    }
}

fn pool() -> TableCreateStatement {
    Table::create()
        .table(Pool::Table)
        .col(counted_key(Pool::Id))
        .col(text(Pool::Name).unique_key())
        .col(number(Pool::Slots))
        .col(text_null(Pool::Description))
        .col(flag(Pool::IncludeDeferred))
        // -1 is without end.
        .check(Expr::col(Pool::Slots).gte(-1))
        .take()
}

/// Slots that task instances share.
#[derive(DeriveIden)]
enum Pool {
    Table,
    Id,
    Name,
    Slots,
    Description,
    IncludeDeferred,
}

/// The part of the table that changes here.
#[derive(DeriveIden)]
enum DagRun {
    Table,
    Reason,
}
