//! Which Arrow type a column of JSON values gets, by Spark's rules of inference.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Fields};

use super::scan::{Kind, Value, elements, members};

/// Decimal digits that fit a Decimal128.
const DECIMAL_DIGITS_MAX: u8 = 38;
/// What Spark takes a 64-bit integer for, when it meets a larger one.
const DECIMAL_DIGITS_OF_LONG: u8 = 20;
/// How deep arrays and objects may stand in each other to have types; what is deeper is text. The schema of a Delta table
/// cannot be read that goes much deeper.
const DEPTH_MAX: usize = 32;

/// The type of a value, or of all values of a column so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum JsonType {
    /// Only nulls so far.
    #[default]
    Null,
    /// `true` and `false`.
    Boolean,
    /// Integers of 64 bits.
    Long,
    /// Integers of up to this many digits.
    Decimal(u8),
    /// Other numbers.
    Double,
    /// Strings, and what has nothing else in common.
    Text,
    /// Arrays of a type.
    Array(Box<JsonType>),
    /// Objects.
    Object(BTreeMap<String, JsonType>),
}

impl JsonType {
    /// The type of one value. The scanner has accepted its text before, so that there is nothing left to fail.
    pub fn of(value: &Value<'_>) -> JsonType {
        JsonType::within(value, DEPTH_MAX)
    }

    /// The same, of a value in which so many may still stand in each other.
    fn within(value: &Value<'_>, depth: usize) -> JsonType {
        match value.kind {
            Kind::Null => JsonType::Null,
            Kind::True | Kind::False => JsonType::Boolean,
            Kind::Integer => integer_type(value.text),
            Kind::Float => JsonType::Double,
            Kind::Text { .. } => JsonType::Text,
            Kind::Array | Kind::Object if depth == 0 => JsonType::Text,
            Kind::Array => {
                let mut element_type = JsonType::Null;
                let _ = elements(value.text, |element| element_type.merge(JsonType::within(&element, depth - 1)));
                JsonType::Array(Box::new(element_type))
            }
            Kind::Object => {
                let mut fields = Vec::new();
                let _ = members(value.text, &mut fields);
                let typed = fields.iter().map(|each| (each.name.to_string(), JsonType::within(&each.value, depth - 1)));
                JsonType::Object(typed.collect())
            }
        }
    }

    /// Widens this type so that it holds values of `other` too.
    pub fn merge(&mut self, other: JsonType) {
        use JsonType as T;
        match (&mut *self, other) {
            (_, T::Null) => (),
            (T::Object(mine), T::Object(theirs)) => {
                for (name, theirs) in theirs {
                    mine.entry(name).or_insert(T::Null).merge(theirs);
                }
            }
            (T::Array(mine), T::Array(theirs)) => mine.merge(*theirs),
            (mine, other) => *mine = scalar_merge(mine, other),
        }
    }

    /// The Arrow type. A column of nulls is text, as in Spark.
    pub fn to_arrow(&self) -> DataType {
        match self {
            JsonType::Null | JsonType::Text => DataType::Utf8,
            JsonType::Boolean => DataType::Boolean,
            JsonType::Long => DataType::Int64,
            JsonType::Decimal(digits) => DataType::Decimal128(*digits, 0),
            JsonType::Double => DataType::Float64,
            JsonType::Array(element) => DataType::List(Arc::new(Field::new("item", element.to_arrow(), true))),
            JsonType::Object(fields) if fields.is_empty() => DataType::Utf8,
            JsonType::Object(fields) => DataType::Struct(to_arrow_fields(fields)),
        }
    }
}

/// The Arrow fields of named types.
pub fn to_arrow_fields(types: &BTreeMap<String, JsonType>) -> Fields {
    types.iter().map(|(name, json_type)| Field::new(name, json_type.to_arrow(), true)).collect()
}

fn integer_type(text: &str) -> JsonType {
    if text.parse::<i64>().is_ok() {
        return JsonType::Long;
    }
    match u8::try_from(text.trim_start_matches('-').len()) {
        Ok(digits) if digits <= DECIMAL_DIGITS_MAX => JsonType::Decimal(digits),
        _ => JsonType::Double,
    }
}

fn scalar_merge(mine: &JsonType, other: JsonType) -> JsonType {
    use JsonType as T;
    match (mine, other) {
        (T::Null, other) => other,
        (mine, other) if *mine == other => other,
        (T::Long | T::Decimal(_), T::Double) | (T::Double, T::Long | T::Decimal(_)) => T::Double,
        (T::Decimal(a), T::Decimal(b)) => T::Decimal((*a).max(b)),
        (T::Decimal(digits), T::Long) => T::Decimal((*digits).max(DECIMAL_DIGITS_OF_LONG)),
        (T::Long, T::Decimal(digits)) => T::Decimal(digits.max(DECIMAL_DIGITS_OF_LONG)),
        _ => T::Text,
    }
}
