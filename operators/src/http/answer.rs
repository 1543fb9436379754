//! An answer, and what expressions see of it.

use anyhow::anyhow;
use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{StatusCode, Url};
use scheduler::dag::template::evaluate;
use scheduler::operator::TaskError;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use crate::requests::first_words;
use crate::whole_file::WholeFile;

/// What expressions know of an answer.
pub(crate) const NAMES: &[&str] = &["status", "headers", "text", "json"];

/// What they know of one that goes into a file.
pub(crate) const NAMES_OF_FILE: &[&str] = &["status", "headers"];

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Where it came from, behind all redirects.
    pub(super) url: Url,
    pub(super) body: Body,
}

/// The body of an answer.
pub(super) enum Body {
    Bytes(Bytes),
    /// In a file that is not in its place yet.
    File {
        file: WholeFile,
        bytes: u64,
    },
}

impl Answer {
    /// Whether an expression holds, as Python has it.
    pub(crate) fn holds(&self, key: &str, expression: &str) -> Result<bool, TaskError> {
        let value = self.evaluate(key, expression)?;
        Ok(match &value {
            Value::Null => false,
            Value::Bool(value) => *value,
            Value::Number(number) => number.as_f64() != Some(0.0),
            Value::String(text) => !text.is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::Object(entries) => !entries.is_empty(),
        })
    }

    /// What an expression makes of it.
    pub(crate) fn evaluate(&self, key: &str, expression: &str) -> Result<Value, TaskError> {
        evaluate(expression, &self.values()).map_err(|mistake| {
            let hint = mistake.help.map(|help| format!(" ({help})")).unwrap_or_default();
            let shown = self.shown();
            TaskError::fail(anyhow!("`{key}` cannot be told of the answer: {}{hint}{shown}", mistake.message))
        })
    }

    fn values(&self) -> Map<String, Value> {
        let mut values = Map::new();
        values.insert("status".to_owned(), self.status.as_u16().into());
        values.insert("headers".to_owned(), self.headers());
        if let Body::Bytes(bytes) = &self.body {
            values.insert("text".to_owned(), String::from_utf8_lossy(bytes).into());
            values.insert("json".to_owned(), serde_json::from_slice(bytes).unwrap_or_default());
        }
        values
    }

    /// By their names in lower case; several of one name are joined.
    pub(super) fn headers(&self) -> Value {
        let mut map = Map::new();
        for name in self.headers.keys() {
            let values = self.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
            map.insert(name.as_str().to_owned(), values.collect::<Vec<_>>().join(", ").into());
        }
        map.into()
    }

    /// Whether it says that it is JSON.
    pub(super) fn says_json(&self) -> bool {
        let kind = self.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        kind == "application/json" || kind.ends_with("+json")
    }

    /// Its text; nothing when it has none.
    pub(super) fn text(&self) -> Result<Value, TaskError> {
        let bytes = self.bytes();
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.into()),
            Err(_) => {
                Err(TaskError::fail(anyhow!("the answer is no text in UTF-8; put it into a file with `save_to`")))
            }
        }
    }

    /// Its JSON; nothing when it has no body.
    pub(super) fn json(&self) -> Result<Value, TaskError> {
        let bytes = self.bytes();
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(bytes)
            .map_err(|error| TaskError::fail(anyhow!("the answer is no JSON: {error}{}", self.shown())))
    }

    /// How it begins, for whoever has to find out why it is not what was wanted; to be put behind that. JSON may hold a token of
    /// which nobody knows that it is secret, so that is shown only when it is asked for.
    pub(super) fn shown(&self) -> String {
        match first_words(self.bytes()).as_str() {
            "" => String::new(),
            _ if serde_json::from_slice::<IgnoredAny>(self.bytes()).is_ok() => {
                "; `log_response: true` shows the answer in the log".to_owned()
            }
            words => format!("; it begins with: {words}"),
        }
    }

    fn bytes(&self) -> &[u8] {
        match &self.body {
            Body::Bytes(bytes) => bytes,
            Body::File { .. } => &[],
        }
    }
}
