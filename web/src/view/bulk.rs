//! What became of bulk changes.

use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

/// What became of each kind of change; null for those that were not asked for.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct BulkResponse {
    pub(crate) create: Option<BulkActionResponse>,
    pub(crate) update: Option<BulkActionResponse>,
    pub(crate) delete: Option<BulkActionResponse>,
}

/// What became of one kind of change.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct BulkActionResponse {
    /// The names of what was changed.
    pub(crate) success: Vec<String>,
    pub(crate) errors: Vec<BulkError>,
}

/// Why something was not changed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BulkError {
    error: String,
    /// The code that the answer to this change alone would have.
    status_code: u16,
}

impl BulkActionResponse {
    pub(crate) fn failed(&mut self, status: StatusCode, error: impl Into<String>) {
        self.errors.push(BulkError { error: error.into(), status_code: status.as_u16() });
    }
}
