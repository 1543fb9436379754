//! `query` on Databricks: what its notebook is told.

use std::path::Path;

use anyhow::anyhow;
use scheduler::operator::{Outcome, TaskError, TaskKey};
use serde_json::{Map, Value, json};

use super::args::{QueryArgs, Table};
use super::chart::Charts;
use super::place::Mistake;
use super::script::Script;
use super::sent;
use crate::databricks::engine::{Deed, Work, address};
use crate::delta::Version;
use crate::listing::is_pattern;
use crate::location::Location;
use crate::shapes::AsWritten;
use crate::table::Format;

/// The work of a try, as Databricks is to do it.
pub fn work(args: &AsWritten<QueryArgs>, key: &TaskKey, home: &Path) -> Result<Work, TaskError> {
    let AsWritten { written, meant } = args;
    let told = |mistake: Mistake| TaskError::fail(anyhow!(mistake.shown(&meant.sql)));
    let statements = sent::statements(&meant.sql, &meant.parameters).map_err(told)?;
    let answer = statements.iter().rposition(|statement| statement.answers);
    let statements: Vec<Value> = statements
        .into_iter()
        .map(|statement| json!({ "line": statement.line, "view": !statement.answers, "sql": statement.sql }))
        .collect();
    let mut tables = Map::new();
    for (name, described) in &meant.tables {
        let told = table(described, home)
            .map_err(|error| TaskError { error: error.error.context(format!("the table `{name}`")), ..error })?;
        tables.insert(name.clone(), told);
    }
    let output = match &meant.output {
        None => Value::Null,
        Some(output) => {
            let (location, format) = output.resolve(home)?;
            json!({ "path": address(&location)?, "format": format.name() })
        }
    };
    let job = json!({
        "tables": tables,
        "statements": statements,
        "answer": answer,
        "expect": crate::expect::told(&meant.expect, written.get("expect")),
        "max_rows": meant.max_rows,
        "output": output,
    });
    let work = Work::new(Deed::Query, &job, meant.databricks.as_ref(), key)?;
    // It may be newer than we are. It may also be a mistake, which whoever looks before the run wants to hear of.
    let doubt = Script::parse(&meant.sql, &meant.parameters)
        .err()
        .map(|mistake| format!("the SQL is sent as it is, and Updraft itself could not answer it: {mistake}"));
    Ok(work.with_warning(doubt))
}

fn table(described: &Table, home: &Path) -> Result<Value, TaskError> {
    let wrong = |problem: String| TaskError::fail(anyhow!(problem));
    if described.of_database().is_some() {
        let problem =
            "it is in a database, which Databricks is not told of; bring it to S3 first, as a task of its own";
        return Err(wrong(problem.to_owned()));
    }
    let (paths, format, version) = described.files().map_err(wrong)?;
    let mut addresses = Vec::with_capacity(paths.len());
    let mut told = None;
    for path in paths {
        let location = Location::parse(path, home).map_err(|error| wrong(error.to_string()))?;
        told = told.or_else(|| Format::of_input(location.file_name()));
        addresses.push(address(&location)?);
    }
    let format = format.or(told).unwrap_or(Format::Delta);
    let mut options = Map::new();
    if format == Format::Csv {
        let ours = [("header", "true"), ("inferSchema", "true"), ("escape", "\""), ("multiLine", "true")];
        options.extend(ours.map(|(name, value)| (name.to_owned(), Value::from(value))));
        // Else columns are told apart by their position alone, in files whose headers differ. One file differs from none, and
        // may have columns without a name, or two of one name, which Spark renames and would not find again.
        if !is_one_file(paths) {
            options.insert("enforceSchema".to_owned(), "false".into());
        }
    }
    let (number, instant) = match version {
        None => (None, None),
        Some(Version::Number(number)) => (Some(number), None),
        Some(Version::At(instant)) => (None, Some(instant.to_rfc3339())),
    };
    Ok(json!({
        "paths": addresses, "format": format.name(), "options": options, "version": number, "timestamp": instant
    }))
}

/// Whether it is a single file of CSV, as far as names tell.
fn is_one_file(paths: &[String]) -> bool {
    matches!(paths, [path] if !is_pattern(path) && Format::of_input(path) == Some(Format::Csv))
}

/// The answer with its charts.
pub fn drawn(outcome: Outcome, charts: Option<&Charts>) -> Result<Outcome, TaskError> {
    let Some(charts) = charts else { return Ok(outcome) };
    let Outcome::Success { mut return_value, xcoms, next } = outcome else { return Ok(outcome) };
    let columns = return_value.get("columns").and_then(Value::as_array).cloned().unwrap_or_default();
    let columns: Vec<String> = columns.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let charts = charts.of_result(&columns).map_err(|problem| TaskError::fail(anyhow!(problem)))?;
    return_value["chart"] = serde_json::to_value(charts).map_err(TaskError::fail)?;
    Ok(Outcome::Success { return_value, xcoms, next })
}
