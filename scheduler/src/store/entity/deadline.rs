//! By when runs should be done (Airflow 3: deadline alerts). A row goes when its run succeeds in time.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "deadline")]
pub struct Model {
    /// The key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The run's key.
    pub dag_run_id: Uuid,
    /// The DAG.
    pub dag_id: String,
    /// The run, as people name it.
    pub run_id: String,
    /// Which of the DAG's deadlines, from 0.
    pub position: i32,
    /// What people call it.
    pub name: Option<String>,
    /// When it is.
    pub deadline_time: DateTimeUtc,
    /// Whether it passed, and its callback was called.
    pub is_missed: bool,
    /// When the row was made.
    pub created_at: DateTimeUtc,
}

/// Rows are joined by hand where that is needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
