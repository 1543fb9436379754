//! What is wrong with DAG files.

use axum::Json;
use axum::extract::State;
use scheduler::store::read::{self, ImportErrorFilter};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use crate::error::{ApiError, HttpExceptionResponse, HttpValidationError};
use crate::request::{Described, Order, Query, UrlPath};
use crate::state::AppState;
use crate::view::{ImportErrorCollectionResponse, ImportErrorResponse};

pub(crate) struct ImportErrorParams;

impl IntoParams for ImportErrorParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Described::paged().ordered().patterns(&["filename"]).text("filename", "").text("bundle_name", "").done()
    }
}

/// List what is wrong with DAG files.
#[utoipa::path(
    get,
    path = "/api/v2/importErrors",
    operation_id = "get_import_errors",
    tag = "Import Error",
    params(ImportErrorParams),
    responses(
        (status = 200, description = "A page of import errors", body = ImportErrorCollectionResponse),
        (status = 400, description = "The order is not allowed", body = HttpExceptionResponse),
        (status = 422, description = "A parameter is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn get_import_errors(
    State(app): State<AppState>,
    mut query: Query,
) -> Result<Json<ImportErrorCollectionResponse>, ApiError> {
    let sorting = query.order(&Order {
        default: &["id"],
        allowed: &["id", "import_error_id", "timestamp", "filename", "bundle_name", "stacktrace"],
        tie_break: &["id"],
        key: &read::import_error_sort_key,
    })?;
    let filter = ImportErrorFilter {
        filename: query.patterns("filename"),
        exact_filename: query.text("filename"),
        bundle_name: query.text("bundle_name"),
    };
    let paging = query.paging();
    query.finish()?;
    let listing = read::list_import_errors(app.db.read(), &filter, &sorting, &paging).await?;
    let import_errors = listing.rows.into_iter().map(ImportErrorResponse::from).collect();
    Ok(Json(ImportErrorCollectionResponse { import_errors, total_entries: listing.total }))
}

/// Look at one of them.
#[utoipa::path(
    get,
    path = "/api/v2/importErrors/{import_error_id}",
    operation_id = "get_import_error",
    tag = "Import Error",
    params(("import_error_id" = i64, Path)),
    responses(
        (status = 200, description = "The import error", body = ImportErrorResponse),
        (status = 404, description = "There is no such import error", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn get_import_error(
    State(app): State<AppState>,
    UrlPath(id): UrlPath<i64>,
) -> Result<Json<ImportErrorResponse>, ApiError> {
    match read::find_import_error(app.db.read(), id).await? {
        Some(error) => Ok(Json(error.into())),
        None => Err(ApiError::not_found(format!("The ImportError with import_error_id: `{id}` was not found"))),
    }
}
