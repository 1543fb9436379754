//! The part of the schema of DAG files that is about callbacks and deadlines.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::operator_schema::{self, airflow_pattern};
use super::read_deadlines::REFERENCES;
use crate::operator::ErasedNotifier;

/// What the schema of DAG files takes from one notifier.
pub(super) struct NotifierParts {
    /// The definitions that stand for it: its arguments, and what they refer to.
    pub defs: Map<String, Value>,
    /// A callback that uses it by its name.
    named: Value,
    /// A callback that uses it by Airflow's class.
    by_class: Option<Value>,
}

/// Takes a notifier's schema apart; `shared` are the definitions that need no names of its own.
pub(super) fn parts(notifier: &ErasedNotifier, shared: &BTreeSet<String>) -> NotifierParts {
    let own = format!("notifier.{}", notifier.name);
    let fitted = operator_schema::arguments(&own, notifier.schema.as_value(), shared);
    let mut defs = fitted.defs;
    let mut arguments = json!({
        "title": notifier.name,
        "description": notifier.summary,
        "type": "object",
        "properties": fitted.arguments,
        "required": fitted.required,
    });
    let class = airflow_pattern(notifier.airflow_classes).map(|pattern| {
        let mut properties = fitted.arguments.clone();
        properties.insert("callback".to_owned(), json!({ "type": "string", "pattern": pattern }));
        let mut required = vec!["callback".to_owned()];
        required.extend(fitted.required.iter().cloned());
        json!({
            "description": notifier.summary,
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": !fitted.is_closed,
        })
    });
    if fitted.is_closed {
        arguments["additionalProperties"] = Value::Bool(false);
    }
    let mut values = vec![json!({ "$ref": format!("#/$defs/{own}") })];
    values.extend(notifier.plain.and_then(|plain| fitted.arguments.get(plain)).cloned());
    if fitted.required.is_empty() {
        values.push(json!({ "type": "null" }));
    }
    defs.insert(own, arguments);
    let named = json!({
        "type": "object",
        "properties": { notifier.name: { "description": notifier.summary, "anyOf": values } },
        "required": [notifier.name],
        "additionalProperties": false,
    });
    NotifierParts { defs, named, by_class: class }
}

/// One callback.
pub(super) fn callback(notifiers: &[NotifierParts]) -> Value {
    let named = notifiers.iter().map(|notifier| &notifier.named);
    let by_class = notifiers.iter().filter_map(|notifier| notifier.by_class.as_ref());
    let alternatives: Vec<&Value> = named.chain(by_class).collect();
    if alternatives.is_empty() {
        return Value::Bool(false);
    }
    json!({ "description": "Somebody to tell: one notifier with its arguments.", "anyOf": alternatives })
}

/// One deadline.
pub(super) fn deadline() -> Value {
    let count = json!({ "type": ["integer", "null"], "minimum": 1, "maximum": u32::MAX });
    json!({
        "description": "By when a run should be done, and whom to tell when it is not.",
        "type": "object",
        "properties": {
            "name": { "type": ["string", "null"], "description": "What people call it." },
            "reference": { "enum": REFERENCES, "description": "From when it is counted." },
            "interval": {
                "type": ["string", "number", "object"],
                "description": "How long after the reference: a duration, with a minus for a time before it.",
            },
            "callback": { "$ref": "#/$defs/callback" },
            "datetime": { "type": ["string", "object"], "description": "The date of `FIXED_DATETIME`." },
            "max_runs": described(&count, "`AVERAGE_RUNTIME`: most runs to look at, newest first; 10 by default."),
            "min_runs": described(&count, "`AVERAGE_RUNTIME`: with fewer runs there is no deadline."),
        },
        "required": ["reference", "interval", "callback"],
        "additionalProperties": false,
    })
}

fn described(schema: &Value, text: &str) -> Value {
    let mut schema = schema.clone();
    schema["description"] = Value::from(text);
    schema
}
