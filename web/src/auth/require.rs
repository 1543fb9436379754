//! The layer before every route that needs a user.

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::origin;
use super::sessions::Sessions;
use super::token::{BadToken, Claims};
use crate::error::ApiError;
use crate::state::AppState;

/// The cookie that carries the token (Airflow 3: `_token`).
pub(super) const COOKIE: &str = "_token";

/// Who sent the request.
#[derive(Clone, Debug)]
pub(crate) struct User {
    /// The name.
    pub(crate) name: String,
    /// The role.
    pub(crate) role: String,
}

impl<S: Send + Sync> FromRequestParts<S> for User {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<User, ApiError> {
        parts.extensions.get::<User>().cloned().ok_or_else(not_authenticated)
    }
}

/// Lets through whoever holds a good token.
pub(crate) async fn require_user(State(app): State<AppState>, mut request: Request, next: Next) -> Response {
    match identify(&app.sessions, request.method(), request.headers()).await {
        Ok(claims) => {
            request.extensions_mut().insert(User { name: claims.sub, role: claims.role });
            next.run(request).await
        }
        Err(refusal) => refusal.into_response(),
    }
}

async fn identify(sessions: &Sessions, method: &Method, headers: &HeaderMap) -> Result<Claims, ApiError> {
    let token = match (bearer(headers), cookie(headers)) {
        (None, Some(_)) if !origin::may_change(method, headers) => {
            return Err(ApiError::refused(StatusCode::FORBIDDEN, "Forbidden: the change comes from another site"));
        }
        (Some(token), _) | (None, Some(token)) => token,
        (None, None) => return Err(not_authenticated()),
    };
    sessions.holder(token).await?.map_err(|bad| match bad {
        BadToken::Expired => ApiError::refused(StatusCode::UNAUTHORIZED, "Token Expired"),
        // Not 401: Airflow answers a token that it cannot read with 403.
        BadToken::Invalid => ApiError::refused(StatusCode::FORBIDDEN, "Invalid JWT token"),
    })
}

pub(super) fn not_authenticated() -> ApiError {
    ApiError::refused(StatusCode::UNAUTHORIZED, "Not authenticated")
}

/// The token of the `Authorization` header.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}

/// The token of the cookie.
pub(super) fn cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, token)| token)
        .filter(|token| !token.is_empty())
}
