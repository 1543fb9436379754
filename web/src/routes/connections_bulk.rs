//! Several changes of connections in one request.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use scheduler::control::ControlError;
use scheduler::store::{StoreError, connections};
use utoipa::ToSchema;

use super::bulk_changes::{Things, change};
use super::connections::ConnectionBody;
use crate::auth::User;
use crate::error::{ApiError, HttpValidationError};
use crate::request::{BulkBody, Entity, JsonBody};
use crate::state::AppState;
use crate::view::BulkResponse;

/// Changes, in order.
#[derive(ToSchema)]
#[schema(as = BulkBody_ConnectionBody_)]
#[expect(dead_code, reason = "describes what is read by other means")]
pub(crate) struct BulkConnectionBody {
    actions: Vec<BulkConnectionAction>,
}

/// One change.
#[derive(ToSchema)]
#[schema(as = BulkAction_ConnectionBody_)]
#[expect(dead_code, reason = "describes what is read by other means")]
pub(crate) struct BulkConnectionAction {
    /// `create`, `update` or `delete`.
    action: String,
    /// The connections; those to be deleted may be ids.
    #[schema(value_type = Vec<Object>)]
    entities: Vec<ConnectionBody>,
    /// When making: `fail` (default), `skip` or `overwrite`.
    action_on_existence: Option<String>,
    /// When changing or deleting: `fail` (default) or `skip`.
    action_on_non_existence: Option<String>,
    /// The fields to change; all when absent.
    update_mask: Option<Vec<String>>,
}

/// Make, change and delete connections.
///
/// The answer is 200 whatever became of each change, and says it for each.
#[utoipa::path(
    patch,
    path = "/api/v2/connections",
    operation_id = "bulk_connections",
    tag = "Connection",
    request_body = BulkConnectionBody,
    responses(
        (status = 200, description = "What became of each change", body = BulkResponse),
        (status = 422, description = "The body is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn bulk_connections(
    State(app): State<AppState>,
    user: User,
    JsonBody(body): JsonBody<BulkBody<ConnectionBody>>,
) -> Result<Json<BulkResponse>, ApiError> {
    change(&Connections { app: &app, user: &user.name }, body).await.map(Json)
}

/// Connections, as somebody changes them.
struct Connections<'a> {
    app: &'a AppState,
    user: &'a str,
}

impl Things for Connections<'_> {
    type Body = ConnectionBody;
    const WORDS: (&'static str, &'static str) = ("connections", "connection_ids");

    async fn known(&self) -> Result<BTreeSet<String>, StoreError> {
        Ok(connections::list(self.app.db.read()).await?.into_iter().map(|row| row.conn_id).collect())
    }

    async fn create(&self, body: ConnectionBody) -> Result<(), ControlError> {
        self.app.control.create_connection(&body.into_connection(), Some(self.user)).await.map(drop)
    }

    async fn update(&self, body: ConnectionBody, mask: &[String]) -> Result<(), ControlError> {
        let conn_id = body.key();
        self.app.control.patch_connection(&conn_id, body.into_patch(mask), Some(self.user)).await.map(drop)
    }

    async fn delete(&self, name: &str) -> Result<(), ControlError> {
        self.app.control.delete_connection(name, Some(self.user)).await
    }
}
