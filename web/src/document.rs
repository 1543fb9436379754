//! The OpenAPI document.

use serde_json::{Value, json};
use utoipa::OpenApi;

use crate::router;

#[derive(OpenApi)]
#[openapi(info(
    title = "Updraft",
    description = "Airflow's stable REST API (v2), and what Updraft adds to it under `/api/v2/updraft`."
))]
pub(crate) struct Head;

/// The description of the API, as `/openapi.json` serves it.
pub fn openapi() -> Value {
    finish(&router::described())
}

/// What the generator cannot know: that answers always have all their keys, and how to sign in.
pub(crate) fn finish(document: &utoipa::openapi::OpenApi) -> Value {
    let mut document = serde_json::to_value(document).unwrap_or_default();
    if let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
        for (name, schema) in schemas.iter_mut() {
            // Bodies of requests may leave keys out, and lines of a log have what the writer knew.
            if name.ends_with("Body") || name.ends_with("Body_") {
                forbid_other_keys(schema);
            } else if name != "StructuredLogMessage" {
                require_all(schema);
            }
        }
    }
    open_objects(&mut document);
    document["components"]["securitySchemes"] = json!({
        "token": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" },
        "cookie": { "type": "apiKey", "in": "cookie", "name": "_token" },
    });
    document["security"] = json!([{ "token": [] }, { "cookie": [] }]);
    document
}

/// An optional value of ours is null, never absent.
fn require_all(schema: &mut Value) {
    for part in schema.get_mut("allOf").and_then(Value::as_array_mut).into_iter().flatten() {
        require_all(part);
    }
    let names: Vec<Value> = match schema.get("properties").and_then(Value::as_object) {
        Some(properties) => properties.keys().map(|name| Value::from(name.as_str())).collect(),
        None => return,
    };
    schema["required"] = Value::from(names);
}

/// An object without known keys has any; tools take it for an empty one unless told.
fn open_objects(node: &mut Value) {
    if let Value::Object(fields) = node {
        let is_object = match fields.get("type") {
            Some(Value::String(kind)) => kind == "object",
            Some(Value::Array(kinds)) => kinds.contains(&Value::from("object")),
            _ => false,
        };
        if is_object && !fields.contains_key("properties") && !fields.contains_key("additionalProperties") {
            fields.insert("additionalProperties".to_owned(), json!({}));
        }
        fields.values_mut().for_each(open_objects);
    } else if let Value::Array(items) = node {
        items.iter_mut().for_each(open_objects);
    }
}

fn forbid_other_keys(schema: &mut Value) {
    if schema.get("properties").is_some() && !takes_more(schema) {
        schema["additionalProperties"] = Value::from(false);
    }
}

/// Bodies of batches also take the bounds that their description names.
fn takes_more(schema: &Value) -> bool {
    schema.pointer("/properties/page_limit").is_some()
}
