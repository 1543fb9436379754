//! A task within a run, as its current or last try left it.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "task_instance")]
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
    /// The DAG.
    pub dag_id: String,
    /// The run, as people name it.
    pub run_id: String,
    /// The place of the task in the file, from 0.
    pub task_index: i32,
    /// A state word of Airflow; see `crate::run::state`.
    pub state: Option<String>,
    /// The try; 0 before the first.
    pub try_number: i32,
    /// The last try that `retries` allow is `max_tries + 1` (Airflow 3).
    pub max_tries: i32,
    /// Identifies the try; only its holder may report its end.
    pub try_id: Uuid,
    /// How often the process that ran this try was lost.
    pub lost_tries: i32,
    /// The operator's short name.
    pub operator: String,
    /// Where it takes slots.
    pub pool: String,
    /// How many.
    pub pool_slots: i32,
    /// Which workers may run it.
    pub queue: String,
    /// Larger goes first.
    pub priority_weight: i32,
    /// When its dependencies were met.
    pub scheduled_when: Option<DateTimeUtc>,
    /// When it was handed out.
    pub queued_when: Option<DateTimeUtc>,
    /// When it began.
    pub start_date: Option<DateTimeUtc>,
    /// When it ended.
    pub end_date: Option<DateTimeUtc>,
    /// Since when the try only waits; also when the process that made it is gone and it is to go on in another.
    pub deferred_at: Option<DateTimeUtc>,
    /// When the next try is due, in `up_for_retry`.
    pub next_try_at: Option<DateTimeUtc>,
    /// The machine that ran it.
    pub hostname: Option<String>,
    /// The process that ran it.
    pub pid: Option<i32>,
    /// Why it does not run now; NULL when it does, or is over.
    pub reason: Option<String>,
    /// Why the try failed, in one line.
    pub error: Option<String>,
    /// A remark by a person.
    pub note: Option<String>,
    /// The arguments after templates were filled in.
    pub rendered_fields: Option<Json>,
    /// The name of a mapped instance, from `map_index_template`.
    pub rendered_map_index: Option<String>,
    /// How many items it left to map over; -1 for something over which cannot be mapped.
    pub pushed_items: Option<i32>,
    /// The tasks that it decided to skip, as a list of ids.
    pub skips: Option<Json>,
    /// When the row was last written.
    pub updated_at: DateTimeUtc,
}

/// Rows are joined by hand where that is needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
