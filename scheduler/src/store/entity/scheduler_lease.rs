//! A scheduler process; whoever's lease has lapsed can write nothing more.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "scheduler_lease")]
pub struct Model {
    /// The key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Which installation folder the process works in: its next process there takes over at once.
    pub instance: String,
    /// The machine that ran it.
    pub hostname: String,
    /// The process that ran it.
    pub pid: i32,
    /// When the process started.
    pub started_at: DateTimeUtc,
    /// When it last renewed.
    pub heartbeat_at: DateTimeUtc,
    /// When others may take over.
    pub expires_at: DateTimeUtc,
    /// Whether others did; then nothing may be written under it any more.
    pub is_lapsed: bool,
}

/// Rows are joined by hand where that is needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
