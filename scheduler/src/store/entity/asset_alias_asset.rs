//! That a task found an asset under an alias.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "asset_alias_asset")]
pub struct Model {
    /// The alias.
    #[sea_orm(primary_key, auto_increment = false)]
    pub alias_id: i64,
    /// The asset.
    #[sea_orm(primary_key, auto_increment = false)]
    pub asset_id: i64,
}

/// Rows are joined by hand where that is needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
