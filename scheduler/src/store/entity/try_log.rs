//! A piece of the log of a try. The log is all its pieces, one after the other.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "try_log")]
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
    /// The try, from 1.
    #[sea_orm(primary_key, auto_increment = false)]
    pub try_number: i32,
    /// How many bytes of the log are before it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub begins_at: i64,
    /// How many bytes of the log there are up to its end.
    pub ends_at: i64,
    /// The file that it was copied from: a try that was lost and made again has several.
    pub source: Uuid,
    /// Lines of JSON, as in the file of a log.
    pub content: Vec<u8>,
}

/// Rows are joined by hand where that is needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
