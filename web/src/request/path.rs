//! Path segments.

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::error::{ApiError, ValidationError};

/// The segments of the path, decoded.
pub(crate) struct UrlPath<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for UrlPath<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<UrlPath<T>, ApiError> {
        if parts.uri.path().contains("%00") {
            // Nothing is called so, and Postgres does not compare with it.
            return Err(ApiError::not_found("Not Found"));
        }
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(segments)) => Ok(UrlPath(segments)),
            Err(PathRejection::FailedToDeserializePathParams(_)) => {
                // Every segment is text or a number, and text always fits.
                let message = "Input should be a valid integer";
                let problem = ValidationError::new("int_parsing", &["path"], message, parts.uri.path());
                Err(ApiError::Invalid(vec![problem]))
            }
            Err(error) => Err(ApiError::internal(error)),
        }
    }
}
