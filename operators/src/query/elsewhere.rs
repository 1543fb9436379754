//! `query` on Databricks: what its notebook is told.

use std::path::Path;

use anyhow::anyhow;
use scheduler::operator::{Outcome, TaskError, TaskKey};
use serde_json::{Map, Value, json};

use super::args::{QueryArgs, Table};
use super::chart::Charts;
use super::parse;
use super::script::texts;
use crate::databricks::engine::{Deed, Work, address};
use crate::delta::Version;
use crate::location::Location;
use crate::shapes::AsWritten;
use crate::table::Format;

/// The work of a try, as Databricks is to do it.
pub fn work(args: &AsWritten<QueryArgs>, key: &TaskKey, home: &Path) -> Result<Work, TaskError> {
    let AsWritten { written, meant } = args;
    let script = parse(&meant.sql, &meant.parameters)?;
    let texts =
        texts(&meant.sql, &meant.parameters).map_err(|mistake| TaskError::fail(anyhow!(mistake.shown(&meant.sql))))?;
    let statements: Vec<Value> = script
        .statements
        .iter()
        .zip(texts)
        .map(|(statement, sql)| {
            json!({ "line": statement.start.line, "view": statement.answered().is_none(), "sql": sql })
        })
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
        "answer": script.answer(),
        "expect": crate::expect::told(&meant.expect, written.get("expect")),
        "max_rows": meant.max_rows,
        "output": output,
    });
    Work::new(Deed::Query, &job, meant.databricks.as_ref(), key)
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
        told = told.or_else(|| Format::of_name(location.file_name()));
        addresses.push(address(&location)?);
    }
    let format = format.or(told).unwrap_or(Format::Delta);
    let options = match format {
        Format::Csv => json!({ "header": "true", "inferSchema": "true", "escape": "\"", "multiLine": "true" }),
        _ => json!({}),
    };
    let (number, instant) = match version {
        None => (None, None),
        Some(Version::Number(number)) => (Some(number), None),
        Some(Version::At(instant)) => (None, Some(instant.to_rfc3339())),
    };
    Ok(json!({
        "paths": addresses, "format": format.name(), "options": options, "version": number, "timestamp": instant
    }))
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
