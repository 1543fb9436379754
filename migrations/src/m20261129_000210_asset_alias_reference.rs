//! Which DAGs wait for what is found under aliases.

use sea_orm_migration::prelude::*;

use crate::columns::text;

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(asset_alias_reference()).await?;
        let alias = Index::create()
            .name("asset_alias_reference_alias_id")
            .table(AssetAliasReference::Table)
            .col(AssetAliasReference::AliasId)
            .take();
        manager.create_index(alias).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(AssetAliasReference::Table).take()).await
    }
}

fn asset_alias_reference() -> TableCreateStatement {
    let mut of_alias = ForeignKey::create()
        .from(AssetAliasReference::Table, AssetAliasReference::AliasId)
        .to(AssetAlias::Table, AssetAlias::Id)
        .on_delete(ForeignKeyAction::Cascade)
        .take();
    Table::create()
        .table(AssetAliasReference::Table)
        .col(text(AssetAliasReference::DagId))
        .col(ColumnDef::new(AssetAliasReference::AliasId).big_integer().not_null())
        .primary_key(Index::create().col(AssetAliasReference::DagId).col(AssetAliasReference::AliasId))
        .foreign_key(&mut of_alias)
        .take()
}

#[derive(DeriveIden)]
enum AssetAliasReference {
    Table,
    DagId,
    AliasId,
}

#[derive(DeriveIden)]
enum AssetAlias {
    Table,
    Id,
}
