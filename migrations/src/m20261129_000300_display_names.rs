//! What people see of DAGs and tasks in place of their ids, which kinds of runs a DAG has, and whose favourites DAGs are.

use sea_orm_migration::prelude::*;

use crate::columns::{json_null, text, text_null};

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in
            [text_null(Named::DagDisplayName), json_null(Named::TaskDisplayNames), json_null(Named::AllowedRunTypes)]
        {
            // SQLite adds one column at a time.
            manager.alter_table(Table::alter().table(Dag::Table).add_column(column).take()).await?;
        }
        for column in [text_null(Named::DagDisplayName), json_null(Named::TaskDisplayNames)] {
            manager.alter_table(Table::alter().table(DagVersion::Table).add_column(column).take()).await?;
        }
        manager.create_table(dag_favorite()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(DagFavorite::Table).take()).await?;
        for column in [Named::DagDisplayName, Named::TaskDisplayNames] {
            manager.alter_table(Table::alter().table(DagVersion::Table).drop_column(column).take()).await?;
        }
        for column in [Named::DagDisplayName, Named::TaskDisplayNames, Named::AllowedRunTypes] {
            manager.alter_table(Table::alter().table(Dag::Table).drop_column(column).take()).await?;
        }
        Ok(())
    }
}

fn dag_favorite() -> TableCreateStatement {
    Table::create()
        .table(DagFavorite::Table)
        .col(text(DagFavorite::UserName))
        .col(text(DagFavorite::DagId))
        .primary_key(Index::create().col(DagFavorite::UserName).col(DagFavorite::DagId))
        .take()
}

#[derive(DeriveIden)]
enum Dag {
    Table,
}

#[derive(DeriveIden)]
enum DagVersion {
    Table,
}

/// The columns of both.
#[derive(DeriveIden)]
enum Named {
    DagDisplayName,
    TaskDisplayNames,
    AllowedRunTypes,
}

#[derive(DeriveIden)]
enum DagFavorite {
    Table,
    UserName,
    DagId,
}
