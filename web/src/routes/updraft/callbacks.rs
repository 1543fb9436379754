//! What was told to whom, what waits to be told, and letting it be told again.

use axum::Json;
use axum::extract::State;
use scheduler::store::callbacks::CallbackState;
use scheduler::store::read::{self, CallbackFilter};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};
use uuid::Uuid;

use crate::auth::User;
use crate::error::{ApiError, HttpExceptionResponse, HttpValidationError};
use crate::request::{Described, Order, Query, UrlPath};
use crate::state::AppState;
use crate::view::{CallbackCollectionResponse, CallbackResponse};

/// What lists of callbacks can be ordered by.
const ORDER: [&str; 9] = ["id", "created_at", "due_at", "ended_at", "dag_id", "run_id", "task_id", "state", "kind"];

pub(crate) struct CallbackParams;

impl IntoParams for CallbackParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Described::paged()
            .ordered()
            .text("dag_id", "Only those of this DAG.")
            .text("dag_run_id", "Only those of the run that people call so.")
            .text("task_id", "Only those of this task.")
            .texts(&["state"])
            .done()
    }
}

/// List callbacks with what became of them; the newest first unless asked otherwise.
///
/// `state` is `waiting`, `delivered` or `failed`, by repeating the key.
#[utoipa::path(
    get,
    path = "/api/v2/updraft/callbacks",
    operation_id = "list_callbacks",
    tag = "Updraft",
    params(CallbackParams),
    responses(
        (status = 200, description = "A page of callbacks", body = CallbackCollectionResponse),
        (status = 400, description = "The order, or a state, is not allowed", body = HttpExceptionResponse),
        (status = 422, description = "A parameter is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn list_callbacks(
    State(app): State<AppState>,
    mut query: Query,
) -> Result<Json<CallbackCollectionResponse>, ApiError> {
    let sorting = query.order(&Order {
        default: &["-id"],
        allowed: &ORDER,
        tie_break: &["id"],
        key: &read::callback_sort_key,
    })?;
    let state = |word: &String| {
        CallbackState::of_word(word).ok_or_else(|| {
            let words = CallbackState::ALL.map(CallbackState::word).join(", ");
            ApiError::bad_request(format!("Invalid value for state. Valid values are {words}"))
        })
    };
    let filter = CallbackFilter {
        dag_id: query.text("dag_id"),
        run_id: query.text("dag_run_id"),
        task_id: query.text("task_id"),
        states: query.texts("state").iter().map(state).collect::<Result<_, _>>()?,
    };
    let paging = query.paging();
    query.finish()?;
    let listing = read::list_callbacks(app.db.read(), &filter, &sorting, &paging).await?;
    let callbacks = listing.rows.into_iter().map(CallbackResponse::from).collect();
    Ok(Json(CallbackCollectionResponse { callbacks, total_entries: listing.total }))
}

/// Tell a callback again that was given up, or that waits for another attempt.
///
/// The attempt is made at once, by a scheduler; this answers before it.
#[utoipa::path(
    post,
    path = "/api/v2/updraft/callbacks/{callback_id}/retry",
    operation_id = "retry_callback",
    tag = "Updraft",
    params(("callback_id" = Uuid, Path)),
    responses(
        (status = 200, description = "The callback, which waits now", body = CallbackResponse),
        (status = 404, description = "There is no such callback", body = HttpExceptionResponse),
        (status = 409, description = "It was delivered", body = HttpExceptionResponse),
        (status = 422, description = "The id is no UUID", body = HttpValidationError),
    ),
)]
pub(crate) async fn retry_callback(
    State(app): State<AppState>,
    user: User,
    UrlPath(id): UrlPath<Uuid>,
) -> Result<Json<CallbackResponse>, ApiError> {
    Ok(Json(app.control.retry_callback(id, Some(&user.name)).await?.into()))
}
