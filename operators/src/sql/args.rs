//! The arguments of `sql` as people write them, and mistakes in them that can be told while the DAG file is loaded.

use std::path::Path;

use scheduler::dag::template::holds_template;
use scheduler::operator::ArgumentProblem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::place::{Place, problem};
use crate::beside;
use crate::query::{Locations, Output};
use crate::shapes::OneOrMany;
use crate::statements::{Dialect, Statement, Values, first_words, split};
use crate::table::Format;

/// So many rows go into XCom.
const XCOM_ROWS: usize = 1_000;

/// Words that would begin or end the transaction of the task.
const TRANSACTION_WORDS: [&str; 5] = ["BEGIN", "START", "COMMIT", "ROLLBACK", "END"];

/// Arguments of the `sql` operator.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlArgs {
    /// Statements in the SQL of the database: a text with semicolons between them, the name of a template file that ends in
    /// `.sql` or `.json`, or a list of such texts and names.
    #[serde(default)]
    pub(super) sql: Option<OneOrMany>,
    /// Values for the places in the statements: a mapping for `:name` or `%(name)s`, or a list for `%s` or `?`; or the name of a
    /// template file that ends in `.json`.
    #[serde(default)]
    pub(super) parameters: Option<Values>,
    /// Whether each statement lasts as soon as it is done. Otherwise all of them are one transaction, which lasts as a whole
    /// or not at all.
    #[serde(default)]
    pub(super) autocommit: bool,
    /// Whether a text is taken apart at its semicolons.
    #[serde(default = "yes")]
    pub(super) split_statements: bool,
    /// Whether only the answer to the last statement is kept; otherwise that to each is, as a list.
    #[serde(default = "yes")]
    pub(super) return_last: bool,
    /// What of an answer goes into XCom.
    #[serde(default)]
    pub(super) result: Shape,
    /// How many rows of an answer at most go into XCom.
    #[serde(default = "xcom_rows")]
    pub(super) max_rows: usize,
    /// A file for all rows of the last statement, on this machine or in S3: one ending in `.csv`, `.jsonl` or `.parquet`, or a
    /// path with its format.
    #[serde(default)]
    pub(super) output: Option<Output>,
    /// Files whose rows go into a table, after the statements.
    #[serde(default)]
    pub(super) load: Option<Load>,
}

/// What of an answer goes into XCom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Shape {
    /// A mapping with `columns`, `rows` and `row_count`.
    #[default]
    Table,
    /// The rows alone, each a list, as Airflow has them.
    Rows,
    /// The first row.
    Row,
    /// The first value of the first row.
    Value,
}

/// What goes into a table.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Load {
    /// A file, a folder or a pattern, on this machine or in S3; or a list of them.
    pub(super) path: Locations,
    /// The format of what is there; what its name tells if it is not given.
    #[serde(default)]
    pub(super) format: Option<Format>,
    /// The table, perhaps with its schema: `public.users`. It must have all columns that the files have.
    #[schemars(length(min = 1))]
    pub(super) table: String,
    /// What becomes of rows that the table has already.
    #[serde(default)]
    pub(super) mode: Mode,
    /// With `mode: upsert`, the columns by which a row is known; the table must have a unique index on them.
    #[serde(default)]
    pub(super) key: Option<OneOrMany>,
}

/// What becomes of rows that a table has already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    /// They stay.
    #[default]
    Append,
    /// They are deleted.
    Replace,
    /// Those with the `key` of a new row are changed to that.
    Upsert,
}

fn yes() -> bool {
    true
}

fn xcom_rows() -> usize {
    XCOM_ROWS
}

/// Whether a text names a file.
pub(crate) fn is_file(text: &str) -> bool {
    let text = text.trim();
    Path::new(text).extension().is_some_and(|end| end == "sql") && !text.contains(['\n', ';'])
}

/// All mistakes.
pub(super) fn check(args: &Map<String, Value>) -> Vec<ArgumentProblem> {
    let is_given = |key: &str| args.get(key).is_some_and(|value| !value.is_null());
    let mut problems = Place::check(args);
    if !is_given("sql") && !is_given("load") {
        problems.push(problem("", "it does not say what to do: `sql`, `load`, or both".to_owned()));
    }
    if is_given("output") && !is_given("sql") {
        problems.push(problem("/output", "there is no `sql` whose rows it could hold".to_owned()));
    }
    problems.extend(check_sql(args));
    problems.extend(Values::check(args));
    let format = args.get("output").and_then(|output| output.get("format")).and_then(Value::as_str);
    if format == Some("delta") {
        let help = Some("the operator `query` reads tables of databases, and writes Delta tables".to_owned());
        problems.push(ArgumentProblem { help, ..problem("/output/format", "it writes files alone".to_owned()) });
    }
    if let Some(Value::Object(load)) = args.get("load") {
        let is_upsert = load.get("mode").and_then(Value::as_str) == Some("upsert");
        let has_key = load.get("key").is_some_and(|key| !key.is_null());
        match (is_upsert, has_key) {
            (true, false) => problems.push(problem("/load", "`mode: upsert` needs a `key`".to_owned())),
            (false, true) => {
                problems.push(problem("/load/key", "a `key` is for `mode: upsert`".to_owned()));
            }
            _ => {}
        }
    }
    problems
}

/// Mistakes in texts that no template changes.
fn check_sql(args: &Map<String, Value>) -> Vec<ArgumentProblem> {
    let texts: Vec<(String, &str)> = match args.get("sql") {
        Some(Value::String(text)) => vec![("/sql".to_owned(), text)],
        Some(Value::Array(texts)) => {
            let texts = texts.iter().enumerate();
            texts.filter_map(|(at, text)| text.as_str().map(|text| (format!("/sql/{at}"), text))).collect()
        }
        _ => Vec::new(),
    };
    let is_one = args.get("autocommit").is_none_or(|value| value == false);
    let mut problems = Vec::new();
    for (pointer, text) in texts.into_iter().filter(|(_, text)| !holds_template(text)) {
        if is_file(text) {
            problems.extend(beside::path("/".as_ref(), text.trim()).err().map(|message| problem(&pointer, message)));
            continue;
        }
        // All grammars agree about the first word; but only MySQL's client has this command.
        let is_command = |one: &Statement| first_words(&one.text, Dialect::Postgres, 1) == ["DELIMITER"];
        let mut statements = split(text, Dialect::Postgres);
        if statements.iter().any(is_command) {
            statements = split(text, Dialect::MySql);
        }
        if statements.is_empty() {
            problems.push(problem(&pointer, "there is no statement in it".to_owned()));
        }
        let words = statements.iter().filter_map(|statement| ends_transaction(&statement.text, Dialect::Postgres));
        problems.extend(words.take(usize::from(is_one)).map(|word| problem(&pointer, ends(&word))));
    }
    problems
}

/// The word with which a statement would end the transaction of the task, or begin another.
pub(super) fn ends_transaction(statement: &str, dialect: Dialect) -> Option<String> {
    let words = first_words(statement, dialect, 3);
    let word = words.first()?;
    let is_of_savepoint = word == "ROLLBACK" && words.iter().any(|word| word == "TO");
    (TRANSACTION_WORDS.contains(&word.as_str()) && !is_of_savepoint).then(|| word.clone())
}

/// What is said of such a statement.
pub(super) fn ends(word: &str) -> String {
    format!(
        "all statements are one transaction, which `{word}` would break up; leave it out, or write `autocommit: true` and \
         begin and end transactions yourself"
    )
}
