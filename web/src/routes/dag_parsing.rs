//! Asking that a DAG file is read again.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::auth::User;
use crate::error::{ApiError, HttpExceptionResponse};
use crate::request::UrlPath;
use crate::state::AppState;
use crate::view::read_file_token;

/// Ask that a DAG file is read again.
///
/// Files are read again whenever they change, so this only makes sure that the file is one of those.
#[utoipa::path(
    put,
    path = "/api/v2/parseDagFile/{file_token}",
    operation_id = "reparse_dag_file",
    tag = "DAG Parsing",
    params(("file_token" = String, Path)),
    responses(
        (status = 201, description = "It is read again when it changes", body = Object),
        (status = 404, description = "No DAG came from such a file", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn reparse_dag_file(
    State(app): State<AppState>,
    user: User,
    UrlPath(file_token): UrlPath<String>,
) -> Result<(StatusCode, Json<()>), ApiError> {
    let file = read_file_token(&file_token);
    let is_known = match &file {
        Some((bundle, file)) => app.control.note_reparse(bundle, file, &user.name).await?,
        None => false,
    };
    if !is_known {
        return Err(ApiError::not_found("DAG file not found"));
    }
    Ok((StatusCode::CREATED, Json(())))
}
