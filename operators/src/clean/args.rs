//! The arguments of `clean`, and what must hold for them.

use std::borrow::Cow;
use std::fmt;

use scheduler::operator::ArgumentProblem;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::elsewhere;
use super::rules::Rule;
use super::sql;
use crate::databricks::engine::{self, Engine, OnDatabricks};
use crate::expect::{self, Expectation};
use crate::expression;
use crate::memory::MemoryLimit;
use crate::retention::{self, Retention};
use crate::shapes::OneOrMany;
use crate::spark::{Target, TimestampFormat};
use crate::table::Format;

/// The arguments of `clean`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CleanArgs {
    /// What to read: a file, a folder, a pattern (`topics/*.pin/partition=*/*.json`) or a Delta table, on this machine or
    /// in S3 (`s3://bucket/…`); or a list of them, whose rows are read one after another. Relative paths begin at
    /// `UPDRAFT_HOME`.
    pub input: OneOrMany,
    /// The format of the input; told from the names of the files if it is not given.
    #[serde(default)]
    pub format: Option<Format>,
    /// Of a Delta table: the version to read, if not the newest.
    #[serde(default)]
    pub version: Option<u64>,
    /// How CSV is written.
    #[serde(default)]
    pub csv: CsvOptions,
    /// The columns to read and their types: `{ind: int, country: string}`. Columns that a file does not have are NULL, and
    /// so are values that cannot be cast, which are counted. Without it, files say what columns there are.
    #[serde(default)]
    pub schema: Option<ColumnTypes>,
    /// What becomes of columns that `schema` does not name.
    #[serde(default)]
    pub extra_columns: ExtraColumns,
    /// Whether the folders on the way to a file are columns, where they are named `column=value`.
    #[serde(default)]
    pub partition_columns: bool,
    /// Whether to read only files that earlier runs of this task have not read, as the output remembers. The output is a
    /// Delta table, and `mode` is `append` or `merge`.
    #[serde(default)]
    pub incremental: bool,
    /// What to do when there is nothing to read: no files, or files that hold nothing.
    #[serde(default)]
    pub on_empty: OnEmpty,
    /// The share of malformed documents (0 to 1) above which the task fails. Below it they become rows of NULLs.
    #[serde(default = "default_broken_share")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_broken_share: f64,
    /// What to do to the rows, step by step.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// What must hold for the rows after the rules, and what becomes of the task, or of the rows, when it does not.
    #[serde(default)]
    pub expect: Vec<Expectation>,
    /// The Delta table for rows that `expect` drops; the output with `_rejected` at its end if it is not given.
    #[serde(default)]
    pub rejected: Option<String>,
    /// Where the rows go: a folder for a Delta table, or a file that ends in `.parquet`, `.csv` or `.jsonl`; on this machine
    /// or in S3.
    pub output: String,
    /// The format of the output; told from its name if it is not given, and Delta if that does not tell.
    #[serde(default)]
    pub output_format: Option<OutputFormat>,
    /// What becomes of the rows that the output has.
    #[serde(default)]
    pub mode: Mode,
    /// For `mode: merge`: the columns that tell which row is which. NULL is a value like others.
    #[serde(default)]
    pub keys: Option<OneOrMany>,
    /// For `mode: merge`: of rows with the same keys in the input, the last one by these columns is taken; names, with
    /// ` desc` for the opposite order. Without it, the last one by the names of the files and their lines.
    #[serde(default)]
    pub order_by: Option<OneOrMany>,
    /// Of a Delta table: the columns by whose values its files are put into folders.
    #[serde(default)]
    pub partition_by: Option<OneOrMany>,
    /// Of a Delta table: what may happen to its columns. By default `replace` when it is overwritten, else `add`.
    #[serde(default)]
    pub schema_change: Option<SchemaChange>,
    /// For how long rows that were replaced can still be read, as earlier versions of the table; `7d` if neither this nor
    /// the table says otherwise. Their files are removed after that. `forever` keeps all.
    #[serde(default)]
    pub vacuum_retention: Option<Retention>,
    /// Memory for sorting, joining and grouping before they spill to disk.
    #[serde(default)]
    pub memory_limit: MemoryLimit,
    /// Where the work is done.
    #[serde(default)]
    pub engine: Engine,
    /// For `engine: databricks`: the connection, the cluster, and how the run is followed.
    #[serde(default)]
    #[schemars(with = "Option<OnDatabricks>")]
    pub databricks: Option<Map<String, Value>>,
}

/// One in twenty: real topics have a few broken records; a wrong file has nothing else.
fn default_broken_share() -> f64 {
    0.05
}

/// How CSV is written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CsvOptions {
    /// What stands between fields: one sign. A comma if it is not given.
    pub delimiter: AsciiSign,
    /// What stands around fields that hold a delimiter.
    pub quote: AsciiSign,
    /// What stands before a quote within a field, if it is not doubled.
    pub escape: Option<AsciiSign>,
    /// Whether the first line has the names of the columns. Without names they are those of `schema` in its order, or `_c0`,
    /// `_c1`, ….
    pub header: bool,
    /// The text that stands for NULL, such as `NA`; an empty field is an empty text then.
    pub null: Option<String>,
}

impl Default for CsvOptions {
    fn default() -> CsvOptions {
        CsvOptions { delimiter: AsciiSign(b','), quote: AsciiSign(b'"'), escape: None, header: true, null: None }
    }
}

/// One sign of ASCII; a tab may be written `\t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsciiSign(pub u8);

impl<'de> Deserialize<'de> for AsciiSign {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<AsciiSign, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_bytes() {
            b"\\t" => Ok(AsciiSign(b'\t')),
            [sign] if sign.is_ascii() => Ok(AsciiSign(*sign)),
            _ => Err(serde::de::Error::custom(format!("`{text}` is not one sign of ASCII"))),
        }
    }
}

impl JsonSchema for AsciiSign {
    fn schema_name() -> Cow<'static, str> {
        "AsciiSign".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "One sign; a tab may be written `\\t`.", "type": "string", "minLength": 1, "maxLength": 2 })
    }
}

/// Columns and their types, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnTypes(pub Vec<(String, Target)>);

impl<'de> Deserialize<'de> for ColumnTypes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ColumnTypes, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = ColumnTypes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("columns and their types")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ColumnTypes, A::Error> {
                let mut columns = Vec::new();
                while let Some(column) = map.next_entry()? {
                    columns.push(column);
                }
                Ok(ColumnTypes(columns))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

impl JsonSchema for ColumnTypes {
    fn schema_name() -> Cow<'static, str> {
        "ColumnTypes".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let target = generator.subschema_for::<Target>();
        json_schema!({
            "description": "Columns and their types.",
            "type": "object",
            "additionalProperties": target,
            "minProperties": 1
        })
    }
}

/// What becomes of columns that the schema does not name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExtraColumns {
    /// They are left out.
    #[default]
    Drop,
    /// They follow the others, with the types that they have.
    Keep,
}

/// What to do when there is nothing to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnEmpty {
    /// The task fails.
    #[default]
    Fail,
    /// The task is skipped, and the output stays as it is.
    Skip,
    /// The output is written, without rows. Without a `schema` the output must be there and tell its columns.
    Write,
}

/// What becomes of the rows that the output has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// They go, in the commit that brings the new ones.
    #[default]
    Overwrite,
    /// They stay.
    Append,
    /// Those go that have the `keys` of a new one.
    Merge,
}

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OutputFormat {
    /// A Delta table.
    Delta,
    /// One Parquet file.
    Parquet,
    /// One file of text with commas; NULL is an empty field, an empty text is `""`.
    Csv,
    /// One file with a JSON document a line.
    Json,
}

impl OutputFormat {
    /// The word that people write.
    pub fn name(self) -> &'static str {
        match self {
            OutputFormat::Delta => "delta",
            OutputFormat::Parquet => "parquet",
            OutputFormat::Csv => "csv",
            OutputFormat::Json => "json",
        }
    }
}

/// What may happen to the columns of a Delta table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SchemaChange {
    /// It gets the columns of the rows, whatever it had.
    Replace,
    /// It gets the columns that it does not have; those that it has keep their types.
    Add,
    /// It has the columns of the rows, or the task fails.
    Refuse,
}

impl CleanArgs {
    /// The format of the output, which is called `name`.
    pub fn output_format(&self, name: &str) -> Result<OutputFormat, String> {
        if let Some(format) = self.output_format {
            return Ok(format);
        }
        Ok(match Format::of_name(name) {
            Some(Format::Parquet) => OutputFormat::Parquet,
            Some(Format::Csv) => OutputFormat::Csv,
            Some(Format::Json) => OutputFormat::Json,
            Some(Format::Avro) => return Err(format!("`{name}` cannot be written: Avro is only read")),
            Some(Format::Delta) | None => OutputFormat::Delta,
        })
    }

    /// Why the arguments about the output do not go together; the argument to blame first.
    pub fn contradiction(&self, name: &str) -> Option<(&'static str, String)> {
        let format = match self.output_format(name) {
            Ok(format) => format,
            Err(message) => return Some(("output", message)),
        };
        let delta_only =
            |what: &str| format!("{what} needs a Delta table as output, and `{name}` is {}", format.name());
        if format != OutputFormat::Delta {
            if self.incremental {
                let why = "only its commits can hold the rows and the names of the files that were read, as one";
                return Some(("incremental", format!("{}: {why}", delta_only("`incremental`"))));
            }
            if self.mode != Mode::Overwrite {
                return Some(("mode", delta_only("`append` or `merge`")));
            }
            if self.partition_by.is_some() {
                return Some(("partition_by", delta_only("`partition_by`")));
            }
            if self.schema_change.is_some() {
                return Some(("schema_change", delta_only("`schema_change`")));
            }
        }
        if self.incremental && self.mode == Mode::Overwrite {
            let message = "`incremental` reads the new files alone, so `mode: overwrite` would lose the rows of the others; use \
                           `append` or `merge`";
            return Some(("incremental", message.to_owned()));
        }
        let has_keys = self.keys.as_ref().is_some_and(|keys| !keys.names().is_empty());
        match self.mode {
            Mode::Merge if !has_keys => {
                Some(("mode", "`merge` needs `keys`, the columns that tell which row is which".to_owned()))
            }
            Mode::Overwrite | Mode::Append if self.keys.is_some() => {
                Some(("keys", "`keys` are for `mode: merge`".to_owned()))
            }
            Mode::Overwrite | Mode::Append if self.order_by.is_some() => {
                Some(("order_by", "`order_by` is for `mode: merge`".to_owned()))
            }
            Mode::Append | Mode::Merge if self.schema_change == Some(SchemaChange::Replace) => {
                let message = "`replace` is for `mode: overwrite`; rows that stay need their columns".to_owned();
                Some(("schema_change", message))
            }
            _ => None,
        }
    }
}

/// What is wrong with arguments in a DAG file beyond their schema.
pub fn check(args: &Map<String, Value>) -> Vec<ArgumentProblem> {
    let rules = args.get("rules").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut problems: Vec<ArgumentProblem> =
        rules.iter().enumerate().filter_map(|(at, rule)| check_rule(at, rule)).collect();
    problems.extend(retention::check(args));
    problems.extend(expect::check(args));
    problems.extend(engine::check(args));
    let has_template = args.values().any(|value| value.as_str().is_some_and(is_template));
    if let (Ok(parsed), false) = (CleanArgs::deserialize(Value::Object(args.clone())), has_template_in_words(args)) {
        let name = parsed.output.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        // A name that a template makes may end in anything.
        let name = if has_template && is_template(name) && parsed.output_format.is_none() { "table" } else { name };
        problems.extend(parsed.contradiction(name).map(|(argument, message)| ArgumentProblem {
            pointer: format!("/{argument}"),
            message,
            help: None,
        }));
        if parsed.engine == Engine::Databricks {
            problems.extend(elsewhere::unsupported(&parsed, name));
        }
    }
    problems
}

fn has_template_in_words(args: &Map<String, Value>) -> bool {
    let words = ["mode", "output_format", "incremental", "keys", "schema_change"];
    words.iter().any(|word| args.get(*word).and_then(Value::as_str).is_some_and(is_template))
}

fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

fn check_rule(at: usize, rule: &Value) -> Option<ArgumentProblem> {
    let (word, said) = rule.as_object()?.iter().next()?;
    let text = |key: &str| said.get(key).and_then(Value::as_str).filter(|text| !is_template(text));
    let whole = said.as_str().filter(|text| !is_template(text));
    let (key, message) = match word.as_str() {
        "timestamp" | "cast" => ("/format", TimestampFormat::parse(text("format")?).err()?.to_string()),
        "replace" | "extract" => ("/pattern", expect::read_pattern(text("pattern")?).err()?.to_string()),
        "derive" => ("/sql", expression::parse(text("sql")?).err()?.to_string()),
        "filter" | "drop_rows" => ("", expression::parse(whole?).err()?.to_string()),
        "sql" => ("", sql::check(whole?).err()?.to_string()),
        _ => return None,
    };
    Some(ArgumentProblem { pointer: format!("/rules/{at}/{word}{key}"), message, help: None })
}
