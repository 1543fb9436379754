//! One execution of a DAG.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "dag_run")]
pub struct Model {
    /// The key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The DAG.
    pub dag_id: String,
    /// The run, as people name it.
    pub run_id: String,
    /// `scheduled`, `manual`, … (Airflow 3: DagRunType).
    pub run_type: String,
    /// A state word of Airflow; see `crate::run::state`.
    pub state: String,
    /// The stretch of time that the run is about; NULL for some manual runs.
    pub logical_date: Option<DateTimeUtc>,
    /// The beginning of that stretch.
    pub data_interval_start: Option<DateTimeUtc>,
    /// The end of that stretch.
    pub data_interval_end: Option<DateTimeUtc>,
    /// Which part of its data the run is about; NULL for most.
    pub partition_key: Option<String>,
    /// The instant that the key stands for, if it stands for one.
    pub partition_date: Option<DateTimeUtc>,
    /// The earliest instant at which the run may start.
    pub run_after: DateTimeUtc,
    /// When it was last queued.
    pub queued_at: Option<DateTimeUtc>,
    /// When it began.
    pub start_date: Option<DateTimeUtc>,
    /// When it ended.
    pub end_date: Option<DateTimeUtc>,
    /// When a scheduler last looked at it.
    pub last_scheduling_decision: Option<DateTimeUtc>,
    /// `timetable`, `rest_api`, `ui`, `cli`, … (Airflow 3: DagRunTriggeredByType).
    pub triggered_by: Option<String>,
    /// Who triggered it.
    pub triggering_user_name: Option<String>,
    /// What was passed to the run.
    pub conf: Json,
    /// A remark by a person.
    pub note: Option<String>,
    /// The definition that the run is pinned to.
    pub dag_version_id: Uuid,
    /// The backfill that it is part of.
    pub backfill_id: Option<i64>,
    /// Its place in the order of that backfill, from 1.
    pub sort_ordinal: Option<i32>,
    /// How a person said that it ends, while its teardowns still run.
    pub decided_state: Option<String>,
    /// How often it was cleared.
    pub clear_number: i32,
    /// The lease of the scheduler that owns the run; NULL when none does.
    pub owner: Option<Uuid>,
    /// Why it does not begin; NULL when it has, or when no scheduler has looked at it yet.
    pub reason: Option<String>,
    /// When the row was last written.
    pub updated_at: DateTimeUtc,
}

/// Rows are joined by hand where that is needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
