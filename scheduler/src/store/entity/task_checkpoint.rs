//! A value that a task left for itself, to go on after a restart.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "task_checkpoint")]
pub struct Model {
    /// The run's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub dag_run_id: Uuid,
    /// The task.
    #[sea_orm(primary_key, auto_increment = false)]
    pub task_id: String,
    /// The index within a mapped task; -1 when not mapped.
    #[sea_orm(primary_key, auto_increment = false)]
    pub map_index: i32,
    /// The value, as JSON.
    pub value: Json,
    /// When the row was last written.
    pub updated_at: DateTimeUtc,
    /// Since when nobody wants any more what its try may have started, until that is known to have ended.
    pub withdrawn_at: Option<DateTimeUtc>,
    /// The version of the DAG that its try was made with; none of a row that is older than this column.
    pub dag_version_id: Option<Uuid>,
}

/// Rows are joined by hand where that is needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
