//! What Airflow tells of its own installation: its configuration, plugins and providers. Clients that ask find that there is
//! nothing of it, and no fault.

use axum::Json;
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::error::{ApiError, HttpExceptionResponse};

/// Airflow's words when its configuration is not exposed, which is how it comes.
const NOT_EXPOSED: &str =
    "Your Airflow administrator chose not to expose the configuration, most likely for security reasons.";

/// Look at the configuration: it is not shown, because secrets may be in it.
#[utoipa::path(
    get,
    path = "/api/v2/config",
    operation_id = "get_config",
    tag = "Config",
    responses((status = 403, description = "It is not shown", body = HttpExceptionResponse)),
)]
pub(crate) async fn get_config() -> ApiError {
    ApiError::refused(StatusCode::FORBIDDEN, NOT_EXPOSED)
}

/// Look at one option of the configuration: it is not shown either.
#[utoipa::path(
    get,
    path = "/api/v2/config/section/{section}/option/{option}",
    operation_id = "get_config_value",
    tag = "Config",
    params(("section" = String, Path), ("option" = String, Path)),
    responses((status = 403, description = "It is not shown", body = HttpExceptionResponse)),
)]
pub(crate) async fn get_config_value() -> ApiError {
    ApiError::refused(StatusCode::FORBIDDEN, NOT_EXPOSED)
}

/// Plugins of Airflow: none.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct PluginCollectionResponse {
    #[schema(value_type = Vec<Object>)]
    plugins: Vec<Value>,
    total_entries: u64,
}

/// List the plugins: there are none, because Updraft loads no code.
#[utoipa::path(
    get,
    path = "/api/v2/plugins",
    operation_id = "get_plugins",
    tag = "Plugin",
    responses((status = 200, description = "None", body = PluginCollectionResponse)),
)]
pub(crate) async fn get_plugins() -> Json<PluginCollectionResponse> {
    Json(PluginCollectionResponse::default())
}

/// What is wrong with plugins of Airflow: nothing.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct PluginImportErrorCollectionResponse {
    #[schema(value_type = Vec<Object>)]
    import_errors: Vec<Value>,
    total_entries: u64,
}

/// List what is wrong with plugins: nothing, because there are none.
#[utoipa::path(
    get,
    path = "/api/v2/plugins/importErrors",
    operation_id = "import_errors",
    tag = "Plugin",
    responses((status = 200, description = "None", body = PluginImportErrorCollectionResponse)),
)]
pub(crate) async fn import_errors() -> Json<PluginImportErrorCollectionResponse> {
    Json(PluginImportErrorCollectionResponse::default())
}

/// Packages of Python with operators of Airflow: none.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct ProviderCollectionResponse {
    #[schema(value_type = Vec<Object>)]
    providers: Vec<Value>,
    total_entries: u64,
}

/// List the providers: there are none, because operators are built in.
#[utoipa::path(
    get,
    path = "/api/v2/providers",
    operation_id = "get_providers",
    tag = "Provider",
    responses((status = 200, description = "None", body = ProviderCollectionResponse)),
)]
pub(crate) async fn get_providers() -> Json<ProviderCollectionResponse> {
    Json(ProviderCollectionResponse::default())
}
