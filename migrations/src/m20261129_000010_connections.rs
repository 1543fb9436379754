//! Connections and variables, and which keys their secrets are encrypted with.

use sea_orm_migration::prelude::*;

use crate::columns::{counted_key, instant, number_null, text, text_null};

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [connection(), variable(), secret_key()] {
            manager.create_table(table).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(SecretKey::Table).take()).await?;
        manager.drop_table(Table::drop().table(Variable::Table).take()).await?;
        manager.drop_table(Table::drop().table(Connection::Table).take()).await
    }
}

fn connection() -> TableCreateStatement {
    Table::create()
        .table(Connection::Table)
        .col(counted_key(Connection::Id))
        .col(text(Connection::ConnId).unique_key())
        .col(text(Connection::ConnType))
        .col(text_null(Connection::Description))
        .col(text_null(Connection::Host))
        .col(text_null(Connection::Login))
        .col(text_null(Connection::Schema))
        .col(number_null(Connection::Port))
        // Encrypted.
        .col(text_null(Connection::Password))
        .col(text_null(Connection::Extra))
        .check(Expr::col(Connection::Port).gte(0).and(Expr::col(Connection::Port).lte(65_535)))
        .take()
}

fn variable() -> TableCreateStatement {
    Table::create()
        .table(Variable::Table)
        .col(counted_key(Variable::Id))
        .col(text(Variable::Key).unique_key())
        // Encrypted.
        .col(text(Variable::Value))
        .col(text_null(Variable::Description))
        .take()
}

fn secret_key() -> TableCreateStatement {
    Table::create()
        .table(SecretKey::Table)
        .col(text(SecretKey::KeyId).primary_key())
        .col(instant(SecretKey::CreatedAt))
        .take()
}

/// Where something outside is.
#[derive(DeriveIden)]
enum Connection {
    Table,
    Id,
    ConnId,
    ConnType,
    Description,
    Host,
    Login,
    Schema,
    Port,
    Password,
    Extra,
}

/// A value with a name.
#[derive(DeriveIden)]
enum Variable {
    Table,
    Id,
    Key,
    Value,
    Description,
}

/// A key that secrets are encrypted with, by its id.
#[derive(DeriveIden)]
enum SecretKey {
    Table,
    KeyId,
    CreatedAt,
}
