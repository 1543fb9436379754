//! A DAG that was loaded at least once, with its last good definition.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "dag")]
pub struct Model {
    /// The DAG.
    #[sea_orm(primary_key, auto_increment = false)]
    pub dag_id: String,
    /// What people see in place of the id; NULL when that is all.
    pub dag_display_name: Option<String>,
    /// The same of its tasks, by their ids, as far as they have second names.
    pub task_display_names: Option<Json>,
    /// Whether no run may start.
    pub is_paused: bool,
    /// Whether its file is gone, or no longer defines it.
    pub is_stale: bool,
    /// Whether its file as it is now cannot be loaded; the last good version goes on.
    pub has_import_errors: bool,
    /// The absolute path of its file.
    pub fileloc: String,
    /// The path of its file within the bundle.
    pub relative_fileloc: String,
    /// Where the file comes from (Airflow 3: DAG bundle).
    pub bundle_name: String,
    /// When its file was last loaded well.
    pub last_parsed_time: Option<DateTimeUtc>,
    /// How long that took, in milliseconds.
    pub last_parse_duration_ms: Option<i32>,
    /// One line for lists.
    pub description: Option<String>,
    /// Who to ask, separated by commas.
    pub owners: String,
    /// The schedule as Airflow shows it: a cron expression, or null for none.
    pub timetable_summary: Option<String>,
    /// The schedule in words.
    pub timetable_description: Option<String>,
    /// The IANA name of the zone in which the schedule is meant.
    pub timezone: String,
    /// Most runs at the same time.
    pub max_active_runs: i32,
    /// Most task instances of a run at the same time.
    pub max_active_tasks: i32,
    /// The kinds of runs that are made, as words; NULL when all are.
    pub allowed_run_types: Option<Json>,
    /// The logical date of the next scheduled run.
    pub next_dagrun_logical_date: Option<DateTimeUtc>,
    /// Its data interval begins then.
    pub next_dagrun_data_interval_start: Option<DateTimeUtc>,
    /// Its data interval ends then.
    pub next_dagrun_data_interval_end: Option<DateTimeUtc>,
    /// When it is due.
    pub next_dagrun_run_after: Option<DateTimeUtc>,
    /// The hash of the normalised document; see `dag_version.hash`.
    pub version_hash: String,
    /// The text of the file.
    pub source: String,
    /// When the row was last written.
    pub updated_at: DateTimeUtc,
}

/// Rows are joined by hand where that is needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
