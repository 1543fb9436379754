//! That a DAG waits for what is found under an alias, as its file says now.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "asset_alias_reference")]
pub struct Model {
    /// The DAG.
    #[sea_orm(primary_key, auto_increment = false)]
    pub dag_id: String,
    /// The alias.
    #[sea_orm(primary_key, auto_increment = false)]
    pub alias_id: i64,
}

/// Rows are joined by hand where that is needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
