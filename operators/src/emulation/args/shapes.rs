//! How values are written: a text or a mapping, a duration.

use std::borrow::Cow;
use std::time::Duration;

use scheduler::dag::duration;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::Pause;

/// A text for the usual case, or a mapping that says more.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(untagged)]
pub(in crate::emulation) enum TextOr<T> {
    /// The usual case.
    Text(String),
    /// More.
    More(T),
}

/// Mistakes are those of the mapping, not that nothing fits.
impl<'de, T: DeserializeOwned> Deserialize<'de> for TextOr<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TextOr<T>, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(TextOr::Text(text)),
            more => serde_json::from_value(more).map(TextOr::More).map_err(D::Error::custom),
        }
    }
}

/// Describes an enum of which a mapping names one variant as a mapping with one of several keys: mistakes in it are then those
/// of a key, not that nothing fits.
pub(super) fn one_key(schema: &mut Schema) {
    let Some(Value::Array(variants)) = schema.remove("oneOf") else { return };
    let mut keys = Map::new();
    for variant in variants {
        let description = variant.get("description").cloned();
        for (key, value) in variant.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let mut value = value.clone();
            if let (Some(description), Some(value)) = (description.clone(), value.as_object_mut()) {
                value.insert("description".to_owned(), description);
            }
            keys.insert(key.clone(), value);
        }
    }
    schema.insert("type".to_owned(), "object".into());
    schema.insert("properties".to_owned(), Value::Object(keys));
    schema.insert("additionalProperties".to_owned(), false.into());
    schema.insert("minProperties".to_owned(), 1.into());
    schema.insert("maxProperties".to_owned(), 1.into());
}

/// A length of time: `90s`, `10m`, or a number of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::emulation) struct Span(pub Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
        span(&Value::deserialize(deserializer)?).map(Span).map_err(D::Error::custom)
    }
}

/// Reads a length of time.
pub(super) fn span(value: &Value) -> Result<Duration, String> {
    let read = match value {
        Value::Number(seconds) => duration::from_seconds(seconds.as_f64().unwrap_or(-1.0)),
        Value::String(text) => duration::parse(text),
        _ => Err("is no length of time".to_owned()),
    };
    read.map_err(|wrong| format!("{value} {wrong}; write `90s`, `10m`, or a number of seconds"))
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A duration such as `90s` or `10m`, or a number of seconds.",
            "type": ["string", "number"],
            "minimum": 0
        })
    }
}

/// The word for a pause that chance decides.
const RANDOM: &str = "random";

impl<'de> Deserialize<'de> for Pause {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pause, D::Error> {
        let value = Value::deserialize(deserializer)?;
        if value == RANDOM {
            return Ok(Pause::Random);
        }
        span(&value).map(Pause::Fixed).map_err(|problem| D::Error::custom(format!("{problem}, or `{RANDOM}`")))
    }
}

impl JsonSchema for Pause {
    fn schema_name() -> Cow<'static, str> {
        "Pause".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "`random`, a duration such as `2s`, or a number of seconds.",
            "type": ["string", "number"],
            "minimum": 0
        })
    }
}
