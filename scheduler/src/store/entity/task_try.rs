//! A try that was handed to the workers. A row goes in the transaction in which its end counts.

use sea_orm::entity::prelude::*;

use super::json_text::JsonText;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "task_try")]
pub struct Model {
    /// The try.
    #[sea_orm(primary_key, auto_increment = false)]
    pub try_id: Uuid,
    /// The run's key.
    pub dag_run_id: Uuid,
    /// The task.
    pub task_id: String,
    /// The index within a mapped task; -1 when not mapped.
    pub map_index: i32,
    /// Counts from 1.
    pub try_number: i32,
    /// The version of the DAG by which it is made; the run may go on with another meanwhile.
    pub dag_version_id: Uuid,
    /// Which workers may take it.
    pub queue: String,
    /// What is taken first: the highest.
    pub priority_weight: i32,
    /// When it was handed out.
    pub ordered_at: DateTimeUtc,
    /// The lease of the worker that took it.
    pub worker: Option<Uuid>,
    /// The machine of that worker.
    pub hostname: Option<String>,
    /// The process of that worker.
    pub pid: Option<i32>,
    /// When it was taken.
    pub started_at: Option<DateTimeUtc>,
    /// When the try began, if it goes on with one that waited in another process.
    pub resumes_from: Option<DateTimeUtc>,
    /// What it waits for, once it only waits.
    pub deferral: Option<String>,
    /// Whether the scheduler knows that it was taken, and that it waits if it does.
    pub is_seen: bool,
    /// Whether it is to stop.
    pub is_cancelled: bool,
    /// What became of it, as a worker reports it.
    pub outcome: Option<JsonText>,
    /// When it ended.
    pub ended_at: Option<DateTimeUtc>,
}

/// Rows are joined by hand where that is needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
