//! What a person asked of a run that a scheduler owns; its owner carries it out.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "run_request")]
pub struct Model {
    /// The key.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The run's key.
    pub dag_run_id: Uuid,
    /// What is asked: a word of `crate::run::Request`.
    pub kind: String,
    /// The rest of what is asked.
    pub payload: Json,
    /// Who asks.
    pub requested_by: Option<String>,
    /// When it was written.
    pub created_at: DateTimeUtc,
}

/// Rows are joined by hand where that is needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
