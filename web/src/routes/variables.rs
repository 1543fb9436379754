//! Variables: list, look at, make, change, delete.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use scheduler::control::{ControlError, VariablePatch};
use scheduler::store::{read, variables};
use serde_json::Value;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::{IntoParams, ToSchema};

use super::dags::PatchParams;
use super::refuse_teams;
use crate::auth::User;
use crate::error::{ApiError, HttpExceptionResponse, HttpValidationError};
use crate::request::{Described, Entity, Fields, FromFields, JsonBody, Order, Query, UrlPath};
use crate::state::AppState;
use crate::view::{VariableCollectionResponse, VariableResponse};

/// The longest key (Airflow 3).
const KEY_CHARS_MAX: usize = 250;

pub(crate) struct VariableParams;

impl IntoParams for VariableParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Described::paged().ordered().patterns(&["variable_key"]).done()
    }
}

/// List the variables that are kept in the database.
#[utoipa::path(
    get,
    path = "/api/v2/variables",
    operation_id = "get_variables",
    tag = "Variable",
    params(VariableParams),
    responses(
        (status = 200, description = "A page of variables", body = VariableCollectionResponse),
        (status = 400, description = "The order is not allowed", body = HttpExceptionResponse),
        (status = 422, description = "A parameter is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn get_variables(
    State(app): State<AppState>,
    mut query: Query,
) -> Result<Json<VariableCollectionResponse>, ApiError> {
    let sorting = query.order(&Order {
        default: &["id"],
        allowed: &["id", "key", "description"],
        tie_break: &["id"],
        key: &read::variable_sort_key,
    })?;
    let (key, paging) = (query.patterns("variable_key"), query.paging());
    query.finish()?;
    let listing = read::list_variables(app.db.read(), &key, &sorting, &paging).await?;
    let variables = listing.rows.into_iter().map(|row| VariableResponse::new(row, app.control.keyring())).collect();
    Ok(Json(VariableCollectionResponse { variables, total_entries: listing.total }))
}

/// Look at a variable.
#[utoipa::path(
    get,
    path = "/api/v2/variables/{variable_key}",
    operation_id = "get_variable",
    tag = "Variable",
    params(("variable_key" = String, Path)),
    responses(
        (status = 200, description = "The variable", body = VariableResponse),
        (status = 404, description = "There is no such variable", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn get_variable(
    State(app): State<AppState>,
    UrlPath(key): UrlPath<String>,
) -> Result<Json<VariableResponse>, ApiError> {
    let row = variables::find(app.db.read(), &key).await?.ok_or_else(|| no_variable(&key))?;
    Ok(Json(VariableResponse::new(row, app.control.keyring())))
}

/// A variable to be made, or what is to be changed of one.
#[derive(ToSchema)]
pub(crate) struct VariableBody {
    /// At most 250 characters.
    key: String,
    /// A text, or anything else, which is kept as JSON. `***` leaves it as it is.
    #[schema(value_type = Value)]
    value: String,
    #[schema(value_type = Option<String>)]
    description: Option<Option<String>>,
    /// Not used: there are no teams.
    team_name: Option<String>,
}

impl FromFields for VariableBody {
    fn from_fields(fields: &mut Fields) -> VariableBody {
        fields.require("key");
        fields.require("value");
        for name in ["key", "value"] {
            if fields.is_null(name) {
                fields.fault(Some(name), "it cannot be null");
            }
        }
        let value = match fields.anything("value") {
            Some(Value::String(text)) => text,
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let has_description = fields.has("description");
        let body = VariableBody {
            key: fields.short_text("key", KEY_CHARS_MAX).unwrap_or_default(),
            value,
            description: has_description.then(|| fields.text("description")),
            team_name: fields.text("team_name"),
        };
        refuse_teams(fields, body.team_name.as_deref());
        body
    }
}

impl Entity for VariableBody {
    type Key = String;

    fn named(word: &str) -> String {
        word.to_owned()
    }

    fn key(&self) -> String {
        self.key.clone()
    }
}

impl VariableBody {
    /// The value, and what is said of it.
    pub(crate) fn parts(&self) -> (&str, Option<&str>) {
        (&self.value, self.description.as_ref().and_then(|description| description.as_deref()))
    }

    /// The change, in the fields that the mask names.
    pub(crate) fn into_patch(self, mask: &[String]) -> VariablePatch {
        let is_meant = |field: &str| mask.is_empty() || mask.iter().any(|masked| masked == field);
        VariablePatch {
            value: Some(self.value).filter(|_| is_meant("value") || is_meant("val")),
            description: self.description.filter(|_| is_meant("description")),
        }
    }
}

/// Make a variable.
#[utoipa::path(
    post,
    path = "/api/v2/variables",
    operation_id = "post_variable",
    tag = "Variable",
    request_body = VariableBody,
    responses(
        (status = 201, description = "The variable", body = VariableResponse),
        (status = 400, description = "The key is empty", body = HttpExceptionResponse),
        (status = 409, description = "There is a variable of that key", body = HttpExceptionResponse),
        (status = 422, description = "The body is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn post_variable(
    State(app): State<AppState>,
    user: User,
    JsonBody(body): JsonBody<VariableBody>,
) -> Result<(StatusCode, Json<VariableResponse>), ApiError> {
    let (value, description) = body.parts();
    let created = app.control.create_variable(&body.key, value, description, Some(&user.name)).await;
    let row = created.map_err(|error| match error {
        ControlError::Conflict(_) => {
            let detail = format!("The Variable with key: `{}` already exists", body.key);
            ApiError::refused(StatusCode::CONFLICT, detail)
        }
        other => other.into(),
    })?;
    Ok((StatusCode::CREATED, Json(VariableResponse::new(row, app.control.keyring()))))
}

/// Change a variable.
#[utoipa::path(
    patch,
    path = "/api/v2/variables/{variable_key}",
    operation_id = "patch_variable",
    tag = "Variable",
    params(("variable_key" = String, Path), PatchParams),
    request_body = VariableBody,
    responses(
        (status = 200, description = "The variable as it is now", body = VariableResponse),
        (status = 400, description = "The body is about another variable", body = HttpExceptionResponse),
        (status = 404, description = "There is no such variable", body = HttpExceptionResponse),
        (status = 422, description = "The body is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn patch_variable(
    State(app): State<AppState>,
    user: User,
    UrlPath(key): UrlPath<String>,
    query: Query,
    JsonBody(body): JsonBody<VariableBody>,
) -> Result<Json<VariableResponse>, ApiError> {
    if body.key != key {
        return Err(ApiError::bad_request("Invalid body, key from request body doesn't match uri parameter"));
    }
    let patch = body.into_patch(&query.texts("update_mask"));
    let changed = app.control.patch_variable(&key, patch, Some(&user.name)).await;
    let row = changed.map_err(|error| refusal(error, &key))?;
    Ok(Json(VariableResponse::new(row, app.control.keyring())))
}

/// Delete a variable. Tasks that use it will fail.
#[utoipa::path(
    delete,
    path = "/api/v2/variables/{variable_key}",
    operation_id = "delete_variable",
    tag = "Variable",
    params(("variable_key" = String, Path)),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "There is no such variable", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn delete_variable(
    State(app): State<AppState>,
    user: User,
    UrlPath(key): UrlPath<String>,
) -> Result<StatusCode, ApiError> {
    app.control.delete_variable(&key, Some(&user.name)).await.map_err(|error| refusal(error, &key))?;
    Ok(StatusCode::NO_CONTENT)
}

fn no_variable(key: &str) -> ApiError {
    ApiError::not_found(format!("The Variable with key: `{key}` was not found"))
}

fn refusal(error: ControlError, key: &str) -> ApiError {
    match error {
        ControlError::NotFound { .. } => no_variable(key),
        other => other.into(),
    }
}
