//! Which type a place in an operator's arguments asks for, and how what a template made becomes that.

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::{Number, Value};

use super::environment::environment;
use crate::dag::shape;

/// The types that a place takes; without any, it takes everything, text included.
pub(super) struct Wanted<'s>(BTreeSet<&'s str>);

impl<'s> Wanted<'s> {
    pub fn at(schema: &'s Value, path: &[&str]) -> Wanted<'s> {
        Wanted(shape::types(&shape::at(schema, path)))
    }

    /// Whether text is no answer here.
    pub fn is_not_text(&self) -> bool {
        !self.0.is_empty() && !self.0.contains("string")
    }

    /// The value as what is wanted; where it cannot be that, as it is, so that the operator complains.
    pub fn convert(&self, value: Value) -> Value {
        if !self.is_not_text() {
            return value;
        }
        match &value {
            Value::String(text) => self.read(text.trim()).unwrap_or(value),
            Value::Number(number) => self.whole(number).unwrap_or(value),
            _ => value,
        }
    }

    fn read(&self, text: &str) -> Option<Value> {
        let parsed = match text {
            "True" => Value::Bool(true),
            "False" => Value::Bool(false),
            "None" | "" => Value::Null,
            _ => serde_json::from_str(text).ok()?,
        };
        let parsed = match &parsed {
            Value::Number(number) => self.whole(number).unwrap_or(parsed),
            _ => parsed,
        };
        let kind = shape::type_of(&parsed);
        (self.0.contains(kind) || (kind == "integer" && self.0.contains("number"))).then_some(parsed)
    }

    /// 3.0 as 3, where only whole numbers are taken.
    fn whole(&self, number: &Number) -> Option<Value> {
        let float = number.as_f64().filter(|_| number.is_f64() && !self.0.contains("number"))?;
        #[allow(clippy::cast_possible_truncation, reason = "below 2^53 whole floats are exact")]
        (float.fract() == 0.0 && float.abs() < 9e15).then(|| Value::from(float as i64))
    }
}

/// Where the expression lies, if the text is one expression and nothing else.
pub(super) fn sole_expression(text: &str) -> Option<Range<usize>> {
    let lead = text.len() - text.trim_start().len();
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    let start = lead + 2;
    let (inner, start) = match inner.strip_prefix(['-', '+']) {
        Some(rest) => (rest, start + 1),
        None => (inner, start),
    };
    let inner = inner.strip_suffix(['-', '+']).unwrap_or(inner);
    let range = start..start + inner.len();
    // `{{ a }}{{ b }}` also begins and ends so, but what is between is no expression.
    environment().compile_expression(inner).ok().map(|_| range)
}
