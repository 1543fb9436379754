//! Links that a task instance leads to: the run that it made, here or on Databricks (Airflow 3: extra links).

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use scheduler::control;
use scheduler::store::entity::task_instance;
use scheduler::store::runs;
use serde::Serialize;
use url::form_urlencoded::byte_serialize;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::{IntoParams, ToSchema};

use super::task_instances::find;
use crate::error::{ApiError, HttpExceptionResponse, HttpValidationError};
use crate::request::{Described, Query, UrlPath};
use crate::state::AppState;

/// What Airflow calls the link to a run that a task made.
const TRIGGERED_DAG: &str = "Triggered DAG";

/// What Airflow calls the link to the page of a run on Databricks.
const DATABRICKS_RUN: &str = "See Databricks Job Run";

/// The XCom with that page.
const DATABRICKS_PAGE: &str = "run_page_url";

pub(crate) struct ExtraLinkParams;

impl IntoParams for ExtraLinkParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Described::default().number("map_index", "Of a mapped task, which instance.").done()
    }
}

/// Links by what they are called.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExtraLinkCollectionResponse {
    /// Paths on this server, and addresses elsewhere.
    extra_links: BTreeMap<&'static str, String>,
    total_entries: u64,
}

/// Look at the links of a task instance.
#[utoipa::path(
    get,
    path = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/links",
    operation_id = "get_extra_links",
    tag = "Extra Links",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), ("task_id" = String, Path), ExtraLinkParams),
    responses(
        (status = 200, description = "The links", body = ExtraLinkCollectionResponse),
        (status = 404, description = "There is no such task instance", body = HttpExceptionResponse),
        (status = 422, description = "A parameter is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn get_extra_links(
    State(app): State<AppState>,
    UrlPath((dag_id, run_id, task_id)): UrlPath<(String, String, String)>,
    mut query: Query,
) -> Result<Json<ExtraLinkCollectionResponse>, ApiError> {
    let map_index = query.number("map_index").unwrap_or(-1);
    query.finish()?;
    let row = find(&app, &dag_id, &run_id, &task_id, map_index).await?;
    let made = control::triggered_run(&app.db, &row.instance).await?;
    let mut extra_links: BTreeMap<&'static str, String> =
        made.into_iter().map(|(dag_id, run_id)| (TRIGGERED_DAG, run_page(&dag_id, &run_id))).collect();
    extra_links.extend(databricks_page(&app, &row.instance).await?.map(|page| (DATABRICKS_RUN, page)));
    let total_entries = extra_links.len() as u64;
    Ok(Json(ExtraLinkCollectionResponse { extra_links, total_entries }))
}

/// The page of the run on Databricks that a task instance started: also of one that goes on, or has failed.
async fn databricks_page(app: &AppState, instance: &task_instance::Model) -> Result<Option<String>, ApiError> {
    let left = runs::pull_xcoms(app.db.read(), instance.dag_run_id, &instance.task_id, DATABRICKS_PAGE).await?;
    let own = left.into_iter().find(|(map_index, _)| *map_index == instance.map_index);
    // Anybody may leave such an XCom: what is no address of the web is no link.
    let page = own.and_then(|(_, page)| page.as_str().map(str::to_owned));
    Ok(page.filter(|page| page.starts_with("https://") || page.starts_with("http://")))
}

/// The page of a run in the UI.
fn run_page(dag_id: &str, run_id: &str) -> String {
    // A plus stands for itself in a path, and for a blank in what is written so.
    let part = |text: &str| byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20");
    format!("/dags/{}/runs/{}", part(dag_id), part(run_id))
}
