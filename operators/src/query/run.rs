//! One run of `query`, from the tables to the answer.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider as _};
use datafusion::dataframe::DataFrame;
use datafusion::error::DataFusionError;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement as ParserStatement;
use futures::StreamExt as _;
use scheduler::log::TaskLog;
use scheduler::operator::TaskError;
use serde_json::{Value, json};
use uuid::Uuid;

use super::OutputFormat;
use super::answer::rows;
use super::diagnose::explain;
use super::names::{Columns, fold, fold_columns, respell};
use super::output::{FileFormat, FileOutput};
use super::statement::Statement;
use crate::delta;
use crate::engine::parallelism;
use crate::location::{Location, S3};
use crate::retention::Retention;
use crate::spark::session;
use crate::table::{self, CsvTypes, Format};
use crate::vacuum;

/// The schema under which Spark keeps views that all sessions see.
const GLOBAL_TEMP: &str = "global_temp";

/// A table, as the arguments name it.
pub struct NamedTable {
    pub name: String,
    pub location: Location,
    pub format: Option<Format>,
}

/// What one run needs.
pub struct Job {
    pub statement: Statement,
    pub tables: Vec<NamedTable>,
    pub output: Option<(Location, OutputFormat)>,
    pub max_rows: usize,
    pub vacuum_retention: Option<Retention>,
    pub memory_bytes: usize,
    pub s3: S3,
    pub log: TaskLog,
    pub try_id: Uuid,
}

impl Job {
    /// Answers the query: the XCom value.
    pub async fn run(self) -> Result<Value, TaskError> {
        let session = session(self.memory_bytes, parallelism()).map_err(TaskError::retry)?;
        let known = self.register_tables(&session).await?;
        let planned = plan(&self.statement, &session).await;
        let frame = planned.map_err(|error| TaskError::fail(anyhow::anyhow!(explain(&error, &known))))?;
        let planned: Vec<String> = frame.schema().fields().iter().map(|field| field.name().clone()).collect();
        let columns = respell(&planned, &self.statement.written, &known);
        let tap = Arc::new(Tap { rows_max: self.max_rows, ..Tap::default() });
        self.write(frame, &columns, &session, &tap).await?;
        let (first_rows, row_count) = tap.take();
        self.log.info(format_args!("{row_count} rows of {}", columns.join(", ")));
        if first_rows.len() < row_count {
            self.log.info(format_args!("The first {} rows are kept as XCom", first_rows.len()));
        }
        let output = self.output.map(|(location, _)| location.to_string());
        if let Some(output) = &output {
            self.log.info(format_args!("Written to {output}"));
        }
        Ok(json!({ "columns": columns, "rows": first_rows, "row_count": row_count, "output": output }))
    }

    async fn register_tables(&self, session: &SessionContext) -> Result<Columns, TaskError> {
        let global = Arc::new(MemorySchemaProvider::new());
        let mut known = Columns::new();
        for table in &self.tables {
            let name = fold(table.name.rsplit('.').next().unwrap_or(&table.name));
            let input =
                table::open(&table.location, table.format, CsvTypes::Inferred, session, &self.s3).await.map_err(
                    |error| TaskError::retry(error.context(format!("the table `{}` cannot be read", table.name))),
                )?;
            if input.report.broken > 0 {
                let broken = input.report.broken;
                self.log.warning(format_args!("{broken} malformed documents in `{}` are rows of NULLs", table.name));
            }
            let columns = input.provider.schema().fields().iter().map(|field| field.name().clone()).collect();
            known.insert(name.clone(), columns);
            let provider = fold_columns(&table.name, input.provider, session).map_err(TaskError::fail)?;
            global.register_table(name.clone(), Arc::clone(&provider)).map_err(TaskError::retry)?;
            session.register_table(name.as_str(), provider).map_err(TaskError::retry)?;
        }
        let catalogs = session.catalog_names();
        if let Some(catalog) = catalogs.first().and_then(|name| session.catalog(name)) {
            catalog.register_schema(GLOBAL_TEMP, global).map_err(TaskError::retry)?;
        }
        Ok(known)
    }

    async fn write(
        &self,
        frame: DataFrame,
        columns: &[String],
        session: &SessionContext,
        tap: &Arc<Tap>,
    ) -> Result<(), TaskError> {
        let failed = |error: DataFusionError| TaskError::retry(anyhow::Error::new(error).context("the query failed"));
        let mut stream = named(frame.execute_stream().await.map_err(failed)?, columns);
        let (location, format) = match &self.output {
            Some((location, OutputFormat::Delta)) => {
                let table = tap.table(stream).map_err(failed)?;
                let frame = session.read_table(Arc::new(table)).map_err(failed)?;
                let table = delta::overwrite(location, frame.into_unoptimized_plan(), session, &self.s3).await?;
                vacuum::after_overwrite(&table, location, self.vacuum_retention, &self.log).await;
                return Ok(());
            }
            Some((location, OutputFormat::Csv)) => (Some(location), FileFormat::Csv),
            Some((location, OutputFormat::Parquet)) => (Some(location), FileFormat::Parquet),
            None => (None, FileFormat::Csv),
        };
        let mut file =
            location.map(|location| FileOutput::begin(location, format, &stream.schema(), self.try_id)).transpose()?;
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(failed)?;
            tap.see(&batch).map_err(failed)?;
            if let Some(file) = &mut file {
                file.write(&batch)?;
            }
        }
        if let Some(file) = file {
            file.publish(&self.s3).await?;
        }
        Ok(())
    }
}

/// Plans a query that must only read.
async fn plan(statement: &Statement, session: &SessionContext) -> Result<DataFrame, DataFusionError> {
    let options = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    let folded = ParserStatement::Statement(Box::new(statement.folded.clone()));
    let plan = session.state().statement_to_plan(folded).await?;
    options.verify_plan(&plan)?;
    session.execute_logical_plan(plan).await
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

    fn take(&self) -> (Vec<Vec<Value>>, usize) {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
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
