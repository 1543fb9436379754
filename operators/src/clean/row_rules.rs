//! Rules that look at one row at a time, for whoever has rows batch by batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, anyhow};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::execution::SessionState;
use scheduler::operator::TaskError;
use serde_json::{Map, Value};

use super::apply::{Filter, Projection, Stage};
use super::compile::{Step, compile};
use super::plan::by_rule;
use super::rules::Rule;

fn fits<T>(planned: datafusion::error::Result<T>, label: &str) -> Result<T, TaskError> {
    planned.with_context(|| format!("the rule `{label}` cannot be applied")).map_err(TaskError::fail)
}

/// Rules that fit their columns.
pub(crate) struct RowRules {
    stages: Vec<Stage>,
    /// Rows that each rule changed, for those that are counted.
    changed: Vec<(String, Arc<AtomicU64>)>,
}

impl RowRules {
    /// Fits rules to columns. `input` says where the rows come from.
    ///
    /// # Errors
    ///
    /// A rule that names a column that is not there, or that looks at several rows.
    pub(crate) fn plan(
        rules: &[Rule],
        columns: &SchemaRef,
        input: &str,
        state: &SessionState,
    ) -> Result<RowRules, TaskError> {
        let mut schema = Arc::clone(columns);
        let mut planned = RowRules { stages: Vec::new(), changed: Vec::new() };
        for rule in rules {
            let changed = Arc::new(AtomicU64::new(0));
            match compile(rule, &schema, input, state).map_err(TaskError::fail)? {
                None => (),
                Some(Step::Project { label, columns }) => {
                    let is_counted = columns.iter().any(|column| column.change.is_some());
                    let projection = Projection::plan(&columns, &schema, state, Arc::clone(&changed));
                    planned.stages.push(Stage::Project(fits(projection, &label)?));
                    if is_counted {
                        planned.changed.push((label, changed));
                    }
                }
                Some(Step::Filter { label, keeps }) => {
                    let filter = Filter::plan(keeps, &schema, state, Arc::clone(&changed));
                    planned.stages.push(Stage::Filter(fits(filter, &label)?));
                    planned.changed.push((label, changed));
                }
                Some(Step::Deduplicate { label, .. } | Step::Explode { label, .. } | Step::Sql { label, .. }) => {
                    return Err(TaskError::fail(anyhow!(
                        "the rule `{label}` looks at more than a row at a time, which a stream cannot; leave it to a \
                         `clean` of the table"
                    )));
                }
            }
            if let Some(last) = planned.stages.last() {
                schema = Arc::clone(last.schema());
            }
        }
        Ok(planned)
    }

    /// The rows after the rules.
    pub(crate) fn apply(&self, batch: RecordBatch) -> datafusion::error::Result<RecordBatch> {
        self.stages.iter().try_fold(batch, |batch, stage| stage.apply(&batch))
    }

    /// How many rows each rule changed so far.
    pub(crate) fn changed(&self) -> Map<String, Value> {
        by_rule(self.changed.iter().map(|(label, rows)| (label.as_str(), rows.load(Ordering::Relaxed))))
    }
}
