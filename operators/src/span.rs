//! Stretches of time in arguments: a duration as people write it, or a number of seconds.

use std::borrow::Cow;
use std::str::FromStr;
use std::time::Duration;

use chrono::TimeDelta;
use scheduler::dag::{duration, template};
use scheduler::operator::ArgumentProblem;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// How long something takes: `30s`, `5m`, `1h30m`, or a number of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

/// How far away something is, before (`-1h`) or after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offset(pub(crate) TimeDelta);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Span, String> {
        let problem = |wrong| format!("`{text}` {wrong}; write `30s`, `5m`, `1h30m` or a number of seconds");
        duration::parse(text).map(Span).map_err(problem)
    }
}

impl FromStr for Offset {
    type Err = String;

    fn from_str(text: &str) -> Result<Offset, String> {
        let (is_before, rest) = match text.trim().strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.trim()),
        };
        let Span(span) = rest.parse()?;
        let delta = TimeDelta::from_std(span).map_err(|_| format!("`{text}` is too long"))?;
        Ok(Offset(if is_before { -delta } else { delta }))
    }
}

/// A duration in a DAG file is text or a number.
pub(crate) fn written<'de, D: Deserializer<'de>, T: FromStr<Err = String>>(deserializer: D) -> Result<T, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Seconds(f64),
        Text(String),
    }
    let text = match Written::deserialize(deserializer)? {
        Written::Seconds(seconds) => seconds.to_string(),
        Written::Text(text) => text,
    };
    text.parse().map_err(serde::de::Error::custom)
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
        written(deserializer)
    }
}

/// As people write it, for those who read what the default is.
impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&spoken(self.0).replace(' ', ""))
    }
}

impl<'de> Deserialize<'de> for Offset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Offset, D::Error> {
        written(deserializer)
    }
}

impl JsonSchema for Span {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "title": "duration", "type": ["string", "number"], "minimum": 0 })
    }
}

impl JsonSchema for Offset {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Offset".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "title": "duration", "type": ["string", "number"] })
    }
}

/// What is wrong with the text under a key of a DAG file, if it is to be read as a `T`; templates are let pass.
pub(crate) fn check<T: FromStr<Err = String>>(args: &Map<String, Value>, key: &str) -> Option<ArgumentProblem> {
    let text = args.get(key)?.as_str().filter(|text| !template::holds_template(text))?;
    let message = text.parse::<T>().err()?;
    Some(ArgumentProblem { pointer: format!("/{key}"), message, help: None })
}

/// A duration as people say it: `1m 30s`, `7d`.
pub(crate) fn spoken(duration: Duration) -> String {
    const UNITS: [(u64, &str); 3] = [(86_400, "d"), (3_600, "h"), (60, "m")];
    let mut rest = duration.as_secs();
    if rest < 60 {
        return format!("{}s", (duration.as_secs_f64() * 1000.0).round() / 1000.0);
    }
    let mut words = Vec::new();
    for (seconds, unit) in UNITS {
        if rest >= seconds {
            words.push(format!("{}{unit}", rest / seconds));
            rest %= seconds;
        }
    }
    if rest > 0 {
        words.push(format!("{rest}s"));
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn durations_are_text_or_seconds_and_offsets_may_lie_before() {
        let read = |value: Value| serde_json::from_value::<Span>(value).map(|Span(span)| span).ok();
        assert_eq!(read(json!(90)), Some(Duration::from_secs(90)));
        assert_eq!(read(json!("1m30s")), Some(Duration::from_secs(90)));
        assert_eq!(read(json!(-1)), None);
        assert_eq!("-1 hour".parse(), Ok(Offset(TimeDelta::hours(-1))));
        assert_eq!("1h".parse(), Ok(Offset(TimeDelta::hours(1))));
        assert_eq!(serde_json::from_value::<Offset>(json!(-60)).unwrap(), Offset(TimeDelta::minutes(-1)));
    }

    #[test]
    fn durations_are_said_shortly() {
        let said = [0.5, 10.0, 60.0, 90.0, 604_800.0, 3661.0].map(|secs| spoken(Duration::from_secs_f64(secs)));
        assert_eq!(said, ["0.5s", "10s", "1m", "1m 30s", "7d", "1h 1m 1s"]);
        assert_eq!(serde_json::to_value(Span(Duration::from_secs(90))).unwrap(), "1m30s");
    }
}
