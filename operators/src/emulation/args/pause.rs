//! How long to wait between rounds, as it is written.

use std::borrow::Cow;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::emulation::twister::Twister;
use crate::span::Span;

/// The word for a pause that chance decides.
const RANDOM: &str = "random";

/// How long to wait between rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::emulation) enum Pause {
    /// Not at all or a second, by chance.
    Random,
    /// Always so long.
    Fixed(Duration),
}

impl Pause {
    /// The next pause.
    pub(in crate::emulation) fn draw(self, twister: &mut Twister) -> Duration {
        match self {
            Pause::Random => Duration::from_secs(u64::from(twister.below(2))),
            Pause::Fixed(pause) => pause,
        }
    }
}

impl FromStr for Pause {
    type Err = String;

    fn from_str(text: &str) -> Result<Pause, String> {
        if text == RANDOM {
            return Ok(Pause::Random);
        }
        text.parse().map(|Span(pause)| Pause::Fixed(pause)).map_err(|problem| format!("{problem}, or `{RANDOM}`"))
    }
}

impl<'de> Deserialize<'de> for Pause {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pause, D::Error> {
        let text = match Value::deserialize(deserializer)? {
            Value::String(text) => text,
            other => other.to_string(),
        };
        text.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Pause {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Pause".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "title": "duration or word", "type": ["string", "number"], "minimum": 0 })
    }
}
