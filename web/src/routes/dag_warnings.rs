//! What is amiss with DAGs whose files are right (Airflow 3: DAG warnings).

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use scheduler::dag::Dag;
use scheduler::store::entity::dag;
use scheduler::store::{dags, pools};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use super::definition;
use crate::error::{ApiError, HttpExceptionResponse, HttpValidationError};
use crate::request::{Described, Query};
use crate::state::AppState;
use crate::view::{DagWarningCollectionResponse, DagWarningResponse, DagWarningType};

/// What warnings can be ordered by (Airflow 3).
const ORDER: [&str; 4] = ["dag_id", "warning_type", "message", "timestamp"];

pub(crate) struct DagWarningParams;

impl IntoParams for DagWarningParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Described::paged()
            .ordered()
            .text("dag_id", "Only of this DAG.")
            .text("warning_type", "Only of this type.")
            .done()
    }
}

/// List what is amiss with DAGs: tasks that name pools which there are not, and so never start.
#[utoipa::path(
    get,
    path = "/api/v2/dagWarnings",
    operation_id = "list_dag_warnings",
    tag = "DagWarning",
    params(DagWarningParams),
    responses(
        (status = 200, description = "A page of warnings", body = DagWarningCollectionResponse),
        (status = 400, description = "The order is not allowed", body = HttpExceptionResponse),
        (status = 422, description = "A parameter is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn list_dag_warnings(
    State(app): State<AppState>,
    mut query: Query,
) -> Result<Json<DagWarningCollectionResponse>, ApiError> {
    let words = query.texts("order_by");
    let order = order(&words)?;
    let types = query.words("warning_type", DagWarningType::WORDS)?;
    let (dag_id, (limit, offset)) = (query.text("dag_id"), query.page());
    query.finish()?;
    let mut warnings = match &dag_id {
        Some(dag_id) => of(&app, dags::find(app.db.read(), dag_id).await?.into_iter().collect()).await?,
        None => of(&app, dags::list_all(app.db.read()).await?).await?,
    };
    let word = DagWarningType::NonExistentPool.word();
    if !types.is_empty() && !types.iter().any(|asked| asked == word) {
        warnings.clear();
    }
    for (word, is_down) in order.iter().rev() {
        warnings.sort_by(|one, other| {
            let ordering = one.key(word).cmp(&other.key(word));
            if *is_down { ordering.reverse() } else { ordering }
        });
    }
    let total_entries = warnings.len() as u64;
    let skipped = usize::try_from(offset).unwrap_or(usize::MAX);
    let taken = usize::try_from(limit).unwrap_or(usize::MAX);
    let dag_warnings = warnings.into_iter().skip(skipped).take(taken).collect();
    Ok(Json(DagWarningCollectionResponse { dag_warnings, total_entries }))
}

/// The keys of an order, and whether each goes down.
fn order(words: &[String]) -> Result<Vec<(&str, bool)>, ApiError> {
    let asked = words.iter().map(String::as_str).filter(|word| !word.is_empty());
    let keys = asked.map(|word| match word.strip_prefix('-') {
        Some(name) => (name, true),
        None => (word, false),
    });
    let keys: Vec<(&str, bool)> = keys.collect();
    match keys.iter().find(|(name, _)| !ORDER.contains(name)) {
        Some((name, _)) => Err(ApiError::bad_request(format!(
            "Ordering with '{name}' is disallowed or the attribute does not exist on the model"
        ))),
        None => Ok(keys),
    }
}

/// The warnings about DAGs, in the order of their ids.
async fn of(app: &AppState, mut dags: Vec<dag::Model>) -> Result<Vec<DagWarningResponse>, ApiError> {
    dags.retain(|dag| !dag.is_stale);
    dags.sort_by(|one, other| one.dag_id.cmp(&other.dag_id));
    let pools: BTreeSet<String> = pools::list(app.db.read()).await?.into_iter().map(|pool| pool.name).collect();
    let mut warnings = Vec::new();
    for dag in &dags {
        // One that cannot be read any more is among the import errors.
        let Ok(definition) = definition(app, dag) else { continue };
        let missing = missing_pools(&definition, &pools);
        if !missing.is_empty() {
            warnings.push(DagWarningResponse::of_missing_pools(dag, &missing, app.clock.now()));
        }
    }
    Ok(warnings)
}

fn missing_pools<'d>(definition: &'d Dag, pools: &BTreeSet<String>) -> BTreeSet<&'d str> {
    let named = definition.tasks().map(|(_, task)| task.pool.as_str());
    named.filter(|pool| !pools.contains(*pool)).collect()
}
