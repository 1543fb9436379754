//! Applies compiled rules to a stream of rows, and counts the rows that each of them changed.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::arrow::array::{Array as _, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::arrow::compute::kernels::cmp::distinct;
use datafusion::arrow::compute::{is_not_null, is_null};
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::common::{DFSchema, ToDFSchema as _};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SessionState, TaskContext};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties as _, SendableRecordBatchStream};
use futures::StreamExt as _;

use super::compile::{Change, OutputColumn};
use crate::spark::text_array;

/// A rule, ready to run.
pub struct Projection {
    schema: SchemaRef,
    exprs: Vec<Arc<dyn PhysicalExpr>>,
    changes: Vec<(Change, Option<usize>, usize)>,
    /// Rows that the rule changed.
    changed: Arc<AtomicU64>,
}

impl Projection {
    /// Plans the columns of a rule over `input`.
    pub fn plan(
        columns: &[OutputColumn],
        input: &SchemaRef,
        state: &SessionState,
        changed: Arc<AtomicU64>,
    ) -> Result<Projection> {
        let df_schema: DFSchema = Arc::clone(input).to_dfschema()?;
        let mut exprs = Vec::with_capacity(columns.len());
        let mut fields = Vec::with_capacity(columns.len());
        let mut changes = Vec::new();
        for (at, column) in columns.iter().enumerate() {
            let expr = state.create_physical_expr(column.expr.clone(), &df_schema)?;
            fields.push(Field::new(&column.name, expr.data_type(input)?, true));
            exprs.push(expr);
            if let Some((change, before)) = &column.change {
                changes.push((*change, input.column_with_name(before).map(|(index, _)| index), at));
            }
        }
        Ok(Projection { schema: Arc::new(Schema::new(fields)), exprs, changes, changed })
    }

    /// The columns after the rule.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let arrays = self.exprs.iter().zip(self.schema.fields()).map(|(expr, field)| {
            let value: ColumnarValue = expr.evaluate(batch)?;
            let array = value.into_array(rows)?;
            if array.data_type() == field.data_type() {
                Ok(array)
            } else {
                Ok(datafusion::arrow::compute::cast(&array, field.data_type())?)
            }
        });
        let arrays: Vec<ArrayRef> = arrays.collect::<Result<_>>()?;
        let mut any_changed: Option<BooleanBuffer> = None;
        for (change, before, after) in &self.changes {
            let flags = change.flags(before.map(|before| batch.column(before)), &arrays[*after])?;
            let flags = flags.values() & &valid(&flags);
            any_changed = Some(match any_changed {
                Some(others) => &others | &flags,
                None => flags,
            });
        }
        let changed = any_changed.map_or(0, |flags| flags.count_set_bits());
        self.changed.fetch_add(changed as u64, Ordering::Relaxed);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)?)
    }
}

fn valid(flags: &BooleanArray) -> BooleanBuffer {
    flags.nulls().map_or_else(|| BooleanBuffer::new_set(flags.len()), |nulls| nulls.inner().clone())
}

impl Change {
    fn flags(self, before: Option<&ArrayRef>, after: &ArrayRef) -> Result<BooleanArray> {
        match (self, before) {
            (Change::IsMade, _) | (_, None) => Ok(is_not_null(after)?),
            (Change::BecameNull, Some(before)) => {
                Ok(datafusion::arrow::compute::and(&is_not_null(before)?, &is_null(after)?)?)
            }
            (Change::Differs, Some(before)) if before.data_type() == after.data_type() => Ok(distinct(before, after)?),
            (Change::Differs, Some(before)) => Ok(distinct(&text_array(before)?, &text_array(after)?)?),
        }
    }
}

/// The rows of a plan with rules applied, as a table.
pub fn apply_to_plan(
    plan: &Arc<dyn ExecutionPlan>,
    projections: Vec<Projection>,
    rows_in: &Arc<AtomicU64>,
) -> Result<StreamingTable> {
    let schema = projections.last().map_or_else(|| plan.schema(), |last| Arc::clone(last.schema()));
    let projections = Arc::new(projections);
    let partitions = (0..plan.output_partitioning().partition_count()).map(|partition| {
        Arc::new(CleanedPartition {
            schema: Arc::clone(&schema),
            plan: Arc::clone(plan),
            partition,
            projections: Arc::clone(&projections),
            rows_in: Arc::clone(rows_in),
        }) as Arc<dyn PartitionStream>
    });
    StreamingTable::try_new(Arc::clone(&schema), partitions.collect())
}

struct CleanedPartition {
    schema: SchemaRef,
    plan: Arc<dyn ExecutionPlan>,
    partition: usize,
    projections: Arc<Vec<Projection>>,
    rows_in: Arc<AtomicU64>,
}

impl fmt::Debug for CleanedPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CleanedPartition {} with {} rules", self.partition, self.projections.len())
    }
}

impl PartitionStream for CleanedPartition {
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
        let (projections, rows_in) = (Arc::clone(&self.projections), Arc::clone(&self.rows_in));
        let cleaned = input.map(move |batch| {
            let mut batch = batch?;
            rows_in.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
            for projection in projections.iter() {
                batch = projection.apply(&batch)?;
            }
            Ok(batch)
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, cleaned))
    }
}
