//! What a run is given: the DAG's params, with what the person who triggered it passed laid over them.

use std::collections::BTreeMap;

use jsonschema::Validator;
use serde_json::{Map, Value};

use super::{Dag, Param, Task};

/// A param that does not hold what its schema asks for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("param `{name}` {message}")]
pub struct ParamProblem {
    /// The param.
    pub name: String,
    /// What is wrong with its value, to be read after the name.
    pub message: String,
}

/// The params of a run: the DAG's defaults with `conf` over them (Airflow 3: `dag_run_conf_overrides_params`).
///
/// Keys of `conf` that are no param are passed on as they are. Returns every problem, not the first one.
pub fn merge_and_validate(dag: &Dag, conf: &Map<String, Value>) -> Result<Map<String, Value>, Vec<ParamProblem>> {
    fill_in(&dag.params, conf)
}

/// The params of a task: those of the run, with what the task's own say over the DAG's, and `conf` over both (Airflow 3).
pub fn of_task(dag: &Dag, task: &Task, conf: &Map<String, Value>) -> Result<Map<String, Value>, Vec<ParamProblem>> {
    let mut params = dag.params.clone();
    params.extend(task.params.clone());
    fill_in(&params, conf)
}

/// The defaults of `params` with `given` over them; keys that are no param are passed on as they are.
pub fn fill_in(
    params: &BTreeMap<String, Param>,
    given: &Map<String, Value>,
) -> Result<Map<String, Value>, Vec<ParamProblem>> {
    let mut merged = Map::new();
    let mut problems = Vec::new();
    for (name, param) in params {
        match given.get(name).or(param.default.as_ref()) {
            Some(value) => {
                let complaints = complaints(param, value);
                problems.extend(complaints.into_iter().map(|message| ParamProblem { name: name.clone(), message }));
                merged.insert(name.clone(), value.clone());
            }
            None => problems
                .push(ParamProblem { name: name.clone(), message: "has no default, so it must be given".to_owned() }),
        }
    }
    for (name, value) in given {
        if !merged.contains_key(name) {
            merged.insert(name.clone(), value.clone());
        }
    }
    if problems.is_empty() { Ok(merged) } else { Err(problems) }
}

/// The same without a look at the schemas: what a run holds, or a task of it, whether it should or not.
pub fn merge(dag: &Dag, task: Option<&Task>, conf: &Map<String, Value>) -> Map<String, Value> {
    let written = dag.params.iter().chain(task.into_iter().flat_map(|task| &task.params));
    let mut merged: Map<String, Value> =
        written.filter_map(|(name, param)| Some((name.clone(), param.default.clone()?))).collect();
    merged.extend(conf.clone());
    merged
}

/// The types of JSON.
const TYPES: &[&str] = &["string", "number", "integer", "boolean", "array", "object", "null"];

/// The param that a value under a name stands for: a JSON Schema with its default, or the default itself.
///
/// # Errors
/// When the schema is not one, or the default does not fit; to be read after the name of the param.
pub fn read(written: &Value) -> Result<Param, String> {
    let Some(schema) = written.as_object().filter(|mapping| is_schema(mapping)) else {
        return Ok(Param { default: Some(written.clone()), description: None, schema: Map::new() });
    };
    let param = of_schema(schema.clone());
    validator(&param.schema).map_err(|why| format!("has a JSON Schema that is not one: {why}"))?;
    match param.default.as_ref().and_then(|default| complaints(&param, default).into_iter().next()) {
        Some(complaint) => Err(format!("has a default that {complaint}")),
        None => Ok(param),
    }
}

/// A schema, taken apart.
pub(super) fn of_schema(mut schema: Map<String, Value>) -> Param {
    let default = schema.shift_remove("default");
    let description = match schema.shift_remove("description") {
        Some(Value::String(text)) => Some(text),
        Some(other) => Some(other.to_string()),
        None => None,
    };
    Param { default, description, schema }
}

/// A mapping is a schema when it says a JSON type, lists choices, or has a default.
pub(super) fn is_schema(mapping: &Map<String, Value>) -> bool {
    let names_type = |value: &Value| match value {
        Value::String(name) => TYPES.contains(&name.as_str()),
        Value::Array(names) => names.iter().all(|name| name.as_str().is_some_and(|name| TYPES.contains(&name))),
        _ => false,
    };
    mapping.get("type").is_some_and(names_type)
        || mapping.get("enum").is_some_and(Value::is_array)
        || ["default", "const", "anyOf", "oneOf", "allOf", "$ref"].iter().any(|word| mapping.contains_key(*word))
}

/// What is wrong with `value` as a value of `param`, each to be read after the name of the param.
pub(super) fn complaints(param: &Param, value: &Value) -> Vec<String> {
    match validator(&param.schema) {
        Ok(validator) => validator
            .iter_errors(value)
            .map(|error| match error.instance_path().as_str() {
                "" => format!("does not fit: {error}"),
                path => format!("does not fit at `{path}`: {error}"),
            })
            .collect(),
        Err(message) => vec![format!("has a schema that is not one: {message}")],
    }
}

/// JSON Schema 2020-12 with its formats checked (Airflow 3: Draft202012Validator with a format checker).
pub(super) fn validator(schema: &Map<String, Value>) -> Result<Validator, String> {
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .should_validate_formats(true)
        .build(&Value::Object(schema.clone()))
        .map_err(|error| error.to_string())
}
