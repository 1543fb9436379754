//! Puts the rules behind the input.
//!
//! Rules that look at one row at a time are gathered into stretches, which run on batches as they come. Between them stand
//! the rules that look at all rows, as plans of DataFusion.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::UnnestOptions;
use datafusion::dataframe::DataFrame;
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::{Expr, ExprFunctionExt as _, lit};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties as _};
use datafusion::prelude::{SessionContext, ident};
use scheduler::operator::TaskError;
use serde_json::{Map, Value};

use super::apply::{Filter, Numbering, Projection, Stage, apply_to_plan};
use super::compile::{OutputColumn, Step, compile};
use super::rules::{Keep, Rule};
use super::sql;
use crate::columns::hidden;

/// The counts of one run.
#[derive(Default)]
pub struct Counts {
    /// The stretches of rules, in their order.
    stretches: Vec<Passed>,
    /// By rule: rows changed, or the stretch after which rows were removed.
    changed: Vec<(String, Changed)>,
}

/// The rows of a stretch.
#[derive(Default)]
struct Passed {
    /// Those that entered it.
    rows_in: Arc<AtomicU64>,
    /// Those that its filters removed.
    removed: Vec<Arc<AtomicU64>>,
}

enum Changed {
    Rows(Arc<AtomicU64>),
    RemovedAfter(usize),
}

impl Counts {
    /// Rows that entered the first stretch.
    pub fn rows_in(&self) -> u64 {
        self.rows_into(0)
    }

    fn rows_into(&self, stretch: usize) -> u64 {
        self.stretches.get(stretch).map_or(0, |passed| passed.rows_in.load(Ordering::Relaxed))
    }

    fn rows_out_of(&self, stretch: usize) -> u64 {
        let removed = self.stretches.get(stretch).into_iter().flat_map(|passed| &passed.removed);
        self.rows_into(stretch).saturating_sub(removed.map(|rows| rows.load(Ordering::Relaxed)).sum())
    }

    fn count(&self, changed: &Changed) -> u64 {
        match changed {
            Changed::Rows(rows) => rows.load(Ordering::Relaxed),
            Changed::RemovedAfter(stretch) => self.rows_out_of(*stretch).saturating_sub(self.rows_into(stretch + 1)),
        }
    }

    /// Rows changed, or removed, by rule.
    pub fn changed(&self) -> Map<String, Value> {
        by_rule(self.changed.iter().map(|(label, changed)| (label.as_str(), self.count(changed))))
    }

    /// Rows that de-duplications removed.
    pub fn duplicates(&self) -> u64 {
        let removed = self.changed.iter().filter(|(_, changed)| matches!(changed, Changed::RemovedAfter(_)));
        removed.map(|(_, changed)| self.count(changed)).sum()
    }
}

/// Counts by the labels of their rules; several rules of one label are told apart by numbers.
pub fn by_rule<'a>(counts: impl Iterator<Item = (&'a str, u64)>) -> Map<String, Value> {
    let mut named: Map<String, Value> = Map::new();
    for (label, count) in counts {
        let is_same = |key: &str| key.strip_prefix(label).is_some_and(|rest| rest.is_empty() || rest.starts_with(" #"));
        let taken = named.keys().filter(|key| is_same(key.as_str())).count();
        let key = if taken == 0 { label.to_owned() } else { format!("{label} #{}", taken + 1) };
        named.insert(key, count.into());
    }
    named
}

/// Rows on their way through the rules.
pub struct Planner<'a> {
    session: &'a SessionContext,
    /// Where the data comes from, for messages.
    input: String,
    frame: DataFrame,
    schema: SchemaRef,
    stages: Vec<Stage>,
    /// What counts the rows that filters among the stages remove.
    removed: Vec<Arc<AtomicU64>>,
    /// Whether the rows still come in the order of the input.
    in_order: bool,
    counts: Counts,
}

impl<'a> Planner<'a> {
    /// Begins with `plan`; `in_order` if its rows come in the order of the input.
    pub fn new(frame: DataFrame, input: &str, in_order: bool, session: &'a SessionContext) -> Planner<'a> {
        let schema = Arc::clone(frame.schema().inner());
        let counts = Counts::default();
        let (stages, removed) = (Vec::new(), Vec::new());
        Planner { session, input: format!("`{input}`"), frame, schema, stages, removed, in_order, counts }
    }

    /// The columns at this point.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Adds columns in the place of those before.
    pub fn project(&mut self, label: String, columns: &[OutputColumn]) -> Result<(), TaskError> {
        let changed = Arc::new(AtomicU64::new(0));
        let counted = columns.iter().any(|column| column.change.is_some());
        let projection = Projection::plan(columns, &self.schema, &self.session.state(), Arc::clone(&changed))
            .with_context(|| format!("the rule `{label}` cannot be applied"))
            .map_err(TaskError::fail)?;
        if counted {
            self.counts.changed.push((label, Changed::Rows(changed)));
        }
        self.push(Stage::Project(projection));
        Ok(())
    }

    /// Adds a rule.
    pub async fn rule(&mut self, rule: &Rule) -> Result<(), TaskError> {
        let step = compile(rule, &self.schema, &self.input, &self.session.state()).map_err(TaskError::fail)?;
        match step {
            None => Ok(()),
            Some(Step::Project { label, columns }) => self.project(label, &columns),
            Some(Step::Filter { label, keeps }) => {
                let removed = Arc::new(AtomicU64::new(0));
                let filter = Filter::plan(keeps, &self.schema, &self.session.state(), Arc::clone(&removed))
                    .with_context(|| format!("the rule `{label}` cannot be applied"))
                    .map_err(TaskError::fail)?;
                self.removed.push(Arc::clone(&removed));
                self.counts.changed.push((label, Changed::Rows(removed)));
                self.push(Stage::Filter(filter));
                Ok(())
            }
            Some(Step::Deduplicate { label, by, keep, order_by }) => self.deduplicate(label, by, keep, order_by).await,
            Some(Step::Explode { label, column }) => {
                self.end_stretch().await?;
                let options = UnnestOptions::new().with_preserve_nulls(false);
                let exploded = self.frame.clone().unnest_columns_with_options(&[&column], options);
                self.replace(exploded.with_context(|| format!("the rule `{label}` cannot be applied")))
            }
            Some(Step::Sql { label, sql }) => {
                self.end_stretch().await?;
                let answer = sql::answer(&sql, self.frame.clone(), self.session).await;
                self.replace(answer.with_context(|| format!("the rule `{label}`")))
            }
        }
    }

    /// Numbers the rows in the order of the input, as the last column.
    pub fn number(&mut self, name: &str) -> Result<(), TaskError> {
        if !self.in_order {
            return Err(TaskError::fail(anyhow::anyhow!(
                "which row is the first and which the last is not known after `deduplicate`, `explode` or `sql`; say \
                 `order_by`"
            )));
        }
        self.push(Stage::Number(Numbering::new(name, &self.schema)));
        Ok(())
    }

    /// The rows after all rules, and the counts, which grow as they are read.
    pub async fn finish(mut self) -> Result<(DataFrame, Counts), TaskError> {
        self.end_stretch().await?;
        Ok((self.frame, self.counts))
    }

    async fn deduplicate(
        &mut self,
        label: String,
        by: Option<Vec<String>>,
        keep: Keep,
        order_by: Option<Vec<(String, bool)>>,
    ) -> Result<(), TaskError> {
        let number = hidden("number");
        let numbered = keep != Keep::Any && by.is_some() && order_by.is_none();
        if numbered {
            self.number(&number)?;
        }
        self.end_stretch().await?;
        let removed = Changed::RemovedAfter(self.counts.stretches.len() - 1);
        self.counts.changed.push((label, removed));
        let frame = self.frame.clone();
        let kept = match by {
            None => frame.distinct(),
            Some(by) if keep == Keep::Any => {
                let all = columns(&frame);
                frame.distinct_on(by.iter().map(ident).collect(), all, None)
            }
            Some(by) => {
                let order_by = order_by.unwrap_or_else(|| vec![(number.clone(), false)]);
                keep_one(frame, &by, &order_by, keep == Keep::Last)
            }
        };
        let kept = if numbered { kept.and_then(|kept| kept.drop_columns(&[number.as_str()])) } else { kept };
        self.replace(kept.map_err(anyhow::Error::from))
    }

    fn push(&mut self, stage: Stage) {
        self.schema = Arc::clone(stage.schema());
        self.stages.push(stage);
    }

    /// Puts the gathered stages behind the plan so far.
    async fn end_stretch(&mut self) -> Result<(), TaskError> {
        let plan = self.frame.clone().create_physical_plan().await.map_err(TaskError::retry)?;
        let passed = Passed { removed: std::mem::take(&mut self.removed), ..Passed::default() };
        self.frame = stretch(&plan, std::mem::take(&mut self.stages), &passed.rows_in, self.session)?;
        self.counts.stretches.push(passed);
        Ok(())
    }

    fn replace(&mut self, frame: anyhow::Result<DataFrame>) -> Result<(), TaskError> {
        self.frame = frame.map_err(TaskError::fail)?;
        self.schema = Arc::clone(self.frame.schema().inner());
        self.in_order = false;
        Ok(())
    }
}

/// Counts the rows of a plan and applies stages to them.
pub fn stretch(
    plan: &Arc<dyn ExecutionPlan>,
    stages: Vec<Stage>,
    rows_in: &Arc<AtomicU64>,
    session: &SessionContext,
) -> Result<DataFrame, TaskError> {
    let is_numbered = stages.iter().any(|stage| matches!(stage, Stage::Number(_)));
    let is_split = plan.output_partitioning().partition_count() > 1;
    let one: Arc<dyn ExecutionPlan>;
    let plan = if is_numbered && is_split {
        one = Arc::new(CoalescePartitionsExec::new(Arc::clone(plan)));
        &one
    } else {
        plan
    };
    let table = apply_to_plan(plan, stages, rows_in, &session.task_ctx()).map_err(TaskError::retry)?;
    session.read_table(Arc::new(table)).map_err(TaskError::retry)
}

/// All columns of a frame.
pub fn columns(frame: &DataFrame) -> Vec<Expr> {
    frame.schema().fields().iter().map(|field| ident(field.name())).collect()
}

/// Keeps the first, or the last, of the rows with the same values in `by`.
pub fn keep_one(
    frame: DataFrame,
    by: &[String],
    order_by: &[(String, bool)],
    last: bool,
) -> datafusion::error::Result<DataFrame> {
    let nth = hidden("nth");
    let all = columns(&frame);
    // NULLs are the smallest, as in Spark.
    let order = order_by.iter().map(|(name, descending)| {
        let ascending = *descending == last;
        ident(name).sort(ascending, ascending)
    });
    let number = row_number().partition_by(by.iter().map(ident).collect()).order_by(order.collect()).build()?;
    frame.window(vec![number.alias(&nth)])?.filter(ident(&nth).eq(lit(1_u64)))?.select(all)
}
