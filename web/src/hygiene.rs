//! What every answer has: an id to find it by in the log, and headers that tell browsers to be careful.

use std::panic::AssertUnwindSafe;

use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use scheduler::chain::Chain;
use serde_json::json;
use uuid::Uuid;

use crate::error::Cause;

/// The header that names a request.
const REQUEST_ID: &str = "x-request-id";

/// Scripts, styles and pictures are our own. Styles may be set from scripts, as component libraries do.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; object-src 'none'; \
     base-uri 'self'; form-action 'self'; frame-ancestors 'none'";

/// Names the request, and writes to the log what went wrong inside; the answer says only where to look.
pub(crate) async fn name_requests(request: Request, next: Next) -> Response {
    let id = Uuid::now_v7().simple().to_string();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let mut response = if let Ok(mut response) = answered {
        if let Some(Cause(cause)) = response.extensions_mut().remove::<Cause>() {
            tracing::error!(request.id = %id, %method, %path, error = %Chain(&*cause), "a request failed inside");
            if response.status() == StatusCode::INTERNAL_SERVER_ERROR {
                response = internal_error(&id);
            }
        }
        response
    } else {
        tracing::error!(request.id = %id, %method, %path, "a request met a bug: its handler panicked");
        internal_error(&id)
    };
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

fn internal_error(id: &str) -> Response {
    let detail = format!("Internal error; the server's log has the cause under request id {id}");
    (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({ "detail": detail }))).into_response()
}

/// Headers that hold on every answer.
pub(crate) async fn careful_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Answers of the API are of the moment, and may be for one user alone.
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}
