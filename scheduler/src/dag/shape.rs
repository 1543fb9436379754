//! What a JSON Schema says of one place in a value, through references and alternatives.

use std::collections::BTreeSet;

use serde_json::Value;

/// References and alternatives are followed so many steps deep; schemas that contain themselves go no further.
const STEPS_MAX: usize = 16;

/// The schemas that apply to the place that `path` leads to, from the root of `schema`.
///
/// Every part of the path is a key of a mapping or an index of a list.
pub fn at<'s>(schema: &'s Value, path: &[&str]) -> Vec<&'s Value> {
    let mut here = alternatives(schema, schema);
    for part in path {
        here = here
            .into_iter()
            .filter_map(|place| child(place, part))
            .flat_map(|child| alternatives(schema, child))
            .collect();
    }
    here
}

/// The names of the properties at the root; `None` when the schema allows any.
pub fn properties(schema: &Value) -> Option<BTreeSet<&str>> {
    let mut names = BTreeSet::new();
    for place in alternatives(schema, schema) {
        if place.as_bool() == Some(true) || place.get("additionalProperties").is_some_and(allows_any) {
            return None;
        }
        names.extend(place.get("properties").and_then(Value::as_object).into_iter().flatten().map(|(name, _)| &**name));
    }
    Some(names)
}

/// The types that `schemas` allow (`string`, `integer`, …); empty when they do not say.
pub fn types<'s>(schemas: &[&'s Value]) -> BTreeSet<&'s str> {
    let mut types = BTreeSet::new();
    for schema in schemas {
        match schema.get("type") {
            Some(Value::String(name)) => {
                types.insert(name.as_str());
            }
            Some(Value::Array(names)) => types.extend(names.iter().filter_map(Value::as_str)),
            _ => (),
        }
        let constant = schema.get("const").into_iter();
        let choices = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
        types.extend(constant.chain(choices).map(|value| -> &'s str { type_of(value) }));
    }
    types
}

/// The JSON Schema type of a value.
pub fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn allows_any(schema: &Value) -> bool {
    schema.as_bool() != Some(false)
}

/// The schema itself and everything that it refers to or offers as an alternative.
fn alternatives<'s>(root: &'s Value, schema: &'s Value) -> Vec<&'s Value> {
    let mut found: Vec<&Value> = vec![schema];
    let mut frontier: Vec<&Value> = vec![schema];
    for _ in 0..STEPS_MAX {
        let next: Vec<&Value> = frontier
            .iter()
            .flat_map(|schema| branches(root, schema))
            .filter(|schema| !found.iter().any(|known| std::ptr::eq(*known, *schema)))
            .collect();
        if next.is_empty() {
            break;
        }
        found.extend(&next);
        frontier = next;
    }
    found
}

fn branches<'s>(root: &'s Value, schema: &'s Value) -> Vec<&'s Value> {
    let reference = schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|reference| reference.strip_prefix('#'))
        .and_then(|pointer| root.pointer(pointer));
    let listed = ["anyOf", "oneOf", "allOf"].iter().filter_map(|key| schema.get(key)).filter_map(Value::as_array);
    reference.into_iter().chain(listed.flatten()).collect()
}

fn child<'s>(schema: &'s Value, part: &str) -> Option<&'s Value> {
    if let Some(property) = schema.get("properties").and_then(|properties| properties.get(part)) {
        return Some(property);
    }
    if let Ok(index) = part.parse::<usize>() {
        let positional = schema.get("prefixItems").and_then(|items| items.get(index));
        if let Some(item) = positional.or_else(|| schema.get("items")) {
            return Some(item);
        }
    }
    schema.get("additionalProperties")
}
