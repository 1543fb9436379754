//! Tasks, as the DAG's file has them.

use std::time::Duration;

use scheduler::dag::{Dag, PastDependency, Task, TaskGroup, TaskIndex};
use scheduler::operator::Registry;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::dag::params;
use crate::timestamp::DateTime;

/// A duration, as Airflow takes it apart.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TimeDelta {
    /// `TimeDelta`.
    #[serde(rename = "__type")]
    kind: &'static str,
    days: u64,
    seconds: u64,
    microseconds: u32,
}

impl From<Duration> for TimeDelta {
    fn from(duration: Duration) -> TimeDelta {
        let seconds = duration.as_secs();
        TimeDelta {
            kind: "TimeDelta",
            days: seconds / 86_400,
            seconds: seconds % 86_400,
            microseconds: duration.subsec_micros(),
        }
    }
}

/// A task.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TaskResponse {
    pub(crate) task_id: String,
    task_display_name: String,
    owner: Option<String>,
    start_date: Option<DateTime>,
    end_date: Option<DateTime>,
    trigger_rule: Value,
    depends_on_past: bool,
    wait_for_downstream: bool,
    retries: u32,
    queue: Option<String>,
    pool: Option<String>,
    pool_slots: u32,
    execution_timeout: Option<TimeDelta>,
    retry_delay: Option<TimeDelta>,
    retry_exponential_backoff: f64,
    priority_weight: i32,
    #[schema(value_type = Option<String>)]
    weight_rule: Value,
    ui_color: Option<String>,
    ui_fgcolor: Option<String>,
    template_fields: Vec<String>,
    downstream_task_ids: Vec<String>,
    doc_md: Option<String>,
    operator_name: Option<String>,
    #[schema(value_type = Object)]
    params: Value,
    #[schema(value_type = Object)]
    class_ref: Value,
    is_mapped: bool,
    extra_links: Vec<String>,
    /// Updraft's: the innermost group around it.
    task_group_id: Option<String>,
}

impl TaskResponse {
    /// The task at `index` of `dag`.
    pub(crate) fn new(dag: &Dag, index: TaskIndex, registry: &Registry) -> TaskResponse {
        let task = dag.task(index);
        let mut downstream: Vec<String> = dag.downstream(index).map(|below| dag.task(below).task_id.clone()).collect();
        downstream.sort();
        TaskResponse {
            task_id: task.task_id.clone(),
            task_display_name: task.display_name.as_ref().unwrap_or(&task.task_id).clone(),
            owner: Some(task.owner.clone()),
            // Of its own and the DAG's, the narrower (Airflow 3).
            start_date: task.start_date.max(dag.start_date).map(DateTime),
            end_date: task.end_date.into_iter().chain(dag.end_date).min().map(DateTime),
            trigger_rule: json!(task.trigger_rule),
            depends_on_past: task.past != PastDependency::None,
            wait_for_downstream: task.past == PastDependency::ItselfAndDownstream,
            retries: task.retries,
            queue: Some(task.queue.clone()),
            pool: Some(task.pool.clone()),
            pool_slots: task.pool_slots,
            execution_timeout: task.execution_timeout.map(TimeDelta::from),
            retry_delay: Some(task.retry_delay.into()),
            retry_exponential_backoff: task.retry_exponential_backoff,
            priority_weight: task.priority_weight,
            weight_rule: json!(task.weight_rule),
            ui_color: Some("#fff".to_owned()),
            ui_fgcolor: Some("#000".to_owned()),
            template_fields: task.args.keys().cloned().collect(),
            downstream_task_ids: downstream,
            doc_md: task.doc_md.clone(),
            operator_name: Some(task.operator.clone()),
            params: params_of(dag, task),
            class_ref: class_ref(&task.operator, registry),
            is_mapped: task.mapping.is_some(),
            extra_links: Vec::new(),
            task_group_id: task.group.clone(),
        }
    }
}

/// The params of a task: the DAG's, and its own over them.
fn params_of(dag: &Dag, task: &Task) -> Value {
    let mut all = params("dag", &dag.params);
    all.extend(params("task", &task.params));
    all.into()
}

/// The Airflow class that the operator stands for, or our own name for it.
fn class_ref(operator: &str, registry: &Registry) -> Value {
    let classes = registry.find(operator).map(|operator| &operator.airflow_classes);
    match classes.into_iter().flat_map(|classes| classes.iter()).find_map(|class| class.path.rsplit_once('.')) {
        Some((module, class)) => json!({ "module_path": module, "class_name": class }),
        None => json!({ "module_path": "updraft.operators", "class_name": operator }),
    }
}

/// The tasks of a DAG.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TaskCollectionResponse {
    pub(crate) tasks: Vec<TaskResponse>,
    pub(crate) total_entries: u64,
    /// Updraft's: the groups that they are in, outer ones before inner ones.
    pub(crate) task_groups: Vec<TaskGroupResponse>,
}

/// A group of tasks.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TaskGroupResponse {
    group_id: String,
    /// What people see in place of its name.
    group_display_name: Option<String>,
    /// The group around it.
    parent_group_id: Option<String>,
    tooltip: Option<String>,
}

impl TaskGroupResponse {
    /// The groups of a DAG, outer ones before inner ones.
    pub(crate) fn all(dag: &Dag) -> Vec<TaskGroupResponse> {
        let group = |group: &TaskGroup| TaskGroupResponse {
            group_id: group.group_id.clone(),
            group_display_name: group.display_name.clone(),
            parent_group_id: group.parent.clone(),
            tooltip: group.tooltip.clone(),
        };
        dag.groups.iter().map(group).collect()
    }
}
