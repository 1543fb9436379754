//! What people see in place of the ids of DAGs and tasks: second names, as far as DAG files give them.

use scheduler::store::entity::{dag, dag_version};
use serde_json::Value;

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
