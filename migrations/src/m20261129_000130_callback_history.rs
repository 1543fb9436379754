//! Callbacks that were delivered, or given up, are kept with their run.

use sea_orm_migration::prelude::*;

use crate::columns::{instant_null, text_null};

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Few of many wait, and are looked for all the time.
const WAITING: &str = "CREATE INDEX callback_request_waiting ON callback_request (due_at) WHERE state = 'waiting'";

/// What stands in its place, where nothing else is kept.
const DUE: &str = "callback_request_due_at";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in columns() {
            manager.alter_table(Table::alter().table(CallbackRequest::Table).add_column(column).take()).await?;
        }
        manager.drop_index(Index::drop().name(DUE).table(CallbackRequest::Table).to_owned()).await?;
        manager.get_connection().execute_unprepared(WAITING).await?;
        let of_run = Index::create()
            .name("callback_request_run")
            .table(CallbackRequest::Table)
            .col(CallbackRequest::DagRunId)
            .take();
        manager.create_index(of_run).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // What is over was not kept.
        let over = Query::delete()
            .from_table(CallbackRequest::Table)
            .and_where(Expr::col(CallbackRequest::State).ne("waiting"))
            .to_owned();
        manager.execute(over).await?;
        for name in ["callback_request_waiting", "callback_request_run"] {
            manager.drop_index(Index::drop().name(name).table(CallbackRequest::Table).to_owned()).await?;
        }
        let due = Index::create().name(DUE).table(CallbackRequest::Table).col(CallbackRequest::DueAt).take();
        manager.create_index(due).await?;
        for column in columns() {
            let name = Alias::new(column.get_column_name());
            manager.alter_table(Table::alter().table(CallbackRequest::Table).drop_column(name).take()).await?;
        }
        Ok(())
    }
}

fn columns() -> [ColumnDef; 5] {
    [
        ColumnDef::new(CallbackRequest::State).text().not_null().default("waiting").take(),
        text_null(CallbackRequest::Notifier),
        text_null(CallbackRequest::Receiver),
        instant_null(CallbackRequest::RetriedAt),
        instant_null(CallbackRequest::EndedAt),
    ]
}

#[derive(DeriveIden)]
enum CallbackRequest {
    Table,
    DagRunId,
    DueAt,
    State,
    Notifier,
    Receiver,
    RetriedAt,
    EndedAt,
}
