//! The own schema of an operator or of a notifier, fitted into the schema of DAG files: definitions renamed, templates let in.

use serde_json::{Map, Value, json};

use crate::dag::shape;
use crate::operator::ErasedOperator;

/// What the schema of DAG files takes from one operator.
pub(super) struct OperatorParts {
    pub name: &'static str,
    pub summary: &'static str,
    pub arguments: Map<String, Value>,
    pub required: Vec<String>,
    /// The definitions that the arguments refer to, under names of their own.
    pub defs: Map<String, Value>,
    /// Whether the operator has no other arguments.
    pub is_closed: bool,
    airflow_classes: &'static [&'static str],
}

impl OperatorParts {
    /// The condition under which a task has this operator.
    pub fn is_meant(&self) -> Value {
        let mut spellings = vec![json!({ "const": self.name })];
        spellings.extend(self.airflow_pattern().map(|pattern| json!({ "type": "string", "pattern": pattern })));
        json!({ "type": "object", "required": ["operator"], "properties": { "operator": { "anyOf": spellings } } })
    }

    /// Airflow's classes, with or without their module.
    pub fn airflow_pattern(&self) -> Option<String> {
        airflow_pattern(self.airflow_classes)
    }
}

/// A string with a template in it.
pub(super) fn template() -> Value {
    json!({ "type": "string", "pattern": r"\{\{|\{%|\{#", "description": "A Jinja template." })
}

/// Takes an operator's schema apart.
pub(super) fn parts(operator: &ErasedOperator) -> OperatorParts {
    let Arguments { arguments, required, defs, is_closed } = arguments(operator.name, operator.schema.as_value());
    OperatorParts {
        name: operator.name,
        summary: operator.summary,
        arguments,
        required,
        defs,
        is_closed,
        airflow_classes: operator.airflow_classes,
    }
}

/// What a schema of arguments says, fitted into the schema of DAG files.
pub(super) struct Arguments {
    pub arguments: Map<String, Value>,
    pub required: Vec<String>,
    pub defs: Map<String, Value>,
    pub is_closed: bool,
}

/// Takes a schema of arguments apart; its definitions get names that begin with `prefix`.
pub(super) fn arguments(prefix: &str, schema: &Value) -> Arguments {
    let fit = Fit { prefix: format!("{prefix}.") };
    let is_closed = shape::properties(schema).is_some();
    let mut arguments = Map::new();
    for place in shape::at(schema, &[]) {
        for (name, argument) in place.get("properties").and_then(Value::as_object).into_iter().flatten() {
            arguments.entry(name.clone()).or_insert_with(|| fit.value(argument));
        }
    }
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    let definitions = schema.get("$defs").and_then(Value::as_object).into_iter().flatten();
    Arguments {
        arguments,
        required: required.filter_map(Value::as_str).map(str::to_owned).collect(),
        defs: definitions.map(|(name, definition)| (fit.name(name), fit.inside(definition))).collect(),
        is_closed,
    }
}

/// Airflow's classes, with or without their module.
pub(super) fn airflow_pattern(classes: &[&str]) -> Option<String> {
    let classes: Vec<String> =
        classes.iter().map(|class| class.rsplit('.').next().unwrap_or(class).replace('.', r"\.")).collect();
    (!classes.is_empty()).then(|| format!(r"^([A-Za-z0-9_]+\.)*({})$", classes.join("|")))
}

struct Fit {
    prefix: String,
}

impl Fit {
    fn name(&self, definition: &str) -> String {
        format!("{}{definition}", self.prefix)
    }

    /// The schema of a value, for which a template may stand.
    fn value(&self, schema: &Value) -> Value {
        let mut inner = self.inside(schema);
        if is_any_text(&inner) {
            return inner;
        }
        let mut outer = Map::new();
        if let Some(entries) = inner.as_object_mut() {
            for key in ["description", "default", "title"] {
                if let Some(value) = entries.shift_remove(key) {
                    outer.insert(key.to_owned(), value);
                }
            }
        }
        outer.insert("anyOf".to_owned(), json!([inner, { "$ref": "#/$defs/template" }]));
        Value::Object(outer)
    }

    /// The same schema with its references renamed and templates let in below it.
    fn inside(&self, schema: &Value) -> Value {
        let Some(entries) = schema.as_object() else { return schema.clone() };
        let fitted = entries.iter().map(|(key, value)| {
            let value = match (key.as_str(), value) {
                ("$ref", Value::String(reference)) => match reference.strip_prefix("#/$defs/") {
                    Some(name) => json!(format!("#/$defs/{}", self.name(name))),
                    None => value.clone(),
                },
                ("properties" | "patternProperties", Value::Object(inner)) => {
                    Value::Object(inner.iter().map(|(name, schema)| (name.clone(), self.value(schema))).collect())
                }
                ("items" | "additionalProperties", Value::Object(_)) => self.value(value),
                ("prefixItems", Value::Array(items)) => items.iter().map(|item| self.value(item)).collect(),
                ("anyOf" | "oneOf" | "allOf", Value::Array(items)) => {
                    items.iter().map(|item| self.inside(item)).collect()
                }
                _ => value.clone(),
            };
            (key.clone(), value)
        });
        Value::Object(fitted.collect())
    }
}

/// Whether every text fits already.
fn is_any_text(schema: &Value) -> bool {
    let Some(entries) = schema.as_object() else { return schema.as_bool() == Some(true) };
    let restrictions =
        ["enum", "const", "pattern", "format", "minLength", "maxLength", "$ref", "anyOf", "oneOf", "allOf", "not"];
    if restrictions.iter().any(|word| entries.contains_key(*word)) {
        return false;
    }
    match entries.get("type") {
        None => true,
        Some(Value::String(name)) => name == "string",
        Some(Value::Array(names)) => names.iter().any(|name| name == "string"),
        Some(_) => false,
    }
}
