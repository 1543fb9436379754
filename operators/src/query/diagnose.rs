//! Turns DataFusion's planning errors into messages that name what there is.

use datafusion::common::{Column, SchemaError};
use datafusion::error::DataFusionError;

use super::names::{Columns, fold};

/// Names less alike than this are no suggestion.
const SIMILAR: f64 = 0.7;

/// A message for whoever wrote the SQL.
pub fn explain(error: &DataFusionError, tables: &Columns) -> String {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => explain(inner, tables),
        DataFusionError::Collection(errors) if !errors.is_empty() => explain(&errors[0], tables),
        DataFusionError::Shared(inner) => explain(inner, tables),
        DataFusionError::SchemaError(inner, _) => match inner.as_ref() {
            SchemaError::FieldNotFound { field, valid_fields } => unknown_column(field, valid_fields, tables),
            SchemaError::AmbiguousReference { field } => {
                format!("the column `{}` is in more than one table; write `table.{}`", field.name, field.name)
            }
            other => other.to_string(),
        },
        DataFusionError::Plan(text) => match text.strip_prefix("table '").and_then(|rest| rest.split_once('\'')) {
            Some((name, _)) => unknown_table(name, tables),
            None => text.clone(),
        },
        other => other.strip_backtrace(),
    }
}

fn unknown_table(full_name: &str, tables: &Columns) -> String {
    let name = full_name.rsplit('.').next().unwrap_or(full_name);
    let written = full_name.strip_prefix("spark_catalog.").unwrap_or(full_name);
    let written = written.strip_prefix("default.").unwrap_or(written);
    let known: Vec<&str> = tables.keys().map(String::as_str).collect();
    format!("there is no table `{written}`{}; `tables:` has {}", hint(name, &known), list(&known))
}

fn unknown_column(field: &Column, valid: &[Column], tables: &Columns) -> String {
    // Outside of any scope, as in a misspelt qualifier, DataFusion knows no columns; then all of them are of interest.
    let mut known: Vec<String> = valid
        .iter()
        .map(|column| match &column.relation {
            Some(relation) => format!("{}.{}", relation.table(), spelt(relation.table(), &column.name, tables)),
            None => column.name.clone(),
        })
        .collect();
    if known.is_empty() {
        known =
            tables.iter().flat_map(|(table, columns)| columns.iter().map(move |c| format!("{table}.{c}"))).collect();
    }
    let bare: Vec<&str> = known.iter().map(|name| name.rsplit('.').next().unwrap_or(name)).collect();
    let written = match &field.relation {
        Some(relation) => format!("{}.{}", relation.table(), field.name),
        None => field.name.clone(),
    };
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    format!("there is no column `{written}`{}; known are {}", hint(&field.name, &bare), list(&known))
}

/// A column as its table spells it.
fn spelt<'a>(table: &str, folded: &'a str, tables: &'a Columns) -> &'a str {
    let columns = tables.get(table).map(Vec::as_slice).unwrap_or_default();
    columns.iter().find(|column| fold(column) == folded).map_or(folded, String::as_str)
}

fn hint(name: &str, known: &[&str]) -> String {
    let similarity = |other: &&&str| strsim::jaro(&other.to_lowercase(), &name.to_lowercase());
    let best = known.iter().max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
    match best.filter(|best| similarity(best) > SIMILAR) {
        Some(best) => format!(" (did you mean `{best}`?)"),
        None => String::new(),
    }
}

fn list(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { format!("`{}`", names.join("`, `")) }
}
