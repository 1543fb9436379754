//! What is wrong with a DAG file.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "import_error")]
pub struct Model {
    /// The key.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The path within the bundle.
    pub filename: String,
    /// Where the file comes from (Airflow 3: DAG bundle).
    pub bundle_name: String,
    /// When it was written.
    pub timestamp: DateTimeUtc,
    /// The errors, as text with positions.
    pub stack_trace: String,
}

/// Rows are joined by hand where that is needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
