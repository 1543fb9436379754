//! Where something outside is, and what it asks for.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "connection")]
pub struct Model {
    /// The key.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// What tasks call it.
    #[sea_orm(unique)]
    pub conn_id: String,
    /// What it leads to.
    pub conn_type: String,
    /// For people.
    pub description: Option<String>,
    /// The name or address of the other side.
    pub host: Option<String>,
    /// Who we are there.
    pub login: Option<String>,
    /// Which database, bucket or scheme there.
    pub schema: Option<String>,
    /// The port there.
    pub port: Option<i32>,
    /// How we show who we are; sealed.
    pub password: Option<String>,
    /// The rest as a JSON object; sealed.
    pub extra: Option<String>,
}

/// Rows are joined by hand where that is needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
