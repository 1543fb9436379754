//! What became of the parts of a bulk request.

use serde::Serialize;
use utoipa::ToSchema;

/// What was refused, and why.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BulkError {
    pub(crate) error: String,
    pub(crate) status_code: u16,
}

/// What became of the parts of one kind.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct BulkActionResponse {
    /// The names of what was done.
    pub(crate) success: Vec<String>,
    pub(crate) errors: Vec<BulkError>,
}

/// What became of each part of a bulk request; null where none of the kind was asked for.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct BulkResponse {
    pub(crate) create: Option<BulkActionResponse>,
    pub(crate) update: Option<BulkActionResponse>,
    pub(crate) delete: Option<BulkActionResponse>,
}
