//! Callbacks that wait for delivery, and the deadlines of runs.

// The variants are columns; they are called as the columns are.
#![expect(clippy::enum_variant_names, reason = "a column is named as it is in the table")]

use sea_orm_migration::prelude::*;

use crate::columns::{flag, instant, json, number, number_null, text, text_null, uuid, uuid_null};

/// Creates and drops the tables.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(callback_request()).await?;
        manager.create_table(deadline()).await?;
        let due = Index::create()
            .name("callback_request_due_at")
            .table(CallbackRequest::Table)
            .col(CallbackRequest::DueAt)
            .take();
        manager.create_index(due).await?;
        // A run has each deadline of its DAG once, however often the run is taken over.
        let position = Index::create()
            .name("deadline_position")
            .table(Deadline::Table)
            .col(Deadline::DagRunId)
            .col(Deadline::Position)
            .unique()
            .take();
        manager.create_index(position).await?;
        let next = Index::create()
            .name("deadline_deadline_time")
            .table(Deadline::Table)
            .col(Deadline::IsMissed)
            .col(Deadline::DeadlineTime)
            .take();
        manager.create_index(next).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Deadline::Table).take()).await?;
        manager.drop_table(Table::drop().table(CallbackRequest::Table).take()).await
    }
}

fn callback_request() -> TableCreateStatement {
    Table::create()
        .table(CallbackRequest::Table)
        .col(uuid(CallbackRequest::Id))
        .col(uuid(CallbackRequest::DagRunId))
        .col(text(CallbackRequest::DagId))
        .col(text(CallbackRequest::RunId))
        .col(text_null(CallbackRequest::TaskId))
        .col(number(CallbackRequest::MapIndex))
        .col(number_null(CallbackRequest::TryNumber))
        .col(text(CallbackRequest::Kind))
        .col(number(CallbackRequest::Position))
        .col(json(CallbackRequest::Facts))
        .col(number(CallbackRequest::Attempts))
        .col(instant(CallbackRequest::DueAt))
        .col(instant(CallbackRequest::CreatedAt))
        .col(uuid_null(CallbackRequest::ClaimedBy))
        .col(text_null(CallbackRequest::Error))
        .primary_key(Index::create().col(CallbackRequest::Id))
        .foreign_key(&mut of_run(CallbackRequest::Table, CallbackRequest::DagRunId))
        .take()
}

fn deadline() -> TableCreateStatement {
    Table::create()
        .table(Deadline::Table)
        .col(uuid(Deadline::Id))
        .col(uuid(Deadline::DagRunId))
        .col(text(Deadline::DagId))
        .col(text(Deadline::RunId))
        .col(number(Deadline::Position))
        .col(text_null(Deadline::Name))
        .col(instant(Deadline::DeadlineTime))
        .col(flag(Deadline::IsMissed))
        .col(instant(Deadline::CreatedAt))
        .primary_key(Index::create().col(Deadline::Id))
        .foreign_key(&mut of_run(Deadline::Table, Deadline::DagRunId))
        .take()
}

/// Whoever deletes a run deletes what it still had to tell.
fn of_run<T: IntoIden + 'static, C: IntoIden + 'static>(table: T, column: C) -> ForeignKeyCreateStatement {
    ForeignKey::create().from(table, column).to(DagRun::Table, DagRun::Id).on_delete(ForeignKeyAction::Cascade).take()
}

#[derive(DeriveIden)]
enum CallbackRequest {
    Table,
    Id,
    DagRunId,
    DagId,
    RunId,
    TaskId,
    MapIndex,
    TryNumber,
    Kind,
    Position,
    Facts,
    Attempts,
    DueAt,
    CreatedAt,
    ClaimedBy,
    Error,
}

#[derive(DeriveIden)]
enum Deadline {
    Table,
    Id,
    DagRunId,
    DagId,
    RunId,
    Position,
    Name,
    DeadlineTime,
    IsMissed,
    CreatedAt,
}

#[derive(DeriveIden)]
enum DagRun {
    Table,
    Id,
}
