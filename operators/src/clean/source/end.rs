//! The end of the input: what can be told of it only after all of it was read, before anything of it is committed.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::dataframe::DataFrame;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties as _, SendableRecordBatchStream};
use datafusion::prelude::SessionContext;
use futures::StreamExt as _;
use scheduler::log::TaskLog;
use scheduler::operator::TaskError;

use super::Source;
use crate::broken::check_share;
use crate::json::ReadReport;

/// Tells what was found in the input, and fails where too much of it is malformed.
pub struct End {
    source: Source,
    log: TaskLog,
    max_broken_share: f64,
    /// Why the rows ended with an error.
    failure: Mutex<Option<TaskError>>,
    /// Partitions that have not ended.
    open: AtomicUsize,
}

impl End {
    /// The end of `source`, of which at most this share may be malformed.
    pub fn new(source: Source, max_broken_share: f64, log: &TaskLog) -> Arc<End> {
        let log = log.clone();
        Arc::new(End { source, log, max_broken_share, failure: Mutex::default(), open: AtomicUsize::new(0) })
    }

    /// The rows.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Tells what was found.
    pub fn tell(&self, report: &ReadReport) -> std::result::Result<(), TaskError> {
        for column in &report.mixed {
            self.log.warning(format_args!("the column `{column}` has values of several types, and is read as text"));
        }
        for place in &report.broken_places {
            self.log.warning(format_args!("a malformed document in {place} becomes a row of NULLs"));
        }
        check_share("documents", report.broken, report.rows, self.max_broken_share)
    }

    /// The rows of `frame`, which are made of the input, and behind the last one an error if the input is not what it was
    /// taken for, or too much of it malformed; [`End::explain`] says why.
    pub async fn behind(self: &Arc<Self>, frame: DataFrame, session: &SessionContext) -> Result<DataFrame> {
        let plan = frame.create_physical_plan().await?;
        let (partitions, schema) = (plan.output_partitioning().partition_count(), plan.schema());
        self.open.store(partitions, Ordering::SeqCst);
        let streams = (0..partitions).map(|partition| {
            let (end, schema, plan) = (Arc::clone(self), Arc::clone(&schema), Arc::clone(&plan));
            Arc::new(Partition { end, schema, plan, partition }) as Arc<dyn PartitionStream>
        });
        let table = StreamingTable::try_new(Arc::clone(&schema), streams.collect())?;
        session.read_table(Arc::new(table))
    }

    /// The error in words, if it is ours.
    pub fn explain(&self, error: TaskError) -> TaskError {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or(error)
    }

    /// A partition has ended. After the last one all is known.
    async fn conclude(self: Arc<Self>) -> Result<()> {
        if self.open.fetch_sub(1, Ordering::SeqCst) > 1 {
            return Ok(());
        }
        self.source.conclude().await.map_err(|error| DataFusionError::External(error.into()))?;
        self.tell(&self.source.report()).map_err(|error| {
            let message = error.to_string();
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            DataFusionError::Execution(message)
        })
    }
}

struct Partition {
    end: Arc<End>,
    schema: SchemaRef,
    plan: Arc<dyn ExecutionPlan>,
    partition: usize,
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Partition {} of all rows", self.partition)
    }
}

impl PartitionStream for Partition {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, ctx: Arc<TaskContext>) -> SendableRecordBatchStream {
        let schema = Arc::clone(&self.schema);
        let input = match self.plan.execute(self.partition, ctx) {
            Ok(input) => input,
            Err(error) => {
                let failed = futures::stream::once(async move { Err::<RecordBatch, DataFusionError>(error) });
                return Box::pin(RecordBatchStreamAdapter::new(schema, failed));
            }
        };
        let end = futures::stream::once(Arc::clone(&self.end).conclude())
            .filter_map(|ended| async move { ended.err().map(Err::<RecordBatch, DataFusionError>) });
        Box::pin(RecordBatchStreamAdapter::new(schema, input.chain(end)))
    }
}
