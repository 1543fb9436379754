//! What a task remembers from run to run.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "task_state")]
pub struct Model {
    /// The DAG.
    #[sea_orm(primary_key, auto_increment = false)]
    pub dag_id: String,
    /// The task.
    #[sea_orm(primary_key, auto_increment = false)]
    pub task_id: String,
    /// The index within a mapped task; -1 when not mapped.
    #[sea_orm(primary_key, auto_increment = false)]
    pub map_index: i32,
    /// What it is.
    pub value: Json,
    /// When it was written.
    pub updated_at: DateTimeUtc,
}

/// Rows are joined by hand where that is needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
