//! Several changes of pools in one request.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use scheduler::control::{ControlError, PoolPatch};
use scheduler::store::pools::{self, PoolSettings};
use utoipa::ToSchema;

use super::pools::PoolBody;
use crate::auth::User;
use crate::error::{ApiError, HttpValidationError};
use crate::request::{BulkAction, BulkBody, Entity, JsonBody, OnExistence, OnNonExistence};
use crate::state::AppState;
use crate::view::{BulkActionResponse, BulkResponse};

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
    let mut answer = BulkResponse::default();
    for action in body.actions {
        let known: BTreeSet<String> = pools::list(app.db.read()).await?.into_iter().map(|pool| pool.name).collect();
        let changes = Changes { app: &app, user: &user.name, known };
        match action {
            BulkAction::Create { entities, on_existence } => {
                answer.create = Some(changes.create(entities, on_existence).await?);
            }
            BulkAction::Update { entities, on_non_existence, mask } => {
                answer.update = Some(changes.update(entities, on_non_existence, &mask).await?);
            }
            BulkAction::Delete { keys, on_non_existence } => {
                answer.delete = Some(changes.delete(keys, on_non_existence).await?);
            }
        }
    }
    Ok(Json(answer))
}

/// One action under way.
struct Changes<'a> {
    app: &'a AppState,
    user: &'a str,
    /// The pools that are there.
    known: BTreeSet<String>,
}

impl Changes<'_> {
    async fn create(&self, pools: Vec<PoolBody>, on_existence: OnExistence) -> Result<BulkActionResponse, ApiError> {
        let mut answer = BulkActionResponse::default();
        let there = self.names(&pools, true);
        if on_existence == OnExistence::Fail && !there.is_empty() {
            let why = format!("The pools with these pool names: {} already exist.", there.join(", "));
            answer.failed(StatusCode::CONFLICT, why);
            return Ok(answer);
        }
        for pool in pools {
            let name = pool.key();
            let done = match (self.known.contains(&name), on_existence) {
                (false, _) => self.app.control.create_pool(pool.into(), Some(self.user)).await,
                (true, OnExistence::Overwrite) => {
                    self.app.control.patch_pool(&name, patch(pool.into(), &[]), Some(self.user)).await
                }
                (true, _) => continue,
            };
            note(&mut answer, name, done.map(|_| ()))?;
        }
        Ok(answer)
    }

    async fn update(
        &self,
        pools: Vec<PoolBody>,
        on_non_existence: OnNonExistence,
        mask: &[String],
    ) -> Result<BulkActionResponse, ApiError> {
        let mut answer = BulkActionResponse::default();
        if misses(&mut answer, &self.names(&pools, false), on_non_existence) {
            return Ok(answer);
        }
        for pool in pools.into_iter().filter(|pool| self.known.contains(&pool.key())) {
            let name = pool.key();
            let done = self.app.control.patch_pool(&name, patch(pool.into(), mask), Some(self.user)).await;
            note(&mut answer, name, done.map(|_| ()))?;
        }
        Ok(answer)
    }

    async fn delete(
        &self,
        names: Vec<String>,
        on_non_existence: OnNonExistence,
    ) -> Result<BulkActionResponse, ApiError> {
        let mut answer = BulkActionResponse::default();
        let missing: Vec<String> = names.iter().filter(|name| !self.known.contains(*name)).cloned().collect();
        if misses(&mut answer, &missing, on_non_existence) {
            return Ok(answer);
        }
        for name in names.into_iter().filter(|name| self.known.contains(name)) {
            let done = self.app.control.delete_pool(&name, Some(self.user)).await;
            note(&mut answer, name, done)?;
        }
        Ok(answer)
    }

    /// The names of those that are there, or of those that are not.
    fn names(&self, pools: &[PoolBody], there: bool) -> Vec<String> {
        pools.iter().map(Entity::key).filter(|name| self.known.contains(name) == there).collect()
    }
}

/// Whether nothing is changed because something is missing.
fn misses(answer: &mut BulkActionResponse, missing: &[String], on_non_existence: OnNonExistence) -> bool {
    let refuses = on_non_existence == OnNonExistence::Fail && !missing.is_empty();
    if refuses {
        let why = format!("The pools with these pool names: {} were not found.", missing.join(", "));
        answer.failed(StatusCode::NOT_FOUND, why);
    }
    refuses
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

/// Notes what became of one change; our own faults are the whole request's.
fn note(answer: &mut BulkActionResponse, name: String, done: Result<(), ControlError>) -> Result<(), ApiError> {
    match done {
        Ok(()) => answer.success.push(name),
        Err(error @ ControlError::NotFound { .. }) => answer.failed(StatusCode::NOT_FOUND, error.to_string()),
        Err(ControlError::Conflict(why)) => answer.failed(StatusCode::CONFLICT, why),
        Err(ControlError::Invalid(why)) => answer.failed(StatusCode::BAD_REQUEST, why),
        Err(other) => return Err(other.into()),
    }
    Ok(())
}
