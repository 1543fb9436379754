//! The definitions that runs are pinned to.

use axum::Json;
use axum::extract::State;
use scheduler::store::read::{self, VersionFilter};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use super::{assert_dag, unless_all};
use crate::error::{ApiError, HttpExceptionResponse, HttpValidationError};
use crate::request::{Described, Order, Query, UrlPath};
use crate::state::AppState;
use crate::view::{DagVersionCollectionResponse, DagVersionResponse};

pub(crate) struct VersionParams;

impl IntoParams for VersionParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Described::paged().ordered().number("version_number", "Only the version with this number.").done()
    }
}

/// List the versions of a DAG, or of all (`~`).
#[utoipa::path(
    get,
    path = "/api/v2/dags/{dag_id}/dagVersions",
    operation_id = "get_dag_versions",
    tag = "DagVersion",
    params(("dag_id" = String, Path), VersionParams),
    responses(
        (status = 200, description = "A page of versions", body = DagVersionCollectionResponse),
        (status = 404, description = "There is no such DAG", body = HttpExceptionResponse),
        (status = 422, description = "A parameter is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn get_dag_versions(
    State(app): State<AppState>,
    UrlPath(dag_id): UrlPath<String>,
    mut query: Query,
) -> Result<Json<DagVersionCollectionResponse>, ApiError> {
    let sorting = query.order(&Order {
        default: &["id"],
        allowed: &["id", "version_number", "bundle_name", "bundle_version"],
        tie_break: &["id"],
        key: &read::version_sort_key,
    })?;
    let filter = VersionFilter { dag_id: unless_all(&dag_id), version_number: query.number("version_number") };
    let paging = query.paging();
    query.finish()?;
    assert_dag(&app, &dag_id).await?;
    let listing = read::list_dag_versions(app.db.read(), &filter, &sorting, &paging).await?;
    let dag_versions = listing.rows.iter().map(DagVersionResponse::from).collect();
    Ok(Json(DagVersionCollectionResponse { dag_versions, total_entries: listing.total }))
}

/// Look at a version of a DAG.
#[utoipa::path(
    get,
    path = "/api/v2/dags/{dag_id}/dagVersions/{version_number}",
    operation_id = "get_dag_version",
    tag = "DagVersion",
    params(("dag_id" = String, Path), ("version_number" = i32, Path)),
    responses(
        (status = 200, description = "The version", body = DagVersionResponse),
        (status = 404, description = "There is no such version", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn get_dag_version(
    State(app): State<AppState>,
    UrlPath((dag_id, version_number)): UrlPath<(String, i32)>,
) -> Result<Json<DagVersionResponse>, ApiError> {
    match read::find_dag_version(app.db.read(), &dag_id, Some(version_number)).await? {
        Some(version) => Ok(Json(DagVersionResponse::from(&version))),
        None => Err(ApiError::not_found(format!(
            "The DagVersion with dag_id: `{dag_id}` and version_number: `{version_number}` was not found"
        ))),
    }
}
