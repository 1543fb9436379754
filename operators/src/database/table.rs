//! What a statement of a database answers with, as a table of DataFusion: read anew by each query, and as it is needed.

use std::fmt;
use std::sync::Arc;

use anyhow::anyhow;
use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::PartitionStream;
use scheduler::operator::TaskError;
use tokio::sync::mpsc::Sender;

use super::columns::{Column, Type};
use super::row::{AnyRow, RowSink};
use super::server::Database;

/// Rows in a batch.
const BATCH_ROWS: usize = 8192;
/// Batches that wait to be taken.
const BATCHES_WAITING: usize = 2;

/// See [`DatabaseTable::open`].
pub struct DatabaseTable {
    database: Database,
    sql: String,
    types: Vec<Type>,
    schema: SchemaRef,
}

impl DatabaseTable {
    /// The answer to `sql` as a table. Asks for the columns; rows are read by whoever reads the table.
    pub async fn open(database: &Database, sql: &str) -> Result<Arc<dyn TableProvider>, TaskError> {
        let columns = database.columns(sql).await?;
        if columns.is_empty() {
            return Err(TaskError::fail(anyhow!("{}: `{sql}` answers with no columns", database.shown())));
        }
        let types: Vec<Type> = columns.iter().map(|(_, name)| Type::of(name)).collect();
        let fields: Vec<_> = columns.iter().zip(&types).map(|((name, _), of)| of.field(name)).collect();
        let schema = Arc::new(Schema::new(fields));
        let table =
            DatabaseTable { database: database.clone(), sql: sql.to_owned(), types, schema: Arc::clone(&schema) };
        let table = StreamingTable::try_new(schema, vec![Arc::new(table)]).map_err(TaskError::fail)?;
        Ok(Arc::new(table))
    }
}

/// Without the password.
impl fmt::Debug for DatabaseTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseTable of {}", self.database.shown())
    }
}

impl PartitionStream for DatabaseTable {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _ctx: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStream::builder(Arc::clone(&self.schema), BATCHES_WAITING);
        let (database, sql) = (self.database.clone(), self.sql.clone());
        let mut batches = Batches {
            schema: Arc::clone(&self.schema),
            columns: self.types.iter().map(|of| Column::new(*of)).collect(),
            rows: 0,
            sender: builder.tx(),
        };
        builder.spawn(async move {
            let read = database.read(&sql, &mut batches).await;
            read.map(drop).map_err(|error| DataFusionError::External(error.error.into()))
        });
        builder.build()
    }
}

/// Gathers rows to batches.
struct Batches {
    schema: SchemaRef,
    columns: Vec<Column>,
    rows: usize,
    sender: Sender<Result<RecordBatch>>,
}

impl RowSink for Batches {
    fn push(&mut self, row: AnyRow<'_>) -> Result<bool, sqlx::Error> {
        for (index, column) in self.columns.iter_mut().enumerate() {
            let name = self.schema.field(index).name();
            column.push(row.cell(index)?, name).map_err(|misfit| sqlx::Error::Decode(misfit.into()))?;
        }
        self.rows += 1;
        Ok(self.rows == BATCH_ROWS)
    }

    async fn pass_on(&mut self) -> bool {
        let arrays = self.columns.iter_mut().map(Column::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(std::mem::take(&mut self.rows)));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options);
        self.sender.send(batch.map_err(Into::into)).await.is_ok()
    }
}
