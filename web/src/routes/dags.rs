//! DAGs: list, look at, pause.

use axum::Json;
use axum::extract::State;
use scheduler::store::favorites;
use scheduler::store::read::{self, DagFilter, DagRow, Pattern, Sorting, TagMatch};
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::{IntoParams, ToSchema};

use super::{definition, get_dag_row};
use crate::auth::User;
use crate::error::{ApiError, HttpExceptionResponse, HttpValidationError};
use crate::request::{Described, Fields, FromFields, JsonBody, Order, Query, UrlPath};
use crate::state::AppState;
use crate::view::{DagCollectionResponse, DagDetailsResponse, DagResponse, DagRunState};

/// The filters of lists of DAGs, described.
pub(crate) struct DagParams;

impl IntoParams for DagParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Described::paged()
            .ordered()
            .texts(&["tags", "owners", "dag_run_state"])
            .text("tags_match_mode", "`any` (default) or `all` of the tags.")
            .patterns(&["dag_id", "dag_display_name"])
            .flag("exclude_stale", "Leave out DAGs whose files are gone; true when absent.")
            .flag("paused", "Only paused DAGs, or only the others.")
            .flag("has_import_errors", "Only DAGs whose files are broken now, or only the others.")
            .text("last_dag_run_state", "The state of the latest run.")
            .text("bundle_name", "")
            .text("bundle_version", "No DAG has one: versions are told apart by their content.")
            .flag("has_asset_schedule", "Only DAGs that wait for assets, or only the others.")
            .text("asset_dependency", "Text that occurs in the name or the URI of an asset that the DAG waits for.")
            .flag("is_favorite", "Only the favourites of the user, or only the others.")
            .instants(&["dag_run_start_date", "dag_run_end_date"])
            .done()
    }
}

/// Reads the filters of a list of DAGs.
pub(crate) fn dag_filter(query: &mut Query, user: &User) -> Result<DagFilter, ApiError> {
    let last_run_state = query.words("last_dag_run_state", DagRunState::WORDS)?.pop();
    let tags_match = match query.text("tags_match_mode").as_deref() {
        None | Some("any") => TagMatch::Any,
        Some("all") => TagMatch::All,
        Some(other) => {
            return Err(ApiError::unprocessable(format!("`tags_match_mode` is `any` or `all`, not `{other}`")));
        }
    };
    Ok(DagFilter {
        dag_ids: Vec::new(),
        tags: query.texts("tags"),
        tags_match,
        owners: query.texts("owners"),
        dag_id: query.patterns("dag_id"),
        display_name: query.patterns("dag_display_name"),
        any_name: Vec::new(),
        is_favorite: query.flag("is_favorite").map(|is_favorite| (user.name.clone(), is_favorite)),
        exclude_stale: query.flag("exclude_stale").unwrap_or(true),
        is_paused: query.flag("paused"),
        has_import_errors: query.flag("has_import_errors"),
        last_run_state,
        run_states: query.words("dag_run_state", DagRunState::WORDS)?,
        run_start_date: query.instants("dag_run_start_date"),
        run_end_date: query.instants("dag_run_end_date"),
        bundle_name: query.text("bundle_name"),
        is_scheduled: None,
        waits_for_assets: query.flag("has_asset_schedule"),
        awaited_asset: query.text("asset_dependency").and_then(|term| Pattern::contains(&term)).into_iter().collect(),
        is_of_none: query.text("bundle_version").is_some(),
    })
}

/// Reads the order of a list of DAGs.
pub(crate) fn dag_order(query: &Query) -> Result<Sorting<DagRow>, ApiError> {
    query.order(&Order {
        default: &["dag_id"],
        allowed: &[
            "dag_id",
            "dag_display_name",
            "next_dagrun",
            "state",
            "start_date",
            "last_run_state",
            "last_run_start_date",
        ],
        tie_break: &["dag_id"],
        key: &read::dag_sort_key,
    })
}

/// List DAGs.
#[utoipa::path(
    get,
    path = "/api/v2/dags",
    operation_id = "get_dags",
    tag = "DAG",
    params(DagParams),
    responses(
        (status = 200, description = "A page of DAGs", body = DagCollectionResponse),
        (status = 400, description = "The order is not allowed", body = HttpExceptionResponse),
        (status = 422, description = "A parameter is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn get_dags(
    State(app): State<AppState>,
    user: User,
    mut query: Query,
) -> Result<Json<DagCollectionResponse>, ApiError> {
    let (filter, sorting, paging) = (dag_filter(&mut query, &user)?, dag_order(&query)?, query.paging());
    query.finish()?;
    let listing = read::list_dags(app.db.read(), &filter, &sorting, &paging).await?;
    let dags = listing.rows.into_iter().map(DagResponse::from).collect();
    Ok(Json(DagCollectionResponse { dags, total_entries: listing.total }))
}

/// Look at a DAG.
#[utoipa::path(
    get,
    path = "/api/v2/dags/{dag_id}",
    operation_id = "get_dag",
    tag = "DAG",
    params(("dag_id" = String, Path)),
    responses(
        (status = 200, description = "The DAG", body = DagResponse),
        (status = 404, description = "There is no such DAG", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn get_dag(
    State(app): State<AppState>,
    UrlPath(dag_id): UrlPath<String>,
) -> Result<Json<DagResponse>, ApiError> {
    Ok(Json(get_dag_row(&app, &dag_id).await?.into()))
}

/// Look at a DAG with what its file says.
#[utoipa::path(
    get,
    path = "/api/v2/dags/{dag_id}/details",
    operation_id = "get_dag_details",
    tag = "DAG",
    params(("dag_id" = String, Path)),
    responses(
        (status = 200, description = "The DAG", body = DagDetailsResponse),
        (status = 400, description = "Its stored definition cannot be read", body = HttpExceptionResponse),
        (status = 404, description = "There is no such DAG", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn get_dag_details(
    State(app): State<AppState>,
    user: User,
    UrlPath(dag_id): UrlPath<String>,
) -> Result<Json<DagDetailsResponse>, ApiError> {
    let row = get_dag_row(&app, &dag_id).await?;
    let definition = definition(&app, &row.dag)?;
    let latest = read::find_dag_version(app.db.read(), &dag_id, None).await?;
    let active = read::active_run_counts(app.db.read(), std::slice::from_ref(&dag_id)).await?;
    let active = active.get(&dag_id).copied().unwrap_or(0);
    let is_favorite = !favorites::among(app.db.read(), &user.name, &[dag_id]).await?.is_empty();
    Ok(Json(DagDetailsResponse::new(row, &definition, latest.as_ref(), active, is_favorite)))
}

/// What can be changed of a DAG.
#[derive(Debug, ToSchema)]
#[schema(as = DAGPatchBody)]
pub(crate) struct DagPatchBody {
    /// Whether no run may start.
    is_paused: bool,
}

impl FromFields for DagPatchBody {
    fn from_fields(fields: &mut Fields) -> DagPatchBody {
        fields.require("is_paused");
        if fields.is_null("is_paused") {
            fields.fault(Some("is_paused"), "it is true or false");
        }
        DagPatchBody { is_paused: fields.flag("is_paused").unwrap_or_default() }
    }
}

/// The mask of a change, described.
pub(crate) struct PatchParams;

impl IntoParams for PatchParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Described::default().texts(&["update_mask"]).done()
    }
}

/// The only thing of a DAG that is not its file's to say.
fn check_mask(query: &Query) -> Result<(), ApiError> {
    if query.texts("update_mask").iter().all(|field| field == "is_paused") {
        return Ok(());
    }
    Err(ApiError::bad_request("Only `is_paused` field can be updated through the REST API"))
}

/// Pause or unpause a DAG.
#[utoipa::path(
    patch,
    path = "/api/v2/dags/{dag_id}",
    operation_id = "patch_dag",
    tag = "DAG",
    params(("dag_id" = String, Path), PatchParams),
    request_body = DagPatchBody,
    responses(
        (status = 200, description = "The DAG as it is now", body = DagResponse),
        (status = 400, description = "Another field is masked", body = HttpExceptionResponse),
        (status = 404, description = "There is no such DAG", body = HttpExceptionResponse),
        (status = 422, description = "The body is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn patch_dag(
    State(app): State<AppState>,
    user: User,
    UrlPath(dag_id): UrlPath<String>,
    query: Query,
    JsonBody(body): JsonBody<DagPatchBody>,
) -> Result<Json<DagResponse>, ApiError> {
    check_mask(&query)?;
    get_dag_row(&app, &dag_id).await?;
    app.control.set_paused(&dag_id, body.is_paused, Some(&user.name)).await?;
    Ok(Json(get_dag_row(&app, &dag_id).await?.into()))
}

/// Pause or unpause every DAG whose id matches.
///
/// Without `dag_id_pattern` none does; `~` matches all.
#[utoipa::path(
    patch,
    path = "/api/v2/dags",
    operation_id = "patch_dags",
    tag = "DAG",
    params(DagParams, PatchParams),
    request_body = DagPatchBody,
    responses(
        (status = 200, description = "The DAGs as they are now", body = DagCollectionResponse),
        (status = 400, description = "Another field is masked", body = HttpExceptionResponse),
        (status = 422, description = "The body is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn patch_dags(
    State(app): State<AppState>,
    user: User,
    mut query: Query,
    JsonBody(body): JsonBody<DagPatchBody>,
) -> Result<Json<DagCollectionResponse>, ApiError> {
    check_mask(&query)?;
    let has_pattern = query.text("dag_id_pattern").is_some() || query.text("dag_id_prefix_pattern").is_some();
    let (filter, paging) = (dag_filter(&mut query, &user)?, query.paging());
    query.finish()?;
    if !has_pattern {
        return Ok(Json(DagCollectionResponse { dags: Vec::new(), total_entries: 0 }));
    }
    let sorting = || dag_order(&Query::default());
    let listing = read::list_dags(app.db.read(), &filter, &sorting()?, &paging).await?;
    let mut changed = DagFilter::default();
    for row in &listing.rows {
        app.control.set_paused(&row.dag.dag_id, body.is_paused, Some(&user.name)).await?;
        changed.dag_ids.push(row.dag.dag_id.clone());
    }
    if changed.dag_ids.is_empty() {
        return Ok(Json(DagCollectionResponse { dags: Vec::new(), total_entries: listing.total }));
    }
    let all = read::Paging::Offset { limit: changed.dag_ids.len() as u64, offset: 0 };
    let rows = read::list_dags(app.db.read(), &changed, &sorting()?, &all).await?.rows;
    let dags = rows.into_iter().map(DagResponse::from).collect();
    Ok(Json(DagCollectionResponse { dags, total_entries: listing.total }))
}

/// Delete a DAG whose file is gone, with its runs and all that is stored of them.
#[utoipa::path(
    delete,
    path = "/api/v2/dags/{dag_id}",
    operation_id = "delete_dag",
    tag = "DAG",
    params(("dag_id" = String, Path)),
    responses(
        (status = 200, description = "It is gone", body = Object),
        (status = 404, description = "There is no such DAG", body = HttpExceptionResponse),
        (status = 409, description = "Its file is still there, or a run is not over", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn delete_dag(
    State(app): State<AppState>,
    user: User,
    UrlPath(dag_id): UrlPath<String>,
) -> Result<Json<()>, ApiError> {
    app.control.delete_dag(&dag_id, Some(&user.name)).await?;
    Ok(Json(()))
}
