//! The gate that rows pass on their way to whoever writes them.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::{
    Array as _, ArrayRef, AsArray as _, BooleanArray, RecordBatch, RecordBatchOptions, StringArray,
};
use datafusion::arrow::compute::{filter_record_batch, not, or};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use serde_json::{Map, Value};

use super::Action;
use super::verdict::Verdict;
use crate::columns::is_hidden;
use crate::passage::{self, Passage};
use crate::query::answer::rows;
use crate::spool::{Spool, SpoolWriter};

/// The column of dropped rows that says what they fail.
pub const EXPECTATION: &str = "_expectation";

/// A check of single rows.
pub struct RowCheck {
    /// Which of the verdict's expectations it is.
    pub index: usize,
    pub action: Action,
    /// True for rows that fail.
    pub fails: Arc<dyn PhysicalExpr>,
}

/// What is done to each batch.
pub struct Stage {
    pub checks: Vec<RowCheck>,
    /// Columns of the rows; those after them are flags for the checks.
    pub width: usize,
    pub schema: SchemaRef,
}

type Kept = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;
type Keep = Box<dyn FnOnce(Option<Spool>) -> Kept + Send>;

/// Lets good rows pass, sets dropped ones aside, and counts.
pub struct Gate {
    stage: Stage,
    verdict: Arc<Verdict>,
    aside: Mutex<Option<SpoolWriter>>,
    keep: Mutex<Option<Keep>>,
}

impl Gate {
    pub fn new(stage: Stage, verdict: Arc<Verdict>) -> Gate {
        Gate { stage, verdict, aside: Mutex::default(), keep: Mutex::default() }
    }

    pub fn may_drop(&self) -> bool {
        self.stage.checks.iter().any(|check| check.action == Action::Drop)
    }

    pub fn before_end(&self, keep: Keep) {
        *self.keep.lock().unwrap_or_else(PoisonError::into_inner) = Some(keep);
    }

    /// The rows of `plan` that pass.
    pub fn table(self: &Arc<Self>, plan: &Arc<dyn ExecutionPlan>) -> Result<StreamingTable> {
        passage::table(self, plan, &self.stage.schema)
    }

    fn examples(&self, check: &RowCheck, batch: &RecordBatch, flags: &BooleanArray) -> Result<Vec<Map<String, Value>>> {
        let wanted = self.verdict.examples_wanted(check.index);
        if wanted == 0 {
            return Ok(Vec::new());
        }
        let found = filter_record_batch(batch, flags)?;
        let shown = |row: Vec<Value>| {
            let named = self.stage.schema.fields().iter().map(|field| field.name().clone()).zip(row);
            named.filter(|(name, _)| !is_hidden(name)).collect()
        };
        Ok(rows(&found, wanted)?.into_iter().map(shown).collect())
    }

    fn set_aside(
        &self,
        batch: &RecordBatch,
        dropped: &BooleanArray,
        failed: &[(&RowCheck, BooleanArray)],
    ) -> Result<()> {
        let names = self.verdict.outcomes();
        let reasons = (0..batch.num_rows()).map(|row| {
            let mine = failed.iter().filter(|(_, flags)| flags.value(row));
            let names: Vec<&str> = mine.map(|(check, _)| names[check.index].name.as_str()).collect();
            names.join("; ")
        });
        let reasons: ArrayRef = Arc::new(reasons.map(Some).collect::<StringArray>());
        let own = self.stage.schema.fields().iter().cloned().zip(batch.columns().iter().cloned());
        let own = own.filter(|(field, _)| !is_hidden(field.name()) && field.name() != EXPECTATION);
        let (mut fields, mut columns): (Vec<_>, Vec<_>) = own.unzip();
        fields.push(Arc::new(Field::new(EXPECTATION, DataType::Utf8, true)));
        columns.push(reasons);
        let schema = Arc::new(Schema::new(fields));
        let named = RecordBatch::try_new(Arc::clone(&schema), columns)?;
        let named = filter_record_batch(&named, dropped)?;
        let mut aside = self.aside.lock().unwrap_or_else(PoisonError::into_inner);
        let writer = match &mut *aside {
            Some(writer) => writer,
            none => none.insert(SpoolWriter::begin(&schema)?),
        };
        writer.write(&named)
    }
}

impl Passage for Gate {
    fn pass(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let row_count = batch.num_rows();
        let (columns, options) =
            (batch.columns()[..self.stage.width].to_vec(), RecordBatchOptions::new().with_row_count(Some(row_count)));
        let passing = RecordBatch::try_new_with_options(Arc::clone(&self.stage.schema), columns, &options)?;
        let mut dropped: Option<BooleanArray> = None;
        let mut failed: Vec<(&RowCheck, BooleanArray)> = Vec::new();
        for check in &self.stage.checks {
            let flags = check.fails.evaluate(&batch)?.into_array(row_count)?;
            let flags = true_only(flags.as_boolean());
            let count = flags.true_count();
            if count == 0 {
                continue;
            }
            let examples = self.examples(check, &passing, &flags)?;
            self.verdict.failed(check.index, count as u64, examples);
            if check.action == Action::Drop {
                dropped = Some(match dropped {
                    Some(others) => or(&others, &flags)?,
                    None => flags.clone(),
                });
                failed.push((check, flags));
            }
        }
        let Some(dropped) = dropped else {
            self.verdict.passed(row_count as u64, 0);
            return Ok(passing);
        };
        self.set_aside(&passing, &dropped, &failed)?;
        self.verdict.passed(row_count as u64, dropped.true_count() as u64);
        Ok(filter_record_batch(&passing, &not(&dropped)?)?)
    }

    async fn end(self: Arc<Self>) -> Result<()> {
        self.verdict.conclude().map_err(DataFusionError::Execution)?;
        let aside = self.aside.lock().unwrap_or_else(PoisonError::into_inner).take();
        let spool = aside.map(SpoolWriter::finish).transpose()?;
        let keep = self.keep.lock().unwrap_or_else(PoisonError::into_inner).take();
        match keep {
            Some(keep) => keep(spool).await.map_err(|error| DataFusionError::External(error.into())),
            None => Ok(()),
        }
    }
}

/// NULL is false: a check that does not know lets the row pass.
fn true_only(flags: &BooleanArray) -> BooleanArray {
    match flags.nulls() {
        Some(nulls) if nulls.null_count() > 0 => BooleanArray::new(flags.values() & nulls.inner(), None),
        _ => BooleanArray::new(flags.values().clone(), None),
    }
}
