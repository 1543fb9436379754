//! Many plans one after another, a few at a time: what a union would run all at once.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties as _, SendableRecordBatchStream};
use futures::{StreamExt as _, TryStreamExt as _};

/// The rows of all `plans`, which have the same columns, in at most `width` partitions. With one, in their order.
pub fn table(plans: &[Arc<dyn ExecutionPlan>], schema: &SchemaRef, width: usize) -> Result<StreamingTable> {
    let units: Vec<(Arc<dyn ExecutionPlan>, usize)> = plans
        .iter()
        .flat_map(|plan| (0..plan.output_partitioning().partition_count()).map(|at| (Arc::clone(plan), at)))
        .collect();
    let width = width.min(units.len()).max(1);
    let partitions = (0..width).map(|partition| {
        let mine = units.iter().skip(partition).step_by(width).cloned().collect();
        Arc::new(Chain { schema: Arc::clone(schema), units: mine }) as Arc<dyn PartitionStream>
    });
    StreamingTable::try_new(Arc::clone(schema), partitions.collect())
}

struct Chain {
    schema: SchemaRef,
    units: Vec<(Arc<dyn ExecutionPlan>, usize)>,
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chain of {} partitions", self.units.len())
    }
}

impl PartitionStream for Chain {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, ctx: Arc<TaskContext>) -> SendableRecordBatchStream {
        let schema = Arc::clone(&self.schema);
        let streams = futures::stream::iter(self.units.clone())
            .map(move |(plan, partition)| plan.execute(partition, Arc::clone(&ctx)))
            .try_flatten();
        // Columns without a NULL in one plan may have them in another.
        let named = streams.map(move |batch| {
            let batch = batch?;
            let rows = datafusion::arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            RecordBatch::try_new_with_options(Arc::clone(&schema), batch.columns().to_vec(), &rows)
                .map_err(DataFusionError::from)
        });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), named))
    }
}
