//! Who did what and when (audit).

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "event_log")]
pub struct Model {
    /// The key.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// When it happened.
    pub dttm: DateTimeUtc,
    /// What happened.
    pub event: String,
    /// The DAG.
    pub dag_id: Option<String>,
    /// The run, as people name it.
    pub run_id: Option<String>,
    /// The task.
    pub task_id: Option<String>,
    /// The index within a mapped task; -1 when not mapped.
    pub map_index: Option<i32>,
    /// The try; 0 before the first.
    pub try_number: Option<i32>,
    /// Who did it.
    pub owner: Option<String>,
    /// The rest, as JSON text with secrets masked.
    pub extra: Option<String>,
}

/// Rows are joined by hand where that is needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
