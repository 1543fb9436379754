//! `updraft sql`: answers SQL over files and Delta tables, in this process, without a server or a home.

use std::io::Read as _;

use anyhow::Context as _;
use operators::location::S3;
use operators::query::{Output, Parameter, Question, Reader, Scalar, Table, ask, csv_line};
use scheduler::clock::Clock;
use scheduler::log::TaskLog;
use scheduler::operator::{TaskError, Verdict};
use serde_json::{Map, Value};

use crate::cli::{OutputFormat, RowFormat, SqlArgs};
use crate::output;
use crate::report::{BadInput, Status};

/// Prints the answer, or writes it where the person says.
pub async fn run(args: SqlArgs, format: OutputFormat) -> anyhow::Result<Status> {
    let sql = text_of(&args)?;
    let format = args.format.unwrap_or(match format {
        OutputFormat::Text => RowFormat::Table,
        OutputFormat::Json => RowFormat::Json,
    });
    let question = Question {
        sql,
        tables: args.tables.into_iter().map(|(name, path)| (name, Table::Location(path))).collect(),
        parameters: args.parameters.into_iter().map(|(name, value)| (name, parameter(value))).collect(),
        output: args.into.map(Output::Location),
        folder: std::env::current_dir().context("there is no current folder")?,
        memory_bytes: args.memory_limit.unwrap_or_default().bytes,
    };
    let is_written = question.output.is_some();
    let printer = Box::new(Printer { format, columns: Vec::new(), kept: Vec::new(), is_begun: false });
    let answer = ask(question, printer, &S3::from_env(), TaskLog::discard(Clock::System)).await.map_err(explain)?;
    if is_written {
        output::line(&format!(
            "{} rows written to {}",
            answer["row_count"],
            answer["output"].as_str().unwrap_or_default()
        ))?;
    }
    Ok(Status::Done)
}

/// What the person asks.
fn text_of(args: &SqlArgs) -> anyhow::Result<String> {
    let Some(file) = &args.file else { return Ok(args.sql.clone().unwrap_or_default()) };
    if file.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("standard input cannot be read")?;
        return Ok(text);
    }
    std::fs::read_to_string(file)
        .map_err(|error| BadInput::new(format!("cannot read `{}`: {error}", file.display())).into())
}

/// JSON where it is a value or a list of values, else text.
fn parameter(value: String) -> Parameter {
    serde_json::from_str(&value).unwrap_or(Parameter::One(Scalar::Text(value)))
}

/// Mistakes of the person are told as such.
fn explain(error: TaskError) -> anyhow::Error {
    match error.verdict {
        Verdict::Fail => BadInput::new(format!("{:#}", error.error)).into(),
        Verdict::Retry | Verdict::Cancelled => error.error,
    }
}

/// Prints rows as they come; for a table it needs all of them.
struct Printer {
    format: RowFormat,
    columns: Vec<String>,
    kept: Vec<Vec<String>>,
    is_begun: bool,
}

impl Reader for Printer {
    fn columns(&mut self, names: &[String]) -> anyhow::Result<()> {
        self.columns = names.to_vec();
        match self.format {
            RowFormat::Csv => {
                output::raw(&csv_line(&names.iter().map(|name| name.as_str().into()).collect::<Vec<_>>()))
            }
            RowFormat::Json => output::raw("["),
            RowFormat::Table | RowFormat::Jsonl => Ok(()),
        }
    }

    fn rows(&mut self, rows: Vec<Vec<Value>>) -> anyhow::Result<()> {
        let mut text = String::new();
        for row in rows {
            match self.format {
                RowFormat::Table => self.kept.push(row.iter().map(cell).collect()),
                RowFormat::Csv => text.push_str(&csv_line(&row)),
                RowFormat::Json => {
                    text.push_str(if std::mem::replace(&mut self.is_begun, true) { ",\n " } else { "\n " });
                    text.push_str(&self.object(row)?);
                }
                RowFormat::Jsonl => {
                    text.push_str(&self.object(row)?);
                    text.push('\n');
                }
            }
        }
        if text.is_empty() { Ok(()) } else { output::raw(&text) }
    }

    fn end(&mut self) -> anyhow::Result<()> {
        match self.format {
            RowFormat::Table => {
                let headings: Vec<&str> = self.columns.iter().map(String::as_str).collect();
                output::line(&output::table(&headings, &self.kept))
            }
            RowFormat::Json => output::raw(if self.is_begun { "\n]\n" } else { "]\n" }),
            RowFormat::Csv | RowFormat::Jsonl => Ok(()),
        }
    }
}

impl Printer {
    fn object(&self, row: Vec<Value>) -> anyhow::Result<String> {
        let object: Map<String, Value> = self.columns.iter().cloned().zip(row).collect();
        Ok(serde_json::to_string(&object)?)
    }
}

/// A value for people. A text that spans lines would tear the table.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::String(text) => text.replace('\n', "\\n"),
        other => other.to_string(),
    }
}
