//! What the JSON Schema for editors says of schedules and assets.

use serde_json::{Map, Value, json};

use super::assets::CLASSES as ASSET_CLASSES;
use super::catchup::MODES;
use super::object::{LENGTHS, TIMETABLES};

/// Five to seven fields; the loader reads them closely.
const CRON: &str = r"^\s*[^@\s]\S*(\s+\S+){4,6}\s*$";

/// A length of time with its unit, as [`crate::dag::period`] reads it.
const LENGTH: &str = concat!(
    r"^\s*([0-9.]+\s*(ms|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?|months?|years?)\s*)+$",
    r"|^\s*[Pp]([0-9.]+[Yy])?([0-9.]+[Mm])?([0-9.]+[Ww])?([0-9.]+[Dd])?([Tt]([0-9.]+[Hh])?([0-9.]+[Mm])?([0-9.]+[Ss])?)?\s*$",
);

const PRESETS: [&str; 8] =
    ["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@quarterly", "@yearly", "@annually"];

/// The definitions that the schemas of this file refer to.
pub(in crate::dag::spec) fn definitions() -> Map<String, Value> {
    let mut defs = Map::new();
    defs.insert("asset".to_owned(), asset());
    defs.insert("asset_expression".to_owned(), asset_expression());
    defs.insert("cron".to_owned(), json!({ "anyOf": [{ "enum": PRESETS }, { "type": "string", "pattern": CRON }] }));
    defs.insert("length".to_owned(), length());
    defs.insert("time".to_owned(), time());
    defs
}

/// The value of `schedule`.
pub(in crate::dag::spec) fn schedule() -> Value {
    json!({
        "anyOf": [
            { "$ref": "#/$defs/time" },
            { "type": "string", "pattern": r"^\s*([Nn][Oo][Nn][Ee]|[Nn][Uu][Ll][Ll])\s*$" },
            // A text alone is no asset here.
            { "type": ["array", "object"], "allOf": [{ "$ref": "#/$defs/asset_expression" }] },
            form(&["assets"], &json!({
                "assets": described("#/$defs/asset_expression", "The assets to wait for; a list means all of them."),
                "time": described("#/$defs/time", "When the DAG runs besides."),
                "partitioned": {
                    "type": ["boolean", "null"],
                    "description": "Whether a run is made for each partition, when all assets have it.",
                },
            })),
            { "type": "null" },
        ],
    })
}

/// The value of `catchup`.
pub(in crate::dag::spec) fn catchup() -> Value {
    let modes = MODES.map(|(word, _)| word);
    json!({
        "anyOf": [
            { "type": ["boolean", "null"] },
            { "enum": modes },
            form(&[], &json!({
                "mode": { "description": "Which missed runs are made up for.", "enum": modes },
                "window": {
                    "description": "No run is made up for that was due longer ago.",
                    "anyOf": [{ "type": "string" }, { "type": "number", "minimum": 0 }, object_of(&["datetime.timedelta"])],
                },
            })),
        ],
    })
}

/// The value of `outlets`.
pub(in crate::dag::spec) fn outlets() -> Value {
    json!({
        "anyOf": [
            {
                "type": "array",
                "items": {
                    "anyOf": [
                        { "$ref": "#/$defs/asset" },
                        alias("A name under which the task finds assets while it runs."),
                        airflow_object(&["AssetAlias", "DatasetAlias"]),
                    ],
                },
            },
            object_of(&["builtins.list"]),
            { "type": "null" },
        ],
    })
}

/// The value of `inlets`.
pub(in crate::dag::spec) fn assets() -> Value {
    json!({
        "anyOf": [
            { "type": "array", "items": { "$ref": "#/$defs/asset" } },
            object_of(&["builtins.list"]),
            { "type": "null" },
        ],
    })
}

fn asset() -> Value {
    let entries = json!({
        "name": { "type": "string", "minLength": 1, "maxLength": 1500, "description": "What people call it; the URI when absent." },
        "uri": { "type": "string", "minLength": 1, "maxLength": 1500, "description": "Where it is; the name when absent." },
        "group": { "type": "string", "description": "What it belongs to." },
        "extra": { "type": ["object", "null"], "description": "Anything more there is to know of it." },
    });
    let mut mapping = form(&[], &entries);
    mapping["anyOf"] = json!([{ "required": ["name"] }, { "required": ["uri"] }]);
    json!({
        "anyOf": [
            { "type": "string", "pattern": "^[^@]", "maxLength": 1500 },
            mapping,
            airflow_object(&["Asset", "Dataset"]),
        ],
    })
}

fn alias(description: &str) -> Value {
    let name = json!({ "type": "string", "minLength": 1, "maxLength": 1500, "description": description });
    form(&["alias"], &json!({ "alias": name }))
}

fn asset_expression() -> Value {
    let list = json!({ "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/asset_expression" } });
    json!({
        "anyOf": [
            { "$ref": "#/$defs/asset" },
            alias("A name under which tasks find assets: each of them is waited for."),
            list,
            form(&["all"], &json!({ "all": list })),
            form(&["any"], &json!({ "any": list })),
            form(&["__and__"], &json!({ "__and__": list })),
            form(&["__or__"], &json!({ "__or__": list })),
            airflow_object(&ASSET_CLASSES),
            object_of(&["builtins.list"]),
        ],
    })
}

fn length() -> Value {
    json!({
        "anyOf": [
            { "type": "string", "pattern": LENGTH },
            { "type": "number", "minimum": 1 },
            object_of(&LENGTHS),
        ],
    })
}

fn time() -> Value {
    let data_interval = json!({
        "type": ["boolean", "null"],
        "description": "Whether a run is about the time since the tick before, and starts when that is over.",
    });
    let interval = json!({
        "description": "How far back from its time a run's data interval reaches.",
        "anyOf": [{ "$ref": "#/$defs/length" }, { "enum": [0, null] }],
    });
    let run_immediately = json!({
        "type": ["boolean", "string", "number", "object", "null"],
        "description": "Whether a new DAG without a start date makes up for the tick before it, or how old that may be.",
    });
    json!({
        "anyOf": [
            { "$ref": "#/$defs/cron" },
            { "enum": ["@once", "@continuous"] },
            { "type": "string", "pattern": LENGTH },
            form(&["cron"], &json!({
                "cron": described("#/$defs/cron", "The cron expression or preset."),
                "data_interval": data_interval,
                "interval": interval,
                "run_immediately": run_immediately,
                "key_format": {
                    "type": ["string", "null"],
                    "description": "Runs are about partitions; how their keys are written, such as `%Y-%m-%d`.",
                },
                "run_offset": {
                    "type": ["integer", "null"],
                    "minimum": -1000,
                    "maximum": 1000,
                    "description": "How many ticks after its own the partition of a run is; before it when negative.",
                },
            })),
            form(&["crons"], &json!({
                "crons": {
                    "description": "Several cron expressions; a run is due whenever one of them ticks.",
                    "type": "array",
                    "minItems": 1,
                    "items": { "$ref": "#/$defs/cron" },
                },
                "interval": interval,
                "run_immediately": run_immediately,
            })),
            form(&["every"], &json!({
                "every": described("#/$defs/length", "The time between runs."),
                "data_interval": data_interval,
                "interval": interval,
                "keep_phase": {
                    "type": ["boolean", "null"],
                    "description": "Whether runs keep to their rhythm when one of them comes late.",
                },
            })),
            form(&["dates"], &json!({
                "dates": { "description": "The dates of the runs.", "type": "array", "minItems": 1 },
                "restrict_to_events": {
                    "type": ["boolean", "null"],
                    "description": "Whether a run that somebody asks for is about the latest of the dates.",
                },
                "description": { "type": ["string", "null"], "description": "What people call these dates." },
            })),
            airflow_object(&TIMETABLES),
            object_of(&LENGTHS),
        ],
    })
}

/// A mapping with these keys and no others.
fn form(required: &[&str], properties: &Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false })
}

fn described(reference: &str, description: &str) -> Value {
    json!({ "$ref": reference, "description": description })
}

/// dag-factory's notation for a Python object.
fn object_of(classes: &[&str]) -> Value {
    json!({ "type": "object", "required": ["__type__"], "properties": { "__type__": { "enum": classes } } })
}

/// The same for classes of Airflow's, whose modules move from version to version.
fn airflow_object(classes: &[&str]) -> Value {
    let pattern = format!(r"^airflow\.([A-Za-z_]+\.)*({})$", classes.join("|"));
    json!({ "type": "object", "required": ["__type__"], "properties": { "__type__": { "type": "string", "pattern": pattern } } })
}
