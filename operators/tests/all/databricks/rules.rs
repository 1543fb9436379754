//! What the APIs of Databricks take: which fields, and of which types.

use serde_json::{Map, Value};

use super::fake::{Reply, error};

/// The type of a field.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Whole,
    Flag,
    Object,
    Objects,
    Texts,
    /// A mapping of texts to texts.
    Mapping,
}

use Kind::{Flag, Mapping, Object, Objects, Text, Texts, Whole};

const TASK: &[(&str, Kind)] = &[
    ("notebook_task", Object),
    ("spark_python_task", Object),
    ("spark_jar_task", Object),
    ("spark_submit_task", Object),
    ("pipeline_task", Object),
    ("dbt_task", Object),
    ("sql_task", Object),
    ("run_job_task", Object),
    ("python_wheel_task", Object),
    ("condition_task", Object),
    ("new_cluster", Object),
    ("existing_cluster_id", Text),
    ("libraries", Objects),
    ("timeout_seconds", Whole),
    ("email_notifications", Object),
];

const ONLY_IN_RUNS: &[(&str, Kind)] = &[
    ("run_name", Text),
    ("tasks", Objects),
    ("job_clusters", Objects),
    ("environments", Objects),
    ("git_source", Object),
    ("access_control_list", Objects),
    ("performance_target", Text),
    ("idempotency_token", Text),
    ("queue", Object),
];

const ONLY_IN_TASKS: &[(&str, Kind)] = &[
    ("task_key", Text),
    ("depends_on", Objects),
    ("job_cluster_key", Text),
    ("description", Text),
    ("run_if", Text),
    ("max_retries", Whole),
    ("min_retry_interval_millis", Whole),
    ("retry_on_timeout", Flag),
];

const PARAMETERS: &[(&str, Kind)] = &[
    ("job_parameters", Mapping),
    ("notebook_params", Mapping),
    ("python_named_params", Mapping),
    ("python_params", Texts),
    ("jar_params", Texts),
    ("spark_submit_params", Texts),
    ("dbt_commands", Texts),
];

/// The fields of the kinds of tasks.
fn fields_of(task: &str) -> &'static [(&'static str, Kind)] {
    match task {
        "notebook_task" => {
            &[("notebook_path", Text), ("base_parameters", Mapping), ("source", Text), ("warehouse_id", Text)]
        }
        "spark_python_task" => &[("python_file", Text), ("parameters", Texts), ("source", Text)],
        "spark_jar_task" => &[("main_class_name", Text), ("parameters", Texts), ("jar_uri", Text)],
        "spark_submit_task" => &[("parameters", Texts)],
        "pipeline_task" => &[("pipeline_id", Text), ("full_refresh", Flag)],
        "dbt_task" => &[
            ("commands", Texts),
            ("project_directory", Text),
            ("warehouse_id", Text),
            ("schema", Text),
            ("source", Text),
        ],
        "sql_task" => &[("warehouse_id", Text), ("query", Object), ("file", Object), ("parameters", Mapping)],
        "run_job_task" => &[("job_id", Whole), ("job_parameters", Mapping)],
        _ => &[],
    }
}

fn malformed(message: &str) -> Reply {
    error(400, "MALFORMED_REQUEST", message)
}

fn fits(value: &Value, kind: Kind) -> bool {
    match kind {
        Text => value.is_string(),
        Whole => value.is_i64() || value.is_u64(),
        Flag => value.is_boolean(),
        Object => value.is_object(),
        Objects => value.as_array().is_some_and(|items| items.iter().all(Value::is_object)),
        Texts => value.as_array().is_some_and(|items| items.iter().all(Value::is_string)),
        Mapping => value.as_object().is_some_and(|entries| entries.values().all(Value::is_string)),
    }
}

fn check(body: &Map<String, Value>, known: &[&[(&str, Kind)]]) -> Result<(), Reply> {
    for (key, value) in body {
        match known.iter().copied().flatten().find(|(name, _)| name == key) {
            None => return Err(malformed(&format!("Could not parse request object: unknown field `{key}`"))),
            Some((_, kind)) if !fits(value, *kind) => {
                return Err(malformed(&format!("Could not parse request object: `{key}` cannot be {value}")));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// No other fields than these.
pub fn only(body: &Map<String, Value>, names: &[&str]) -> Result<(), Reply> {
    match body.keys().find(|key| !names.contains(&key.as_str())) {
        Some(key) => Err(malformed(&format!("Could not parse request object: unknown field `{key}`"))),
        None => Ok(()),
    }
}

fn invalid(message: &str) -> Reply {
    error(400, "INVALID_PARAMETER_VALUE", message)
}

fn check_token(body: &Map<String, Value>) -> Result<(), Reply> {
    match body.get("idempotency_token").and_then(Value::as_str) {
        Some(token) if token.is_empty() || token.len() > 64 => {
            Err(invalid("idempotency_token must have 1 to 64 characters"))
        }
        _ => Ok(()),
    }
}

fn check_kind(body: &Map<String, Value>) -> Result<(), Reply> {
    let given: Vec<&String> = body.keys().filter(|key| key.ends_with("_task")).collect();
    let [kind] = given.as_slice() else {
        return Err(invalid(&format!("One of the task types is required; there are {}", given.len())));
    };
    let fields = fields_of(kind);
    check(body[kind.as_str()].as_object().unwrap(), &[fields])
}

pub fn submit(body: &Map<String, Value>) -> Result<(), Reply> {
    check(body, &[TASK, ONLY_IN_RUNS])?;
    check_token(body)?;
    let Some(tasks) = body.get("tasks").and_then(Value::as_array) else { return check_kind(body) };
    if body.keys().any(|key| key.ends_with("_task")) {
        return Err(invalid("A run has either tasks or one task"));
    }
    for task in tasks {
        let task = task.as_object().unwrap();
        check(task, &[TASK, ONLY_IN_TASKS])?;
        check_kind(task)?;
        if !task.contains_key("task_key") {
            return Err(invalid("task_key is required"));
        }
    }
    Ok(())
}

pub fn run_now(body: &Map<String, Value>) -> Result<(), Reply> {
    let own: &[(&str, Kind)] =
        &[("job_id", Whole), ("idempotency_token", Text), ("queue", Object), ("performance_target", Text)];
    check(body, &[PARAMETERS, own])?;
    check_token(body)?;
    if !body.contains_key("job_id") {
        return Err(invalid("job_id is required"));
    }
    Ok(())
}

pub fn repair(body: &Map<String, Value>) -> Result<(), Reply> {
    let own: &[(&str, Kind)] = &[
        ("run_id", Whole),
        ("rerun_tasks", Texts),
        ("rerun_all_failed_tasks", Flag),
        ("rerun_dependent_tasks", Flag),
        ("latest_repair_id", Whole),
    ];
    check(body, &[PARAMETERS, own])
}

pub fn statement(body: &Map<String, Value>) -> Result<(), Reply> {
    let known: &[(&str, Kind)] = &[
        ("statement", Text),
        ("warehouse_id", Text),
        ("catalog", Text),
        ("schema", Text),
        ("parameters", Objects),
        ("row_limit", Whole),
        ("disposition", Text),
        ("format", Text),
        ("wait_timeout", Text),
        ("on_wait_timeout", Text),
    ];
    check(body, &[known])?;
    for required in ["statement", "warehouse_id"] {
        if !body.contains_key(required) {
            return Err(invalid(&format!("{required} is required")));
        }
    }
    let wait = body.get("wait_timeout").and_then(Value::as_str).unwrap_or("10s");
    let seconds: u32 = wait.strip_suffix('s').and_then(|seconds| seconds.parse().ok()).unwrap_or(99);
    if seconds != 0 && !(5..=50).contains(&seconds) {
        return Err(invalid("wait_timeout must be 0s, or between 5s and 50s"));
    }
    for parameter in body.get("parameters").and_then(Value::as_array).into_iter().flatten() {
        check(parameter.as_object().unwrap(), &[&[("name", Text), ("value", Text), ("type", Text)]])?;
    }
    Ok(())
}

pub fn make_folder(body: &Map<String, Value>) -> Result<(), Reply> {
    check(body, &[&[("path", Text)]])?;
    absolute(body)
}

pub fn import(body: &Map<String, Value>) -> Result<(), Reply> {
    let known: &[(&str, Kind)] =
        &[("path", Text), ("format", Text), ("language", Text), ("content", Text), ("overwrite", Flag)];
    check(body, &[known])?;
    let says =
        |key: &str, words: &[&str]| body.get(key).and_then(Value::as_str).is_some_and(|word| words.contains(&word));
    if !says("format", &["SOURCE", "HTML", "JUPYTER", "DBC", "AUTO"]) || !body.contains_key("content") {
        return Err(invalid("format and content are required"));
    }
    if says("format", &["SOURCE"]) && !says("language", &["SCALA", "PYTHON", "SQL", "R"]) {
        return Err(invalid("language is required"));
    }
    absolute(body)
}

fn absolute(body: &Map<String, Value>) -> Result<(), Reply> {
    match body.get("path").and_then(Value::as_str) {
        Some(path) if path.starts_with('/') && !path.ends_with('/') => Ok(()),
        _ => Err(invalid("path must be absolute")),
    }
}
