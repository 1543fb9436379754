//! A condition: a value of which only the truth counts.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Value;

/// A value that holds or does not. In a DAG file it is true or false, or a template, which may make any value.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Truth(Value);

impl Truth {
    /// As Python has it; but a text that says false is so, too, because the answer of a command is always text.
    pub fn holds(&self) -> bool {
        match &self.0 {
            Value::String(text) => !matches!(text.trim().to_ascii_lowercase().as_str(), "" | "false" | "none" | "0"),
            other => is_true(other),
        }
    }
}

/// The truth of a value in Python: nothing, zero, and what is empty are false.
pub(crate) fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
    }
}

/// Everything but text: what is written as text in a DAG file must be a template, and what that makes keeps its type.
impl JsonSchema for Truth {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Truth".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["boolean", "number", "integer", "array", "object", "null"] })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn truth_is_pythons() {
        let falsy = [json!(null), json!(false), json!(0), json!(0.0), json!(""), json!([]), json!({}), json!("False")];
        let truthy = [json!(true), json!(1), json!(-0.5), json!("x"), json!([0]), json!({"a": null}), json!("true")];
        assert!(falsy.iter().all(|value| !Truth(value.clone()).holds()));
        assert!(truthy.iter().all(|value| Truth(value.clone()).holds()));
    }
}
