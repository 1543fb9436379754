//! Shapes of arguments that operators share: a text or a mapping, a mapping with one of several keys, and arguments beside
//! their own words.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// A text for the usual case, or a mapping that says more.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(untagged)]
pub(crate) enum TextOr<T> {
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

/// Arguments, and the words in which they were written.
#[derive(Clone, Debug)]
pub struct AsWritten<T> {
    /// The words, after templates were filled in.
    pub written: Map<String, Value>,
    /// What they mean.
    pub meant: T,
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for AsWritten<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<AsWritten<T>, D::Error> {
        let written = Map::deserialize(deserializer)?;
        let meant = serde_json::from_value(Value::Object(written.clone())).map_err(D::Error::custom)?;
        Ok(AsWritten { written, meant })
    }
}

impl<T: JsonSchema> JsonSchema for AsWritten<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// Describes an enum of which a mapping names one variant as a mapping with one of several keys: mistakes in it are then those
/// of a key, not that nothing fits.
pub(crate) fn one_key(schema: &mut Schema) {
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
