//! Events of assets: list, make, and what a run was made for.

use axum::Json;
use axum::extract::State;
use scheduler::control::ControlError;
use scheduler::dag::partition;
use scheduler::store::read::{self, AssetEventFilter};
use scheduler::store::{asset_events, runs};
use serde_json::{Map, Value};
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::{IntoParams, ToSchema};

use crate::auth::User;
use crate::error::{ApiError, HttpExceptionResponse, HttpValidationError};
use crate::request::{Described, Fields, FromFields, JsonBody, Order, Query, UrlPath};
use crate::state::AppState;
use crate::view::{AssetEventCollectionResponse, AssetEventResponse};

pub(crate) struct AssetEventParams;

impl IntoParams for AssetEventParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Described::paged()
            .ordered()
            .number("asset_id", "")
            .text("source_dag_id", "")
            .text("source_task_id", "")
            .text("source_run_id", "")
            .number("source_map_index", "")
            .patterns(&["name"])
            .instants(&["timestamp"])
            .done()
    }
}

/// List events, each with the runs that were made for it.
#[utoipa::path(
    get,
    path = "/api/v2/assets/events",
    operation_id = "get_asset_events",
    tag = "Asset",
    params(AssetEventParams),
    responses(
        (status = 200, description = "A page of events", body = AssetEventCollectionResponse),
        (status = 400, description = "The order is not allowed", body = HttpExceptionResponse),
        (status = 422, description = "A parameter is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn get_asset_events(
    State(app): State<AppState>,
    mut query: Query,
) -> Result<Json<AssetEventCollectionResponse>, ApiError> {
    let sorting = query.order(&Order {
        default: &["timestamp"],
        allowed: &["timestamp", "source_dag_id", "source_task_id", "source_run_id", "source_map_index"],
        tie_break: &["id"],
        key: &read::asset_event_sort_key,
    })?;
    let filter = AssetEventFilter {
        asset_id: query.number("asset_id").map(i64::from),
        source_dag_id: query.text("source_dag_id"),
        source_task_id: query.text("source_task_id"),
        source_run_id: query.text("source_run_id"),
        source_map_index: query.number("source_map_index"),
        name: query.patterns("name"),
        timestamp: query.instants("timestamp"),
    };
    let paging = query.paging();
    query.finish()?;
    let listing = read::list_asset_events(app.db.read(), &filter, &sorting, &paging).await?;
    let asset_events = listing.rows.into_iter().map(AssetEventResponse::from).collect();
    Ok(Json(AssetEventCollectionResponse { asset_events, total_entries: listing.total }))
}

/// That an asset was updated.
#[derive(Debug, ToSchema)]
pub(crate) struct CreateAssetEventsBody {
    asset_id: i64,
    /// What there is to know of it.
    #[schema(value_type = Option<Object>)]
    extra: Option<Map<String, Value>>,
    /// Which part of it; all of it when absent.
    #[schema(max_length = 250)]
    partition_key: Option<String>,
    /// Not used: there are no teams.
    #[schema(value_type = Option<Object>)]
    access_control: Option<Map<String, Value>>,
}

impl FromFields for CreateAssetEventsBody {
    fn from_fields(fields: &mut Fields) -> CreateAssetEventsBody {
        fields.require("asset_id");
        if fields.is_null("asset_id") {
            fields.fault(Some("asset_id"), "it cannot be null");
        }
        let body = CreateAssetEventsBody {
            asset_id: fields.number("asset_id", 0).unwrap_or_default().into(),
            extra: fields.object("extra"),
            partition_key: fields.text("partition_key"),
            access_control: fields.object("access_control"),
        };
        if let Some(Err(error)) = body.partition_key.as_deref().map(partition::check_key) {
            fields.fault(Some("partition_key"), &error.to_string());
        }
        if body.access_control.is_some() {
            fields.fault(Some("access_control"), "there are no teams here");
        }
        body
    }
}

/// Say that an asset was updated, by something that is no task.
#[utoipa::path(
    post,
    path = "/api/v2/assets/events",
    operation_id = "create_asset_event",
    tag = "Asset",
    request_body = CreateAssetEventsBody,
    responses(
        (status = 200, description = "The event", body = AssetEventResponse),
        (status = 404, description = "There is no such asset", body = HttpExceptionResponse),
        (status = 422, description = "The body is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn create_asset_event(
    State(app): State<AppState>,
    user: User,
    JsonBody(body): JsonBody<CreateAssetEventsBody>,
) -> Result<Json<AssetEventResponse>, ApiError> {
    let id = body.asset_id;
    let mut extra = body.extra.unwrap_or_default();
    // Airflow 3 marks them so.
    extra.insert("from_rest_api".to_owned(), Value::Bool(true));
    let key = body.partition_key.as_deref();
    let event = app.control.emit_asset_event(id, extra, key, Some(&user.name)).await.map_err(|error| match error {
        ControlError::NotFound { .. } => ApiError::not_found(format!("Asset with ID: `{id}` was not found")),
        other => other.into(),
    })?;
    let row = read::event_rows(app.db.read(), vec![event]).await?.pop();
    row.map(|row| Json(row.into())).ok_or_else(|| ApiError::not_found(format!("Asset with ID: `{id}` was not found")))
}

/// List the events that a run was made for.
#[utoipa::path(
    get,
    path = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/upstreamAssetEvents",
    operation_id = "get_upstream_asset_events",
    tag = "DagRun",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path)),
    responses(
        (status = 200, description = "The events; none when no asset asked for the run",
            body = AssetEventCollectionResponse),
        (status = 404, description = "There is no such run", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn get_upstream_asset_events(
    State(app): State<AppState>,
    UrlPath((dag_id, run_id)): UrlPath<(String, String)>,
) -> Result<Json<AssetEventCollectionResponse>, ApiError> {
    let run = runs::find(app.db.read(), &dag_id, &run_id).await?.ok_or_else(|| ApiError::no_run(&dag_id, &run_id))?;
    let events = asset_events::of_run(app.db.read(), run.id).await?;
    let rows = read::event_rows(app.db.read(), events).await?;
    let asset_events: Vec<AssetEventResponse> = rows.into_iter().map(AssetEventResponse::from).collect();
    let total_entries = asset_events.len() as u64;
    Ok(Json(AssetEventCollectionResponse { asset_events, total_entries }))
}
