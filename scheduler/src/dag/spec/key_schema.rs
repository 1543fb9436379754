//! The JSON Schema of the value of one key.

use serde_json::{Value, json};

use super::keys::{GROUP_KEYS, Key, Kind, RETRY_KEYS};
use super::read_retry::ACTIONS;
use super::schedule;
use super::schema::described;
use super::values::{OWNER_LINK, RULES, WEIGHT_RULES};
use crate::dag::{MAP_LENGTH_MAX, RunType};

/// Durations as [`crate::dag::duration`] reads them.
const DURATION: &str = concat!(
    r"^\s*([0-9.]+\s*(ms|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?)\s*)+$",
    r"|^\s*[Pp]([0-9.]+[Ww])?([0-9.]+[Dd])?([Tt]([0-9.]+[Hh])?([0-9.]+[Mm])?([0-9.]+[Ss])?)?\s*$",
    r"|^\s*[0-9.]+\s*$",
);

/// A date, or a date and a time.
const INSTANT: &str = r"^\s*[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ]\s*[0-9]{2}:[0-9]{2}.*)?\s*$";

/// What a task leaves: `files.output`, `files.output['key']`, `XcomArg(files)`, `+files`.
const OUTPUT: &str =
    r#"^\s*(\+[\p{L}\p{N}_.\-]+|[\p{L}\p{N}_.\-]+\.output|X[Cc]omArg\([^)]+\))(\[('[^']+'|"[^"]+")\])?\s*$"#;

const ID: &str = r"^[\p{L}\p{N}_.\-]+$";

/// The schema of a key's value. A null stands for a key that is not there, except where a value must be.
pub(super) fn key_schema(key: &Key) -> Value {
    let schema = match key.kind {
        Kind::Id => json!({ "type": "string", "pattern": ID, "maxLength": 250 }),
        Kind::Text => json!({ "type": ["string", "null"] }),
        Kind::Boolean => json!({ "type": ["boolean", "null"] }),
        Kind::Count(min) => json!({ "type": ["integer", "null"], "minimum": min, "maximum": u32::MAX }),
        Kind::Integer => json!({ "type": ["integer", "null"], "minimum": i32::MIN, "maximum": i32::MAX }),
        Kind::Factor => json!({ "type": ["number", "boolean", "null"], "minimum": 0 }),
        Kind::Duration => json!({
            "anyOf": [
                { "type": "string", "pattern": DURATION },
                { "type": "number", "minimum": 0 },
                object_of(&["datetime.timedelta"]),
                { "type": "null" },
            ],
        }),
        Kind::Instant => json!({
            "anyOf": [
                { "type": "string", "pattern": INSTANT },
                object_of(&["datetime.datetime", "datetime.date", "pendulum.datetime"]),
                { "type": "null" },
            ],
        }),
        Kind::Timezone => {
            let zones: Vec<&str> = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()).collect();
            json!({ "anyOf": [{ "type": "string", "enum": zones }, { "type": "null" }] })
        }
        Kind::Schedule => schedule::schedule_schema(),
        Kind::Catchup => schedule::catchup_schema(),
        Kind::Assets => schedule::assets_schema(),
        Kind::Outlets => schedule::outlets_schema(),
        Kind::Tags | Kind::Dependencies => {
            json!({ "anyOf": [{ "type": "array", "items": { "type": "string" } }, { "type": "null" }] })
        }
        Kind::TriggerRule => {
            let rules: Vec<&str> = RULES.iter().map(|(name, _)| *name).collect();
            json!({ "anyOf": [{ "type": "string", "enum": rules }, { "type": "null" }] })
        }
        Kind::WeightRule => {
            let rules: Vec<&str> = WEIGHT_RULES.iter().map(|(name, _)| *name).collect();
            json!({ "anyOf": [{ "type": "string", "enum": rules }, { "type": "null" }] })
        }
        Kind::Params | Kind::DefaultArgs | Kind::Partial => json!({ "type": ["object", "null"] }),
        Kind::Groups => groups(),
        Kind::GroupName => json!({ "anyOf": [{ "type": "string", "pattern": ID }, { "type": "null" }] }),
        Kind::Expand => expand(),
        Kind::ExpandKwargs => {
            json!({
                "anyOf": [
                    { "type": "array", "items": { "type": "object" }, "maxItems": MAP_LENGTH_MAX },
                    { "type": "string", "pattern": OUTPUT },
                    { "type": "null" },
                ],
            })
        }
        Kind::RetryPolicy => {
            let mut rule = closed(RETRY_KEYS, &["action"]);
            rule["anyOf"] = json!([{ "required": ["exit_code"] }, { "required": ["error"] }]);
            json!({ "anyOf": [{ "type": "array", "items": rule }, { "type": "null" }] })
        }
        Kind::ExitCodes => {
            json!({ "anyOf": [{ "type": "integer" }, { "type": "array", "items": { "type": "integer" } }, { "type": "null" }] })
        }
        Kind::RetryAction => json!({ "type": "string", "enum": ACTIONS }),
        Kind::Tasks => json!({ "type": ["array", "object", "null"] }),
        Kind::Operator => json!({ "type": "string" }),
        Kind::Callbacks => one_or_several("callback"),
        Kind::Deadlines => one_or_several("deadline"),
        Kind::Emails | Kind::Texts => json!({ "type": ["string", "array", "null"], "items": { "type": "string" } }),
        Kind::OwnerLinks => {
            let link = json!({ "type": "string", "pattern": OWNER_LINK });
            json!({ "type": ["object", "null"], "additionalProperties": link })
        }
        Kind::RunTypes => {
            let words = RunType::ALL.map(RunType::word);
            json!({ "type": ["array", "null"], "items": { "enum": words }, "minItems": 1 })
        }
    };
    let mut schema = described(key, schema);
    if let Ok(example) = example(key) {
        schema["examples"] = json!([example]);
    }
    schema
}

/// Something that is defined once for the whole schema, or a list of such.
fn one_or_several(definition: &str) -> Value {
    let one = json!({ "$ref": format!("#/$defs/{definition}") });
    json!({ "anyOf": [one, { "type": "array", "items": one }, { "type": "null" }] })
}

/// Groups in either spelling.
fn groups() -> Value {
    let mut listed = closed(GROUP_KEYS, &["group_name"]);
    let mut named = closed(GROUP_KEYS, &[]);
    let unspoken = json!({ "anyOf": [{ "type": "null" }, { "$ref": "#/$defs/default_args" }] });
    for schema in [&mut listed, &mut named] {
        schema["properties"]["default_args"] = unspoken.clone();
        schema["properties"]["add_suffix_on_collision"] = json!({ "enum": [false, null] });
    }
    json!({
        "anyOf": [
            { "type": "array", "items": listed },
            { "type": "object", "additionalProperties": { "anyOf": [{ "type": "null" }, named] } },
            { "type": "null" },
        ],
    })
}

/// A mapping with these keys and no others.
fn closed(keys: &[Key], required: &[&str]) -> Value {
    let properties: serde_json::Map<String, Value> =
        keys.iter().map(|key| (key.name.to_owned(), key_schema(key))).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn expand() -> Value {
    let values = json!({
        "anyOf": [
            { "type": "array", "maxItems": MAP_LENGTH_MAX },
            { "type": "object", "maxProperties": MAP_LENGTH_MAX },
            { "type": "string", "pattern": OUTPUT },
        ],
    });
    let one = json!({ "type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": values });
    json!({
        "anyOf": [
            { "type": "object", "minProperties": 1, "additionalProperties": values },
            { "type": "array", "minItems": 1, "items": one },
            { "type": "null" },
        ],
    })
}

/// dag-factory's notation for a Python object.
fn object_of(classes: &[&str]) -> Value {
    json!({ "type": "object", "required": ["__type__"], "properties": { "__type__": { "enum": classes } } })
}

/// The example is YAML; the plain ones are JSON or words, too.
fn example(key: &Key) -> Result<Value, serde_json::Error> {
    match key.kind {
        Kind::Tags
        | Kind::Dependencies
        | Kind::Assets
        | Kind::Outlets
        | Kind::Params
        | Kind::DefaultArgs
        | Kind::Tasks
        | Kind::Emails
        | Kind::Groups
        | Kind::Expand
        | Kind::ExpandKwargs
        | Kind::Partial
        | Kind::RetryPolicy
        | Kind::ExitCodes
        | Kind::OwnerLinks
        | Kind::RunTypes => serde_json::from_str(key.example),
        _ => serde_json::from_str(key.example).or_else(|_| Ok(Value::from(key.example))),
    }
}
