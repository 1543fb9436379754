//! An earlier try of a task within a run.

use sea_orm::entity::prelude::*;

use super::task_instance;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "task_instance_history")]
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
    /// The try; 0 before the first.
    #[sea_orm(primary_key, auto_increment = false)]
    pub try_number: i32,
    /// The DAG.
    pub dag_id: String,
    /// The run, as people name it.
    pub run_id: String,
    /// A state word of Airflow; see `crate::run::state`.
    pub state: Option<String>,
    /// The last try that `retries` allow is `max_tries + 1` (Airflow 3).
    pub max_tries: i32,
    /// Identifies the try; only its holder may report its end.
    pub try_id: Uuid,
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
    /// The machine that ran it.
    pub hostname: Option<String>,
    /// The process that ran it.
    pub pid: Option<i32>,
    /// Why the try failed, in one line.
    pub error: Option<String>,
    /// The arguments after templates were filled in.
    pub rendered_fields: Option<Json>,
}

/// Rows are joined by hand where that is needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The latest try, as it would be kept if another followed.
impl From<task_instance::Model> for Model {
    fn from(latest: task_instance::Model) -> Model {
        Model {
            dag_run_id: latest.dag_run_id,
            task_id: latest.task_id,
            map_index: latest.map_index,
            try_number: latest.try_number,
            dag_id: latest.dag_id,
            run_id: latest.run_id,
            state: latest.state,
            max_tries: latest.max_tries,
            try_id: latest.try_id,
            operator: latest.operator,
            pool: latest.pool,
            pool_slots: latest.pool_slots,
            queue: latest.queue,
            priority_weight: latest.priority_weight,
            scheduled_when: latest.scheduled_when,
            queued_when: latest.queued_when,
            start_date: latest.start_date,
            end_date: latest.end_date,
            hostname: latest.hostname,
            pid: latest.pid,
            error: latest.error,
            rendered_fields: latest.rendered_fields,
        }
    }
}
