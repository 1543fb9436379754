//! Assets: list, look at, have made.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use chrono::Utc;
use scheduler::control::{ControlError, Trigger, TriggeredBy};
use scheduler::store::read::{self, AssetFilter};
use serde_json::{Map, Value};
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::{IntoParams, ToSchema};

use super::trigger::check_interval;
use crate::auth::User;
use crate::error::{ApiError, HttpExceptionResponse, HttpValidationError};
use crate::request::{Described, Fields, FromFields, JsonBodyOrNone, Order, Query, UrlPath};
use crate::state::AppState;
use crate::view::{
    AssetAliasCollectionResponse, AssetAliasResponse, AssetCollectionResponse, AssetResponse, DagRunResponse,
};

pub(crate) struct AssetParams;

impl IntoParams for AssetParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Described::paged()
            .ordered()
            .patterns(&["name", "uri"])
            .texts(&["dag_ids"])
            .flag("only_active", "Only those that a DAG with a file names: true when absent.")
            .done()
    }
}

/// List assets, with who names them.
#[utoipa::path(
    get,
    path = "/api/v2/assets",
    operation_id = "get_assets",
    tag = "Asset",
    params(AssetParams),
    responses(
        (status = 200, description = "A page of assets", body = AssetCollectionResponse),
        (status = 400, description = "The order is not allowed", body = HttpExceptionResponse),
        (status = 422, description = "A parameter is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn get_assets(
    State(app): State<AppState>,
    mut query: Query,
) -> Result<Json<AssetCollectionResponse>, ApiError> {
    let sorting = query.order(&Order {
        default: &["id"],
        allowed: &["id", "name", "uri", "created_at", "updated_at"],
        tie_break: &["id"],
        key: &read::asset_sort_key,
    })?;
    // A list in one parameter is a list, too (Airflow 3).
    let dag_ids = query.texts("dag_ids").iter().flat_map(|ids| ids.split(',')).map(str::to_owned).collect();
    let filter = AssetFilter {
        name: query.patterns("name"),
        uri: query.patterns("uri"),
        dag_ids,
        only_active: query.flag("only_active").unwrap_or(true),
    };
    let paging = query.paging();
    query.finish()?;
    let listing = read::list_assets(app.db.read(), &filter, &sorting, &paging).await?;
    let assets = listing.rows.into_iter().map(AssetResponse::from).collect();
    Ok(Json(AssetCollectionResponse { assets, total_entries: listing.total }))
}

/// Look at an asset.
#[utoipa::path(
    get,
    path = "/api/v2/assets/{asset_id}",
    operation_id = "get_asset",
    tag = "Asset",
    params(("asset_id" = i64, Path)),
    responses(
        (status = 200, description = "The asset", body = AssetResponse),
        (status = 404, description = "There is no such asset", body = HttpExceptionResponse),
        (status = 422, description = "The id is no number", body = HttpValidationError),
    ),
)]
pub(crate) async fn get_asset(
    State(app): State<AppState>,
    UrlPath(id): UrlPath<i64>,
) -> Result<Json<AssetResponse>, ApiError> {
    match read::find_asset(app.db.read(), id).await? {
        Some(row) => Ok(Json(row.into())),
        None => Err(ApiError::not_found(format!("The Asset with ID: `{id}` was not found"))),
    }
}

pub(crate) struct AliasParams;

impl IntoParams for AliasParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Described::paged().ordered().patterns(&["name"]).done()
    }
}

/// List aliases of assets: names under which tasks found assets while they ran.
#[utoipa::path(
    get,
    path = "/api/v2/assets/aliases",
    operation_id = "get_asset_aliases",
    tag = "Asset",
    params(AliasParams),
    responses(
        (status = 200, description = "A page of aliases", body = AssetAliasCollectionResponse),
        (status = 400, description = "The order is not allowed", body = HttpExceptionResponse),
        (status = 422, description = "A parameter is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn get_asset_aliases(
    State(app): State<AppState>,
    mut query: Query,
) -> Result<Json<AssetAliasCollectionResponse>, ApiError> {
    let sorting = query.order(&Order {
        default: &["id"],
        allowed: &["id", "name"],
        tie_break: &["id"],
        key: &read::asset_alias_sort_key,
    })?;
    let (name, paging) = (query.patterns("name"), query.paging());
    query.finish()?;
    let listing = read::list_asset_aliases(app.db.read(), &name, &sorting, &paging).await?;
    let asset_aliases = listing.rows.into_iter().map(AssetAliasResponse::from).collect();
    Ok(Json(AssetAliasCollectionResponse { asset_aliases, total_entries: listing.total }))
}

/// Look at an alias.
#[utoipa::path(
    get,
    path = "/api/v2/assets/aliases/{asset_alias_id}",
    operation_id = "get_asset_alias",
    tag = "Asset",
    params(("asset_alias_id" = i64, Path)),
    responses(
        (status = 200, description = "The alias", body = AssetAliasResponse),
        (status = 404, description = "There is no such alias", body = HttpExceptionResponse),
        (status = 422, description = "The id is no number", body = HttpValidationError),
    ),
)]
pub(crate) async fn get_asset_alias(
    State(app): State<AppState>,
    UrlPath(id): UrlPath<i64>,
) -> Result<Json<AssetAliasResponse>, ApiError> {
    match read::find_asset_alias(app.db.read(), id).await? {
        Some(row) => Ok(Json(row.into())),
        None => Err(ApiError::not_found(format!("The Asset Alias with ID: `{id}` was not found"))),
    }
}

/// What the run that makes an asset is given.
#[derive(Debug, Default, ToSchema)]
pub(crate) struct MaterializeAssetBody {
    /// Made up from the instant when absent.
    dag_run_id: Option<String>,
    /// Both ends or none, and only with a logical date.
    data_interval_start: Option<chrono::DateTime<Utc>>,
    data_interval_end: Option<chrono::DateTime<Utc>>,
    logical_date: Option<chrono::DateTime<Utc>>,
    /// The earliest start; now when absent.
    run_after: Option<chrono::DateTime<Utc>>,
    /// Values for the DAG's params, and anything else that tasks may read.
    #[schema(value_type = Option<Object>)]
    conf: Option<Map<String, Value>>,
    note: Option<String>,
    /// Which partition the run is about; only partitioned DAGs take one.
    partition_key: Option<String>,
}

impl FromFields for MaterializeAssetBody {
    fn from_fields(fields: &mut Fields) -> MaterializeAssetBody {
        let body = MaterializeAssetBody {
            dag_run_id: fields.text("dag_run_id"),
            data_interval_start: fields.instant("data_interval_start"),
            data_interval_end: fields.instant("data_interval_end"),
            logical_date: fields.instant("logical_date"),
            run_after: fields.instant("run_after"),
            conf: fields.object("conf"),
            note: fields.text("note"),
            partition_key: fields.text("partition_key"),
        };
        check_interval(fields, body.data_interval_start, body.data_interval_end, body.logical_date);
        body
    }
}

/// Have an asset made, by a run of the DAG that makes it.
#[utoipa::path(
    post,
    path = "/api/v2/assets/{asset_id}/materialize",
    operation_id = "materialize_asset",
    tag = "Asset",
    params(("asset_id" = i64, Path)),
    request_body = Option<MaterializeAssetBody>,
    responses(
        (status = 200, description = "The run", body = DagRunResponse),
        (status = 400, description = "The DAG's file is broken, or `conf`, the id or the key does not fit",
            body = HttpExceptionResponse),
        (status = 404, description = "There is no such asset, or no DAG makes it", body = HttpExceptionResponse),
        (status = 409, description = "More than one DAG makes it, or there is such a run",
            body = HttpExceptionResponse),
        (status = 422, description = "The body is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn materialize_asset(
    State(app): State<AppState>,
    user: User,
    UrlPath(id): UrlPath<i64>,
    headers: HeaderMap,
    JsonBodyOrNone(body): JsonBodyOrNone<MaterializeAssetBody>,
) -> Result<Json<DagRunResponse>, ApiError> {
    let body = body.unwrap_or_default();
    // A page says where it is; a program does not (Airflow 3).
    let triggered_by = if headers.contains_key(header::REFERER) { TriggeredBy::Ui } else { TriggeredBy::RestApi };
    let trigger = Trigger {
        run_id: body.dag_run_id,
        logical_date: body.logical_date,
        data_interval: body.data_interval_start.zip(body.data_interval_end),
        partition_key: body.partition_key,
        run_after: body.run_after,
        conf: body.conf.unwrap_or_default(),
        note: body.note,
        triggered_by,
        user: Some(user.name),
    };
    let run = app.control.materialize(id, trigger).await.map_err(|error| match error {
        ControlError::NotFound { .. } => ApiError::not_found(format!("No DAG materializes asset with ID: {id}")),
        other => other.into(),
    })?;
    let row = read::with_versions(app.db.read(), vec![run]).await?.pop();
    row.ok_or_else(|| ApiError::not_found(format!("No DAG materializes asset with ID: {id}")))?.try_into().map(Json)
}
