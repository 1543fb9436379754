//! What a DAG waits for beside the clock.

use axum::Json;
use axum::extract::State;
use scheduler::preview;

use crate::error::{ApiError, HttpExceptionResponse};
use crate::request::UrlPath;
use crate::routes::{definition, get_dag_row};
use crate::state::AppState;
use crate::view::DagAssetsResponse;

/// List the assets that a DAG waits for, and which of them were updated since it last ran for them.
#[utoipa::path(
    get,
    path = "/api/v2/updraft/dags/{dag_id}/assets",
    operation_id = "get_dag_assets",
    tag = "Updraft",
    params(("dag_id" = String, Path)),
    responses(
        (status = 200, description = "What it waits for", body = DagAssetsResponse),
        (status = 400, description = "The DAG's stored definition cannot be read", body = HttpExceptionResponse),
        (status = 404, description = "There is no such DAG", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn get_dag_assets(
    State(app): State<AppState>,
    UrlPath(dag_id): UrlPath<String>,
) -> Result<Json<DagAssetsResponse>, ApiError> {
    let row = get_dag_row(&app, &dag_id).await?;
    let dag = definition(&app, &row.dag)?;
    Ok(Json(preview::awaited(&app.db, &dag).await?.into()))
}
