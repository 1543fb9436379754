//! Tokens that were signed out, for all processes that accept them.

use sea_orm_migration::prelude::*;

use crate::columns::{instant, text};

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(RevokedToken::Table)
            .col(text(RevokedToken::Jti))
            .col(instant(RevokedToken::Exp))
            .primary_key(Index::create().col(RevokedToken::Jti))
            .take();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(RevokedToken::Table).take()).await
    }
}

#[derive(DeriveIden)]
enum RevokedToken {
    Table,
    Jti,
    Exp,
}
