//! That a part of an asset was updated, and no run of a DAG that waits for parts was made for it yet.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "asset_partition_queue")]
pub struct Model {
    /// The DAG.
    #[sea_orm(primary_key, auto_increment = false)]
    pub dag_id: String,
    /// The update's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub asset_event_id: i64,
    /// The instant that the part stands for in the run that updated it.
    pub partition_date: Option<DateTimeUtc>,
}

/// Rows are joined by hand where that is needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
