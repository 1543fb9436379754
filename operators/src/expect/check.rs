//! What can be said of expectations before there are rows.

use std::fmt;

use scheduler::operator::ArgumentProblem;
use serde::Deserialize as _;
use serde_json::{Map, Value};

use super::{Action, Expectation, ForeignKey, Range, Regex, RowCount};
use crate::expression;

/// The one check of an expectation.
#[derive(Clone, Copy, Debug)]
pub enum Check<'a> {
    /// See [`Expectation::not_null`].
    NotNull(&'a [String]),
    /// See [`Expectation::unique`].
    Unique(&'a [String]),
    /// See [`Expectation::range`].
    Range(&'a Range),
    /// See [`Expectation::regex`].
    Regex(&'a Regex),
    /// See [`Expectation::row_count`].
    RowCount(&'a RowCount),
    /// See [`Expectation::foreign_key`].
    ForeignKey(&'a ForeignKey),
    /// See [`Expectation::sql`].
    Sql(&'a str),
}

/// Why an expectation makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum ExpectationError {
    /// Nothing is expected.
    #[error(
        "the expectation says nothing; write one of `not_null`, `unique`, `range`, `regex`, `row_count`, \
         `foreign_key` and `sql`"
    )]
    NoCheck,
    /// Several checks, which would share a name and an action.
    #[error("`{0}` and `{1}` are two expectations; write each as an item of its own")]
    Several(&'static str, &'static str),
    /// `not_null: []`.
    #[error("`{0}` names no column")]
    NoColumns(&'static str),
    /// Neither a smallest nor a largest value.
    #[error("`{0}` has neither `min` nor `max`")]
    NoBounds(&'static str),
    /// No row is to blame for a number of rows.
    #[error("`row_count` cannot have `action: drop`: there is no row to drop; use `fail` or `warn`")]
    CountDrops,
    /// As many columns here as there.
    #[error("`foreign_key` has {0} columns, and {1} in `to`")]
    Columns(usize, usize),
    /// The pattern cannot be read.
    #[error("the pattern `{pattern}` is not a regular expression: {reason}")]
    Pattern {
        /// As written.
        pattern: String,
        /// The last line of what is wrong with it.
        reason: String,
    },
    /// The condition cannot be read.
    #[error(transparent)]
    Sql(#[from] expression::ExpressionError),
}

impl Expectation {
    /// Its check.
    pub fn check(&self) -> Result<Check<'_>, ExpectationError> {
        let found = [
            self.not_null.as_ref().map(|names| ("not_null", Check::NotNull(names.names()))),
            self.unique.as_ref().map(|names| ("unique", Check::Unique(names.names()))),
            self.range.as_ref().map(|range| ("range", Check::Range(range))),
            self.regex.as_ref().map(|regex| ("regex", Check::Regex(regex))),
            self.row_count.as_ref().map(|count| ("row_count", Check::RowCount(count))),
            self.foreign_key.as_ref().map(|key| ("foreign_key", Check::ForeignKey(key))),
            self.sql.as_deref().map(|sql| ("sql", Check::Sql(sql))),
        ];
        let mut found = found.into_iter().flatten();
        let (word, check) = found.next().ok_or(ExpectationError::NoCheck)?;
        if let Some((other, _)) = found.next() {
            return Err(ExpectationError::Several(word, other));
        }
        check.make_sense(word)?;
        match check {
            Check::RowCount(_) if self.action == Action::Drop => Err(ExpectationError::CountDrops),
            check => Ok(check),
        }
    }

    /// What the log and the report call it.
    pub fn label(&self) -> String {
        match (&self.name, self.check()) {
            (Some(name), _) => name.clone(),
            (None, Ok(check)) => check.to_string(),
            (None, Err(_)) => "expectation".to_owned(),
        }
    }
}

impl Check<'_> {
    fn make_sense(&self, word: &'static str) -> Result<(), ExpectationError> {
        match self {
            Check::NotNull([]) | Check::Unique([]) => Err(ExpectationError::NoColumns(word)),
            Check::Range(Range { min: None, max: None, .. }) | Check::RowCount(RowCount { min: None, max: None }) => {
                Err(ExpectationError::NoBounds(word))
            }
            Check::ForeignKey(key) if key.column.names().is_empty() => Err(ExpectationError::NoColumns(word)),
            Check::ForeignKey(ForeignKey { column, to: Some(to), .. }) if column.names().len() != to.names().len() => {
                Err(ExpectationError::Columns(column.names().len(), to.names().len()))
            }
            Check::Regex(regex) if !has_template(&regex.pattern) => read_pattern(&regex.pattern),
            Check::Sql(sql) if !has_template(sql) => Ok(expression::parse(sql)?),
            _ => Ok(()),
        }
    }
}

/// The check in short.
impl fmt::Display for Check<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Check::NotNull(names) => write!(f, "not_null {}", names.join(", ")),
            Check::Unique(names) => write!(f, "unique {}", names.join(", ")),
            Check::Range(range) => write!(f, "range {}", range.column),
            Check::Regex(regex) => write!(f, "regex {}", regex.column),
            Check::RowCount(_) => f.write_str("row_count"),
            Check::ForeignKey(key) => write!(f, "foreign_key {}", key.column.list()),
            Check::Sql(sql) => f.write_str(sql.trim()),
        }
    }
}

/// Looks whether a text is a regular expression.
pub fn read_pattern(pattern: &str) -> Result<(), ExpectationError> {
    match regex::Regex::new(pattern) {
        Ok(_) => Ok(()),
        Err(error) => {
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            Err(ExpectationError::Pattern { pattern: pattern.to_owned(), reason })
        }
    }
}

fn has_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

/// What is wrong with the `expect:` in the arguments of a DAG file.
pub fn check(args: &Map<String, Value>) -> Vec<ArgumentProblem> {
    let list = args.get("expect").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let problems = list.iter().enumerate().filter_map(|(at, written)| {
        // What does not fit the schema is told by the schema.
        let expectation = Expectation::deserialize(written).ok()?;
        let error = expectation.check().err()?;
        Some(ArgumentProblem { pointer: format!("/expect/{at}"), message: error.to_string(), help: None })
    });
    problems.collect()
}
