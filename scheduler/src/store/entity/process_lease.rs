//! A process that decides or runs tries; whoever's lease has lapsed can write nothing more.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "process_lease")]
pub struct Model {
    /// The key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// A word of `crate::store::leases::Kind`.
    pub kind: String,
    /// Which installation folder the process works in: its next process there takes over at once.
    pub instance: String,
    /// The machine that ran it.
    pub hostname: String,
    /// The process that ran it.
    pub pid: i32,
    /// The key of the advisory lock that its connection to Postgres holds; NULL on SQLite.
    pub presence: Option<i64>,
    /// How long it may stay silent, in milliseconds, before others take it for dead.
    pub patience_ms: i64,
    /// Counts up with each renewal. Others watch it change, and compare no clocks.
    pub renewals: i64,
    /// When the process started.
    pub started_at: DateTimeUtc,
    /// When it last renewed; for people to read.
    pub heartbeat_at: DateTimeUtc,
    /// Whether others took over; then nothing may be written under it any more.
    pub is_lapsed: bool,
    /// Whether it takes no more tries, because it is about to end.
    pub is_draining: bool,
    /// The queues from which a worker takes tries.
    pub queues: Option<Json>,
    /// The tries that a worker makes at the same time at most.
    pub concurrency: Option<i32>,
}

/// Rows are joined by hand where that is needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
