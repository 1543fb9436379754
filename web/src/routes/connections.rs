//! Connections: list, look at, make, change, delete, try out.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use scheduler::connection::{Connection, Secret, check_conn_id, test};
use scheduler::control::{ConnectionPatch, ControlError};
use scheduler::store::entity::connection;
use scheduler::store::{StoreError, connections, read};
use serde_json::{Map, Value};
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::{IntoParams, ToSchema};

use super::dags::PatchParams;
use super::refuse_teams;
use crate::auth::User;
use crate::error::{ApiError, HttpExceptionResponse, HttpValidationError};
use crate::request::{Described, Entity, Fields, FromFields, JsonBody, Order, Query, UrlPath};
use crate::state::AppState;
use crate::view::{ConnectionCollectionResponse, ConnectionResponse, ConnectionTestResponse};

pub(crate) struct ConnectionParams;

impl IntoParams for ConnectionParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Described::paged().ordered().patterns(&["connection_id"]).done()
    }
}

/// List the connections that are kept in the database.
#[utoipa::path(
    get,
    path = "/api/v2/connections",
    operation_id = "get_connections",
    tag = "Connection",
    params(ConnectionParams),
    responses(
        (status = 200, description = "A page of connections", body = ConnectionCollectionResponse),
        (status = 400, description = "The order is not allowed", body = HttpExceptionResponse),
        (status = 422, description = "A parameter is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn get_connections(
    State(app): State<AppState>,
    mut query: Query,
) -> Result<Json<ConnectionCollectionResponse>, ApiError> {
    let sorting = query.order(&Order {
        default: &["id"],
        allowed: &["id", "conn_id", "connection_id", "conn_type", "description", "host", "port"],
        tie_break: &["id"],
        key: &read::connection_sort_key,
    })?;
    let (conn_id, paging) = (query.patterns("connection_id"), query.paging());
    query.finish()?;
    let listing = read::list_connections(app.db.read(), &conn_id, &sorting, &paging).await?;
    let view = |row: &connection::Model| ConnectionResponse::new(row, app.control.keyring());
    let connections = listing.rows.iter().map(view).collect();
    Ok(Json(ConnectionCollectionResponse { connections, total_entries: listing.total }))
}

/// Look at a connection. Its secrets are not shown.
#[utoipa::path(
    get,
    path = "/api/v2/connections/{connection_id}",
    operation_id = "get_connection",
    tag = "Connection",
    params(("connection_id" = String, Path)),
    responses(
        (status = 200, description = "The connection", body = ConnectionResponse),
        (status = 404, description = "There is no such connection", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn get_connection(
    State(app): State<AppState>,
    UrlPath(conn_id): UrlPath<String>,
) -> Result<Json<ConnectionResponse>, ApiError> {
    let found = connections::find(app.db.read(), &conn_id).await?;
    let row = found.ok_or_else(|| no_connection(&conn_id))?;
    Ok(response(&app, &row))
}

/// A connection to be made, or what is to be changed of one.
#[derive(Debug, ToSchema)]
pub(crate) struct ConnectionBody {
    /// Letters, digits, `_`, `.` and `-`; at most 200.
    connection_id: String,
    conn_type: String,
    #[schema(value_type = Option<String>)]
    description: Option<Option<String>>,
    #[schema(value_type = Option<String>)]
    host: Option<Option<String>>,
    #[schema(value_type = Option<String>)]
    login: Option<Option<String>>,
    #[schema(value_type = Option<String>)]
    schema: Option<Option<String>>,
    #[schema(value_type = Option<u16>)]
    port: Option<Option<u16>>,
    /// `***` leaves it as it is.
    #[schema(value_type = Option<String>)]
    password: Option<Option<Secret>>,
    /// A JSON object as text; what is `***` in it stays as it is.
    #[schema(value_type = Option<String>)]
    extra: Option<Map<String, Value>>,
    /// Not used: there are no teams.
    team_name: Option<String>,
}

impl FromFields for ConnectionBody {
    fn from_fields(fields: &mut Fields) -> ConnectionBody {
        for name in ["connection_id", "conn_type"] {
            fields.require(name);
            if fields.is_null(name) {
                fields.fault(Some(name), "it cannot be null");
            }
        }
        let connection_id = fields.text("connection_id");
        if let Some(Err(problem)) = connection_id.as_deref().map(check_conn_id) {
            fields.fault(Some("connection_id"), &problem);
        }
        let conn_type = fields.text("conn_type");
        if conn_type.as_deref().is_some_and(|conn_type| conn_type.trim().is_empty()) {
            fields.fault(Some("conn_type"), "it cannot be empty");
        }
        let body = ConnectionBody {
            connection_id: connection_id.unwrap_or_default(),
            conn_type: conn_type.unwrap_or_default(),
            description: optional(fields, "description"),
            host: optional(fields, "host"),
            login: optional(fields, "login"),
            schema: optional(fields, "schema"),
            port: fields.has("port").then(|| port(fields)),
            password: optional(fields, "password").map(|password| password.map(Secret::new)),
            extra: optional(fields, "extra").map(|text| extra(fields, &text.unwrap_or_default())),
            team_name: fields.text("team_name"),
        };
        refuse_teams(fields, body.team_name.as_deref());
        body
    }
}

/// A text if the field is there; an empty one is as good as null.
fn optional(fields: &mut Fields, name: &str) -> Option<Option<String>> {
    fields.has(name).then(|| fields.text(name).filter(|text| !text.is_empty()))
}

fn port(fields: &mut Fields) -> Option<u16> {
    let port = fields.number("port", 0).map(u16::try_from)?;
    if port.is_err() {
        fields.fault(Some("port"), "a port is a number from 0 to 65535");
    }
    port.ok()
}

fn extra(fields: &mut Fields, text: &str) -> Map<String, Value> {
    // All of it is masked when the server could not read it.
    if text == scheduler::connection::MASK {
        return Map::from_iter([(text.to_owned(), Value::from(text))]);
    }
    Connection::parse_extra(text).unwrap_or_else(|_| {
        fields.fault(Some("extra"), "The `extra` field must be a valid JSON object (e.g., {\"key\": \"value\"})");
        Map::new()
    })
}

impl Entity for ConnectionBody {
    type Key = String;

    fn named(word: &str) -> String {
        word.to_owned()
    }

    fn key(&self) -> String {
        self.connection_id.clone()
    }
}

impl ConnectionBody {
    /// The connection that the body describes.
    pub(crate) fn into_connection(self) -> Connection {
        let connection = Connection::new(&self.connection_id, "");
        self.into_patch(&[]).onto(connection)
    }

    /// The change, in the fields that the mask names.
    pub(crate) fn into_patch(self, mask: &[String]) -> ConnectionPatch {
        let is_meant = |field: &str| mask.is_empty() || mask.iter().any(|masked| masked == field);
        ConnectionPatch {
            conn_type: Some(self.conn_type).filter(|_| is_meant("conn_type")),
            description: self.description.filter(|_| is_meant("description")),
            host: self.host.filter(|_| is_meant("host")),
            login: self.login.filter(|_| is_meant("login")),
            password: self.password.filter(|_| is_meant("password")),
            schema: self.schema.filter(|_| is_meant("schema")),
            port: self.port.filter(|_| is_meant("port")),
            extra: self.extra.filter(|_| is_meant("extra")),
        }
    }
}

/// Make a connection.
#[utoipa::path(
    post,
    path = "/api/v2/connections",
    operation_id = "post_connection",
    tag = "Connection",
    request_body = ConnectionBody,
    responses(
        (status = 201, description = "The connection", body = ConnectionResponse),
        (status = 409, description = "There is a connection of that id", body = HttpExceptionResponse),
        (status = 422, description = "The body is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn post_connection(
    State(app): State<AppState>,
    user: User,
    JsonBody(body): JsonBody<ConnectionBody>,
) -> Result<(StatusCode, Json<ConnectionResponse>), ApiError> {
    let created = app.control.create_connection(&body.into_connection(), Some(&user.name)).await;
    let row = created.map_err(|error| match error {
        ControlError::Conflict(message) => ApiError::not_unique(&message),
        other => other.into(),
    })?;
    Ok((StatusCode::CREATED, response(&app, &row)))
}

/// Change a connection: the fields that the body has, or of these the ones that `update_mask` names.
#[utoipa::path(
    patch,
    path = "/api/v2/connections/{connection_id}",
    operation_id = "patch_connection",
    tag = "Connection",
    params(("connection_id" = String, Path), PatchParams),
    request_body = ConnectionBody,
    responses(
        (status = 200, description = "The connection as it is now", body = ConnectionResponse),
        (status = 400, description = "The body is about another connection", body = HttpExceptionResponse),
        (status = 404, description = "There is no such connection", body = HttpExceptionResponse),
        (status = 422, description = "The body is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn patch_connection(
    State(app): State<AppState>,
    user: User,
    UrlPath(conn_id): UrlPath<String>,
    query: Query,
    JsonBody(body): JsonBody<ConnectionBody>,
) -> Result<Json<ConnectionResponse>, ApiError> {
    if body.connection_id != conn_id {
        return Err(ApiError::bad_request("The connection_id in the request body does not match the URL parameter"));
    }
    let patch = body.into_patch(&query.texts("update_mask"));
    let changed = app.control.patch_connection(&conn_id, patch, Some(&user.name)).await;
    Ok(response(&app, &changed.map_err(|error| refusal(error, &conn_id))?))
}

/// Delete a connection. Tasks that use it will fail.
#[utoipa::path(
    delete,
    path = "/api/v2/connections/{connection_id}",
    operation_id = "delete_connection",
    tag = "Connection",
    params(("connection_id" = String, Path)),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "There is no such connection", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn delete_connection(
    State(app): State<AppState>,
    user: User,
    UrlPath(conn_id): UrlPath<String>,
) -> Result<StatusCode, ApiError> {
    let deleted = app.control.delete_connection(&conn_id, Some(&user.name)).await;
    deleted.map_err(|error| refusal(error, &conn_id))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Try out whether a connection works, from where the web server is. Of a connection that is kept, the body need only have
/// what is to be different: secrets that it does not have are those that are kept.
#[utoipa::path(
    post,
    path = "/api/v2/connections/test",
    operation_id = "test_connection",
    tag = "Connection",
    request_body = ConnectionBody,
    responses(
        (status = 200, description = "What came of it", body = ConnectionTestResponse),
        (status = 422, description = "The body is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn test_connection(
    State(app): State<AppState>,
    _: User,
    JsonBody(body): JsonBody<ConnectionBody>,
) -> Result<Json<ConnectionTestResponse>, ApiError> {
    let connection = match connections::find(app.db.read(), &body.connection_id).await? {
        Some(row) => body.into_patch(&[]).onto_stored(&row, app.control.keyring()).map_err(StoreError::from)?,
        None => body.into_connection(),
    };
    let (status, message) = match test(app.catalog.registry(), &connection).await {
        Ok(message) => (true, message),
        Err(message) => (false, message),
    };
    Ok(Json(ConnectionTestResponse { status, message }))
}

/// Does nothing: there are no sample connections.
#[utoipa::path(
    post,
    path = "/api/v2/connections/defaults",
    operation_id = "create_default_connections",
    tag = "Connection",
    responses((status = 204, description = "Nothing was made")),
)]
pub(crate) async fn create_default_connections(_: User) -> StatusCode {
    StatusCode::NO_CONTENT
}

fn response(app: &AppState, row: &connection::Model) -> Json<ConnectionResponse> {
    Json(ConnectionResponse::new(row, app.control.keyring()))
}

fn no_connection(conn_id: &str) -> ApiError {
    ApiError::not_found(format!("The Connection with connection_id: `{conn_id}` was not found"))
}

fn refusal(error: ControlError, conn_id: &str) -> ApiError {
    match error {
        ControlError::NotFound { .. } => no_connection(conn_id),
        other => other.into(),
    }
}
