//! The DAGs that a user likes to find again.

use axum::extract::State;
use axum::http::StatusCode;

use super::get_dag_row;
use crate::auth::User;
use crate::error::{ApiError, HttpExceptionResponse};
use crate::request::UrlPath;
use crate::state::AppState;

/// Make a DAG a favourite of the user.
#[utoipa::path(
    post,
    path = "/api/v2/dags/{dag_id}/favorite",
    operation_id = "favorite_dag",
    tag = "DAG",
    params(("dag_id" = String, Path)),
    responses(
        (status = 204, description = "It is one"),
        (status = 404, description = "There is no such DAG", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn favorite_dag(
    State(app): State<AppState>,
    user: User,
    UrlPath(dag_id): UrlPath<String>,
) -> Result<StatusCode, ApiError> {
    get_dag_row(&app, &dag_id).await?;
    app.control.set_favorite(&dag_id, &user.name, true).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Make a DAG no favourite of the user any more.
#[utoipa::path(
    post,
    path = "/api/v2/dags/{dag_id}/unfavorite",
    operation_id = "unfavorite_dag",
    tag = "DAG",
    params(("dag_id" = String, Path)),
    responses(
        (status = 204, description = "It is none any more"),
        (status = 404, description = "There is no such DAG", body = HttpExceptionResponse),
        (status = 409, description = "It was none", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn unfavorite_dag(
    State(app): State<AppState>,
    user: User,
    UrlPath(dag_id): UrlPath<String>,
) -> Result<StatusCode, ApiError> {
    get_dag_row(&app, &dag_id).await?;
    if !app.control.set_favorite(&dag_id, &user.name, false).await? {
        return Err(ApiError::refused(StatusCode::CONFLICT, "Dag is not marked as favorite"));
    }
    Ok(StatusCode::NO_CONTENT)
}
