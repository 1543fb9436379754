//! A name and a password, as programs and the browser send them.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use url::form_urlencoded;
use utoipa::ToSchema;

use crate::error::{ApiError, ValidationError};
use crate::request::{Fields, FromFields, read_body};

/// A name and a password.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct LoginBody {
    pub(super) username: String,
    pub(super) password: String,
}

impl FromFields for LoginBody {
    fn from_fields(fields: &mut Fields) -> LoginBody {
        fields.require("username");
        fields.require("password");
        LoginBody {
            username: fields.text("username").unwrap_or_default(),
            password: fields.text("password").unwrap_or_default(),
        }
    }
}

/// A name and a password in a JSON body or a form.
pub(crate) struct Credentials(pub(super) LoginBody);

impl<S: Send + Sync> FromRequest<S> for Credentials {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Credentials, ApiError> {
        let kind = content_type(request.headers());
        let body = read_body(request, state).await?;
        match kind.as_str() {
            "application/json" => from_json(&body).map(Credentials),
            "application/x-www-form-urlencoded" => from_form(&body).map(Credentials),
            _ => Err(ApiError::refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported Media Type")),
        }
    }
}

/// The content type without its parameters.
fn content_type(headers: &HeaderMap) -> String {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn from_json(body: &Bytes) -> Result<LoginBody, ApiError> {
    match Fields::read(body).and_then(Fields::into) {
        Err(ApiError::Invalid(problems)) if problems.iter().all(is_missing) => Err(missing()),
        read => read,
    }
}

fn from_form(body: &Bytes) -> Result<LoginBody, ApiError> {
    let mut read = LoginBody { username: String::new(), password: String::new() };
    for (name, value) in form_urlencoded::parse(body) {
        match name.as_ref() {
            "username" => read.username = value.into_owned(),
            "password" => read.password = value.into_owned(),
            _ => {}
        }
    }
    if read.username.is_empty() || read.password.is_empty() { Err(missing()) } else { Ok(read) }
}

fn is_missing(problem: &ValidationError) -> bool {
    problem.kind == "missing"
}

fn missing() -> ApiError {
    ApiError::bad_request("Username and password must be provided")
}
