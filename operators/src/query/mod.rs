//! The operator `query`: SQL over tables, into a file or table and into XCom.
//!
//! ```text
//!   tables, views, paths ──> Script (parsed, bound, translated) ──> plan ──> rows ──> output, XCom, charts
//! ```

pub(crate) mod answer;
mod args;
mod chart;
mod check;
mod diagnose;
mod elsewhere;
pub(crate) mod names;
pub(crate) mod output;
mod parameters;
mod paths;
pub(crate) mod pivoted;
pub(crate) mod place;
pub(crate) mod refused;
mod run;
mod script;
mod sent;

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use scheduler::log::TaskLog;
use scheduler::operator::{ArgumentProblem, Operator, Outcome, TaskContext, TaskError, TaskKey};
use serde_json::{Map, Value};
use uuid::Uuid;

pub use answer::push_csv;
pub use args::{DescribedOutput, DescribedTable, Locations, Output, OutputFormat, QueryArgs, Table};
pub use chart::{Chart, ChartKind, Charts, Heights};
pub use output::csv_line;
pub use parameters::{DateValue, Parameter, Parameters, Scalar, TimestampValue};
pub use run::Reader;

use run::{From, Job, NamedTable};
use script::Script;

use crate::database::{Address, Database};
use crate::databricks::Workspaces;
use crate::databricks::engine::Engine;
use crate::engine;
use crate::location::{Location, S3};
use crate::notifiers::Environment;
use crate::shapes::AsWritten;

/// Answers SQL.
pub struct Query {
    s3: S3,
    environment: Environment,
    workspaces: Workspaces,
}

impl Query {
    /// Reaches buckets through `s3`, finds addresses and passwords of databases in `environment`, and asks `workspaces` of
    /// Databricks.
    pub fn new(s3: S3, environment: Environment, workspaces: Workspaces) -> Query {
        Query { s3, environment, workspaces }
    }

    /// Where the rows of a table are.
    async fn resolve(&self, name: &str, table: &Table, ctx: &TaskContext) -> Result<From, TaskError> {
        let wrong = |problem: String| TaskError::fail(anyhow!("the table `{name}`: {problem}"));
        let Some(described) = table.of_database() else { return files(table, &ctx.home).map_err(wrong) };
        let database = match &described.conn_id {
            Some(conn_id) => Database::of_connection(&ctx.connection(conn_id).await?, &ctx.home).map_err(wrong)?,
            None => {
                let address = Address {
                    url: described.url.as_deref(),
                    url_env: described.url_env.as_deref(),
                    password_env: described.password_env.as_deref(),
                };
                Database::resolve(address, &self.environment, &ctx.home).map_err(wrong)?
            }
        };
        let sql = match (&described.query, &described.table) {
            (Some(query), None) => query.trim().trim_end_matches(';').to_owned(),
            (None, Some(table)) => {
                format!("SELECT * FROM {}", database.quoted_table(table))
            }
            _ => return Err(wrong("say one of `table` and `query`".to_owned())),
        };
        Ok(From::Database { database: Box::new(database), sql })
    }
}

/// The files of a table that is in no database.
fn files(table: &Table, home: &std::path::Path) -> Result<From, String> {
    let (locations, format, version) = table.files()?;
    let locations = locations.iter().map(|text| Location::parse(text, home).map_err(|error| error.to_string()));
    Ok(From::Files { locations: locations.collect::<Result<_, _>>()?, format, version })
}

impl Operator for Query {
    const NAME: &'static str = "query";
    const SUMMARY: &'static str = "Answers SQL over Delta, Parquet, CSV and JSON tables, and those of databases";

    type Args = AsWritten<QueryArgs>;

    async fn execute(&self, args: Self::Args, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        if args.meant.engine == Engine::Databricks {
            let work = elsewhere::work(&args, &ctx.key, &ctx.home)?;
            return elsewhere::drawn(work.perform(&self.workspaces, ctx).await?, args.meant.chart.as_ref());
        }
        let args = args.meant;
        let script = parse(&args.sql, &args.parameters)?;
        let mut tables = Vec::with_capacity(args.tables.len());
        for (name, table) in &args.tables {
            tables.push(NamedTable { name: name.clone(), from: self.resolve(name, table, ctx).await? });
        }
        let output = args.output.as_ref().map(|output| output.resolve(&ctx.home)).transpose()?;
        let job = Job {
            script,
            tables,
            output,
            expectations: args.expect,
            charts: args.chart,
            max_rows: args.max_rows,
            vacuum_retention: args.vacuum_retention,
            memory_bytes: args.memory_limit.bytes,
            home: ctx.home.clone(),
            s3: self.s3.clone(),
            log: ctx.log.clone(),
            try_id: ctx.try_id,
            reader: None,
        };
        let answer = engine::run_in_turn(ctx, job.run()).await?;
        Ok(Outcome::value(answer))
    }

    async fn withdraw(&self, args: Self::Args, ctx: &TaskContext) -> Result<(), TaskError> {
        match args.meant.engine {
            Engine::Native => Ok(()),
            Engine::Databricks => elsewhere::work(&args, &ctx.key, &ctx.home)?.withdraw(&self.workspaces, ctx).await,
        }
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        check::check(args)
    }

    fn preview(&self, args: Self::Args, key: &TaskKey, home: &Path) -> Result<Option<Value>, TaskError> {
        match args.meant.engine {
            Engine::Native => Ok(None),
            Engine::Databricks => elsewhere::work(&args, key, home).map(|work| Some(work.shown())),
        }
    }
}

/// The statements of a text, or the place of a mistake in it.
fn parse(sql: &str, parameters: &Parameters) -> Result<Script, TaskError> {
    Script::parse(sql, parameters).map_err(|mistake| TaskError::fail(anyhow!(mistake.shown(sql))))
}

/// A question that no task asks.
pub struct Question {
    /// Statements in Spark's SQL.
    pub sql: String,
    /// Tables by name, each where it is.
    pub tables: Vec<(String, Table)>,
    /// Values of `:name`.
    pub parameters: Parameters,
    /// Where the answer is written, instead of being read.
    pub output: Option<Output>,
    /// Where relative paths begin.
    pub folder: PathBuf,
    /// Memory before work spills to disk.
    pub memory_bytes: usize,
}

/// Answers a question: `reader` sees all rows, unless they are written to an output. Answers with what XCom would get,
/// without rows.
pub async fn ask(question: Question, reader: Box<dyn Reader>, s3: &S3, log: TaskLog) -> Result<Value, TaskError> {
    let script = parse(&question.sql, &question.parameters)?;
    let mut tables = Vec::with_capacity(question.tables.len());
    for (name, table) in question.tables {
        let from = files(&table, &question.folder)
            .map_err(|problem| TaskError::fail(anyhow!("the table `{name}`: {problem}")))?;
        tables.push(NamedTable { name, from });
    }
    let output = question.output.as_ref().map(|output| output.resolve(&question.folder)).transpose()?;
    let job = Job {
        script,
        tables,
        reader: output.is_none().then_some(reader),
        output,
        expectations: Vec::new(),
        charts: None,
        max_rows: 0,
        vacuum_retention: None,
        memory_bytes: question.memory_bytes,
        home: question.folder,
        s3: s3.clone(),
        log,
        try_id: Uuid::now_v7(),
    };
    job.run().await
}
