//! What is queued of assets for DAGs that wait for them: list, forget.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use scheduler::store::asset_queue::{self, QueueFilter, QueuedAsset};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use crate::auth::User;
use crate::error::{ApiError, HttpExceptionResponse, HttpValidationError};
use crate::request::{Described, Query, UrlPath};
use crate::state::AppState;
use crate::view::display_name::Names;
use crate::view::{QueuedEventCollectionResponse, QueuedEventResponse};

pub(crate) struct QueueParams;

impl IntoParams for QueueParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Described::default().instant("before").done()
    }
}

/// What a path and a query ask for, and how to say that there is none of it.
struct Asked {
    filter: QueueFilter,
    name: String,
}

impl Asked {
    fn of_asset(asset_id: i64, query: Query) -> Result<Asked, ApiError> {
        let filter = QueueFilter { asset_id: Some(asset_id), ..QueueFilter::default() };
        Asked::before(filter, format!("Queue event with asset_id: `{asset_id}` was not found"), query)
    }

    fn of_dag(dag_id: String, query: Query) -> Result<Asked, ApiError> {
        let name = format!("Queue event with dag_id: `{dag_id}` was not found");
        Asked::before(QueueFilter { dag_ids: Some(vec![dag_id]), ..QueueFilter::default() }, name, query)
    }

    fn of_both((dag_id, asset_id): (String, i64), query: Query) -> Result<Asked, ApiError> {
        let name = format!("Queued event with dag_id: `{dag_id}` and asset_id: `{asset_id}` was not found");
        let filter = QueueFilter { dag_ids: Some(vec![dag_id]), asset_id: Some(asset_id), before: None };
        Asked::before(filter, name, query)
    }

    fn before(filter: QueueFilter, name: String, mut query: Query) -> Result<Asked, ApiError> {
        let before = query.instant("before");
        query.finish()?;
        Ok(Asked { filter: QueueFilter { before, ..filter }, name })
    }

    async fn rows(self, app: &AppState) -> Result<Vec<QueuedAsset>, ApiError> {
        let queued = asset_queue::queued(app.db.read(), &self.filter).await?;
        if queued.is_empty() { Err(ApiError::not_found(self.name)) } else { Ok(queued) }
    }

    async fn list(self, app: &AppState) -> Result<Json<QueuedEventCollectionResponse>, ApiError> {
        let rows = self.rows(app).await?;
        let names = Names::of(app, rows.iter().map(|queued| queued.dag_id.clone())).await?;
        let queued_events: Vec<QueuedEventResponse> =
            rows.into_iter().map(|queued| QueuedEventResponse::new(queued, &names)).collect();
        let total_entries = queued_events.len() as u64;
        Ok(Json(QueuedEventCollectionResponse { queued_events, total_entries }))
    }

    async fn forget(self, app: &AppState, user: &User) -> Result<StatusCode, ApiError> {
        let forgotten = app.control.forget_queued_assets(&self.filter, Some(&user.name)).await?;
        if forgotten == 0 { Err(ApiError::not_found(self.name)) } else { Ok(StatusCode::NO_CONTENT) }
    }
}

/// List which DAGs an asset is queued for.
#[utoipa::path(
    get,
    path = "/api/v2/assets/{asset_id}/queuedEvents",
    operation_id = "get_asset_queued_events",
    tag = "Asset",
    params(("asset_id" = i64, Path), QueueParams),
    responses(
        (status = 200, description = "What is queued", body = QueuedEventCollectionResponse),
        (status = 404, description = "Nothing is queued", body = HttpExceptionResponse),
        (status = 422, description = "A parameter is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn get_asset_queued_events(
    State(app): State<AppState>,
    UrlPath(asset_id): UrlPath<i64>,
    query: Query,
) -> Result<Json<QueuedEventCollectionResponse>, ApiError> {
    Asked::of_asset(asset_id, query)?.list(&app).await
}

/// Forget for which DAGs an asset is queued. The events stay, and are given to the next run.
#[utoipa::path(
    delete,
    path = "/api/v2/assets/{asset_id}/queuedEvents",
    operation_id = "delete_asset_queued_events",
    tag = "Asset",
    params(("asset_id" = i64, Path), QueueParams),
    responses(
        (status = 204, description = "It is forgotten"),
        (status = 404, description = "Nothing is queued", body = HttpExceptionResponse),
        (status = 422, description = "A parameter is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn delete_asset_queued_events(
    State(app): State<AppState>,
    user: User,
    UrlPath(asset_id): UrlPath<i64>,
    query: Query,
) -> Result<StatusCode, ApiError> {
    Asked::of_asset(asset_id, query)?.forget(&app, &user).await
}

/// List which assets are queued for a DAG.
#[utoipa::path(
    get,
    path = "/api/v2/dags/{dag_id}/assets/queuedEvents",
    operation_id = "get_dag_asset_queued_events",
    tag = "Asset",
    params(("dag_id" = String, Path), QueueParams),
    responses(
        (status = 200, description = "What is queued", body = QueuedEventCollectionResponse),
        (status = 404, description = "Nothing is queued", body = HttpExceptionResponse),
        (status = 422, description = "A parameter is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn get_dag_asset_queued_events(
    State(app): State<AppState>,
    UrlPath(dag_id): UrlPath<String>,
    query: Query,
) -> Result<Json<QueuedEventCollectionResponse>, ApiError> {
    Asked::of_dag(dag_id, query)?.list(&app).await
}

/// Forget which assets are queued for a DAG.
#[utoipa::path(
    delete,
    path = "/api/v2/dags/{dag_id}/assets/queuedEvents",
    operation_id = "delete_dag_asset_queued_events",
    tag = "Asset",
    params(("dag_id" = String, Path), QueueParams),
    responses(
        (status = 204, description = "It is forgotten"),
        (status = 404, description = "Nothing is queued", body = HttpExceptionResponse),
        (status = 422, description = "A parameter is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn delete_dag_asset_queued_events(
    State(app): State<AppState>,
    user: User,
    UrlPath(dag_id): UrlPath<String>,
    query: Query,
) -> Result<StatusCode, ApiError> {
    Asked::of_dag(dag_id, query)?.forget(&app, &user).await
}

/// Look whether an asset is queued for a DAG.
#[utoipa::path(
    get,
    path = "/api/v2/dags/{dag_id}/assets/{asset_id}/queuedEvents",
    operation_id = "get_dag_asset_queued_event",
    tag = "Asset",
    params(("dag_id" = String, Path), ("asset_id" = i64, Path), QueueParams),
    responses(
        (status = 200, description = "What is queued", body = QueuedEventResponse),
        (status = 404, description = "Nothing is queued", body = HttpExceptionResponse),
        (status = 422, description = "A parameter is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn get_dag_asset_queued_event(
    State(app): State<AppState>,
    UrlPath(path): UrlPath<(String, i64)>,
    query: Query,
) -> Result<Json<QueuedEventResponse>, ApiError> {
    let asked = Asked::of_both(path, query)?;
    let none = ApiError::not_found(asked.name.clone());
    let queued = asked.rows(&app).await?.pop().ok_or(none)?;
    let names = Names::of(&app, [queued.dag_id.clone()]).await?;
    Ok(Json(QueuedEventResponse::new(queued, &names)))
}

/// Forget that an asset is queued for a DAG.
#[utoipa::path(
    delete,
    path = "/api/v2/dags/{dag_id}/assets/{asset_id}/queuedEvents",
    operation_id = "delete_dag_asset_queued_event",
    tag = "Asset",
    params(("dag_id" = String, Path), ("asset_id" = i64, Path), QueueParams),
    responses(
        (status = 204, description = "It is forgotten"),
        (status = 404, description = "Nothing is queued", body = HttpExceptionResponse),
        (status = 422, description = "A parameter is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn delete_dag_asset_queued_event(
    State(app): State<AppState>,
    user: User,
    UrlPath(path): UrlPath<(String, i64)>,
    query: Query,
) -> Result<StatusCode, ApiError> {
    Asked::of_both(path, query)?.forget(&app, &user).await
}
