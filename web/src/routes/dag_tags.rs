//! The tags in use.

use axum::Json;
use axum::extract::State;
use scheduler::store::read::{self, Direction};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use crate::error::{ApiError, HttpExceptionResponse, HttpValidationError};
use crate::request::{Described, Query};
use crate::state::AppState;
use crate::view::DagTagCollectionResponse;

pub(crate) struct TagParams;

impl IntoParams for TagParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Described::paged().ordered().patterns(&["tag_name"]).done()
    }
}

/// List tags.
#[utoipa::path(
    get,
    path = "/api/v2/dagTags",
    operation_id = "get_dag_tags",
    tag = "DAG",
    params(TagParams),
    responses(
        (status = 200, description = "A page of tags", body = DagTagCollectionResponse),
        (status = 400, description = "The order is not allowed", body = HttpExceptionResponse),
        (status = 422, description = "A parameter is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn get_dag_tags(
    State(app): State<AppState>,
    mut query: Query,
) -> Result<Json<DagTagCollectionResponse>, ApiError> {
    let direction = match query.texts("order_by").first().map(String::as_str) {
        None | Some("name") => Direction::Ascending,
        Some("-name") => Direction::Descending,
        Some(other) => {
            return Err(ApiError::bad_request(format!(
                "Ordering with '{other}' is disallowed or the attribute does not exist on the model"
            )));
        }
    };
    let (limit, offset) = query.page();
    let patterns = query.patterns("tag_name");
    query.finish()?;
    let (tags, total_entries) = read::list_tags(app.db.read(), &patterns, direction, limit, offset).await?;
    Ok(Json(DagTagCollectionResponse { tags, total_entries }))
}
