//! XComs: list, look at, and write.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use scheduler::control::ControlError;
use scheduler::operator::TaskKey;
use scheduler::store::read::{self, XComFilter, XComRow};
use serde_json::Value;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::{IntoParams, ToSchema};

use super::task_instances::find;
use super::{assert_dag, assert_run, unless_all};
use crate::auth::User;
use crate::error::{ApiError, HttpExceptionResponse, HttpValidationError};
use crate::request::{Described, Fields, FromFields, JsonBody, MapIndexParam, Order, Query, UrlPath};
use crate::state::AppState;
use crate::view::display_name::Names;
use crate::view::{XComCollectionResponse, XComResponse, XComResponseNative, XComResponseString};

pub(crate) struct XComListParams;

impl IntoParams for XComListParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Described::paged()
            .ordered()
            .text("xcom_key", "Only this key.")
            .number("map_index", "Only of this mapped instance; -1 of those that are not mapped.")
            .numbers(&["map_index_filter"])
            .patterns(&["xcom_key", "dag_display_name", "run_id", "task_id"])
            .instants(&["logical_date", "run_after"])
            .done()
    }
}

/// List XComs, without their values; `~` stands for all DAGs, runs or tasks.
#[utoipa::path(
    get,
    path = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/xcomEntries",
    operation_id = "get_xcom_entries",
    tag = "XCom",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("task_id" = String, Path), XComListParams),
    responses(
        (status = 200, description = "A page of XComs", body = XComCollectionResponse),
        (status = 400, description = "The order is not allowed", body = HttpExceptionResponse),
        (status = 404, description = "There is no such run", body = HttpExceptionResponse),
        (status = 422, description = "A parameter is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn get_xcom_entries(
    State(app): State<AppState>,
    UrlPath((dag_id, run_id, task_id)): UrlPath<(String, String, String)>,
    mut query: Query,
) -> Result<Json<XComCollectionResponse>, ApiError> {
    let sorting = query.order(&Order {
        default: &["dag_id", "task_id", "run_id", "map_index", "key"],
        allowed: &["key", "dag_id", "run_id", "task_id", "map_index", "timestamp", "run_after"],
        tie_break: &["dag_id", "task_id", "run_id", "map_index", "key"],
        key: &read::xcom_sort_key,
    })?;
    let filter = XComFilter {
        dag_id: unless_all(&dag_id),
        run_id: unless_all(&run_id),
        task_id: unless_all(&task_id),
        key: query.text("xcom_key"),
        map_indices: query.number("map_index").into_iter().chain(query.numbers("map_index_filter")).collect(),
        key_patterns: query.patterns("xcom_key"),
        dag_id_patterns: query.patterns("dag_display_name"),
        run_id_patterns: query.patterns("run_id"),
        task_id_patterns: query.patterns("task_id"),
        logical_date: query.instants("logical_date"),
        run_after: query.instants("run_after"),
    };
    let paging = query.paging();
    query.finish()?;
    assert_dag(&app, &dag_id).await?;
    assert_run(&app, &dag_id, &run_id).await?;
    let listing = read::list_xcoms(app.db.read(), &filter, &sorting, &paging).await?;
    let names = Names::of(&app, listing.rows.iter().map(|row| row.xcom.dag_id.clone())).await?;
    let xcom_entries = listing.rows.iter().map(|row| XComResponse::new(row, &names)).collect();
    Ok(Json(XComCollectionResponse { xcom_entries, total_entries: listing.total }))
}

pub(crate) struct XComParams;

impl IntoParams for XComParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Described::default()
            .number("map_index", "The mapped instance; -1 when absent.")
            .flag("deserialize", "The value as it is, instead of its JSON as text.")
            .flag("stringify", "The value as text, whatever it is.")
            .done()
    }
}

/// Look at an XCom.
///
/// By default `value` is the JSON of the value, as text.
#[utoipa::path(
    get,
    path = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/xcomEntries/{xcom_key}",
    operation_id = "get_xcom_entry",
    tag = "XCom",
    params(
        ("dag_id" = String, Path),
        ("dag_run_id" = String, Path),
        ("task_id" = String, Path),
        ("xcom_key" = String, Path),
        XComParams,
    ),
    responses(
        (status = 200, description = "The XCom", body = inline(OneXCom)),
        (status = 404, description = "There is no such XCom", body = HttpExceptionResponse),
        (status = 422, description = "A parameter is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn get_xcom_entry(
    State(app): State<AppState>,
    UrlPath((dag_id, run_id, task_id, key)): UrlPath<(String, String, String, String)>,
    mut query: Query,
) -> Result<Response, ApiError> {
    let map_index = query.number("map_index").unwrap_or(-1);
    let is_native = query.flag("deserialize").unwrap_or(false);
    let is_text = query.flag("stringify").unwrap_or(false);
    query.finish()?;
    let row = find_xcom(&app, &TaskKey { dag_id, run_id, task_id, map_index }, &key).await?;
    let xcom = named(&app, &row).await?;
    let value = row.xcom.value.0;
    if is_native && !is_text {
        return Ok(Json(XComResponseNative { xcom, value }).into_response());
    }
    // Stored is the JSON of the value; a value that is made text is, if it is one, that text.
    let text = match value {
        Value::String(text) if is_text => text,
        value => value.to_string(),
    };
    Ok(Json(XComResponseString { xcom, value: Some(text) }).into_response())
}

/// An XCom, with its value as it is or as text.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
#[serde(untagged)]
pub(crate) enum OneXCom {
    #[schema(title = "native")]
    Native(XComResponseNative),
    #[schema(title = "text")]
    Text(XComResponseString),
}

/// An XCom to be left.
#[derive(Debug, ToSchema)]
pub(crate) struct XComCreateBody {
    /// At most 512 characters.
    key: String,
    /// Anything, null included.
    value: Value,
    /// -1 when the task is not mapped.
    #[schema(default = -1, required = false)]
    map_index: i32,
}

impl FromFields for XComCreateBody {
    fn from_fields(fields: &mut Fields) -> XComCreateBody {
        fields.require("key");
        if fields.is_null("key") {
            fields.fault(Some("key"), "it cannot be null");
        }
        let XComUpdateBody { value, map_index } = XComUpdateBody::from_fields(fields);
        XComCreateBody { key: fields.text("key").unwrap_or_default(), value, map_index }
    }
}

/// Leave an XCom of a task instance, as if the task had.
#[utoipa::path(
    post,
    path = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/xcomEntries",
    operation_id = "create_xcom_entry",
    tag = "XCom",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("task_id" = String, Path)),
    request_body = XComCreateBody,
    responses(
        (status = 201, description = "The XCom", body = XComResponseNative),
        (status = 400, description = "The key is empty or too long", body = HttpExceptionResponse),
        (status = 404, description = "There is no such task instance", body = HttpExceptionResponse),
        (status = 409, description = "It has an XCom of that key", body = HttpExceptionResponse),
        (status = 422, description = "The body is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn create_xcom_entry(
    State(app): State<AppState>,
    user: User,
    UrlPath((dag_id, run_id, task_id)): UrlPath<(String, String, String)>,
    JsonBody(body): JsonBody<XComCreateBody>,
) -> Result<(StatusCode, Json<XComResponseNative>), ApiError> {
    let of = existing(&app, (dag_id, run_id, task_id), body.map_index).await?;
    app.control.create_xcom(&of, &body.key, body.value, Some(&user.name)).await?;
    Ok((StatusCode::CREATED, native(&app, &of, &body.key).await?))
}

/// What an XCom is to be.
#[derive(Debug, ToSchema)]
pub(crate) struct XComUpdateBody {
    /// Anything, null included.
    value: Value,
    /// -1 when the task is not mapped.
    #[schema(default = -1, required = false)]
    map_index: i32,
}

impl FromFields for XComUpdateBody {
    fn from_fields(fields: &mut Fields) -> XComUpdateBody {
        fields.require("value");
        XComUpdateBody {
            value: fields.anything("value").unwrap_or_default(),
            map_index: fields.number("map_index", -1).unwrap_or(-1),
        }
    }
}

/// Give an XCom another value.
#[utoipa::path(
    patch,
    path = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/xcomEntries/{xcom_key}",
    operation_id = "update_xcom_entry",
    tag = "XCom",
    params(
        ("dag_id" = String, Path),
        ("dag_run_id" = String, Path),
        ("task_id" = String, Path),
        ("xcom_key" = String, Path),
    ),
    request_body = XComUpdateBody,
    responses(
        (status = 200, description = "The XCom as it is now", body = XComResponseNative),
        (status = 404, description = "There is no such XCom", body = HttpExceptionResponse),
        (status = 422, description = "The body is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn update_xcom_entry(
    State(app): State<AppState>,
    user: User,
    UrlPath((dag_id, run_id, task_id, key)): UrlPath<(String, String, String, String)>,
    JsonBody(body): JsonBody<XComUpdateBody>,
) -> Result<Json<XComResponseNative>, ApiError> {
    let of = existing(&app, (dag_id, run_id, task_id), body.map_index).await?;
    let updated = app.control.update_xcom(&of, &key, body.value, Some(&user.name)).await;
    updated.map_err(|error| refusal(error, &key))?;
    native(&app, &of, &key).await
}

/// Delete an XCom.
#[utoipa::path(
    delete,
    path = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/xcomEntries/{xcom_key}",
    operation_id = "delete_xcom_entry",
    tag = "XCom",
    params(
        ("dag_id" = String, Path),
        ("dag_run_id" = String, Path),
        ("task_id" = String, Path),
        ("xcom_key" = String, Path),
        MapIndexParam,
    ),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "There is no such XCom", body = HttpExceptionResponse),
        (status = 422, description = "A parameter is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn delete_xcom_entry(
    State(app): State<AppState>,
    user: User,
    UrlPath((dag_id, run_id, task_id, key)): UrlPath<(String, String, String, String)>,
    mut query: Query,
) -> Result<StatusCode, ApiError> {
    let map_index = query.number("map_index").unwrap_or(-1);
    query.finish()?;
    let of = existing(&app, (dag_id, run_id, task_id), map_index).await?;
    app.control.delete_xcom(&of, &key, Some(&user.name)).await.map_err(|error| refusal(error, &key))?;
    Ok(StatusCode::NO_CONTENT)
}

/// The task instance of a path, which must exist.
async fn existing(
    app: &AppState,
    (dag_id, run_id, task_id): (String, String, String),
    map_index: i32,
) -> Result<TaskKey, ApiError> {
    find(app, &dag_id, &run_id, &task_id, map_index).await?;
    Ok(TaskKey { dag_id, run_id, task_id, map_index })
}

async fn find_xcom(app: &AppState, of: &TaskKey, key: &str) -> Result<XComRow, ApiError> {
    let TaskKey { dag_id, run_id, task_id, map_index } = of;
    let found = read::find_xcom(app.db.read(), dag_id, run_id, task_id, *map_index, key).await?;
    found.ok_or_else(|| no_xcom(key))
}

async fn native(app: &AppState, of: &TaskKey, key: &str) -> Result<Json<XComResponseNative>, ApiError> {
    let row = find_xcom(app, of, key).await?;
    Ok(Json(XComResponseNative { xcom: named(app, &row).await?, value: row.xcom.value.0 }))
}

async fn named(app: &AppState, row: &XComRow) -> Result<XComResponse, ApiError> {
    Ok(XComResponse::new(row, &Names::of(app, [row.xcom.dag_id.clone()]).await?))
}

fn no_xcom(key: &str) -> ApiError {
    ApiError::not_found(format!("XCom entry with key: `{key}` not found"))
}

fn refusal(error: ControlError, key: &str) -> ApiError {
    match error {
        ControlError::NotFound { what: "XCom", .. } => no_xcom(key),
        other => other.into(),
    }
}
