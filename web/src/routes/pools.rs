//! Pools: list, look at, make, change, delete.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use scheduler::control::{ControlError, PoolPatch};
use scheduler::store::entity::pool;
use scheduler::store::pools::{self, PoolSettings};
use scheduler::store::read;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::{IntoParams, ToSchema};

use super::dags::PatchParams;
use super::refuse_teams;
use crate::auth::User;
use crate::error::{ApiError, HttpExceptionResponse, HttpValidationError};
use crate::request::{Described, Entity, Fields, FromFields, JsonBody, Order, Query, UrlPath};
use crate::state::AppState;
use crate::view::{PoolCollectionResponse, PoolResponse};

/// The longest name (Airflow 3).
const NAME_CHARS_MAX: usize = 256;

pub(crate) struct PoolParams;

impl IntoParams for PoolParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Described::paged().ordered().patterns(&["pool_name"]).done()
    }
}

/// List pools, with what of each is taken now.
#[utoipa::path(
    get,
    path = "/api/v2/pools",
    operation_id = "get_pools",
    tag = "Pool",
    params(PoolParams),
    responses(
        (status = 200, description = "A page of pools", body = PoolCollectionResponse),
        (status = 400, description = "The order is not allowed", body = HttpExceptionResponse),
        (status = 422, description = "A parameter is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn get_pools(
    State(app): State<AppState>,
    mut query: Query,
) -> Result<Json<PoolCollectionResponse>, ApiError> {
    let sorting = query.order(&Order {
        default: &["id"],
        allowed: &["id", "pool", "name"],
        tie_break: &["id"],
        key: &read::pool_sort_key,
    })?;
    let (name, paging) = (query.patterns("pool_name"), query.paging());
    query.finish()?;
    let listing = read::list_pools(app.db.read(), &name, &sorting, &paging).await?;
    let taken = pools::slot_use(app.db.read()).await?;
    let pools = listing.rows.into_iter().map(|pool| {
        let slots = taken.get(&pool.name).copied().unwrap_or_default();
        PoolResponse::new(pool, slots)
    });
    Ok(Json(PoolCollectionResponse { pools: pools.collect(), total_entries: listing.total }))
}

/// Look at a pool.
#[utoipa::path(
    get,
    path = "/api/v2/pools/{pool_name}",
    operation_id = "get_pool",
    tag = "Pool",
    params(("pool_name" = String, Path)),
    responses(
        (status = 200, description = "The pool", body = PoolResponse),
        (status = 404, description = "There is no such pool", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn get_pool(
    State(app): State<AppState>,
    UrlPath(name): UrlPath<String>,
) -> Result<Json<PoolResponse>, ApiError> {
    let pool = pools::find(app.db.read(), &name).await?.ok_or_else(|| no_pool(&name))?;
    response(&app, pool).await
}

/// A pool to be made.
#[derive(Debug, ToSchema)]
pub(crate) struct PoolBody {
    /// At most 256 characters.
    name: String,
    /// -1 for no end of them.
    slots: i32,
    description: Option<String>,
    /// Whether deferred task instances take slots, too; false when absent.
    include_deferred: Option<bool>,
    /// Not used: there are no teams.
    team_name: Option<String>,
}

impl FromFields for PoolBody {
    fn from_fields(fields: &mut Fields) -> PoolBody {
        for name in ["name", "slots"] {
            fields.require(name);
            if fields.is_null(name) {
                fields.fault(Some(name), "it cannot be null");
            }
        }
        let body = PoolBody {
            name: fields.short_text("name", NAME_CHARS_MAX).unwrap_or_default(),
            slots: fields.number("slots", -1).unwrap_or_default(),
            description: fields.text("description"),
            include_deferred: fields.flag("include_deferred"),
            team_name: fields.text("team_name"),
        };
        refuse_teams(fields, body.team_name.as_deref());
        body
    }
}

impl Entity for PoolBody {
    type Key = String;

    fn named(word: &str) -> String {
        word.to_owned()
    }

    fn key(&self) -> String {
        self.name.clone()
    }
}

impl From<PoolBody> for PoolSettings {
    fn from(body: PoolBody) -> PoolSettings {
        PoolSettings {
            name: body.name,
            slots: body.slots,
            description: body.description,
            include_deferred: body.include_deferred.unwrap_or_default(),
        }
    }
}

/// Make a pool.
#[utoipa::path(
    post,
    path = "/api/v2/pools",
    operation_id = "post_pool",
    tag = "Pool",
    request_body = PoolBody,
    responses(
        (status = 201, description = "The pool", body = PoolResponse),
        (status = 400, description = "The name is empty", body = HttpExceptionResponse),
        (status = 409, description = "There is a pool of that name", body = HttpExceptionResponse),
        (status = 422, description = "The body is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn post_pool(
    State(app): State<AppState>,
    user: User,
    JsonBody(body): JsonBody<PoolBody>,
) -> Result<(StatusCode, Json<PoolResponse>), ApiError> {
    let pool = app.control.create_pool(body.into(), Some(&user.name)).await.map_err(not_unique)?;
    Ok((StatusCode::CREATED, response(&app, pool).await?))
}

/// What is to be changed of a pool.
#[derive(Debug, ToSchema)]
pub(crate) struct PoolPatchBody {
    /// The name; tasks that use the old one find no pool any more.
    pool: Option<String>,
    /// -1 for no end of them.
    slots: Option<i32>,
    /// Null deletes it.
    #[schema(value_type = Option<String>)]
    description: Option<Option<String>>,
    include_deferred: Option<bool>,
    /// Not used: there are no teams.
    team_name: Option<String>,
}

impl FromFields for PoolPatchBody {
    fn from_fields(fields: &mut Fields) -> PoolPatchBody {
        let has_description = fields.has("description");
        let body = PoolPatchBody {
            pool: fields.short_text("pool", NAME_CHARS_MAX),
            slots: fields.number("slots", -1),
            description: has_description.then(|| fields.text("description")),
            include_deferred: fields.flag("include_deferred"),
            team_name: fields.text("team_name"),
        };
        refuse_teams(fields, body.team_name.as_deref());
        body
    }
}

impl PoolPatchBody {
    /// The change, in the fields that the mask names. Without a mask the body must be whole (Airflow 3).
    fn masked(self, mask: &[String]) -> Result<PoolPatch, ApiError> {
        if mask.is_empty() && (self.pool.is_none() || self.slots.is_none()) {
            let why = "without `update_mask` the body must have `pool` and `slots`";
            return Err(ApiError::unprocessable(why));
        }
        let is_meant = |field: &str| mask.is_empty() || mask.iter().any(|masked| masked == field);
        Ok(PoolPatch {
            name: self.pool.filter(|_| is_meant("pool") || is_meant("name")),
            slots: self.slots.filter(|_| is_meant("slots")),
            description: self.description.filter(|_| is_meant("description")),
            include_deferred: self.include_deferred.filter(|_| is_meant("include_deferred")),
        })
    }
}

/// Change a pool.
#[utoipa::path(
    patch,
    path = "/api/v2/pools/{pool_name}",
    operation_id = "patch_pool",
    tag = "Pool",
    params(("pool_name" = String, Path), PatchParams),
    request_body = PoolPatchBody,
    responses(
        (status = 200, description = "The pool as it is now", body = PoolResponse),
        (status = 400, description = "The default pool cannot be changed so", body = HttpExceptionResponse),
        (status = 404, description = "There is no such pool", body = HttpExceptionResponse),
        (status = 409, description = "Another pool has that name", body = HttpExceptionResponse),
        (status = 422, description = "The body is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn patch_pool(
    State(app): State<AppState>,
    user: User,
    UrlPath(name): UrlPath<String>,
    query: Query,
    JsonBody(body): JsonBody<PoolPatchBody>,
) -> Result<Json<PoolResponse>, ApiError> {
    let patch = body.masked(&query.texts("update_mask"))?;
    let pool = app.control.patch_pool(&name, patch, Some(&user.name)).await.map_err(|error| refusal(error, &name))?;
    response(&app, pool).await
}

/// Delete a pool. Tasks that name it do not start any more.
#[utoipa::path(
    delete,
    path = "/api/v2/pools/{pool_name}",
    operation_id = "delete_pool",
    tag = "Pool",
    params(("pool_name" = String, Path)),
    responses(
        (status = 204, description = "It is gone"),
        (status = 400, description = "The default pool cannot be deleted", body = HttpExceptionResponse),
        (status = 404, description = "There is no such pool", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn delete_pool(
    State(app): State<AppState>,
    user: User,
    UrlPath(name): UrlPath<String>,
) -> Result<StatusCode, ApiError> {
    app.control.delete_pool(&name, Some(&user.name)).await.map_err(|error| refusal(error, &name))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn response(app: &AppState, pool: pool::Model) -> Result<Json<PoolResponse>, ApiError> {
    let taken = pools::slot_use(app.db.read()).await?;
    let slots = taken.get(&pool.name).copied().unwrap_or_default();
    Ok(Json(PoolResponse::new(pool, slots)))
}

fn no_pool(name: &str) -> ApiError {
    ApiError::not_found(format!("The Pool with name: `{name}` was not found"))
}

fn refusal(error: ControlError, name: &str) -> ApiError {
    match error {
        ControlError::NotFound { .. } => no_pool(name),
        other => not_unique(other),
    }
}

fn not_unique(error: ControlError) -> ApiError {
    match error {
        ControlError::Conflict(message) => ApiError::not_unique(&message),
        other => other.into(),
    }
}
