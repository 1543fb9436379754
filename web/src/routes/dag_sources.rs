//! The texts of DAG files.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use scheduler::store::read;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use super::get_dag_row;
use crate::error::{ApiError, HttpExceptionResponse};
use crate::request::{Described, Query, UrlPath};
use crate::state::AppState;
use crate::view::{DagSourceResponse, display_name};

pub(crate) struct SourceParams;

impl IntoParams for SourceParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Described::default().number("version_number", "The version; the file as it last loaded when absent.").done()
    }
}

/// What a client takes: JSON unless it says otherwise.
pub(crate) enum Accepts {
    Json,
    Other,
}

/// Reads `Accept`, for routes that answer in JSON or in one other type.
pub(crate) fn accepts(headers: &HeaderMap, other: &str) -> Result<Accepts, ApiError> {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("*/*");
    let kinds = || accept.split(',').map(|kind| kind.split(';').next().unwrap_or_default().trim());
    if kinds().any(|kind| matches!(kind, "application/json" | "application/*" | "*/*" | "")) {
        return Ok(Accepts::Json);
    }
    let (group, _) = other.split_once('/').unwrap_or((other, ""));
    if kinds().any(|kind| kind == other || kind.strip_suffix("/*") == Some(group)) {
        return Ok(Accepts::Other);
    }
    let detail = format!("Only application/json or {other} is supported");
    Err(ApiError::refused(StatusCode::NOT_ACCEPTABLE, detail))
}

/// Read the file of a DAG.
#[utoipa::path(
    get,
    path = "/api/v2/dagSources/{dag_id}",
    operation_id = "get_dag_source",
    tag = "DagSource",
    params(("dag_id" = String, Path), SourceParams),
    responses(
        (status = 200, description = "The file", content(
            (DagSourceResponse = "application/json"),
            (String = "text/plain"),
        )),
        (status = 404, description = "There is no such DAG or version", body = HttpExceptionResponse),
        (status = 406, description = "Neither JSON nor plain text is wanted", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn get_dag_source(
    State(app): State<AppState>,
    UrlPath(dag_id): UrlPath<String>,
    headers: HeaderMap,
    mut query: Query,
) -> Result<Response, ApiError> {
    let version_number = query.number("version_number");
    query.finish()?;
    let accepts = accepts(&headers, "text/plain")?;
    let row = get_dag_row(&app, &dag_id).await?;
    let dag_display_name = display_name::of_dag(&row.dag);
    let version = read::find_dag_version(app.db.read(), &dag_id, version_number).await?;
    let (content, version_number) = match (version_number, version) {
        (Some(_), Some(version)) => (version.source, Some(version.version_number)),
        (Some(number), None) => {
            let detail = format!("The source code of the DAG {dag_id}, version_number {number} was not found");
            return Err(ApiError::not_found(detail));
        }
        // A version is counted when the first run needs it: until then the file has no number.
        (None, Some(version)) if version.hash == row.dag.version_hash => (row.dag.source, Some(version.version_number)),
        (None, _) => (row.dag.source, None),
    };
    Ok(match accepts {
        Accepts::Other => ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], content).into_response(),
        Accepts::Json => {
            Json(DagSourceResponse { content: Some(content), dag_display_name, dag_id, version_number }).into_response()
        }
    })
}
