//! Who is signed in.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::User;
use crate::error::HttpExceptionResponse;

/// Who is signed in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MeResponse {
    username: String,
    /// `ADMIN`.
    role: String,
}

/// Ask who is signed in.
#[utoipa::path(
    get,
    path = "/api/v2/updraft/me",
    operation_id = "get_me",
    tag = "Updraft",
    responses(
        (status = 200, description = "The user", body = MeResponse),
        (status = 401, description = "Nobody is", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn get_me(user: User) -> Json<MeResponse> {
    Json(MeResponse { username: user.name, role: user.role })
}
