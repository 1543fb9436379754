//! For how long the replaced versions of a Delta table can still be read.

use std::borrow::Cow;
use std::str::FromStr;
use std::time::Duration;

use scheduler::dag::duration;
use scheduler::operator::ArgumentProblem;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::span;

/// The argument's name in DAG files.
const KEY: &str = "vacuum_retention";

/// The word for keeping every version.
const FOREVER: &str = "forever";

/// How long the files of a replaced version are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// That long after it was replaced.
    For(Duration),
    /// Always: nothing is ever removed.
    Forever,
}

impl FromStr for Retention {
    type Err = String;

    fn from_str(text: &str) -> Result<Retention, String> {
        if text.trim() == FOREVER {
            return Ok(Retention::Forever);
        }
        let problem = |wrong| format!("`{text}` {wrong}; write `7d`, `12h`, a number of seconds, or `{FOREVER}`");
        duration::parse(text).map(Retention::For).map_err(problem)
    }
}

impl<'de> Deserialize<'de> for Retention {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Retention, D::Error> {
        span::written(deserializer)
    }
}

impl JsonSchema for Retention {
    fn schema_name() -> Cow<'static, str> {
        "Retention".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "duration",
            "description": "A duration such as `7d` or `12h`, a number of seconds, or `forever`.",
            "type": ["string", "number"],
            "minimum": 0
        })
    }
}

/// What is wrong with the retention in the arguments of a DAG file.
pub fn check(args: &Map<String, Value>) -> Option<ArgumentProblem> {
    span::check::<Retention>(args, KEY)
}
