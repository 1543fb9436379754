//! Signing in and out: tokens for programs, a cookie for the browser.

use std::net::{IpAddr, SocketAddr};

use axum::Json;
use axum::extract::{ConnectInfo, FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use serde::Serialize;
use utoipa::ToSchema;

use super::credentials::{Credentials, LoginBody};
use super::origin;
use super::require::{COOKIE, bearer, cookie};
use super::sessions::Refusal;
use super::token::{CLI_TOKEN_LIFE, TOKEN_LIFE};
use crate::error::{ApiError, HttpExceptionResponse};
use crate::request::JsonBody;
use crate::state::AppState;

/// A token.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LoginResponse {
    /// To be sent as `Authorization: Bearer …`.
    access_token: String,
}

/// Where a request comes from, for the limit on guesses.
pub(crate) struct Address(Option<IpAddr>);

impl<S: Send + Sync> FromRequestParts<S> for Address {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Address, Self::Rejection> {
        // A socket on `::` sees 127.0.0.1 as an address of IPv6.
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip().to_canonical());
        // A proxy on this machine says for whom it asks; from elsewhere anybody could say anything.
        let is_proxy = peer.is_some_and(|peer| peer.is_loopback());
        let behind = if is_proxy { forwarded_for(&parts.headers) } else { None };
        Ok(Address(behind.or(peer)))
    }
}

/// The address that the nearest proxy saw.
fn forwarded_for(headers: &HeaderMap) -> Option<IpAddr> {
    let value = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
    value.rsplit(',').next()?.trim().parse().ok()
}

/// Make a token.
///
/// Takes a JSON body or a form.
#[utoipa::path(
    post,
    path = "/auth/token",
    operation_id = "create_token",
    tag = "Login",
    security(()),
    request_body(content((LoginBody = "application/json"), (LoginBody = "application/x-www-form-urlencoded"))),
    responses(
        (status = 201, description = "The token", body = LoginResponse),
        (status = 400, description = "Name or password missing", body = HttpExceptionResponse),
        (status = 401, description = "Name or password wrong", body = HttpExceptionResponse),
        (status = 415, description = "Neither JSON nor a form", body = HttpExceptionResponse),
        (status = 429, description = "Too many wrong guesses", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn create_token(
    State(app): State<AppState>,
    address: Address,
    credentials: Credentials,
) -> Result<(StatusCode, Json<LoginResponse>), ApiError> {
    new_token(&app, &address, &credentials, TOKEN_LIFE)
}

/// Make a token for the command line.
///
/// It is good for an hour.
#[utoipa::path(
    post,
    path = "/auth/token/cli",
    operation_id = "create_token_cli",
    tag = "Login",
    security(()),
    request_body = LoginBody,
    responses(
        (status = 201, description = "The token", body = LoginResponse),
        (status = 401, description = "Name or password wrong", body = HttpExceptionResponse),
        (status = 429, description = "Too many wrong guesses", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn create_token_cli(
    State(app): State<AppState>,
    address: Address,
    credentials: Credentials,
) -> Result<(StatusCode, Json<LoginResponse>), ApiError> {
    new_token(&app, &address, &credentials, CLI_TOKEN_LIFE)
}

/// Make a token without a password.
///
/// Airflow allows this when everybody is an administrator; here nobody is without signing in.
#[utoipa::path(
    get,
    path = "/auth/token",
    operation_id = "create_token_all_admins",
    tag = "Login",
    security(()),
    responses((status = 403, description = "Always", body = HttpExceptionResponse)),
)]
pub(crate) async fn create_token_all_admins() -> ApiError {
    ApiError::refused(StatusCode::FORBIDDEN, "Tokens are given for a name and a password: POST them to /auth/token")
}

/// Go to the page that signs in.
#[utoipa::path(
    get,
    path = "/auth/login",
    operation_id = "login",
    tag = "Login",
    security(()),
    responses((status = 307, description = "To `/login`")),
)]
pub(crate) async fn login() -> Response {
    redirect_to_login()
}

/// Sign out, and go to the page that signs in.
#[utoipa::path(
    get,
    path = "/auth/logout",
    operation_id = "logout",
    tag = "Login",
    security(()),
    responses((status = 307, description = "To `/login`")),
)]
pub(crate) async fn logout(State(app): State<AppState>, headers: HeaderMap) -> Result<Response, ApiError> {
    Ok((end_session(&app, &headers).await?, redirect_to_login()).into_response())
}

/// Sign in, in the browser.
///
/// The token goes into a cookie that scripts cannot read.
#[utoipa::path(
    post,
    path = "/auth/login",
    operation_id = "sign_in",
    tag = "Login",
    security(()),
    request_body = LoginBody,
    responses(
        (status = 204, description = "Signed in"),
        (status = 401, description = "Name or password wrong", body = HttpExceptionResponse),
        (status = 429, description = "Too many wrong guesses", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn sign_in(
    State(app): State<AppState>,
    address: Address,
    headers: HeaderMap,
    method: axum::http::Method,
    JsonBody(body): JsonBody<LoginBody>,
) -> Result<Response, ApiError> {
    if !origin::may_change(&method, &headers) {
        // Another site must not sign its visitors in as somebody else.
        return Err(ApiError::refused(StatusCode::FORBIDDEN, "Forbidden: the change comes from another site"));
    }
    let token = check(&app, &body, &address, TOKEN_LIFE)?;
    let cookie = set_cookie(&token, TOKEN_LIFE.num_seconds(), is_https(&headers));
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

/// Sign out.
///
/// The token is good for nothing any more.
#[utoipa::path(
    post,
    path = "/auth/logout",
    operation_id = "sign_out",
    tag = "Login",
    security(()),
    responses((status = 204, description = "Signed out")),
)]
pub(crate) async fn sign_out(State(app): State<AppState>, headers: HeaderMap) -> Result<Response, ApiError> {
    Ok((StatusCode::NO_CONTENT, end_session(&app, &headers).await?).into_response())
}

fn new_token(
    app: &AppState,
    address: &Address,
    Credentials(body): &Credentials,
    life: TimeDelta,
) -> Result<(StatusCode, Json<LoginResponse>), ApiError> {
    let access_token = check(app, body, address, life)?;
    Ok((StatusCode::CREATED, Json(LoginResponse { access_token })))
}

fn check(app: &AppState, body: &LoginBody, address: &Address, life: TimeDelta) -> Result<String, ApiError> {
    let signed = app.sessions.sign_in(&body.username, &body.password, address.0, life).map_err(ApiError::internal)?;
    signed.map_err(|refusal| match refusal {
        Refusal::WrongCredentials => ApiError::refused(StatusCode::UNAUTHORIZED, "Invalid credentials"),
        Refusal::TooManyGuesses => {
            ApiError::refused(StatusCode::TOO_MANY_REQUESTS, "Too many wrong guesses; try again in a few seconds")
        }
    })
}

/// Takes the tokens of a request back; the answer takes the cookie from the browser.
async fn end_session(app: &AppState, headers: &HeaderMap) -> Result<[(HeaderName, String); 1], ApiError> {
    for token in [bearer(headers), cookie(headers)].into_iter().flatten() {
        if let Ok(claims) = app.sessions.holder(token).await? {
            app.control.revoke_token(&claims.jti, claims.expires_at()).await?;
        }
    }
    Ok([(header::SET_COOKIE, set_cookie("", 0, is_https(headers)))])
}

fn redirect_to_login() -> Response {
    (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, "/login")]).into_response()
}

/// Whether the browser spoke to us, or to the proxy before us, by https.
fn is_https(headers: &HeaderMap) -> bool {
    let proto = headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok()).unwrap_or_default();
    proto.split(',').next().is_some_and(|proto| proto.trim().eq_ignore_ascii_case("https"))
}

fn set_cookie(token: &str, life_secs: i64, is_https: bool) -> String {
    let secure = if is_https { "; Secure" } else { "" };
    format!("{COOKIE}={token}; Path=/; Max-Age={life_secs}; HttpOnly; SameSite=Lax{secure}")
}
