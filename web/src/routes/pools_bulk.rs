//! Several changes of pools in one request.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use scheduler::control::{ControlError, PoolPatch};
use scheduler::store::StoreError;
use scheduler::store::pools::{self, PoolSettings};
use utoipa::ToSchema;

use super::bulk_changes::{Things, change};
use super::pools::PoolBody;
use crate::auth::User;
use crate::error::{ApiError, HttpValidationError};
use crate::request::{BulkBody, JsonBody};
use crate::state::AppState;
use crate::view::BulkResponse;

/// Changes, in order.
#[derive(ToSchema)]
#[schema(as = BulkBody_PoolBody_)]
#[expect(dead_code, reason = "describes what is read by other means")]
pub(crate) struct BulkPoolBody {
    actions: Vec<BulkPoolAction>,
}

/// One change.
#[derive(ToSchema)]
#[schema(as = BulkAction_PoolBody_)]
#[expect(dead_code, reason = "describes what is read by other means")]
pub(crate) struct BulkPoolAction {
    /// `create`, `update` or `delete`.
    action: String,
    /// The pools; those to be deleted may be names.
    #[schema(value_type = Vec<Object>)]
    entities: Vec<PoolBody>,
    /// When making: `fail` (default), `skip` or `overwrite`.
    action_on_existence: Option<String>,
    /// When changing or deleting: `fail` (default) or `skip`.
    action_on_non_existence: Option<String>,
    /// The fields to change; all when absent.
    update_mask: Option<Vec<String>>,
}

/// Make, change and delete pools.
///
/// The answer is 200 whatever became of each change, and says it for each.
#[utoipa::path(
    patch,
    path = "/api/v2/pools",
    operation_id = "bulk_pools",
    tag = "Pool",
    request_body = BulkPoolBody,
    responses(
        (status = 200, description = "What became of each change", body = BulkResponse),
        (status = 422, description = "The body is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn bulk_pools(
    State(app): State<AppState>,
    user: User,
    JsonBody(body): JsonBody<BulkBody<PoolBody>>,
) -> Result<Json<BulkResponse>, ApiError> {
    change(&Pools { app: &app, user: &user.name }, body).await.map(Json)
}

/// Pools, as somebody changes them.
struct Pools<'a> {
    app: &'a AppState,
    user: &'a str,
}

impl Things for Pools<'_> {
    type Body = PoolBody;
    const WORDS: (&'static str, &'static str) = ("pools", "pool names");

    async fn known(&self) -> Result<BTreeSet<String>, StoreError> {
        Ok(pools::list(self.app.db.read()).await?.into_iter().map(|pool| pool.name).collect())
    }

    async fn create(&self, body: PoolBody) -> Result<(), ControlError> {
        self.app.control.create_pool(body.into(), Some(self.user)).await.map(drop)
    }

    async fn update(&self, body: PoolBody, mask: &[String]) -> Result<(), ControlError> {
        let settings = PoolSettings::from(body);
        let name = settings.name.clone();
        self.app.control.patch_pool(&name, patch(settings, mask), Some(self.user)).await.map(drop)
    }

    async fn delete(&self, name: &str) -> Result<(), ControlError> {
        self.app.control.delete_pool(name, Some(self.user)).await
    }
}

/// The change that makes a pool so, in the fields that the mask names.
fn patch(settings: PoolSettings, mask: &[String]) -> PoolPatch {
    let is_meant = |field: &str| mask.is_empty() || mask.iter().any(|masked| masked == field);
    PoolPatch {
        name: None,
        slots: is_meant("slots").then_some(settings.slots),
        // The default pool takes no words; saying nothing about them is no change of them.
        description: (is_meant("description") && settings.description.is_some()).then_some(settings.description),
        include_deferred: is_meant("include_deferred").then_some(settings.include_deferred),
    }
}
