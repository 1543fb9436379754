//! Shapes of arguments that operators share: a text or a mapping, one or several, a mapping with one of several keys, those
//! that several operators take beside those of their own, and arguments beside the words in which they were written.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize};
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

/// A value for somebody else. What a template makes of one expression keeps its type here: a number is a number, and a list a
/// list; but text that only looks like a number stays text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Given(pub(crate) Value);

/// Templates keep types where text is not named among those that are taken; so it is not named, and taken nevertheless.
impl JsonSchema for Given {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Given".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "title": "anything", "anyOf": [{ "type": ["array", "object"] }, { "not": { "type": ["array", "object"] } }] })
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

/// A name, or a list of them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany {
    /// A single name.
    One(String),
    /// Several names.
    Many(Vec<String>),
}

impl OneOrMany {
    /// The names.
    pub fn names(&self) -> &[String] {
        match self {
            OneOrMany::One(name) => std::slice::from_ref(name),
            OneOrMany::Many(names) => names,
        }
    }

    /// The names with commas between them, for people.
    pub fn list(&self) -> String {
        self.names().join(", ")
    }
}

/// Arguments that several operators take.
pub trait Common: DeserializeOwned + JsonSchema {
    /// Their names.
    const NAMES: &'static [&'static str];
}

/// Arguments of an operator: those of its own, and common ones.
#[derive(Debug)]
pub struct With<C, T> {
    pub(crate) common: C,
    pub(crate) own: T,
}

impl<'de, C: Common, T: DeserializeOwned> Deserialize<'de> for With<C, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<With<C, T>, D::Error> {
        let all = Map::<String, Value>::deserialize(deserializer)?;
        let (common, own): (Map<String, Value>, Map<String, Value>) =
            all.into_iter().partition(|(name, _)| C::NAMES.contains(&name.as_str()));
        let common = serde_json::from_value(Value::Object(common)).map_err(serde::de::Error::custom)?;
        let own = serde_json::from_value(Value::Object(own)).map_err(serde::de::Error::custom)?;
        Ok(With { common, own })
    }
}

impl<C: Common, T: JsonSchema> JsonSchema for With<C, T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let common = C::json_schema(generator);
        let mut schema = T::json_schema(generator);
        if let Some(Value::Object(common)) = common.get("properties")
            && let Value::Object(own) =
                schema.ensure_object().entry("properties").or_insert_with(|| Value::Object(Map::new()))
        {
            own.extend(common.clone());
        }
        schema
    }
}
