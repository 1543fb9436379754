//! The `params` key: plain values, JSON Schemas, and dag-factory's notation for Airflow's `Param`.

use std::collections::BTreeMap;

use super::collect::{Problems, Subject, wrong_type};
use super::node::{Entry, Mapping};
use super::problem::{Code, Problem};
use super::suggest::did_you_mean;
use super::values::OBJECT_KEY;
use crate::dag::{Param, params};

pub(super) const PARAM_CLASSES: &[&str] =
    &["airflow.sdk.definitions.param.Param", "airflow.sdk.Param", "airflow.models.param.Param", "airflow.models.Param"];

/// Words of JSON Schema 2020-12, and those that Airflow's form understands beside them.
pub(super) const SCHEMA_WORDS: &[&str] = &[
    "default",
    "description",
    "type",
    "enum",
    "const",
    "title",
    "format",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "items",
    "prefixItems",
    "contains",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minContains",
    "maxContains",
    "properties",
    "patternProperties",
    "additionalProperties",
    "propertyNames",
    "required",
    "minProperties",
    "maxProperties",
    "dependentRequired",
    "dependentSchemas",
    "anyOf",
    "oneOf",
    "allOf",
    "not",
    "if",
    "then",
    "else",
    "$ref",
    "$defs",
    "$schema",
    "$comment",
    "examples",
    "readOnly",
    "writeOnly",
    "deprecated",
    "contentEncoding",
    "contentMediaType",
    "unevaluatedItems",
    "unevaluatedProperties",
    "section",
    "values_display",
    "description_md",
    "custom_html_form",
    "source",
];

/// Reads all params; `must_have_defaults` when runs are made by a schedule, which has nobody to ask.
pub(super) fn read(entry: &Entry, must_have_defaults: bool, problems: &mut Problems) -> BTreeMap<String, Param> {
    let Some(mapping) = entry.value.as_map() else {
        let subject = Subject { key: &entry.key, within: "" };
        problems.push(wrong_type(subject, &entry.value, "a mapping from names to values or JSON Schemas"));
        return BTreeMap::new();
    };
    mapping
        .entries
        .iter()
        .filter_map(|entry| Some((entry.key.clone(), read_one(entry, must_have_defaults, problems)?)))
        .collect()
}

fn read_one(entry: &Entry, must_have_default: bool, problems: &mut Problems) -> Option<Param> {
    let Some(words) = problems.keep(schema_words(entry))? else {
        return Some(Param { default: Some(entry.value.to_json()), description: None, schema: serde_json::Map::new() });
    };
    let mut schema = words.to_json();
    schema.shift_remove(OBJECT_KEY);
    let param = params::of_schema(schema);
    if let Err(why) = params::validator(&param.schema) {
        let message = format!("the JSON Schema of param `{}` is not one: {why}", entry.key);
        problems.push(Problem::new(Code::InvalidParam, message, entry.value.place, "this schema"));
        return None;
    }
    match &param.default {
        Some(default) => {
            let place = words.get("default").map_or(entry.key_place, |default| default.value.place);
            for complaint in params::complaints(&param, default) {
                let message = format!("the default of param `{}` {complaint}", entry.key);
                problems.push(
                    Problem::new(Code::InvalidParam, message, place, "this default")
                        .help("leave `default` out to make people give a value"),
                );
            }
        }
        None if must_have_default => {
            let message = format!("param `{}` has no default, and nobody gives scheduled runs a value", entry.key);
            problems.push(
                Problem::new(Code::InvalidParam, message, entry.key_place, "no default")
                    .help("add a `default`, or take the schedule away"),
            );
        }
        None => (),
    }
    Some(param)
}

/// The mapping, if it is a schema; none if it is a plain value that happens to be a mapping.
fn schema_words(entry: &Entry) -> Result<Option<&Mapping>, Problem> {
    let Some(mapping) = entry.value.as_map() else { return Ok(None) };
    if let Some(class) = mapping.get(OBJECT_KEY) {
        let name = class.value.as_text().unwrap_or_default();
        if !PARAM_CLASSES.contains(&name) {
            let message = format!("param `{}` is an object of `{name}`", entry.key);
            return Err(Problem::new(Code::Unsupported, message, class.value.place, "not served")
                .help("write a plain value, or a JSON Schema with a `default`"));
        }
    } else if !params::is_schema(&mapping.to_json()) {
        return Ok(None);
    }
    let strangers = mapping.entries.iter().find(|word| {
        !SCHEMA_WORDS.contains(&word.key.as_str()) && word.key != OBJECT_KEY && !word.key.starts_with("x-")
    });
    match strangers {
        None => Ok(Some(mapping)),
        Some(word) => {
            let message = format!("the schema of param `{}` has no key `{}`", entry.key, word.key);
            Err(Problem::new(Code::UnknownKey, message, word.key_place, "unknown key")
                .help("a mapping as a plain value goes under `default`")
                .maybe_help(did_you_mean(&word.key, SCHEMA_WORDS.iter().copied())))
        }
    }
}
