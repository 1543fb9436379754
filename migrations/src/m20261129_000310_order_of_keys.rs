//! Keeps the keys of what tasks leave in their order: Postgres sorts those of `jsonb`. SQLite keeps JSON as text anyway.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        make(manager, "text").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        make(manager, "jsonb").await
    }
}

/// What a task left, and what a worker says of a try on its way there.
const COLUMNS: [(&str, &str); 2] = [("xcom", "value"), ("task_try", "outcome")];

async fn make(manager: &SchemaManager<'_>, kind: &str) -> Result<(), DbErr> {
    if manager.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    for (table, column) in COLUMNS {
        let sql = format!("ALTER TABLE {table} ALTER COLUMN {column} TYPE {kind} USING {column}::{kind}");
        manager.get_connection().execute_unprepared(&sql).await?;
    }
    Ok(())
}
