//! Slots that task instances share.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "pool")]
pub struct Model {
    /// The key.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// What tasks call it.
    #[sea_orm(unique)]
    pub name: String,
    /// How many slots it has; -1 when there is no end of them.
    pub slots: i32,
    /// What it is for.
    pub description: Option<String>,
    /// Whether deferred task instances take slots, too.
    pub include_deferred: bool,
}

/// Rows are joined by hand where that is needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
