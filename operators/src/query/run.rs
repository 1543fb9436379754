//! One run of `query`, from the tables to the answer.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider, TableProvider};
use datafusion::common::TableReference;
use datafusion::dataframe::DataFrame;
use datafusion::error::DataFusionError;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::prelude::SessionContext;
use datafusion::sql::sqlparser::ast::Query;
use futures::StreamExt as _;
use scheduler::log::TaskLog;
use scheduler::operator::TaskError;
use serde_json::{Value, json};
use uuid::Uuid;

use super::OutputFormat;
use super::answer::rows;
use super::chart::Charts;
use super::diagnose::Known;
use super::names::{Columns, fold, fold_columns, respell};
use super::output::FileOutput;
use super::paths;
use super::place::Mistake;
use super::script::{Asked, Kind, Script, Statement};
use crate::database::{Database, DatabaseTable};
use crate::delta::{self, Version};
use crate::engine::parallelism;
use crate::expect::{self, Expectation, Verdict, World};
use crate::location::{Location, S3};
use crate::reason::reason;
use crate::retention::Retention;
use crate::room;
use crate::spark::{self, session};
use crate::table::{self, CsvTypes, Format};
use crate::vacuum;

/// The schema under which Spark keeps views that all sessions see.
const GLOBAL_TEMP: &str = "global_temp";

/// A table, as the arguments name it.
pub struct NamedTable {
    pub name: String,
    pub from: From,
}

/// Where the rows of a table are.
pub enum From {
    /// In files, or in a Delta table.
    Files { locations: Vec<Location>, format: Option<Format>, version: Option<Version> },
    /// In a database, as the answer to a statement.
    Database { database: Box<Database>, sql: String },
}

/// What one run needs.
pub struct Job {
    pub script: Script,
    pub tables: Vec<NamedTable>,
    pub output: Option<(Location, OutputFormat)>,
    pub expectations: Vec<Expectation>,
    pub charts: Option<Charts>,
    pub max_rows: usize,
    pub vacuum_retention: Option<Retention>,
    pub memory_bytes: usize,
    pub home: PathBuf,
    pub s3: S3,
    pub log: TaskLog,
    pub try_id: Uuid,
    /// Sees every row of the answer, when that is not written anywhere else.
    pub reader: Option<Box<dyn Reader>>,
}

/// Sees an answer while it comes.
pub trait Reader: Send + Sync {
    /// The names of the columns, before any row.
    fn columns(&mut self, names: &[String]) -> anyhow::Result<()>;

    /// Some rows.
    fn rows(&mut self, rows: Vec<Vec<Value>>) -> anyhow::Result<()>;

    /// There are no more.
    fn end(&mut self) -> anyhow::Result<()>;
}

/// Somebody who sees an answer, and whether any of it was seen.
struct Showing {
    reader: Box<dyn Reader>,
    has_begun: bool,
}

impl Showing {
    /// Shows some rows, and before the first of them the names of the columns.
    fn rows(&mut self, columns: &[String], rows: Vec<Vec<Value>>) -> anyhow::Result<()> {
        self.begin(columns)?;
        self.reader.rows(rows)
    }

    fn end(&mut self, columns: &[String]) -> anyhow::Result<()> {
        self.begin(columns)?;
        self.reader.end()
    }

    fn begin(&mut self, columns: &[String]) -> anyhow::Result<()> {
        if !std::mem::replace(&mut self.has_begun, true) {
            self.reader.columns(columns)?;
        }
        Ok(())
    }
}

/// What was found of a statement.
struct Found {
    answer: Answer,
    charts: Value,
    verdict: Option<Arc<Verdict>>,
}

/// The answer to one statement.
struct Answer {
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
    row_count: usize,
}

impl Job {
    /// Answers the queries: the XCom value.
    pub async fn run(mut self) -> Result<Value, TaskError> {
        let session = session(self.memory_bytes, parallelism()).map_err(TaskError::retry)?;
        let mut known = self.register_tables(&session).await?;
        let last = self.script.answer();
        let mut reader = self.reader.take().map(|reader| Showing { reader, has_begun: false });
        let mut earlier = Vec::new();
        let mut views = BTreeSet::new();
        let mut answered = None;
        for (at, statement) in self.script.statements.iter().enumerate() {
            match &statement.kind {
                Kind::Drop { name, if_exists } => {
                    if views.remove(&fold(name)) {
                        Job::deregister(name, &session, &mut known).map_err(TaskError::retry)?;
                    } else if !if_exists {
                        let message = format!("there is no view `{name}` of an earlier statement");
                        return Err(self.mistaken(&Mistake::at(self.script.place_of(name, statement), message)));
                    }
                }
                Kind::View { asked, name, columns: renamed, may_replace } => {
                    self.register_paths(&asked.written, &session, &mut known).await?;
                    let planned = self.plan(statement, asked, &session, &known).await?;
                    self.make_view(statement, name, planned, renamed, *may_replace, &session, &mut known)?;
                    views.insert(fold(name));
                }
                Kind::Answer(asked) => {
                    self.register_paths(&asked.written, &session, &mut known).await?;
                    let is_last = Some(at) == last;
                    let found = self.ask(statement, asked, reader.as_mut(), is_last, &session, &known).await?;
                    self.tell(statement, &found.answer);
                    if is_last {
                        answered = Some(found);
                    } else {
                        let Answer { columns, rows, row_count } = found.answer;
                        earlier.push(json!({
                            "line": statement.start.line, "columns": columns, "rows": rows, "row_count": row_count
                        }));
                    }
                }
            }
        }
        let Some(Found { answer: Answer { columns, rows, row_count }, charts, verdict }) = answered else {
            return Err(TaskError::fail(anyhow::anyhow!("the SQL asks nothing")));
        };
        let output = self.output.as_ref().map(|(location, _)| location.to_string());
        if let Some(output) = &output {
            self.log.info(format_args!("Written to {output}"));
        }
        let mut value = json!({ "columns": columns, "rows": rows, "row_count": row_count, "output": output });
        if !charts.is_null() {
            value["chart"] = charts;
        }
        if let Some(verdict) = verdict {
            verdict.tell(&self.log);
            value["expectations"] = serde_json::to_value(verdict.outcomes()).map_err(TaskError::fail)?;
            value["rows_rejected"] = verdict.dropped().into();
        }
        if !earlier.is_empty() {
            value["results"] = Value::Array(earlier);
        }
        Ok(value)
    }

    /// Answers a query. If its joins do not fit into memory they are done again by sorting, unless somebody has seen rows of it.
    async fn ask(
        &self,
        statement: &Statement,
        asked: &Asked,
        mut reader: Option<&mut Showing>,
        is_last: bool,
        session: &SessionContext,
        known: &Columns,
    ) -> Result<Found, TaskError> {
        let found = self.ask_once(statement, asked, reader.as_deref_mut(), is_last, session, known).await;
        let Err(first) = found else { return found };
        let is_seen = reader.as_deref().is_some_and(|reader| reader.has_begun);
        if is_seen || !room::join_by_sorting(session) {
            return Err(first);
        }
        self.log.info("A join does not fit into `memory_limit`; it is done again by sorting, which takes longer");
        let found = self.ask_once(statement, asked, reader, is_last, session, known).await;
        room::join_by_hash(session);
        // What the first try lacked can be given.
        found.map_err(|_| first)
    }

    async fn ask_once(
        &self,
        statement: &Statement,
        asked: &Asked,
        reader: Option<&mut Showing>,
        is_last: bool,
        session: &SessionContext,
        known: &Columns,
    ) -> Result<Found, TaskError> {
        let (frame, columns) = self.plan(statement, asked, session, known).await?;
        if !is_last {
            let answer = self.answer(frame, columns, None, None, session).await?;
            return Ok(Found { answer, charts: Value::Null, verdict: None });
        }
        let charts = self.charts_of(&columns)?;
        let (frame, verdict) = self.expect(frame, &columns, session).await?;
        let answer = self.answer(frame, columns, self.output.as_ref(), reader, session).await;
        let answer = answer.map_err(|error| match &verdict {
            Some(verdict) => verdict.explain(error),
            None => error,
        })?;
        Ok(Found { answer, charts, verdict })
    }

    /// Says what a statement answered.
    fn tell(&self, statement: &Statement, answer: &Answer) {
        let names = answer.columns.join(", ");
        if self.script.statements.len() > 1 {
            self.log.info(format_args!("Line {}: {} rows of {names}", statement.start.line, answer.row_count));
        } else {
            self.log.info(format_args!("{} rows of {names}", answer.row_count));
        }
        if answer.rows.len() < answer.row_count {
            self.log.info(format_args!("The first {} rows are kept as XCom", answer.rows.len()));
        }
    }

    fn mistaken(&self, mistake: &Mistake) -> TaskError {
        TaskError::fail(anyhow::anyhow!(mistake.shown(&self.script.sql)))
    }

    fn charts_of(&self, columns: &[String]) -> Result<Value, TaskError> {
        let Some(charts) = &self.charts else { return Ok(Value::Null) };
        let charts = charts.of_result(columns).map_err(|problem| TaskError::fail(anyhow::anyhow!(problem)))?;
        serde_json::to_value(charts).map_err(TaskError::fail)
    }

    /// The rows of an answer that may be written, and what is found of them, if anything is expected.
    async fn expect(
        &self,
        frame: DataFrame,
        columns: &[String],
        session: &SessionContext,
    ) -> Result<(DataFrame, Option<Arc<Verdict>>), TaskError> {
        if self.expectations.is_empty() {
            return Ok((frame, None));
        }
        let frame = called(frame, columns).map_err(TaskError::fail)?;
        let world = World { session, home: &self.home, s3: &self.s3 };
        let checked = expect::apply(frame, &self.expectations, &world).await?;
        Ok((checked.frame, Some(checked.verdict)))
    }

    async fn register_tables(&self, session: &SessionContext) -> Result<Columns, TaskError> {
        let mut known = Columns::new();
        for table in &self.tables {
            let unreadable = |error: anyhow::Error| error.context(format!("the table `{}` cannot be read", table.name));
            let provider: Arc<dyn TableProvider> = match &table.from {
                From::Files { locations, format, version } => {
                    let opened = self.open(locations, *format, version.as_ref(), &table.name, session).await;
                    opened.map_err(|error| TaskError::retry(unreadable(error)))?
                }
                From::Database { database, sql } => {
                    let opened = DatabaseTable::open(database, sql).await;
                    opened.map_err(|error| TaskError { error: unreadable(error.error), ..error })?
                }
            };
            Job::register(&table.name, None, provider, session, &mut known)?;
        }
        Ok(known)
    }

    async fn open(
        &self,
        locations: &[Location],
        format: Option<Format>,
        version: Option<&Version>,
        name: &str,
        session: &SessionContext,
    ) -> anyhow::Result<Arc<dyn TableProvider>> {
        let input = table::open_all(locations, format, version, CsvTypes::Inferred, session, &self.s3).await?;
        if input.report.broken > 0 {
            let broken = input.report.broken;
            self.log.warning(format_args!("{broken} malformed documents in `{name}` are rows of NULLs"));
        }
        Ok(input.provider)
    }

    /// Makes a table known by its own name, and by that within `global_temp`; or within another schema alone.
    fn register(
        name: &str,
        schema: Option<&str>,
        provider: Arc<dyn TableProvider>,
        session: &SessionContext,
        known: &mut Columns,
    ) -> Result<(), TaskError> {
        let folded = match schema {
            Some(_) => fold(name),
            None => fold(name.rsplit('.').next().unwrap_or(name)),
        };
        let columns = provider.schema().fields().iter().map(|field| field.name().clone()).collect();
        known.insert(folded.clone(), columns);
        let provider = fold_columns(name, provider, session).map_err(TaskError::fail)?;
        if schema.is_none() {
            let own = TableReference::bare(folded.clone());
            session.deregister_table(own.clone()).map_err(TaskError::retry)?;
            session.register_table(own, Arc::clone(&provider)).map_err(TaskError::retry)?;
        }
        let schema = schema_called(schema.unwrap_or(GLOBAL_TEMP), session).map_err(TaskError::retry)?;
        schema.deregister_table(&folded).map_err(TaskError::retry)?;
        schema.register_table(folded, provider).map_err(TaskError::retry)?;
        Ok(())
    }

    /// Makes a view unknown.
    fn deregister(name: &str, session: &SessionContext, known: &mut Columns) -> Result<(), DataFusionError> {
        let folded = fold(name);
        known.remove(&folded);
        schema_called(GLOBAL_TEMP, session)?.deregister_table(&folded)?;
        session.deregister_table(TableReference::bare(folded))?;
        Ok(())
    }

    /// Opens the tables that a query names by where they are.
    async fn register_paths(
        &self,
        query: &Query,
        session: &SessionContext,
        known: &mut Columns,
    ) -> Result<(), TaskError> {
        let mut seen = BTreeSet::new();
        for table in paths::of_query(query) {
            let at = |message: String| self.mistaken(&Mistake::at(table.place, message));
            if !seen.insert((table.format.name(), fold(&table.path))) {
                return Err(at(format!("`{}` differs from another path in case alone; use `tables:`", table.path)));
            }
            let location = Location::parse(&table.path, &self.home).map_err(|error| at(error.to_string()))?;
            let provider = self.open(&[location], Some(table.format), None, &table.path, session).await;
            let provider = provider.map_err(|error| at(format!("{error:#}")))?;
            Job::register(&table.path, Some(table.format.name()), provider, session, known)?;
        }
        Ok(())
    }

    /// Plans a query that must only read; answers with the names of its columns, too.
    async fn plan(
        &self,
        statement: &Statement,
        asked: &Asked,
        session: &SessionContext,
        known: &Columns,
    ) -> Result<(DataFrame, Vec<String>), TaskError> {
        let options = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        let planned = async {
            let plan = Box::pin(spark::plan((*asked.planned).clone(), session)).await?;
            options.verify_plan(&plan)?;
            session.execute_logical_plan(plan).await
        };
        let frame = planned.await.map_err(|error| {
            let known = Known { script: &self.script, statement, tables: known, session };
            self.mistaken(&known.explain(&error))
        })?;
        let names: Vec<String> = frame.schema().fields().iter().map(|field| field.name().clone()).collect();
        let columns = respell(&names, &asked.written, known);
        Ok((frame, columns))
    }

    #[expect(clippy::too_many_arguments, reason = "what a view is made of, and where it goes")]
    fn make_view(
        &self,
        statement: &Statement,
        name: &str,
        (frame, columns): (DataFrame, Vec<String>),
        renamed: &[String],
        may_replace: bool,
        session: &SessionContext,
        known: &mut Columns,
    ) -> Result<(), TaskError> {
        let place = self.script.place_of(name, statement);
        let wrong = |message: String| self.mistaken(&Mistake::at(place, message));
        if known.contains_key(&fold(name)) && !may_replace {
            return Err(wrong(format!("there is a table or view `{name}` already; write CREATE OR REPLACE VIEW")));
        }
        if !renamed.is_empty() && renamed.len() != columns.len() {
            let message =
                format!("the view `{name}` names {} columns, and its query has {}", renamed.len(), columns.len());
            return Err(wrong(message));
        }
        let names = if renamed.is_empty() { columns } else { renamed.to_vec() };
        let frame = called(frame, &names).map_err(TaskError::fail)?;
        self.log.info(format_args!("Line {}: the view {name} of {}", statement.start.line, names.join(", ")));
        Job::register(name, None, frame.into_view(), session, known)
    }

    /// Lets a query run, and its rows go where they shall.
    async fn answer(
        &self,
        frame: DataFrame,
        columns: Vec<String>,
        output: Option<&(Location, OutputFormat)>,
        mut reader: Option<&mut Showing>,
        session: &SessionContext,
    ) -> Result<Answer, TaskError> {
        let failed = |error: DataFusionError| TaskError::retry(anyhow::anyhow!("the query failed: {}", reason(&error)));
        let tap = Arc::new(Tap { rows_max: self.max_rows, ..Tap::default() });
        let mut stream = named(frame.execute_stream().await.map_err(failed)?, &columns);
        if let Some((location, OutputFormat::Delta)) = output {
            let table = tap.table(stream).map_err(failed)?;
            let frame = session.read_table(Arc::new(table)).map_err(failed)?;
            let table = delta::overwrite(location, frame.into_unoptimized_plan(), session, &self.s3).await?;
            vacuum::after_overwrite(&table, location, self.vacuum_retention, &self.log).await;
            return Ok(tap.answer(columns));
        }
        let file = output.and_then(|(location, format)| Some((location, format.of_file()?)));
        let mut file = file
            .map(|(location, format)| FileOutput::begin(location, format, &stream.schema(), self.try_id))
            .transpose()?;
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(failed)?;
            tap.see(&batch).map_err(failed)?;
            if let Some(file) = &mut file {
                file.write(&batch)?;
            }
            if let Some(reader) = &mut reader {
                reader.rows(&columns, rows(&batch, usize::MAX).map_err(failed)?)?;
            }
        }
        if let Some(reader) = &mut reader {
            reader.end(&columns)?;
        }
        if let Some(file) = file {
            file.publish(&self.s3).await?;
        }
        Ok(tap.answer(columns))
    }
}

/// The schema of that name, made if there is none.
fn schema_called(name: &str, session: &SessionContext) -> Result<Arc<dyn SchemaProvider>, DataFusionError> {
    let catalogs = session.catalog_names();
    let catalog = catalogs.first().and_then(|name| session.catalog(name));
    let catalog = catalog.ok_or_else(|| DataFusionError::Internal("a session without a catalogue".to_owned()))?;
    if let Some(schema) = catalog.schema(name) {
        return Ok(schema);
    }
    let schema: Arc<dyn SchemaProvider> = Arc::new(MemorySchemaProvider::new());
    catalog.register_schema(name, Arc::clone(&schema))?;
    Ok(schema)
}

/// The same frame with columns of these names, which must differ.
fn called(frame: DataFrame, names: &[String]) -> Result<DataFrame, DataFusionError> {
    let columns = frame.schema().columns();
    let renamed = columns.into_iter().zip(names).map(|(column, name)| Expr::Column(column).alias(name));
    let renamed: Vec<Expr> = renamed.collect();
    frame.select(renamed)
}

/// The same rows under other names of the columns.
fn named(stream: SendableRecordBatchStream, columns: &[String]) -> SendableRecordBatchStream {
    let schema = stream.schema();
    let fields = schema.fields().iter().zip(columns);
    let fields: Vec<Field> = fields.map(|(field, name)| field.as_ref().clone().with_name(name)).collect();
    let named = Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()));
    let schema = Arc::clone(&named);
    let stream = stream.map(move |batch| {
        let batch = batch?;
        let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&named), batch.columns().to_vec(), &rows)?)
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, stream))
}

/// Keeps the first rows that pass, and counts all.
#[derive(Default)]
struct Tap {
    rows_max: usize,
    seen: Mutex<(Vec<Vec<Value>>, usize)>,
}

impl Tap {
    fn see(&self, batch: &RecordBatch) -> Result<(), DataFusionError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let room = self.rows_max.saturating_sub(seen.0.len());
        seen.0.extend(rows(batch, room)?);
        seen.1 += batch.num_rows();
        Ok(())
    }

    /// What was seen, under the names of the columns.
    fn answer(&self, columns: Vec<String>) -> Answer {
        let (rows, row_count) = std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        Answer { columns, rows, row_count }
    }

    /// The rows of `stream` as a table that can be read once.
    fn table(self: &Arc<Self>, stream: SendableRecordBatchStream) -> Result<StreamingTable, DataFusionError> {
        let schema = stream.schema();
        let tapped = Tapped { schema: Arc::clone(&schema), stream: Mutex::new(Some(stream)), tap: Arc::clone(self) };
        StreamingTable::try_new(schema, vec![Arc::new(tapped)])
    }
}

struct Tapped {
    schema: SchemaRef,
    stream: Mutex<Option<SendableRecordBatchStream>>,
    tap: Arc<Tap>,
}

impl fmt::Debug for Tapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tapped")
    }
}

impl PartitionStream for Tapped {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _ctx: Arc<TaskContext>) -> SendableRecordBatchStream {
        let stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner).take();
        let tap = Arc::clone(&self.tap);
        let again = || DataFusionError::Internal("a result can be read only once".to_owned());
        let stream = match stream {
            Some(stream) => stream
                .map(move |batch| {
                    let batch = batch?;
                    tap.see(&batch)?;
                    Ok(batch)
                })
                .left_stream(),
            None => futures::stream::once(async move { Err(again()) }).right_stream(),
        };
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), stream))
    }
}
