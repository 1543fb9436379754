//! The list of backfills as the UI shows it: of one DAG or of all, with how far each is.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use scheduler::store::backfills;
use serde::Serialize;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::{IntoParams, ToSchema};

use crate::error::{ApiError, HttpExceptionResponse, HttpValidationError};
use crate::request::{Described, Query};
use crate::routes::assert_dag;
use crate::routes::backfills::cut;
use crate::state::AppState;
use crate::view::BackfillResponse;
use crate::view::display_name::Names;

pub(crate) struct UpdraftBackfillParams;

impl IntoParams for UpdraftBackfillParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Described::paged().text("dag_id", "Only those of this DAG.").done()
    }
}

/// How many runs of a backfill are in each state.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct BackfillRunsResponse {
    queued: i64,
    running: i64,
    success: i64,
    failed: i64,
}

impl BackfillRunsResponse {
    fn set(&mut self, state: &str, runs: i64) {
        match state {
            "queued" => self.queued = runs,
            "running" => self.running = runs,
            "success" => self.success = runs,
            "failed" => self.failed = runs,
            _ => {}
        }
    }
}

/// A backfill with how far it is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UpdraftBackfillResponse {
    #[serde(flatten)]
    backfill: BackfillResponse,
    /// Who asked for it; null when a command did.
    triggering_user_name: Option<String>,
    runs: BackfillRunsResponse,
}

/// A page of backfills with how far each is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UpdraftBackfillCollectionResponse {
    backfills: Vec<UpdraftBackfillResponse>,
    total_entries: u64,
}

/// List backfills with how many of their runs are in each state, newest first.
#[utoipa::path(
    get,
    path = "/api/v2/updraft/backfills",
    operation_id = "list_updraft_backfills",
    tag = "Updraft",
    params(UpdraftBackfillParams),
    responses(
        (status = 200, description = "A page of backfills", body = UpdraftBackfillCollectionResponse),
        (status = 404, description = "There is no such DAG", body = HttpExceptionResponse),
        (status = 422, description = "A parameter is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn list_updraft_backfills(
    State(app): State<AppState>,
    mut query: Query,
) -> Result<Json<UpdraftBackfillCollectionResponse>, ApiError> {
    let dag_id = query.text("dag_id");
    let (limit, offset) = query.page();
    query.finish()?;
    if let Some(dag_id) = &dag_id {
        assert_dag(&app, dag_id).await?;
    }
    let rows = backfills::list(app.db.read(), dag_id.as_deref()).await?;
    let total_entries = rows.len() as u64;
    let page: Vec<_> = cut(rows, limit, offset).collect();
    let ids: Vec<i64> = page.iter().map(|row| row.id).collect();
    let mut runs: HashMap<i64, BackfillRunsResponse> = HashMap::new();
    for (id, state, count) in backfills::run_counts_of(app.db.read(), &ids).await? {
        runs.entry(id).or_default().set(&state, count);
    }
    let names = Names::of(&app, page.iter().map(|row| row.dag_id.clone())).await?;
    let backfills = page
        .into_iter()
        .map(|row| UpdraftBackfillResponse {
            runs: runs.remove(&row.id).unwrap_or_default(),
            triggering_user_name: row.triggering_user_name.clone(),
            backfill: BackfillResponse::new(row, &names),
        })
        .collect();
    Ok(Json(UpdraftBackfillCollectionResponse { backfills, total_entries }))
}
