//! Values with names, for tasks.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "variable")]
pub struct Model {
    /// The key of the table.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// What tasks call it.
    #[sea_orm(unique)]
    pub key: String,
    /// The value; sealed.
    pub value: String,
    /// For people.
    pub description: Option<String>,
}

/// Rows are joined by hand where that is needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
