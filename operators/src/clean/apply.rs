//! Applies compiled rules to a stream of rows, and counts the rows that each of them changed.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::arrow::array::{
    Array as _, ArrayRef, AsArray as _, BooleanArray, RecordBatch, RecordBatchOptions, UInt64Array,
};
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::arrow::compute::kernels::cmp::distinct;
use datafusion::arrow::compute::{filter_record_batch, is_not_null, is_null};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::common::{DFSchema, ToDFSchema as _};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SessionState, TaskContext};
use datafusion::logical_expr::{ColumnarValue, Expr};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties as _, SendableRecordBatchStream};
use futures::{StreamExt as _, TryStreamExt as _};

use super::compile::{Change, OutputColumn};
use crate::room;
use crate::spark::{rowwise, text_array};

/// A rule that makes each row from one row, or from none.
pub enum Stage {
    /// Makes columns.
    Project(Projection),
    /// Keeps rows.
    Filter(Filter),
    /// Numbers the rows in their order.
    Number(Numbering),
}

impl Stage {
    /// The columns after it.
    pub fn schema(&self) -> &SchemaRef {
        match self {
            Stage::Project(projection) => projection.schema(),
            Stage::Filter(filter) => &filter.schema,
            Stage::Number(numbering) => &numbering.schema,
        }
    }

    /// The rows after it.
    pub fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        match self {
            Stage::Project(projection) => projection.apply(batch),
            Stage::Filter(filter) => filter.apply(batch),
            Stage::Number(numbering) => numbering.apply(batch),
        }
    }
}

/// Keeps the rows for which a condition is true.
pub struct Filter {
    schema: SchemaRef,
    keeps: Arc<dyn PhysicalExpr>,
    /// Rows that went.
    removed: Arc<AtomicU64>,
}

impl Filter {
    /// Plans a condition over `input`.
    pub fn plan(keeps: Expr, input: &SchemaRef, state: &SessionState, removed: Arc<AtomicU64>) -> Result<Filter> {
        let df_schema: DFSchema = Arc::clone(input).to_dfschema()?;
        let keeps = rowwise(keeps, &df_schema, state)?;
        Ok(Filter { schema: Arc::clone(input), keeps, removed })
    }

    fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let keeps = self.keeps.evaluate(batch)?.into_array(batch.num_rows())?;
        let kept = filter_record_batch(batch, keeps.as_boolean())?;
        self.removed.fetch_add((batch.num_rows() - kept.num_rows()) as u64, Ordering::Relaxed);
        Ok(kept)
    }
}

/// Adds a column with the number of each row. It is good for plans of one partition, whose rows have an order.
pub struct Numbering {
    schema: SchemaRef,
    next: AtomicU64,
}

impl Numbering {
    /// Numbers go into the column `name`, which is the last.
    pub fn new(name: &str, input: &SchemaRef) -> Numbering {
        let mut fields = input.fields().to_vec();
        fields.push(Arc::new(Field::new(name, DataType::UInt64, false)));
        Numbering { schema: Arc::new(Schema::new(fields)), next: AtomicU64::new(0) }
    }

    fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let rows = batch.num_rows() as u64;
        let first = self.next.fetch_add(rows, Ordering::Relaxed);
        let mut columns = batch.columns().to_vec();
        columns.push(Arc::new((first..first + rows).collect::<UInt64Array>()));
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}

/// A rule that makes columns, ready to run.
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
            let expr = rowwise(column.expr.clone(), &df_schema, state)?;
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
            (Change::Differs, Some(before))
                if [before, after].iter().all(|each| each.data_type().is_signed_integer()) =>
            {
                let long = |array| datafusion::arrow::compute::cast(array, &DataType::Int64);
                Ok(distinct(&long(before)?, &long(after)?)?)
            }
            (Change::Differs, Some(before)) => Ok(distinct(&text_array(before)?, &text_array(after)?)?),
        }
    }
}

/// The rows of a plan with rules applied, as a table.
pub fn apply_to_plan(
    plan: &Arc<dyn ExecutionPlan>,
    stages: Vec<Stage>,
    rows_in: &Arc<AtomicU64>,
    ctx: &Arc<TaskContext>,
) -> Result<StreamingTable> {
    let schema = stages.last().map_or_else(|| plan.schema(), |last| Arc::clone(last.schema()));
    let stages = Arc::new(stages);
    let partitions = (0..plan.output_partitioning().partition_count()).map(|partition| {
        Arc::new(CleanedPartition {
            schema: Arc::clone(&schema),
            plan: Arc::clone(plan),
            partition,
            stages: Arc::clone(&stages),
            rows_in: Arc::clone(rows_in),
            ctx: Arc::clone(ctx),
        }) as Arc<dyn PartitionStream>
    });
    StreamingTable::try_new(Arc::clone(&schema), partitions.collect())
}

struct CleanedPartition {
    schema: SchemaRef,
    plan: Arc<dyn ExecutionPlan>,
    partition: usize,
    stages: Arc<Vec<Stage>>,
    rows_in: Arc<AtomicU64>,
    /// Of the session that planned: what executes it may be another one, with other ideas of how large batches are.
    ctx: Arc<TaskContext>,
}

impl fmt::Debug for CleanedPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CleanedPartition {} with {} rules", self.partition, self.stages.len())
    }
}

impl PartitionStream for CleanedPartition {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _ctx: Arc<TaskContext>) -> SendableRecordBatchStream {
        let schema = Arc::clone(&self.schema);
        let rows_max = self.ctx.session_config().batch_size();
        let input = match self.plan.execute(self.partition, Arc::clone(&self.ctx)) {
            Ok(input) => input,
            Err(error) => {
                let failed = futures::stream::once(async move { Err::<RecordBatch, DataFusionError>(error) });
                return Box::pin(RecordBatchStreamAdapter::new(schema, failed));
            }
        };
        let (stages, rows_in) = (Arc::clone(&self.stages), Arc::clone(&self.rows_in));
        let cleaned = input.map(move |batch| {
            let mut batch = batch?;
            rows_in.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
            for stage in stages.iter() {
                batch = stage.apply(&batch)?;
            }
            room::parts(&batch, rows_max)
        });
        let cleaned = cleaned.map_ok(|parts| futures::stream::iter(parts.into_iter().map(Ok))).try_flatten();
        Box::pin(RecordBatchStreamAdapter::new(schema, cleaned))
    }
}
