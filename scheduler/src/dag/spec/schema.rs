//! The JSON Schema of DAG files, with which editors complete and check.
//!
//! It says what the loader says as far as a JSON Schema can: which keys there are, what they hold, which arguments each
//! operator has and needs. What only the loader can tell (cycles, dates that never come, templates) stays with it; the
//! schema never refuses what the loader takes, save for keys that are there to say nothing (`expand: null`).

use serde_json::{Map, Value, json};

use super::callback_schema::{self, NotifierParts};
use super::key_schema::key_schema;
use super::keys::{DAG_KEYS, DAG_KEYS_IN_DEFAULT_ARGS, Key, Kind, NOT_IN_DEFAULT_ARGS, TASK_KEYS};
use super::operator_schema::{self, Form, OperatorParts, alike};
use super::read_task::EMAIL;
use super::refused::{REFUSED_IN_DAGS, REFUSED_IN_TASKS, Refused};
use super::schedule;
use crate::operator::Registry;

/// The JSON Schema (draft 2020-12) of DAG files in both spellings, with the operators of `registry`.
pub fn schema_for_dag_files(registry: &Registry) -> Value {
    let operators = registry.iter().map(|operator| operator.schema.as_value());
    let shared = alike(operators.chain(registry.notifiers().map(|notifier| notifier.schema.as_value())));
    let operators: Vec<OperatorParts> =
        registry.iter().map(|operator| operator_schema::parts(operator, &shared)).collect();
    let notifiers: Vec<NotifierParts> =
        registry.notifiers().map(|notifier| callback_schema::parts(notifier, &shared)).collect();
    let mut defs = Map::new();
    for notifier in &notifiers {
        defs.extend(notifier.defs.clone());
    }
    defs.insert("callback".to_owned(), callback_schema::callback(&notifiers));
    defs.insert("deadline".to_owned(), callback_schema::deadline());
    defs.insert("template".to_owned(), operator_schema::template());
    defs.extend(schedule::definitions());
    for operator in &operators {
        for form in &operator.forms {
            defs.insert(format!("is.{}", form.title), form.is_meant());
            defs.insert(format!("task.{}", form.title), task_of(operator, form));
        }
        defs.extend(operator.defs.clone());
    }
    for key in TASK_KEYS {
        defs.insert(format!("key.{}", key.name), key_schema(key));
    }
    for key in REFUSED_IN_TASKS {
        defs.extend(harmless(key).map(|schema| (format!("harmless.{}", key.name), schema)));
    }
    defs.insert("operator".to_owned(), operator_key(&operators));
    defs.insert("given_elsewhere".to_owned(), given_elsewhere());
    defs.insert("task".to_owned(), task(&operators));
    defs.insert("default_args".to_owned(), default_args(&operators));
    defs.insert("dag".to_owned(), dag());
    defs.insert("complete_dag".to_owned(), complete_dag(&operators));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Updraft DAG file",
        "description": "One DAG, or several DAGs keyed by their ids with an optional `default` block under each of them.",
        "type": "object",
        "if": { "anyOf": [{ "required": ["default"] }, holds_dags()] },
        "then": keyed(),
        "else": { "$ref": "#/$defs/complete_dag" },
        "$defs": defs,
    })
}

/// Some value other than that of `tasks` is itself a DAG.
fn holds_dags() -> Value {
    let no_dag = json!({ "not": { "type": "object", "required": ["tasks"] } });
    json!({ "not": { "properties": { "tasks": true }, "patternProperties": { "^x-": true }, "additionalProperties": no_dag } })
}

fn keyed() -> Value {
    let default = json!({
        "description": "Laid under every DAG of the file: mappings merge key by key, anything else fills what is absent.",
        "anyOf": [{ "type": "null" }, { "$ref": "#/$defs/dag" }],
    });
    let dags = |kind: &str| {
        json!({
            "properties": { "default": default },
            "patternProperties": { "^x-": { "description": "For anchors; the loader passes it by." } },
            "additionalProperties": { "$ref": format!("#/$defs/{kind}") },
        })
    };
    json!({ "if": { "required": ["default"] }, "then": dags("dag"), "else": dags("complete_dag") })
}

/// A DAG of which parts may stand in the `default` block.
fn dag() -> Value {
    let mut properties = Map::new();
    for key in DAG_KEYS {
        let schema = match key.kind {
            Kind::DefaultArgs => {
                described(key, json!({ "anyOf": [{ "type": "null" }, { "$ref": "#/$defs/default_args" }] }))
            }
            Kind::Tasks => described(
                key,
                json!({
                    "anyOf": [
                        { "type": "array", "items": { "$ref": "#/$defs/task" } },
                        { "type": "object", "additionalProperties": { "$ref": "#/$defs/task" } },
                        { "type": "null" },
                    ],
                }),
            ),
            _ => key_schema(key),
        };
        properties.insert(key.name.to_owned(), schema);
    }
    add_harmless(&mut properties, REFUSED_IN_DAGS);
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

/// A DAG that stands by itself, so that nothing may be missing.
fn complete_dag(operators: &[OperatorParts]) -> Value {
    let mut rules = vec![
        json!({ "$ref": "#/$defs/dag" }),
        json!({ "required": ["tasks"] }),
        json!({
            "properties": {
                "tasks": {
                    "items": { "required": ["task_id", "operator"] },
                    "additionalProperties": { "required": ["operator"] },
                },
            },
        }),
    ];
    for form in operators.iter().flat_map(|operator| &operator.forms) {
        for names in &form.required {
            rules.push(argument_is_there(form, names));
        }
    }
    json!({ "type": "object", "allOf": rules })
}

/// What `default_args` gives, tasks need not.
fn argument_is_there(form: &Form, names: &[String]) -> Value {
    let by_default = match names {
        [name] => json!({ "required": [name] }),
        names => json!({ "anyOf": names.iter().map(|name| json!({ "required": [name] })).collect::<Vec<_>>() }),
    };
    let given = json!({ "required": ["default_args"], "properties": { "default_args": by_default } });
    let elsewhere = json!({ "$ref": "#/$defs/given_elsewhere" });
    let places = names.iter().map(|name| json!({ "required": [name] })).chain([elsewhere]);
    let task = json!({ "if": is_meant(form), "then": { "anyOf": places.collect::<Vec<_>>() } });
    json!({
        "if": given,
        "else": { "properties": { "tasks": { "items": task, "additionalProperties": task } } },
    })
}

/// A mapped task is given arguments by what it is mapped over, a task in a group perhaps by the group's `default_args`.
fn given_elsewhere() -> Value {
    let keys = ["expand", "expand_kwargs", "partial", "task_group_name"];
    json!({ "anyOf": keys.map(|key| json!({ "required": [key] })) })
}

/// The condition under which a task is written in a form.
fn is_meant(form: &Form) -> Value {
    json!({ "$ref": format!("#/$defs/is.{}", form.title) })
}

/// Any task: its operator says which keys it has.
fn task(operators: &[OperatorParts]) -> Value {
    let by_operator: Vec<Value> = operators
        .iter()
        .flat_map(|operator| &operator.forms)
        .map(|form| json!({ "if": is_meant(form), "then": { "$ref": format!("#/$defs/task.{}", form.title) } }))
        .collect();
    let mut keys = task_keys();
    let email = keys.shift_remove(EMAIL).map(|addresses| addresses_alone(operators, &addresses));
    json!({
        "type": "object",
        "properties": keys,
        "allOf": by_operator.into_iter().chain(email).collect::<Vec<_>>(),
    })
}

/// What any task has as its `email`, unless its operator has an argument of that name.
fn addresses_alone(operators: &[OperatorParts], addresses: &Value) -> Value {
    let forms = operators.iter().flat_map(|operator| &operator.forms).filter(|form| form.arguments.contains_key(EMAIL));
    let with_argument: Vec<Value> = forms.map(is_meant).collect();
    let rule = json!({ "properties": { (EMAIL): addresses } });
    if with_argument.is_empty() { rule } else { json!({ "if": { "anyOf": with_argument }, "else": rule }) }
}

/// What a task with a certain operator has, in one of its forms, beside what any task has.
///
/// The keys of any task are described by [`task`]; here they are only let pass, by a pattern, because editors heed no
/// `unevaluatedProperties`.
fn task_of(operator: &OperatorParts, form: &Form) -> Value {
    let mut properties = Map::new();
    for key in REFUSED_IN_TASKS.iter().filter(|key| harmless(key).is_some()) {
        properties.insert(key.name.to_owned(), json!({ "$ref": format!("#/$defs/harmless.{}", key.name) }));
    }
    properties.extend(form.arguments.clone());
    if let Some(argument) = properties.get_mut(EMAIL) {
        let addresses = json!({ "$ref": format!("#/$defs/key.{EMAIL}") });
        *argument = json!({ "anyOf": [argument.take(), addresses] });
    }
    let mut schema = json!({
        "title": form.title,
        "description": operator.summary,
        "type": "object",
        "properties": properties,
    });
    if operator.is_closed {
        let names: Vec<&str> = TASK_KEYS.iter().map(|key| key.name).collect();
        schema["patternProperties"] = json!({ format!("^({})$", names.join("|")): true });
        schema["additionalProperties"] = Value::Bool(false);
    }
    schema
}

fn task_keys() -> Map<String, Value> {
    TASK_KEYS
        .iter()
        .map(|key| {
            let target = if key.kind == Kind::Operator { "operator".to_owned() } else { format!("key.{}", key.name) };
            (key.name.to_owned(), json!({ "$ref": format!("#/$defs/{target}") }))
        })
        .collect()
}

fn operator_key(operators: &[OperatorParts]) -> Value {
    let names: Vec<Value> = operators
        .iter()
        .map(|operator| json!({ "const": operator.name, "description": operator.summary }))
        .chain(operators.iter().filter_map(OperatorParts::airflow_pattern).map(|pattern| json!({ "pattern": pattern })))
        .collect();
    let summary = TASK_KEYS.iter().find(|key| key.kind == Kind::Operator).map_or("", |key| key.summary);
    json!({ "description": summary, "type": "string", "anyOf": names })
}

fn default_args(operators: &[OperatorParts]) -> Value {
    let mut properties = Map::new();
    // An argument is checked with its operator; here any value that one of them could take is let pass.
    for operator in operators {
        properties.extend(operator.argument_names().map(|name| (name.clone(), Value::Bool(true))));
    }
    add_harmless(&mut properties, REFUSED_IN_TASKS);
    for key in TASK_KEYS.iter().filter(|key| !NOT_IN_DEFAULT_ARGS.contains(&key.name)) {
        properties.insert(key.name.to_owned(), json!({ "$ref": format!("#/$defs/key.{}", key.name) }));
    }
    for key in DAG_KEYS.iter().filter(|key| DAG_KEYS_IN_DEFAULT_ARGS.contains(&key.name)) {
        properties.insert(key.name.to_owned(), key_schema(key));
    }
    let any_goes = operators.iter().any(|operator| !operator.is_closed);
    json!({ "type": "object", "properties": properties, "additionalProperties": any_goes })
}

/// Keys of Airflow's that may be there as long as they ask for nothing.
fn add_harmless(properties: &mut Map<String, Value>, refused: &[Refused]) {
    properties.extend(refused.iter().filter_map(|key| Some((key.name.to_owned(), harmless(key)?))));
}

/// The values with which a key of Airflow's asks for nothing, if there are any.
fn harmless(key: &Refused) -> Option<Value> {
    let harmless: Value = serde_json::from_str(key.harmless?).ok()?;
    let description = format!("Airflow's, and not served: {}.", key.help);
    Some(json!({ "enum": [harmless, null], "description": description }))
}

/// The description and the default of a key, on its schema.
pub(super) fn described(key: &Key, mut schema: Value) -> Value {
    schema["description"] = Value::from(key.summary);
    if let Ok(default) = serde_json::from_str::<Value>(key.default) {
        schema["default"] = default;
    }
    schema
}
