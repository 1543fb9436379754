//! `clean` on Databricks: what its notebook is told, and what only this machine can do.

use std::path::Path;

use anyhow::anyhow;
use scheduler::operator::{ArgumentProblem, TaskError, TaskKey};
use serde_json::{Map, Value, json};

use super::args::{CleanArgs, CsvOptions, Mode, OutputFormat, SchemaChange};
use super::rules::{Keep, Rule, SameBy};
use super::{rejected, run, source};
use crate::databricks::engine::{Deed, Work, address};
use crate::expect;
use crate::location::Location;
use crate::shapes::{AsWritten, OneOrMany};
use crate::table::Format;

/// The arguments that Databricks cannot do as they are written; `name` is the last part of the output's.
pub fn unsupported(args: &CleanArgs, name: &str) -> Vec<ArgumentProblem> {
    let mut problems = Vec::new();
    let mut refuse = |pointer: String, message: &str, help: &str| {
        problems.push(ArgumentProblem { pointer, message: message.to_owned(), help: Some(help.to_owned()) });
    };
    if args.output_format(name).is_ok_and(|format| format != OutputFormat::Delta) {
        refuse("/output".to_owned(), "on Databricks the output is a Delta table", "name a folder");
    }
    if args.incremental {
        let message = "which files were read is remembered by this engine alone";
        refuse("/incremental".to_owned(), message, "leave out `engine: databricks`, or `incremental`");
    }
    if args.vacuum_retention.is_some() {
        let message = "on Databricks the table itself says for how long earlier versions are kept";
        refuse("/vacuum_retention".to_owned(), message, "set `delta.deletedFileRetentionDuration` of the table");
    }
    if args.mode == Mode::Merge && args.order_by.is_none() {
        let message = "on Databricks rows have no order of their own";
        refuse("/mode".to_owned(), message, "say by `order_by` which of rows with the same keys is the last");
    }
    for (at, rule) in args.rules.iter().enumerate() {
        if let Rule::Deduplicate(rule) = rule
            && rule.when
            && rule.keep != Keep::Any
            && rule.by != SameBy::Row
            && rule.order_by.is_none()
        {
            let message = "on Databricks rows have no order of their own";
            let pointer = format!("/rules/{at}/deduplicate/keep");
            refuse(pointer, message, "say by `order_by` which is the first, or `keep: any`");
        }
    }
    problems
}

/// The work of a try, as Databricks is to do it.
pub fn work(args: &AsWritten<CleanArgs>, key: &TaskKey, attempt: u32, home: &Path) -> Result<Work, TaskError> {
    let AsWritten { written, meant } = args;
    let inputs = source::locations(&meant.input, home).map_err(TaskError::fail)?;
    let output = Location::parse(&meant.output, home).map_err(TaskError::fail)?;
    let refused = meant.contradiction(output.file_name()).map(|(_, message)| message);
    let refused = refused.or_else(|| {
        let first = unsupported(meant, output.file_name()).into_iter().next();
        first.map(|found| format!("`{}`: {}", found.pointer.trim_start_matches('/'), found.message))
    });
    if let Some(message) = refused {
        return Err(TaskError::fail(anyhow!(message)));
    }
    let output = address(&output)?;
    let rejected = match &meant.rejected {
        Some(rejected) => address(&Location::parse(rejected, home).map_err(TaskError::fail)?)?,
        None => format!("{}_rejected", output.trim_end_matches('/')),
    };
    let format = format_of(meant, &inputs)?;
    let inputs: Vec<String> = inputs.iter().map(address).collect::<Result<_, _>>()?;
    let names = |names: &Option<OneOrMany>| names.as_ref().map(|names| names.names().to_vec()).unwrap_or_default();
    let by_default = if meant.mode == Mode::Overwrite { SchemaChange::Replace } else { SchemaChange::Add };
    let task_id = rejected::task(key);
    let said = |name: &str, otherwise: Value| written.get(name).cloned().unwrap_or(otherwise);
    let job = json!({
        "dag_id": key.dag_id,
        "run_id": key.run_id,
        "task_id": task_id,
        "app_id": run::app_id_of_run(key),
        "attempt": attempt,
        "inputs": inputs,
        "format": format.name(),
        "options": if format == Format::Csv { csv(&meant.csv) } else { Map::new() },
        "version": meant.version,
        "schema": said("schema", Value::Null),
        "extra_columns": said("extra_columns", "drop".into()),
        "partition_columns": meant.partition_columns,
        "on_empty": said("on_empty", "fail".into()),
        "max_broken_share": meant.max_broken_share,
        "rules": said("rules", json!([])),
        "labels": meant.rules.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "expect": expect::told(&meant.expect, written.get("expect")),
        "rejected": rejected,
        "output": output,
        "mode": said("mode", "overwrite".into()),
        "keys": names(&meant.keys),
        "order_by": names(&meant.order_by),
        "partition_by": names(&meant.partition_by),
        "schema_change": word(meant.schema_change.unwrap_or(by_default)),
    });
    Work::new(Deed::Clean, &job, meant.databricks.as_ref(), key)
}

fn word(change: SchemaChange) -> &'static str {
    match change {
        SchemaChange::Replace => "replace",
        SchemaChange::Add => "add",
        SchemaChange::Refuse => "refuse",
    }
}

/// The format of what is read: there is nobody to look into a folder before the notebook runs.
fn format_of(args: &CleanArgs, inputs: &[Location]) -> Result<Format, TaskError> {
    let told = args.format.or_else(|| inputs.iter().find_map(|input| Format::of_input(input.file_name())));
    told.ok_or_else(|| {
        TaskError::fail(anyhow!(
            "the name of the input does not tell its format; on Databricks say it by `format` (`delta` for a table)"
        ))
    })
}

/// How CSV is written, in Spark's words.
fn csv(csv: &CsvOptions) -> Map<String, Value> {
    let sign = |sign: u8| char::from(sign).to_string();
    let mut options = Map::new();
    options.insert("header".to_owned(), csv.header.to_string().into());
    options.insert("sep".to_owned(), sign(csv.delimiter.0).into());
    options.insert("quote".to_owned(), sign(csv.quote.0).into());
    // A quote within a field is doubled, if nothing stands before it.
    options.insert("escape".to_owned(), sign(csv.escape.map_or(csv.quote.0, |escape| escape.0)).into());
    options.insert("multiLine".to_owned(), "true".into());
    options.extend(csv.null.as_ref().map(|null| ("nullValue".to_owned(), Value::from(null.as_str()))));
    options
}
