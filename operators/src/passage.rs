//! Rows on their way from a plan to whoever reads them, with something done to each batch, and something when all have passed.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties as _, SendableRecordBatchStream};
use futures::StreamExt as _;

/// What is done to rows on their way.
pub trait Passage: Send + Sync + 'static {
    /// What is done to a batch.
    fn pass(&self, batch: RecordBatch) -> Result<RecordBatch> {
        Ok(batch)
    }

    /// What is done when all rows have passed, before anybody knows that there are no more. An error is the end of the rows.
    fn end(self: Arc<Self>) -> impl Future<Output = Result<()>> + Send;
}

/// The rows of `plan`, passed on, as a table with these columns that can be read once.
pub fn table<P: Passage>(
    passage: &Arc<P>,
    plan: &Arc<dyn ExecutionPlan>,
    schema: &SchemaRef,
) -> Result<StreamingTable> {
    let partitions = plan.output_partitioning().partition_count();
    let open = Arc::new(AtomicUsize::new(partitions));
    let streams = (0..partitions).map(|partition| {
        let (passage, plan, schema) = (Arc::clone(passage), Arc::clone(plan), Arc::clone(schema));
        Arc::new(Partition { passage, plan, schema, partition, open: Arc::clone(&open) }) as Arc<dyn PartitionStream>
    });
    StreamingTable::try_new(Arc::clone(schema), streams.collect())
}

struct Partition<P> {
    passage: Arc<P>,
    plan: Arc<dyn ExecutionPlan>,
    schema: SchemaRef,
    partition: usize,
    /// Partitions that have not ended. After the last one all rows have passed.
    open: Arc<AtomicUsize>,
}

impl<P> fmt::Debug for Partition<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Partition {} of a passage", self.partition)
    }
}

impl<P: Passage> PartitionStream for Partition<P> {
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
        let passage = Arc::clone(&self.passage);
        let passed = input.map(move |batch| passage.pass(batch?));
        let (passage, open) = (Arc::clone(&self.passage), Arc::clone(&self.open));
        let end = async move { if open.fetch_sub(1, Ordering::SeqCst) > 1 { Ok(()) } else { passage.end().await } };
        let end = futures::stream::once(end)
            .filter_map(|ended| async move { ended.err().map(Err::<RecordBatch, DataFusionError>) });
        Box::pin(RecordBatchStreamAdapter::new(schema, passed.chain(end)))
    }
}
