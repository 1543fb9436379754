//! Requests that start runs, from what people write: raw `json`, with the named arguments laid over it.

use serde_json::{Map, Value};

/// Mappings whose values are texts for Databricks, wherever they stand.
const TEXT_MAPPINGS: [&str; 5] =
    ["base_parameters", "notebook_params", "job_parameters", "python_named_params", "named_parameters"];

/// Lists of texts.
const TEXT_LISTS: [&str; 5] = ["parameters", "jar_params", "python_params", "spark_submit_params", "dbt_commands"];

/// Lays named arguments over raw JSON, key by key (Airflow 3: named parameters take precedence); what is not given is left
/// out, and parameters become texts.
pub(super) fn merged(
    json: Map<String, Value>,
    named: impl IntoIterator<Item = (&'static str, Value)>,
) -> Map<String, Value> {
    let mut body = json;
    for (key, value) in named {
        if !value.is_null() {
            body.insert(key.to_owned(), value);
        }
    }
    spell(&mut body);
    if let Some(Value::Array(tasks)) = body.get_mut("tasks") {
        tasks.iter_mut().filter_map(Value::as_object_mut).for_each(spell);
    }
    body
}

/// A value as it goes into a request; what is not there is null.
pub(super) fn value<T: serde::Serialize>(given: Option<T>) -> Value {
    // What people wrote is JSON, and nothing else comes of it.
    serde_json::to_value(given).unwrap_or_default()
}

/// Makes texts of the parameters of a task, or of a run.
fn spell(entries: &mut Map<String, Value>) {
    for (key, value) in entries.iter_mut() {
        match value {
            Value::Object(inner) if TEXT_MAPPINGS.contains(&key.as_str()) || key == "parameters" => {
                inner.values_mut().for_each(to_text);
            }
            Value::Array(items) if TEXT_LISTS.contains(&key.as_str()) => items.iter_mut().for_each(to_text),
            Value::Object(inner) if key.ends_with("_task") => spell(inner),
            _ => {}
        }
    }
}

fn to_text(value: &mut Value) {
    match value {
        Value::String(_) | Value::Object(_) | Value::Array(_) => {}
        Value::Null => *value = Value::String(String::new()),
        Value::Number(_) | Value::Bool(_) => *value = Value::String(value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn named_arguments_win_over_raw_json_key_by_key() {
        let json = object(&json!({ "run_name": "raw", "existing_cluster_id": "raw", "timeout_seconds": 5 }));
        let named = [("run_name", json!("named")), ("timeout_seconds", Value::Null)];
        let body = merged(json, named);
        assert_eq!(
            Value::Object(body),
            json!({ "run_name": "named", "existing_cluster_id": "raw", "timeout_seconds": 5 })
        );
    }

    #[test]
    fn parameters_become_texts_wherever_they_stand() {
        let json = object(&json!({
            "notebook_task": { "notebook_path": "/a", "base_parameters": { "Variable": 5, "dry": true, "day": "x", "no": null } },
            "timeout_seconds": 60,
            "tasks": [{ "task_key": "a", "spark_python_task": { "python_file": "f", "parameters": ["--n", 3] } }],
        }));
        assert_eq!(
            Value::Object(merged(json, [])),
            json!({
                "notebook_task": { "notebook_path": "/a", "base_parameters": { "Variable": "5", "dry": "true", "day": "x", "no": "" } },
                "timeout_seconds": 60,
                "tasks": [{ "task_key": "a", "spark_python_task": { "python_file": "f", "parameters": ["--n", "3"] } }],
            })
        );
    }
}
