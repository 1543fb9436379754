//! Turns DataFusion's planning errors into messages that say where the mistake is, and name what there is.

use datafusion::common::{Column, SchemaError, Span};
use datafusion::error::DataFusionError;
use datafusion::execution::FunctionRegistry as _;
use datafusion::prelude::SessionContext;
use datafusion::sql::sqlparser::tokenizer::{Location, Span as ParserSpan};

use super::names::{Columns, fold};
use super::place::{Mistake, Place};
use super::script::{Script, Statement};
use crate::columns::{hint, is_hidden, list};
use crate::spark::translated_names;

/// What a planner knew when it failed.
pub struct Known<'a> {
    /// What was to be planned.
    pub script: &'a Script,
    /// The statement of it that is to blame.
    pub statement: &'a Statement,
    /// The tables and views so far.
    pub tables: &'a Columns,
    /// Where functions are known.
    pub session: &'a SessionContext,
}

impl Known<'_> {
    /// A message for whoever wrote the SQL.
    pub fn explain(&self, error: &DataFusionError) -> Mistake {
        self.explain_at(error, None)
    }

    /// The same of an error whose place may have been told around it.
    fn explain_at(&self, error: &DataFusionError, told: Option<Place>) -> Mistake {
        let mistake = match error {
            DataFusionError::Diagnostic(diagnostic, inner) => {
                self.explain_at(inner, diagnostic.span.and_then(place).or(told))
            }
            DataFusionError::Context(_, inner) => self.explain_at(inner, told),
            DataFusionError::Collection(errors) if !errors.is_empty() => self.explain_at(&errors[0], told),
            DataFusionError::Shared(inner) => self.explain_at(inner, told),
            DataFusionError::SchemaError(inner, _) => match inner.as_ref() {
                SchemaError::FieldNotFound { field, valid_fields } => self.unknown_column(field, valid_fields, told),
                SchemaError::AmbiguousReference { field } => {
                    let place = field.spans.first().and_then(place).or_else(|| self.place_of(&field.name));
                    let name = &field.name;
                    Mistake::at(place, format!("the column `{name}` is in more than one table; write `table.{name}`"))
                }
                SchemaError::DuplicateQualifiedField { qualifier, .. } => {
                    let table = qualifier.table();
                    let message = format!(
                        "`{table}` is read twice; give each a name of its own, as in `{table} AS a JOIN {table} AS b`"
                    );
                    Mistake::at(self.place_of(table), message)
                }
                other @ SchemaError::DuplicateUnqualifiedField { .. } => self.anywhere(other.to_string()),
            },
            DataFusionError::Plan(text) => self.plan(text),
            DataFusionError::NotImplemented(text) => self.anywhere(format!("not supported: {text}")),
            other => self.anywhere(other.strip_backtrace()),
        };
        Mistake { place: told.or(mistake.place), ..mistake }
    }

    /// Where a word stands first in the statement.
    fn place_of(&self, word: &str) -> Option<Place> {
        self.script.place_of(word, self.statement)
    }

    fn plan(&self, text: &str) -> Mistake {
        let quoted =
            |prefix: &str| text.strip_prefix(prefix).and_then(|rest| rest.split_once('\'')).map(|(name, _)| name);
        if let Some(name) = quoted("table '") {
            return self.unknown_table(name);
        }
        if let Some(name) = quoted("Invalid function '") {
            return self.unknown_function(name);
        }
        if text.contains("GROUP BY clause or must be part of an aggregate function")
            && let Some(column) = text.split('"').nth(1)
        {
            let message = format!("`{column}` is neither in GROUP BY nor within an aggregate function");
            let name = column.rsplit('.').next().unwrap_or(column);
            return Mistake::at(self.place_of(name), message);
        }
        if let Some(message) = misused(text) {
            return self.anywhere(message);
        }
        // What follows the first line is about signatures of DataFusion's own.
        let first = text.lines().next().unwrap_or(text);
        self.anywhere(first.split(". No function matches").next().unwrap_or(first).to_owned())
    }

    /// A message whose place is that of the first word of the SQL that it quotes.
    fn anywhere(&self, message: String) -> Mistake {
        let mut quoted = message.split(['`', '\'']).skip(1).step_by(2);
        let place = quoted.find_map(|word| self.place_of(word));
        Mistake::at(place, message)
    }

    fn unknown_table(&self, full_name: &str) -> Mistake {
        let name = full_name.rsplit('.').next().unwrap_or(full_name);
        let written = full_name.strip_prefix("spark_catalog.").unwrap_or(full_name);
        let written = written.strip_prefix("default.").unwrap_or(written);
        let known: Vec<&str> = self.tables.keys().map(String::as_str).collect();
        let message = format!(
            "there is no table `{written}`{}; known are {}",
            hint(name, known.iter().copied()),
            list(known.iter().copied())
        );
        Mistake::at(self.place_of(name), message)
    }

    fn unknown_function(&self, name: &str) -> Mistake {
        let state = self.session.state();
        if state.udwfs().contains(name) {
            let message = format!("`{name}` looks at a window: write `{name}() OVER (ORDER BY …)`");
            return Mistake::at(self.place_of(name), message);
        }
        let registered = state.udfs().into_iter().chain(state.udafs()).chain(state.udwfs());
        let known: Vec<String> = registered.chain(translated_names().map(str::to_owned)).collect();
        // What is only for the translation is no name for people.
        let is_for_people = |name: &&str| !name.starts_with("cast_to_") && !is_hidden(name);
        let known: Vec<&str> = known.iter().map(String::as_str).filter(is_for_people).collect();
        let message = if known.contains(&name) {
            format!("the function `{name}` does not stand there, or takes other arguments")
        } else {
            format!("there is no function `{name}`{}", hint(name, known.iter().copied()))
        };
        Mistake::at(self.place_of(name), message)
    }

    fn unknown_column(&self, field: &Column, valid: &[Column], told: Option<Place>) -> Mistake {
        // Outside of any scope, as in a misspelt qualifier, DataFusion knows no columns; then all of them are of interest.
        let mut known: Vec<String> = valid
            .iter()
            .map(|column| match &column.relation {
                Some(relation) => format!("{}.{}", relation.table(), self.spelt(relation.table(), &column.name)),
                None => column.name.clone(),
            })
            .collect();
        if known.is_empty() {
            let all = self.tables.iter();
            known =
                all.flat_map(|(table, columns)| columns.iter().map(move |name| format!("{table}.{name}"))).collect();
        }
        known.dedup();
        let bare: Vec<&str> = known.iter().map(|name| name.rsplit('.').next().unwrap_or(name)).collect();
        let place = told.or_else(|| field.spans.first().and_then(place)).or_else(|| self.place_of(&field.name));
        let asked = place.and_then(|place| place.text_of(&self.script.sql));
        let written = match &field.relation {
            _ if asked.as_ref().is_some_and(|asked| fold(asked).ends_with(&field.name)) => asked.unwrap_or_default(),
            Some(relation) => format!("{}.{}", relation.table(), field.name),
            None => field.name.clone(),
        };
        let hint = hint(&field.name, bare);
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        Mistake::at(place, format!("there is no column `{written}`{hint}; known are {}", list(known.iter().copied())))
    }

    /// A column as its table spells it.
    fn spelt<'a>(&'a self, table: &str, folded: &'a str) -> &'a str {
        let columns = self.tables.get(table).map(Vec::as_slice).unwrap_or_default();
        columns.iter().find(|column| fold(column) == folded).map_or(folded, String::as_str)
    }
}

/// What is wrong with a call whose arguments have the wrong types: DataFusion lists all types that it would take.
fn misused(text: &str) -> Option<String> {
    let (_, call) = text.split_once("Function '")?;
    let (name, rest) = call.split_once("' failed to match any signature")?;
    let (_, found) = rest.split_once("but received ")?;
    let found = found.split([' ', ',', '.']).next()?;
    Some(format!("`{name}` does not take what it is given there: {found}; cast it first"))
}

fn place(span: Span) -> Option<Place> {
    let location = |at: datafusion::common::Location| Location::new(at.line, at.column);
    Place::of(ParserSpan::new(location(span.start), location(span.end)))
}
