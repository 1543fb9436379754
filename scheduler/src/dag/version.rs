//! Which DAG files mean the same: a DAG written out in full, and the hash of that.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::asset::Asset;
use super::callback::{DagCallbacks, Deadline, DeadlineReference};
use super::spec::read_callbacks::{callback_document, list_document};
use super::spec::read_mapping::written;
use super::timetable::{Catchup, CatchupMode};
use super::{Dag, Mapping, Param, PastDependency, RetryAction, RetryRule, Task, TaskGroup, TaskRole};
use crate::operator::CallbackKind;

/// The DAG with everything written out, in the grammar of DAG files: loading it gives the same DAG again.
///
/// Comments, formatting, the order of keys, aliases and which defaults were left out do not show in it.
pub fn document(dag: &Dag) -> Value {
    let mut document = head_document(dag);
    if let Some(entries) = document.as_object_mut() {
        entries.extend(callbacks_document(&dag.callbacks));
        entries.extend(rare_document(dag));
    }
    document
}

fn head_document(dag: &Dag) -> Value {
    let tasks: Vec<Value> = dag
        .tasks()
        .map(|(index, task)| {
            let mut upstream: Vec<&str> = dag.upstream(index).map(|index| dag.task(index).task_id.as_str()).collect();
            upstream.sort_unstable();
            task_document(task, &upstream, &dag.default_args)
        })
        .collect();
    json!({
        "dag_id": dag.dag_id,
        "description": dag.description,
        "doc_md": dag.doc_md,
        "schedule": dag.schedule.document(),
        "timezone": dag.timezone.name(),
        "start_date": dag.start_date.map(instant),
        "end_date": dag.end_date.map(instant),
        "catchup": catchup(dag.runs.catchup),
        "max_active_runs": dag.runs.max_active_runs,
        "max_active_tasks": dag.runs.max_active_tasks,
        "is_paused_upon_creation": dag.runs.is_paused_upon_creation,
        "dagrun_timeout": dag.runs.dagrun_timeout.map(seconds),
        "max_consecutive_failed_dag_runs": dag.runs.max_consecutive_failed_dag_runs,
        "tags": dag.tags,
        "owner": dag.owner,
        "params": params_document(&dag.params),
        "default_args": dag.default_args,
        "fail_fast": dag.runs.fail_fast,
        "task_groups": dag.groups.iter().map(group_document).collect::<Vec<_>>(),
        "tasks": tasks,
    })
}

/// The SHA-256, in lower-case hexadecimal, of what a [`document`] means: the order of keys and of tasks does not matter,
/// nor does `default_args`, because the tasks hold what follows from it.
pub fn hash(document: &Value) -> String {
    let mut meaning = canonical(document);
    if let Some(entries) = meaning.as_object_mut() {
        entries.shift_remove("default_args");
        for (list, id) in [("tasks", "task_id"), ("task_groups", "group_name")] {
            if let Some(items) = entries.get_mut(list).and_then(Value::as_array_mut) {
                items.sort_by_cached_key(|item| item.get(id).and_then(Value::as_str).unwrap_or_default().to_owned());
            }
        }
    }
    let digest = Sha256::digest(meaning.to_string().as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn params_document(params: &BTreeMap<String, Param>) -> Value {
    params.iter().map(|(name, param)| (name.clone(), param_document(param))).collect::<Map<_, _>>().into()
}

fn task_document(task: &Task, upstream: &[&str], default_args: &Map<String, Value>) -> Value {
    let mut entries = Map::new();
    let mut put = |key: &str, value: Value| entries.insert(key.to_owned(), value);
    put("task_id", json!(task.task_id));
    put("operator", json!(task.operator));
    put("dependencies", json!(upstream));
    put("trigger_rule", json!(task.trigger_rule));
    put("retries", json!(task.retries));
    put("retry_delay", seconds(task.retry_delay));
    put("retry_exponential_backoff", number(task.retry_exponential_backoff));
    put("max_retry_delay", json!(task.max_retry_delay.map(seconds)));
    put("execution_timeout", json!(task.execution_timeout.map(seconds)));
    put("priority_weight", json!(task.priority_weight));
    put("weight_rule", json!(task.weight_rule));
    put("pool", json!(task.pool));
    put("pool_slots", json!(task.pool_slots));
    put("max_active_tis_per_dag", json!(task.max_active_tis_per_dag));
    put("max_active_tis_per_dagrun", json!(task.max_active_tis_per_dagrun));
    put("queue", json!(task.queue));
    put("owner", json!(task.owner));
    put("doc_md", json!(task.doc_md));
    for kind in CallbackKind::ALL {
        let callbacks = task.callbacks.of(kind);
        if !callbacks.is_empty() || default_args.contains_key(kind.word()) {
            put(kind.word(), list_document(callbacks));
        }
    }
    if !task.email.is_empty() || default_args.contains_key("email") {
        // The callbacks that it stands for are written out above.
        put("email", if task.email.is_empty() { Value::Null } else { json!(task.email) });
        put("email_on_failure", json!(false));
        put("email_on_retry", json!(false));
    }
    put("outlets", outlets(task));
    put("inlets", assets(&task.inlets));
    // As if absent, where that says the same: what was kept of versions before there were these keys means the same.
    for (key, value, usual) in
        [("do_xcom_push", task.answer.is_kept, true), ("multiple_outputs", task.answer.is_split, false)]
    {
        if value != usual || default_args.contains_key(key) {
            put(key, json!(value));
        }
    }
    if task.past_before_skipping || default_args.contains_key("wait_for_past_depends_before_skipping") {
        put("wait_for_past_depends_before_skipping", json!(task.past_before_skipping));
    }
    if task.ignores_first_past || default_args.contains_key("ignore_first_depends_on_past") {
        put("ignore_first_depends_on_past", json!(task.ignores_first_past));
    }
    if !task.params.is_empty() {
        put("params", params_document(&task.params));
    }
    if let Some(name) = &task.display_name {
        put("task_display_name", json!(name));
    }
    for (key, date) in [("start_date", task.start_date), ("end_date", task.end_date)] {
        if let Some(date) = date {
            put(key, json!(instant(date)));
        }
    }
    put("task_group_name", json!(task.group));
    put("depends_on_past", json!(task.past != PastDependency::None));
    put("wait_for_downstream", json!(task.past == PastDependency::ItselfAndDownstream));
    put("is_setup", json!(task.role == TaskRole::Setup));
    put("is_teardown", json!(matches!(task.role, TaskRole::Teardown { .. })));
    put("on_failure_fail_dagrun", json!(task.role == TaskRole::Teardown { fails_run: true }));
    put("map_index_template", json!(task.map_index_template));
    put("retry_policy", task.retry_policy.iter().map(retry_rule).collect());
    entries.extend(task.mapping.as_ref().map(mapping_document));
    entries.extend(task.args.clone());
    Value::Object(entries)
}

/// What few DAGs say, as far as this one does: what was kept of versions before there were these keys means the same.
fn rare_document(dag: &Dag) -> Map<String, Value> {
    let mut entries = Map::new();
    if let Some(name) = &dag.display_name {
        entries.insert("dag_display_name".to_owned(), json!(name));
    }
    if !dag.owner_links.is_empty() {
        entries.insert("owner_links".to_owned(), json!(dag.owner_links));
    }
    if !dag.template_searchpath.is_empty() {
        entries.insert("template_searchpath".to_owned(), json!(dag.template_searchpath));
    }
    if let Some(types) = &dag.runs.allowed_run_types {
        entries.insert("allowed_run_types".to_owned(), types.iter().map(|kind| kind.word()).collect());
    }
    if let Some(wanted) = dag.runs.rerun_with_latest_version {
        entries.insert("rerun_with_latest_version".to_owned(), json!(wanted));
    }
    entries
}

/// What runs tell whom, as far as they tell anything.
fn callbacks_document(callbacks: &DagCallbacks) -> Map<String, Value> {
    let mut entries = Map::new();
    for kind in [CallbackKind::OnSuccess, CallbackKind::OnFailure] {
        if !callbacks.of(kind).is_empty() {
            entries.insert(kind.word().to_owned(), list_document(callbacks.of(kind)));
        }
    }
    if !callbacks.deadlines.is_empty() {
        let deadlines = callbacks.deadlines.iter().map(deadline_document).collect();
        entries.insert(CallbackKind::Deadline.word().to_owned(), deadlines);
    }
    entries
}

fn deadline_document(deadline: &Deadline) -> Value {
    let mut entries = Map::new();
    let mut put = |key: &str, value: Value| entries.insert(key.to_owned(), value);
    put("reference", json!(deadline.reference.word()));
    put("interval", number(deadline.interval.as_seconds_f64()));
    put("callback", callback_document(&deadline.callback));
    if let Some(name) = &deadline.name {
        put("name", json!(name));
    }
    match &deadline.reference {
        DeadlineReference::Fixed(at) => {
            put("datetime", json!(instant(*at)));
        }
        DeadlineReference::AverageRuntime { max_runs, min_runs } => {
            put("max_runs", json!(max_runs));
            put("min_runs", json!(min_runs));
        }
        DeadlineReference::LogicalDate | DeadlineReference::QueuedAt => (),
    }
    Value::Object(entries)
}

/// A group with its id for its name, so that nothing more is put before the ids of what is in it.
fn group_document(group: &TaskGroup) -> Value {
    let mut entries = Map::new();
    entries.insert("group_name".to_owned(), json!(group.group_id));
    entries.insert("parent_group_name".to_owned(), json!(group.parent));
    entries.insert("prefix_group_id".to_owned(), json!(false));
    entries.insert("tooltip".to_owned(), json!(group.tooltip));
    if let Some(name) = &group.display_name {
        entries.insert("group_display_name".to_owned(), json!(name));
    }
    entries.extend(group.mapping.as_ref().map(mapping_document));
    Value::Object(entries)
}

/// Arguments as a list, because the order of keys in a mapping is nobody's promise, and here it means something.
fn mapping_document(mapping: &Mapping) -> (String, Value) {
    match mapping {
        Mapping::Kwargs(values) => ("expand_kwargs".to_owned(), written(values)),
        Mapping::Product(arguments) => {
            let argument = |(name, values): &(String, _)| Map::from_iter([(name.clone(), written(values))]);
            ("expand".to_owned(), arguments.iter().map(argument).collect())
        }
    }
}

fn retry_rule(rule: &RetryRule) -> Value {
    let (action, delay) = match rule.action {
        RetryAction::Retry { delay } => ("retry", delay),
        RetryAction::Fail => ("fail", None),
    };
    json!({
        "exit_code": (!rule.exit_codes.is_empty()).then_some(&rule.exit_codes),
        "error": rule.error,
        "action": action,
        "retry_delay": delay.map(seconds),
    })
}

/// A param as the schema that it is; one that takes anything says so with a list of all types.
fn param_document(param: &Param) -> Value {
    let mut entries = param.schema.clone();
    if let Some(description) = &param.description {
        entries.insert("description".to_owned(), json!(description));
    }
    match &param.default {
        Some(default) => {
            entries.insert("default".to_owned(), default.clone());
        }
        None if !entries.contains_key("type") => {
            let all = json!(["string", "number", "integer", "boolean", "array", "object", "null"]);
            entries.insert("type".to_owned(), all);
        }
        None => (),
    }
    Value::Object(entries)
}

/// What Airflow's word says, or the policy in full.
fn catchup(catchup: Catchup) -> Value {
    let mode = match catchup.mode {
        CatchupMode::None => "none",
        CatchupMode::Latest => "latest",
        CatchupMode::All => "all",
    };
    match (catchup.mode, catchup.window) {
        (CatchupMode::Latest, None) => json!(false),
        (CatchupMode::All, None) => json!(true),
        (_, None) => json!({ "mode": mode }),
        (_, Some(window)) => json!({ "mode": mode, "window": seconds(window) }),
    }
}

fn assets(assets: &[Asset]) -> Value {
    Value::Array(assets.iter().map(Asset::document).collect())
}

fn outlets(task: &Task) -> Value {
    let aliases = task.outlet_aliases.iter().map(|alias| json!({ "alias": alias }));
    Value::Array(task.outlets.iter().map(Asset::document).chain(aliases).collect())
}

fn instant(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

fn seconds(duration: Duration) -> Value {
    number(duration.as_secs_f64())
}

/// Whole numbers without a point, so that `5m`, `300` and `300.0` are one.
fn number(value: f64) -> Value {
    // Up to 2^53 the cast is exact.
    #[allow(clippy::cast_possible_truncation, clippy::float_cmp)]
    if value.trunc() == value && value.abs() < 9e15 { json!(value as i64) } else { json!(value) }
}

/// The same value with the keys of every mapping in order.
fn canonical(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(canonical).collect()),
        Value::Object(entries) => {
            let mut keys: Vec<&String> = entries.keys().collect();
            keys.sort();
            let sorted: Map<String, Value> =
                keys.into_iter().map(|key| (key.clone(), canonical(&entries[key.as_str()]))).collect();
            Value::Object(sorted)
        }
        other => other.clone(),
    }
}
