//! The routes, one file for each resource. A handler takes the request apart, reads the store once or calls the control
//! once, and makes a view of what it gets.

pub(crate) mod asset_events;
pub(crate) mod asset_queue;
pub(crate) mod assets;
pub(crate) mod backfills;
pub(crate) mod bulk;
pub(crate) mod bulk_changes;
pub(crate) mod clear;
pub(crate) mod configuration;
pub(crate) mod connections;
pub(crate) mod connections_bulk;
pub(crate) mod dag_parsing;
pub(crate) mod dag_run_wait;
pub(crate) mod dag_runs;
pub(crate) mod dag_runs_batch;
pub(crate) mod dag_sources;
pub(crate) mod dag_stats;
pub(crate) mod dag_tags;
pub(crate) mod dag_versions;
pub(crate) mod dag_warnings;
pub(crate) mod dags;
pub(crate) mod dependencies;
pub(crate) mod event_logs;
pub(crate) mod extra_links;
pub(crate) mod favorites;
pub(crate) mod hitl_details;
pub(crate) mod import_errors;
pub(crate) mod jobs;
pub(crate) mod logs;
pub(crate) mod marks;
pub(crate) mod monitor;
pub(crate) mod pools;
pub(crate) mod pools_bulk;
pub(crate) mod task_instances;
pub(crate) mod task_instances_batch;
pub(crate) mod tasks;
pub(crate) mod tries;
pub(crate) mod trigger;
pub(crate) mod updraft;
pub(crate) mod variables;
pub(crate) mod variables_bulk;
pub(crate) mod xcoms;

use std::sync::Arc;

use scheduler::dag::Dag;
use scheduler::store::entity::dag;
use scheduler::store::read::{self, DagRow};

use crate::error::ApiError;
use crate::request::Fields;
use crate::state::AppState;

/// What stands for all DAGs, all runs or all tasks in a path (Airflow 3).
pub(crate) const ALL: &str = "~";

/// A segment of the path that must name something, or stand for everything.
pub(crate) fn unless_all(segment: &str) -> Option<String> {
    (segment != ALL).then(|| segment.to_owned())
}

/// A body that names a team is refused.
pub(crate) fn refuse_teams(fields: &mut Fields, team_name: Option<&str>) {
    if team_name.is_some() {
        fields.fault(Some("team_name"), "there are no teams here");
    }
}

/// The DAG with that id, which must exist.
pub(crate) async fn get_dag_row(app: &AppState, dag_id: &str) -> Result<DagRow, ApiError> {
    read::find_dag(app.db.read(), dag_id).await?.ok_or_else(|| ApiError::no_dag(dag_id))
}

/// Refuses a path whose DAG does not exist; `~` always does.
pub(crate) async fn assert_dag(app: &AppState, dag_id: &str) -> Result<(), ApiError> {
    if dag_id != ALL {
        get_dag_row(app, dag_id).await?;
    }
    Ok(())
}

/// Refuses a path whose run does not exist; `~` always does.
pub(crate) async fn assert_run(app: &AppState, dag_id: &str, run_id: &str) -> Result<(), ApiError> {
    if dag_id != ALL && run_id != ALL && read::find_run(app.db.read(), dag_id, run_id).await?.is_none() {
        return Err(ApiError::no_run(dag_id, run_id));
    }
    Ok(())
}

/// What the last good file of a DAG says.
pub(crate) fn definition(app: &AppState, dag: &dag::Model) -> Result<Arc<Dag>, ApiError> {
    app.catalog
        .definition(&dag.dag_id, &dag.version_hash, &dag.relative_fileloc, &dag.source)
        .map_err(|error| ApiError::bad_request(error.to_string()))
}
