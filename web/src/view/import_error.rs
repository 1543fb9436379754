//! What is wrong with DAG files.

use scheduler::store::entity::import_error;
use serde::Serialize;
use utoipa::ToSchema;

use crate::timestamp::DateTime;

/// What is wrong with a DAG file.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ImportErrorResponse {
    import_error_id: i64,
    timestamp: DateTime,
    /// The path within the bundle.
    filename: String,
    bundle_name: Option<String>,
    /// Every mistake in the file, with its place.
    stack_trace: String,
}

impl From<import_error::Model> for ImportErrorResponse {
    fn from(error: import_error::Model) -> ImportErrorResponse {
        ImportErrorResponse {
            import_error_id: error.id,
            timestamp: DateTime(error.timestamp),
            filename: error.filename,
            bundle_name: Some(error.bundle_name),
            stack_trace: error.stack_trace,
        }
    }
}

/// A page of import errors.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ImportErrorCollectionResponse {
    pub(crate) import_errors: Vec<ImportErrorResponse>,
    pub(crate) total_entries: u64,
}
