//! What people see in place of the ids of DAGs and tasks: second names, as far as DAG files give them.

use std::collections::HashMap;

use scheduler::store::dags;
use scheduler::store::entity::{dag, dag_version};
use serde_json::Value;

use crate::error::ApiError;
use crate::state::AppState;

/// What people see of DAGs and their tasks as their files are now, where it is not known which version is meant.
#[derive(Debug, Default)]
pub(crate) struct Names(HashMap<String, (Option<String>, Option<Value>)>);

impl Names {
    /// Those of these DAGs.
    pub(crate) async fn of(app: &AppState, dag_ids: impl IntoIterator<Item = String>) -> Result<Names, ApiError> {
        let found = dags::display_names(app.db.read(), &dag_ids.into_iter().collect()).await?;
        Ok(Names(found.into_iter().map(|(dag_id, name, tasks)| (dag_id, (name, tasks))).collect()))
    }

    /// What people see of a DAG.
    pub(super) fn dag(&self, dag_id: &str) -> String {
        self.0.get(dag_id).and_then(|(name, _)| name.as_deref()).unwrap_or(dag_id).to_owned()
    }

    /// What people see of a task.
    pub(super) fn task(&self, dag_id: &str, task_id: &str) -> String {
        let names = self.0.get(dag_id).and_then(|(_, tasks)| tasks.as_ref());
        names.and_then(|names| names.get(task_id)).and_then(Value::as_str).unwrap_or(task_id).to_owned()
    }
}

/// What people see of a DAG.
pub(crate) fn of_dag(dag: &dag::Model) -> String {
    dag.dag_display_name.as_ref().unwrap_or(&dag.dag_id).clone()
}

/// The same in the version that a run is pinned to.
pub(super) fn of_dag_then(version: Option<&dag_version::Model>, dag_id: &str) -> String {
    version.and_then(|version| version.dag_display_name.as_deref()).unwrap_or(dag_id).to_owned()
}

/// What people see of a task, in the version that its run is pinned to.
pub(super) fn of_task_then(version: Option<&dag_version::Model>, task_id: &str) -> String {
    let names = version.and_then(|version| version.task_display_names.as_ref());
    names.and_then(|names| names.get(task_id)).and_then(Value::as_str).unwrap_or(task_id).to_owned()
}
