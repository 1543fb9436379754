//! The arguments of `stream`, as people write them.

use std::borrow::Cow;
use std::time::Duration;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use scheduler::dag::template;
use scheduler::operator::ArgumentProblem;
use schemars::{JsonSchema, Schema as JsonSchemaDocument, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::clean::Rule;
use crate::kafka::{KafkaArgs, Sasl};
use crate::shapes::{TextOr, one_key};
use crate::span::Span;

/// Arguments of the `stream` operator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamArgs {
    /// Where records come from: a folder or `s3://bucket/prefix` with objects of one topic as Kafka Connect's S3 sink lays
    /// them out (`lake/topics/0a3db223d459.pin`); or a mapping with one of `kinesis`, `kafka`, `folder`.
    pub(super) source: TextOr<SourceChoice>,
    /// The columns, in their order: `{index: string, age: int}`, or a list of names that are all text, as Spark's
    /// `from_json` is given them. Members of a document that are not named are passed over; columns without a member are
    /// NULL.
    pub(super) schema: Columns,
    /// The Delta table that is appended to: a folder, or `s3://bucket/prefix`. It is made if it is not there.
    pub(super) output: String,
    /// What to do to the rows, step by step, as in `clean`; only rules that look at one row at a time.
    #[serde(default)]
    pub(super) rules: Vec<Rule>,
    /// When to end: `empty` when there is nothing more to read just now, after a duration (`10m`), or `forever`, that is,
    /// when somebody stops it.
    #[serde(default)]
    pub(super) until: Until,
    /// What becomes of records that are not a JSON object: `keep` makes them rows of NULLs, as Spark does; `drop` leaves them
    /// out. Both are counted.
    #[serde(default)]
    pub(super) broken: Broken,
    /// How many rows a commit has at most; of a folder, objects are taken whole.
    #[serde(default = "default_batch_rows")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(super) batch_rows: usize,
    /// After how long rows are committed, also when there are few.
    #[serde(default = "default_batch_every")]
    pub(super) batch_every: Span,
    /// For how long a source that does not answer is asked again before the try fails.
    #[serde(default = "default_retry_for")]
    pub(super) retry_for: Span,
    /// The name under which the table remembers how far the stream was read; `<dag_id>.<task_id>` unless said. Another name
    /// reads from `start` again.
    #[schemars(length(min = 1, max = 200))]
    pub(super) checkpoint: Option<String>,
}

fn default_batch_rows() -> usize {
    50_000
}

fn default_batch_every() -> Span {
    Span(Duration::from_secs(10))
}

fn default_retry_for() -> Span {
    Span(Duration::from_mins(2))
}

/// Where records come from, when a folder does not say enough.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(transform = one_key)]
pub(super) enum SourceChoice {
    /// A stream of Kinesis, reached with the `AWS_*` variables.
    Kinesis(KinesisSource),
    /// A topic of Kafka.
    Kafka(KafkaSource),
    /// Objects of one topic, as Kafka Connect's S3 sink lays them out.
    Folder(FolderSource),
}

/// See [`SourceChoice::Kinesis`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct KinesisSource {
    /// Its name.
    #[schemars(length(min = 1, max = 128))]
    pub(super) stream: String,
    /// Where to begin when the table remembers nothing of it.
    #[serde(default)]
    pub(super) start: Start,
}

/// See [`SourceChoice::Kafka`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct KafkaSource {
    /// Its name.
    #[schemars(length(min = 1))]
    pub(super) topic: String,
    /// Where to begin when the table remembers nothing of it.
    #[serde(default)]
    pub(super) start: Start,
    /// Some of the brokers, as `host:port`; they name the others.
    #[schemars(length(min = 1))]
    brokers: Vec<String>,
    /// Whether to speak TLS.
    #[serde(default)]
    tls: bool,
    /// With `tls`, a file with the certificates (PEM) of those who sign for the brokers, when they are none that the machine
    /// trusts. A relative path begins at `UPDRAFT_HOME`.
    ca_file: Option<String>,
    /// How to sign in, if one has to: a name with a password, or `aws-msk-iam` for who the `AWS_*` variables say that one is.
    sasl: Option<Sasl>,
}

impl KafkaSource {
    /// How the cluster is reached.
    pub(super) fn cluster(&self) -> KafkaArgs {
        KafkaArgs {
            brokers: self.brokers.clone(),
            tls: self.tls,
            ca_file: self.ca_file.clone(),
            sasl: self.sasl.clone(),
        }
    }
}

/// See [`SourceChoice::Folder`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FolderSource {
    /// The folder of the topic, with `partition=…` in it.
    pub(super) path: String,
}

/// Where to begin: `earliest` at the oldest record that there is (Kinesis: TRIM_HORIZON), `latest` with what comes from now
/// on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Start {
    #[default]
    Earliest,
    Latest,
}

/// What becomes of records that are not a JSON object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Broken {
    #[default]
    Keep,
    Drop,
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ColumnType {
    /// Text; numbers, objects and arrays are written anew.
    String,
    /// Integers of 32 bits.
    #[serde(alias = "integer")]
    Int,
    /// Integers of 64 bits.
    #[serde(alias = "long")]
    Bigint,
    /// Numbers.
    Double,
    /// `true` and `false`.
    Boolean,
}

impl ColumnType {
    fn arrow(self) -> DataType {
        match self {
            ColumnType::String => DataType::Utf8,
            ColumnType::Int => DataType::Int32,
            ColumnType::Bigint => DataType::Int64,
            ColumnType::Double => DataType::Float64,
            ColumnType::Boolean => DataType::Boolean,
        }
    }
}

/// Names and types of columns, in their order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Columns(Vec<(String, ColumnType)>);

impl Columns {
    /// As a schema of Arrow.
    pub(super) fn arrow(&self) -> SchemaRef {
        let field = |(name, column_type): &(String, ColumnType)| Field::new(name, column_type.arrow(), true);
        std::sync::Arc::new(Schema::new(self.0.iter().map(field).collect::<Vec<_>>()))
    }
}

impl<'de> Deserialize<'de> for Columns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Columns, D::Error> {
        use serde::de::Error;
        let columns = match Value::deserialize(deserializer)? {
            Value::Array(names) => names
                .into_iter()
                .map(|name| match name {
                    Value::String(name) => Ok((name, ColumnType::String)),
                    other => Err(D::Error::custom(format!("{other} is no name of a column"))),
                })
                .collect::<Result<Vec<_>, _>>()?,
            Value::Object(types) => types
                .into_iter()
                .map(|(name, column_type)| Ok((name, serde_json::from_value(column_type).map_err(D::Error::custom)?)))
                .collect::<Result<Vec<_>, _>>()?,
            _ => return Err(D::Error::custom("write a list of names, or a mapping of names to types")),
        };
        if columns.is_empty() {
            return Err(D::Error::custom("there must be a column"));
        }
        for (at, (name, _)) in columns.iter().enumerate() {
            if columns[..at].iter().any(|(before, _)| before == name) {
                return Err(D::Error::custom(format!("the column `{name}` is named twice")));
            }
        }
        Ok(Columns(columns))
    }
}

impl JsonSchema for Columns {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Columns".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> JsonSchemaDocument {
        let types = generator.subschema_for::<ColumnType>();
        json_schema!({
            "oneOf": [
                { "type": "array", "items": { "type": "string", "minLength": 1 }, "minItems": 1, "uniqueItems": true },
                { "type": "object", "additionalProperties": types, "minProperties": 1 }
            ]
        })
    }
}

/// When to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Until {
    /// When there is nothing more to read just now.
    #[default]
    Empty,
    /// After that long.
    After(Duration),
    /// When somebody stops it.
    Forever,
}

impl std::str::FromStr for Until {
    type Err = String;

    fn from_str(text: &str) -> Result<Until, String> {
        match text {
            "empty" => Ok(Until::Empty),
            "forever" => Ok(Until::Forever),
            other => match other.parse::<Span>() {
                Ok(Span(span)) => Ok(Until::After(span)),
                Err(_) => Err(format!("`{text}` is neither `empty`, `forever` nor a duration such as `10m`")),
            },
        }
    }
}

impl<'de> Deserialize<'de> for Until {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Until, D::Error> {
        let text = match Value::deserialize(deserializer)? {
            Value::String(text) => text,
            other => other.to_string(),
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// As people write it, for those who read what the default is.
impl Serialize for Until {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Until::Empty => serializer.serialize_str("empty"),
            Until::After(span) => Span(*span).serialize(serializer),
            Until::Forever => serializer.serialize_str("forever"),
        }
    }
}

impl JsonSchema for Until {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Until".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> JsonSchemaDocument {
        json_schema!({ "title": "duration or word", "type": ["string", "number"], "minimum": 0 })
    }
}

/// Rules that look at several rows.
const WHOLE_TABLE_RULES: [&str; 3] = ["deduplicate", "explode", "sql"];

/// Looks for mistakes that the JSON Schema cannot express.
pub(super) fn check(args: &Map<String, Value>) -> Vec<ArgumentProblem> {
    let rules = args.get("rules").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let whole = rules.iter().enumerate().flat_map(|(at, rule)| {
        let found = WHOLE_TABLE_RULES.iter().filter(move |name| rule.get(**name).is_some());
        found.map(move |name| ArgumentProblem {
            pointer: format!("/rules/{at}/{name}"),
            message: format!("`{name}` looks at more than a row at a time, which a stream cannot"),
            help: Some("leave it to a `clean` or `query` of the table".to_owned()),
        })
    });
    let until = args
        .get("until")
        .and_then(Value::as_str)
        .filter(|text| !template::holds_template(text))
        .and_then(|text| text.parse::<Until>().err())
        .map(|message| ArgumentProblem { pointer: "/until".to_owned(), message, help: None });
    let times = ["batch_every", "retry_for"].into_iter().filter_map(|key| crate::span::check::<Span>(args, key));
    whole.chain(until).chain(times).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_names_of_text_or_names_with_types() {
        let read = |value: Value| serde_json::from_value::<Columns>(value).map_err(|error| error.to_string());
        let columns = read(json!(["ind", "age"])).unwrap();
        assert_eq!(columns.0, [("ind".to_owned(), ColumnType::String), ("age".to_owned(), ColumnType::String)]);
        let columns = read(json!({"ind": "int", "age": "bigint"})).unwrap();
        assert_eq!(columns.arrow().field(0).data_type(), &DataType::Int32);
        assert_eq!(columns.arrow().field(1).data_type(), &DataType::Int64);
        assert_eq!(read(json!([])).unwrap_err(), "there must be a column");
        assert_eq!(read(json!(["a", "a"])).unwrap_err(), "the column `a` is named twice");
    }

    #[test]
    fn a_stream_ends_when_it_is_empty_or_after_a_while_or_never() {
        assert_eq!("empty".parse(), Ok(Until::Empty));
        assert_eq!("10m".parse(), Ok(Until::After(Duration::from_mins(10))));
        assert_eq!("forever".parse(), Ok(Until::Forever));
        assert!("soon".parse::<Until>().is_err());
    }

    #[test]
    fn rules_over_all_rows_are_refused() {
        let args = json!({"rules": [{"rename": {"index": "ind"}}, {"deduplicate": {"by": "row"}}], "until": "soon"});
        let pointers: Vec<String> = check(args.as_object().unwrap()).into_iter().map(|found| found.pointer).collect();
        assert_eq!(pointers, ["/rules/1/deduplicate", "/until"]);
    }
}
