//! Refusals: one type for all handlers, with the bodies that Airflow's clients read.

use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use scheduler::control::ControlError;
use scheduler::log::LogError;
use scheduler::store::StoreError;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// Why a request is not answered as asked.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// The request's fault; the detail is for whoever sent it.
    Refused(StatusCode, Value),
    /// Values that are not as they must be.
    Invalid(Vec<ValidationError>),
    /// There is nothing at that address.
    NoRoute,
    /// The database cannot do it now, but may a moment later; the cause is for the log.
    Unavailable(Arc<dyn std::error::Error + Send + Sync>),
    /// Our fault; the cause is for the log alone.
    Internal(Arc<dyn std::error::Error + Send + Sync>),
}

/// One value that is not as it must be (Airflow 3: pydantic's errors).
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct ValidationError {
    /// The kind of fault.
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// Where it is: `body`, `query` or `path`, then the name.
    pub(crate) loc: Vec<Value>,
    /// What is wrong.
    pub(crate) msg: String,
    /// The value.
    pub(crate) input: Value,
}

impl ValidationError {
    pub(crate) fn new(
        kind: &'static str,
        loc: &[&str],
        msg: impl Into<String>,
        input: impl Into<Value>,
    ) -> ValidationError {
        let loc = loc.iter().map(|part| Value::from(*part)).collect();
        ValidationError { kind, loc, msg: msg.into(), input: input.into() }
    }
}

/// A refusal in one sentence, or in an object.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HTTPExceptionResponse)]
pub(crate) struct HttpExceptionResponse {
    detail: Value,
}

/// Values that are not as they must be.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HTTPValidationError)]
pub(crate) struct HttpValidationError {
    detail: Vec<ValidationError>,
}

/// The cause of a 500 or a 503, on its way to the layer that knows the request's id and writes the log.
#[derive(Clone)]
pub(crate) struct Cause(pub(crate) Arc<dyn std::error::Error + Send + Sync>);

impl ApiError {
    pub(crate) fn bad_request(detail: impl Into<Value>) -> ApiError {
        ApiError::Refused(StatusCode::BAD_REQUEST, detail.into())
    }

    pub(crate) fn not_found(detail: impl Into<Value>) -> ApiError {
        ApiError::Refused(StatusCode::NOT_FOUND, detail.into())
    }

    pub(crate) fn unprocessable(detail: impl Into<Value>) -> ApiError {
        ApiError::Refused(StatusCode::UNPROCESSABLE_ENTITY, detail.into())
    }

    pub(crate) fn refused(status: StatusCode, detail: impl Into<Value>) -> ApiError {
        ApiError::Refused(status, detail.into())
    }

    pub(crate) fn internal(cause: impl std::error::Error + Send + Sync + 'static) -> ApiError {
        ApiError::Internal(Arc::new(cause))
    }

    pub(crate) fn no_dag(dag_id: &str) -> ApiError {
        ApiError::not_found(format!("The Dag with ID: `{dag_id}` was not found"))
    }

    pub(crate) fn no_run(dag_id: &str, run_id: &str) -> ApiError {
        ApiError::not_found(format!("The DagRun with dag_id: `{dag_id}` and run_id: `{run_id}` was not found"))
    }

    /// The answer to a run that clashes with another (Airflow 3: what its database's refusal looks like).
    pub(crate) fn not_unique(message: &str) -> ApiError {
        let detail = json!({
            "reason": "Unique constraint violation",
            "statement": "hidden",
            "orig_error": "hidden",
            "message": message,
        });
        ApiError::Refused(StatusCode::CONFLICT, detail)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> ApiError {
        match error {
            StoreError::NotFound { .. } => ApiError::not_found(error.to_string()),
            StoreError::Exists { .. } => ApiError::refused(StatusCode::CONFLICT, error.to_string()),
            // It says which secret, and what to do; never what is in it.
            StoreError::Key(problem) => ApiError::refused(StatusCode::INTERNAL_SERVER_ERROR, problem.to_string()),
            passing if passing.is_passing() => ApiError::Unavailable(Arc::new(passing)),
            other => ApiError::internal(other),
        }
    }
}

impl From<LogError> for ApiError {
    fn from(error: LogError) -> ApiError {
        match error {
            LogError::Store(problem) => problem.into(),
            LogError::File(_) => ApiError::internal(error),
        }
    }
}

impl From<ControlError> for ApiError {
    fn from(error: ControlError) -> ApiError {
        match error {
            ControlError::NotFound { .. } => ApiError::not_found(error.to_string()),
            ControlError::Conflict(message) => ApiError::refused(StatusCode::CONFLICT, message),
            ControlError::Invalid(message) => ApiError::bad_request(message),
            ControlError::Forbidden(message) => ApiError::refused(StatusCode::FORBIDDEN, message),
            ControlError::NoScheduler => ApiError::refused(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
            ControlError::Logs(_) => ApiError::internal(error),
            ControlError::Store(error) => error.into(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        match self {
            ApiError::Refused(status, detail) => (status, Json(json!({ "detail": detail }))).into_response(),
            ApiError::Invalid(problems) => {
                (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "detail": problems }))).into_response()
            }
            // Not `detail`: Airflow answers so, too.
            ApiError::NoRoute => {
                (StatusCode::NOT_FOUND, Json(json!({ "error": "API route not found" }))).into_response()
            }
            ApiError::Unavailable(cause) => {
                let detail = json!({ "detail": format!("Try again in a moment: {cause}") });
                let mut response = (StatusCode::SERVICE_UNAVAILABLE, Json(detail)).into_response();
                response.extensions_mut().insert(Cause(cause));
                response
            }
            ApiError::Internal(cause) => {
                let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
                response.extensions_mut().insert(Cause(cause));
                response
            }
        }
    }
}
