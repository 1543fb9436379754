//! Several changes of variables in one request.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use scheduler::control::ControlError;
use scheduler::store::{StoreError, variables};
use utoipa::ToSchema;

use super::bulk_changes::{Things, change};
use super::variables::VariableBody;
use crate::auth::User;
use crate::error::{ApiError, HttpValidationError};
use crate::request::{BulkBody, Entity, JsonBody};
use crate::state::AppState;
use crate::view::BulkResponse;

/// Changes, in order.
#[derive(ToSchema)]
#[schema(as = BulkBody_VariableBody_)]
#[expect(dead_code, reason = "describes what is read by other means")]
pub(crate) struct BulkVariableBody {
    actions: Vec<BulkVariableAction>,
}

/// One change.
#[derive(ToSchema)]
#[schema(as = BulkAction_VariableBody_)]
#[expect(dead_code, reason = "describes what is read by other means")]
pub(crate) struct BulkVariableAction {
    /// `create`, `update` or `delete`.
    action: String,
    /// The variables; those to be deleted may be keys.
    #[schema(value_type = Vec<Object>)]
    entities: Vec<VariableBody>,
    /// When making: `fail` (default), `skip` or `overwrite`.
    action_on_existence: Option<String>,
    /// When changing or deleting: `fail` (default) or `skip`.
    action_on_non_existence: Option<String>,
    /// The fields to change; all when absent.
    update_mask: Option<Vec<String>>,
}

/// Make, change and delete variables.
///
/// The answer is 200 whatever became of each change, and says it for each.
#[utoipa::path(
    patch,
    path = "/api/v2/variables",
    operation_id = "bulk_variables",
    tag = "Variable",
    request_body = BulkVariableBody,
    responses(
        (status = 200, description = "What became of each change", body = BulkResponse),
        (status = 422, description = "The body is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn bulk_variables(
    State(app): State<AppState>,
    user: User,
    JsonBody(body): JsonBody<BulkBody<VariableBody>>,
) -> Result<Json<BulkResponse>, ApiError> {
    change(&Variables { app: &app, user: &user.name }, body).await.map(Json)
}

/// Variables, as somebody changes them.
struct Variables<'a> {
    app: &'a AppState,
    user: &'a str,
}

impl Things for Variables<'_> {
    type Body = VariableBody;
    const WORDS: (&'static str, &'static str) = ("variables", "keys");

    async fn known(&self) -> Result<BTreeSet<String>, StoreError> {
        Ok(variables::list(self.app.db.read()).await?.into_iter().map(|row| row.key).collect())
    }

    async fn create(&self, body: VariableBody) -> Result<(), ControlError> {
        let (value, description) = body.parts();
        self.app.control.create_variable(&body.key(), value, description, Some(self.user)).await.map(drop)
    }

    async fn update(&self, body: VariableBody, mask: &[String]) -> Result<(), ControlError> {
        let key = body.key();
        self.app.control.patch_variable(&key, body.into_patch(mask), Some(self.user)).await.map(drop)
    }

    async fn delete(&self, name: &str) -> Result<(), ControlError> {
        self.app.control.delete_variable(name, Some(self.user)).await
    }
}
