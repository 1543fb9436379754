//! The operator `query`: SQL over tables, into a file or table and into XCom.

mod answer;
mod diagnose;
mod names;
mod output;
mod run;
mod statement;

use std::collections::BTreeMap;

use scheduler::operator::{ArgumentProblem, Operator, Outcome, TaskContext, TaskError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use statement::Statement;

use crate::engine;
use crate::location::{Location, S3};
use crate::memory::MemoryLimit;
use crate::retention::{self, Retention};
use crate::table::Format;

/// Rows that go into XCom unless the DAG file says otherwise: a page shows no more, and the database keeps them all.
const XCOM_ROWS: usize = 1000;

/// Answers SQL.
pub struct Query {
    s3: S3,
}

impl Query {
    /// Reaches buckets through `s3`.
    pub fn new(s3: S3) -> Query {
        Query { s3 }
    }
}

/// The arguments of `query`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QueryArgs {
    /// The tables that the SQL may use, by name. Each is also known as `global_temp.<name>`.
    #[serde(default)]
    pub tables: BTreeMap<String, Table>,
    /// One query in Spark's SQL.
    pub sql: String,
    /// Where the whole result is written. Without it, it goes into XCom alone.
    #[serde(default)]
    pub output: Option<Output>,
    /// Where the `output` is a Delta table: for how long earlier results can still be read, as versions of the table; `7d`
    /// if neither this nor the table says otherwise. Their files are removed after that. `forever` keeps all.
    #[serde(default)]
    pub vacuum_retention: Option<Retention>,
    /// How many rows at most go into XCom.
    #[serde(default = "xcom_rows")]
    pub max_rows: usize,
    /// Memory for sorting, joining and grouping before they spill to disk; 1GB if it is not given.
    #[serde(default)]
    pub memory_limit: MemoryLimit,
}

fn xcom_rows() -> usize {
    XCOM_ROWS
}

/// Where a table is.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Table {
    /// A Delta table, a file, a folder or a pattern, whose format its name tells.
    Location(String),
    /// The same with its format.
    Described(DescribedTable),
}

/// A table with its format.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DescribedTable {
    /// A file, a folder or a pattern, on this machine or in S3.
    pub path: String,
    /// Its format.
    pub format: Format,
}

/// Where a result goes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Output {
    /// A file ending in `.csv` or `.parquet`, or a folder for a Delta table.
    Location(String),
    /// The same with its format.
    Described(DescribedOutput),
}

/// A place for a result, with its format.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DescribedOutput {
    /// A file (CSV, Parquet) or a folder (Delta), on this machine or in S3.
    pub path: String,
    /// Its format.
    pub format: OutputFormat,
}

/// How a result is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OutputFormat {
    /// Text with commas; NULL is an empty field, an empty text is `""`.
    Csv,
    /// One Parquet file.
    Parquet,
    /// A Delta table, replaced in one commit.
    Delta,
}

impl Table {
    fn path(&self) -> &str {
        match self {
            Table::Location(path) | Table::Described(DescribedTable { path, .. }) => path,
        }
    }

    fn format(&self) -> Option<Format> {
        match self {
            Table::Location(_) => None,
            Table::Described(described) => Some(described.format),
        }
    }
}

impl Output {
    fn resolve(&self, ctx: &TaskContext) -> Result<(Location, OutputFormat), TaskError> {
        let (path, format) = match self {
            Output::Location(path) => (path, None),
            Output::Described(described) => (&described.path, Some(described.format)),
        };
        let location = Location::parse(path, &ctx.home).map_err(TaskError::fail)?;
        let format = match format {
            Some(format) => format,
            None => match Format::of_name(location.file_name()) {
                Some(Format::Csv) => OutputFormat::Csv,
                Some(Format::Parquet) => OutputFormat::Parquet,
                Some(Format::Delta) | None => OutputFormat::Delta,
                Some(Format::Json) => {
                    return Err(TaskError::fail(anyhow::anyhow!(
                        "a result cannot be written as JSON (`{path}`); use `.csv`, `.parquet` or a folder for Delta"
                    )));
                }
            },
        };
        Ok((location, format))
    }
}

impl Operator for Query {
    const NAME: &'static str = "query";
    const SUMMARY: &'static str = "Answers SQL over Delta, Parquet, CSV and JSON tables";

    type Args = QueryArgs;

    async fn execute(&self, args: QueryArgs, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let statement = Statement::parse(&args.sql).map_err(TaskError::fail)?;
        let mut tables = Vec::with_capacity(args.tables.len());
        for (name, table) in &args.tables {
            let location = Location::parse(table.path(), &ctx.home).map_err(TaskError::fail)?;
            tables.push(run::NamedTable { name: name.clone(), location, format: table.format() });
        }
        let output = args.output.as_ref().map(|output| output.resolve(ctx)).transpose()?;
        let job = run::Job {
            statement,
            tables,
            output,
            max_rows: args.max_rows,
            vacuum_retention: args.vacuum_retention,
            memory_bytes: args.memory_limit.bytes,
            s3: self.s3.clone(),
            log: ctx.log.clone(),
            try_id: ctx.try_id,
        };
        let answer = engine::run(ctx, job.run()).await?;
        Ok(Outcome::value(answer))
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let sql = args.get("sql").and_then(Value::as_str).filter(|sql| !sql.contains("{{") && !sql.contains("{%"));
        let sql_problem = sql.and_then(|sql| Statement::parse(sql).err()).map(|error| ArgumentProblem {
            pointer: "/sql".to_owned(),
            message: error.to_string(),
            help: None,
        });
        sql_problem.into_iter().chain(retention::check(args)).collect()
    }
}
