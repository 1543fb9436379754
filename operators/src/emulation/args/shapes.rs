//! How stretches of time are written.

use std::borrow::Cow;
use std::time::Duration;

use scheduler::dag::duration;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::Pause;

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
