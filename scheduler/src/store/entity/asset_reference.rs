//! That a DAG or one of its tasks names an asset, as its file says now.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "asset_reference")]
pub struct Model {
    /// The DAG.
    #[sea_orm(primary_key, auto_increment = false)]
    pub dag_id: String,
    /// `schedule`, `outlet` or `inlet`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: String,
    /// The task; empty in a schedule.
    #[sea_orm(primary_key, auto_increment = false)]
    pub task_id: String,
    /// The asset's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub asset_id: i64,
    /// In a schedule: whether parts of the asset are waited for, each by itself.
    pub by_partition: bool,
    /// In a schedule: the newest event of the asset that a run of the DAG was given; 0 before there is one.
    pub seen_event_id: i64,
    /// Since when it does.
    pub created_at: DateTimeUtc,
    /// When the row was last written.
    pub updated_at: DateTimeUtc,
}

/// Rows are joined by hand where that is needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
