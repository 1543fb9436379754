//! What a statement of a database answers with, as a table of DataFusion: read anew by each query, and as it is needed.

use std::fmt;
use std::sync::Arc;

use anyhow::anyhow;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::PartitionStream;
use scheduler::operator::TaskError;
use tokio::sync::mpsc::Sender;

use super::gathering::Gathering;
use super::row::{AnyRow, RowSink};
use super::server::Database;

/// Batches that wait to be taken.
const BATCHES_WAITING: usize = 2;

/// See [`DatabaseTable::open`].
pub struct DatabaseTable {
    database: Database,
    sql: String,
    columns: Vec<(String, String)>,
    schema: SchemaRef,
}

impl DatabaseTable {
    /// The answer to `sql` as a table. Asks for the columns; rows are read by whoever reads the table.
    pub async fn open(database: &Database, sql: &str) -> Result<Arc<dyn TableProvider>, TaskError> {
        let columns = database.columns(sql).await?;
        if columns.is_empty() {
            return Err(TaskError::fail(anyhow!("{}: `{sql}` answers with no columns", database.shown())));
        }
        let schema = Arc::clone(Gathering::new(&columns).schema());
        let table =
            DatabaseTable { database: database.clone(), sql: sql.to_owned(), columns, schema: Arc::clone(&schema) };
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
        let mut batches = Batches { rows: Gathering::new(&self.columns), sender: builder.tx() };
        builder.spawn(async move {
            let read = database.read(&sql, &mut batches).await;
            read.map(drop).map_err(|error| DataFusionError::External(error.error.into()))
        });
        builder.build()
    }
}

/// Sends rows on in batches.
struct Batches {
    rows: Gathering,
    sender: Sender<Result<RecordBatch>>,
}

impl RowSink for Batches {
    fn push(&mut self, row: AnyRow<'_>) -> Result<bool, sqlx::Error> {
        self.rows.push(row)
    }

    async fn pass_on(&mut self) -> bool {
        let batch = self.rows.take();
        self.sender.send(batch.map_err(Into::into)).await.is_ok()
    }
}
