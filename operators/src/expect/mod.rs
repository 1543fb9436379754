//! What rows must be like: the `expect:` of tasks that make tables.
//!
//! ```text
//!   rows ──plan──> rows with a flag for each check ──gate──> rows that may be written
//!                                                     ├────> dropped rows, set aside
//!                                                     └────> counts and examples, and at the end the verdict
//! ```
//!
//! Each row passes once. Whoever writes learns of the verdict as the last rows end: with an error in their place, so that
//! nothing is committed. Checks of single rows look at batches as they come; `unique` and `foreign_key` look at all rows,
//! by sorting, which spills to disk.

mod check;
mod gate;
mod plan;
mod verdict;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use check::{Check, ExpectationError, check, read_pattern};
pub use plan::{Checked, World, apply};
pub use verdict::{Outcome, Verdict};

use crate::shapes::OneOrMany;
use crate::table::Format;

/// Something that must hold for the rows: one check, and what to do about rows that fail it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// What the log and the report call it; unless it is given, the check in short.
    #[serde(default)]
    pub name: Option<String>,
    /// What becomes of the task, or of the rows, when it does not hold.
    #[serde(default)]
    pub action: Action,
    /// These columns have no NULL.
    #[serde(default)]
    pub not_null: Option<OneOrMany>,
    /// No two rows have the same values in these columns. A row with a NULL among them equals none.
    #[serde(default)]
    pub unique: Option<OneOrMany>,
    /// The values of a column lie between bounds. NULL is let pass.
    #[serde(default)]
    pub range: Option<Range>,
    /// The values of a column have a part that fits a pattern. NULL is let pass.
    #[serde(default)]
    pub regex: Option<Regex>,
    /// So many rows are there, those that are dropped not counted.
    #[serde(default)]
    pub row_count: Option<RowCount>,
    /// The values of columns are found in another table. A row with a NULL among them is let pass.
    #[serde(default)]
    pub foreign_key: Option<ForeignKey>,
    /// A condition in Spark's SQL over the columns of a row, such as `age >= 18 OR country IS NULL`. NULL is let pass.
    #[serde(default)]
    pub sql: Option<String>,
}

/// What becomes of the task, or of the rows, when an expectation does not hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// The task fails, and nothing is written.
    #[default]
    Fail,
    /// The rows are left out, and counted as rejected.
    Drop,
    /// The log says so.
    Warn,
}

impl Action {
    /// The word that people write.
    pub fn name(self) -> &'static str {
        match self {
            Action::Fail => "fail",
            Action::Drop => "drop",
            Action::Warn => "warn",
        }
    }
}

/// Bounds of a column. One of them may be missing.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// The column.
    pub column: String,
    /// The smallest value that is good: a number, or a text for dates, timestamps and texts.
    #[serde(default)]
    pub min: Option<Bound>,
    /// The largest value that is good.
    #[serde(default)]
    pub max: Option<Bound>,
}

/// A bound of a range.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Bound {
    /// An integer.
    Integer(i64),
    /// Any other number.
    Number(f64),
    /// A date, a timestamp, or a text.
    Text(String),
}

/// A pattern for the values of a column.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Regex {
    /// The column.
    pub column: String,
    /// A regular expression; `^` and `$` make it one for the whole value.
    pub pattern: String,
}

/// How many rows there may be.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RowCount {
    /// At least so many.
    #[serde(default)]
    pub min: Option<u64>,
    /// At most so many.
    #[serde(default)]
    pub max: Option<u64>,
}

/// Columns whose values must be found in another table.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForeignKey {
    /// The column, or several of them.
    pub column: OneOrMany,
    /// Where the other table is: a Delta table, a file, a folder or a pattern, on this machine or in S3.
    pub references: String,
    /// The columns of the other table, in the same order; those of the same names if they are not given.
    #[serde(default)]
    pub to: Option<OneOrMany>,
    /// The format of the other table; told from its name if it is not given.
    #[serde(default)]
    pub format: Option<Format>,
}

/// Expectations in the words in which they were written, each with its name and what is to be done: for who checks them
/// elsewhere.
pub fn told(expectations: &[Expectation], written: Option<&Value>) -> Vec<Value> {
    let written = written.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let pairs = expectations.iter().zip(written);
    let told = pairs.map(|(expectation, written)| {
        let mut told = written.as_object().cloned().unwrap_or_default();
        told.insert("label".to_owned(), expectation.label().into());
        told.insert("action".to_owned(), expectation.action.name().into());
        Value::Object(told)
    });
    told.collect()
}
