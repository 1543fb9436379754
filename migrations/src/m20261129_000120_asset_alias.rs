//! Aliases of assets, and which assets tasks found under them.

use sea_orm_migration::prelude::*;

use crate::columns::{counted_key, text};

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(asset_alias()).await?;
        let name =
            Index::create().name("asset_alias_name").table(AssetAlias::Table).col(AssetAlias::Name).unique().take();
        manager.create_index(name).await?;
        manager.create_table(asset_alias_asset()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(AssetAliasAsset::Table).take()).await?;
        manager.drop_table(Table::drop().table(AssetAlias::Table).take()).await
    }
}

fn asset_alias() -> TableCreateStatement {
    Table::create()
        .table(AssetAlias::Table)
        .col(counted_key(AssetAlias::Id))
        .col(text(AssetAlias::Name))
        .col(text(AssetAlias::Group))
        .take()
}

fn asset_alias_asset() -> TableCreateStatement {
    let mut of_alias = ForeignKey::create()
        .from(AssetAliasAsset::Table, AssetAliasAsset::AliasId)
        .to(AssetAlias::Table, AssetAlias::Id)
        .on_delete(ForeignKeyAction::Cascade)
        .take();
    let mut of_asset = ForeignKey::create()
        .from(AssetAliasAsset::Table, AssetAliasAsset::AssetId)
        .to(Asset::Table, Asset::Id)
        .on_delete(ForeignKeyAction::Cascade)
        .take();
    Table::create()
        .table(AssetAliasAsset::Table)
        .col(ColumnDef::new(AssetAliasAsset::AliasId).big_integer().not_null())
        .col(ColumnDef::new(AssetAliasAsset::AssetId).big_integer().not_null())
        .primary_key(Index::create().col(AssetAliasAsset::AliasId).col(AssetAliasAsset::AssetId))
        .foreign_key(&mut of_alias)
        .foreign_key(&mut of_asset)
        .take()
}

#[derive(DeriveIden)]
enum AssetAlias {
    Table,
    Id,
    Name,
    Group,
}

#[derive(DeriveIden)]
enum AssetAliasAsset {
    Table,
    AliasId,
    AssetId,
}

#[derive(DeriveIden)]
enum Asset {
    Table,
    Id,
}
