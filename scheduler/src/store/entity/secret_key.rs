//! Keys that secrets are encrypted with, by their ids.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "secret_key")]
pub struct Model {
    /// The id, which tells nothing of the key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key_id: String,
    /// Since when.
    pub created_at: DateTimeUtc,
}

/// Rows are joined by hand where that is needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
