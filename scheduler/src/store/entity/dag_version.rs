//! A definition of a DAG that at least one run used; runs are pinned to it.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "dag_version")]
pub struct Model {
    /// The key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The DAG.
    pub dag_id: String,
    /// What people see in place of the id; NULL when that is all.
    pub dag_display_name: Option<String>,
    /// The same of its tasks, by their ids, as far as they have second names.
    pub task_display_names: Option<Json>,
    /// Counts from 1 for each DAG.
    pub version_number: i32,
    /// The hash of the normalised document: a change of form alone is not a new version.
    pub hash: String,
    /// The text of the file.
    pub source: String,
    /// The path of its file within the bundle.
    pub relative_fileloc: String,
    /// When it was written.
    pub created_at: DateTimeUtc,
}

/// Rows are joined by hand where that is needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
