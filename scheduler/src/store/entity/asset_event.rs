//! That an asset was updated: by a task that succeeded, or by somebody who said so.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "asset_event")]
pub struct Model {
    /// The key. Of two events of one asset, the later one has the larger key.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The asset's key.
    pub asset_id: i64,
    /// What there is to know of the update: a JSON object.
    pub extra: Json,
    /// Which part of the asset was updated; NULL when it is not said.
    pub partition_key: Option<String>,
    /// The DAG of the task that did it; NULL when it was no task.
    pub source_dag_id: Option<String>,
    /// The run, as people name it.
    pub source_run_id: Option<String>,
    /// The task.
    pub source_task_id: Option<String>,
    /// The index within a mapped task; -1 when not mapped, or when it was no task.
    pub source_map_index: i32,
    /// The try, which updates an asset once.
    pub source_try_id: Option<Uuid>,
    /// When.
    pub timestamp: DateTimeUtc,
}

/// Rows are joined by hand where that is needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
