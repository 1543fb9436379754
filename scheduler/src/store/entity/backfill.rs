//! Backfills: runs for a range of dates in the past.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "backfill")]
pub struct Model {
    /// The key.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The DAG.
    pub dag_id: String,
    /// The first logical date, inclusive.
    pub from_date: DateTimeUtc,
    /// The last logical date, inclusive.
    pub to_date: DateTimeUtc,
    /// What is passed to its runs.
    pub dag_run_conf: Json,
    /// Whether none of its queued runs may begin.
    pub is_paused: bool,
    /// What happens to dates that have a run: `none`, `failed` or `completed` (Airflow 3: ReprocessBehavior).
    pub reprocess_behavior: String,
    /// Most of its runs at the same time.
    pub max_active_runs: i32,
    /// Who asked for it.
    pub triggering_user_name: Option<String>,
    /// When it was asked for.
    pub created_at: DateTimeUtc,
    /// When its last run ended, or when it was cancelled; NULL while it is active.
    pub completed_at: Option<DateTimeUtc>,
    /// When the row was last written.
    pub updated_at: DateTimeUtc,
}

/// Rows are joined by hand where that is needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
