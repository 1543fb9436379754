//! Puts expectations behind a plan: a flag for what needs all rows to be seen, and an expression for the rest.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::{Column, JoinType, ScalarValue, ToDFSchema as _};
use datafusion::dataframe::DataFrame;
use datafusion::functions::regex::expr_fn::regexp_like;
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::{Expr, ExprFunctionExt as _, lit, try_cast};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::prelude::SessionContext;
use scheduler::operator::TaskError;

use super::check::{Check, read_pattern};
use super::gate::{Gate, RowCheck, Stage};
use super::verdict::Verdict;
use super::{Bound, Expectation, ForeignKey, Range};
use crate::columns::{self, hidden};
use crate::expression;
use crate::location::{Location, S3};
use crate::spark::{SparkFunction, Target, as_in_java, rowwise, type_name};
use crate::spool::Spool;
use crate::table::{self, CsvTypes};

/// Where other tables are found.
pub struct World<'a> {
    /// The session of the plan.
    pub session: &'a SessionContext,
    /// Where relative locations begin.
    pub home: &'a Path,
    /// How buckets are reached.
    pub s3: &'a S3,
}

/// Rows that are being checked.
pub struct Checked {
    /// The rows that may be written. Its last rows are followed by an error when an expectation fails the task; then
    /// [`Verdict::explain`] says why.
    pub frame: DataFrame,
    /// What is found. It is complete when the rows have ended.
    pub verdict: Arc<Verdict>,
    gate: Option<Arc<Gate>>,
}

impl Checked {
    /// Whether rows may be dropped.
    pub fn may_drop(&self) -> bool {
        self.gate.as_ref().is_some_and(|gate| gate.may_drop())
    }

    /// Calls `keep` with the dropped rows after all rows have come and been found good, and before their end is told to
    /// whoever consumes them. Where `keep` fails, so do they. The rows have the column `_expectation` with what they fail.
    pub fn before_end<F, W>(&self, keep: F)
    where
        F: FnOnce(Option<Spool>) -> W + Send + 'static,
        W: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        if let Some(gate) = &self.gate {
            gate.before_end(Box::new(|spool| Box::pin(keep(spool))));
        }
    }
}

/// Checks the rows of `frame` as they pass. Nothing is read yet.
pub async fn apply(frame: DataFrame, expectations: &[Expectation], world: &World<'_>) -> Result<Checked, TaskError> {
    let verdict = Arc::new(Verdict::default());
    if expectations.is_empty() {
        return Ok(Checked { frame, verdict, gate: None });
    }
    let columns: Vec<String> = frame.schema().fields().iter().map(|field| field.name().clone()).collect();
    let schema = Arc::new(Schema::new(frame.schema().fields().iter().cloned().collect::<Vec<_>>()));
    let mut planner = Planner { frame: Some(bare(frame, &columns)?), schema, columns, world };
    let mut checks = Vec::new();
    for (at, expectation) in expectations.iter().enumerate() {
        let label = expectation.label();
        let index = verdict.add(label.clone(), expectation.action, expectation.row_count.clone());
        let check = expectation.check().map_err(TaskError::fail)?;
        let saying = |error: TaskError| TaskError {
            error: error.error.context(format!("the expectation `{label}` cannot be checked")),
            ..error
        };
        if let Some(fails) = planner.plan(check, at).await.map_err(saying)? {
            checks.push((index, expectation.action, fails));
        }
    }
    let frame = planner.frame.take().expect("the planner gives back its frame");
    let plan = frame.create_physical_plan().await.map_err(TaskError::retry)?;
    let df_schema = plan.schema().to_dfschema().map_err(TaskError::retry)?;
    let state = world.session.state();
    let mut row_checks = Vec::with_capacity(checks.len());
    for (index, action, fails) in checks {
        let fails: Arc<dyn PhysicalExpr> = rowwise(fails, &df_schema, &state).map_err(TaskError::fail)?;
        row_checks.push(RowCheck { index, action, fails });
    }
    let stage = Stage { checks: row_checks, width: planner.columns.len(), schema: Arc::clone(&planner.schema) };
    let gate = Arc::new(Gate::new(stage, Arc::clone(&verdict)));
    let table = gate.table(&plan).map_err(TaskError::retry)?;
    let frame = world.session.read_table(Arc::new(table)).map_err(TaskError::retry)?;
    Ok(Checked { frame, verdict, gate: Some(gate) })
}

/// The same columns, without the names of the tables that they come from.
fn bare(frame: DataFrame, columns: &[String]) -> Result<DataFrame, TaskError> {
    let qualified = frame.schema().columns();
    let exprs: Vec<Expr> =
        qualified.into_iter().zip(columns).map(|(column, name)| Expr::Column(column).alias(name)).collect();
    frame.select(exprs).map_err(TaskError::retry)
}

struct Planner<'a> {
    frame: Option<DataFrame>,
    /// The columns of the rows, without those that the planner adds.
    schema: Arc<Schema>,
    columns: Vec<String>,
    world: &'a World<'a>,
}

fn column(name: &str) -> Expr {
    // Not `col`, which would read a dot in the name as a qualifier and change upper case.
    Expr::Column(Column::new_unqualified(name))
}

fn any(exprs: impl IntoIterator<Item = Expr>) -> Expr {
    exprs.into_iter().reduce(Expr::or).unwrap_or_else(|| lit(false))
}

impl Planner<'_> {
    /// When a row fails; none where no row is to blame.
    async fn plan(&mut self, check: Check<'_>, at: usize) -> Result<Option<Expr>, TaskError> {
        Ok(match check {
            Check::RowCount(_) => None,
            Check::NotNull(names) => Some(any(self.named(names)?.into_iter().map(Expr::is_null))),
            Check::Range(range) => Some(self.range(range)?),
            Check::Regex(regex) => {
                read_pattern(&regex.pattern).map_err(TaskError::fail)?;
                let text = SparkFunction::cast(self.column(&regex.column)?, Target::String);
                Some(!regexp_like(text, lit(as_in_java(&regex.pattern)), None))
            }
            Check::Sql(sql) => {
                let holds =
                    expression::over(sql, &self.schema, &self.world.session.state()).map_err(TaskError::fail)?;
                Some(!holds)
            }
            Check::Unique(names) => Some(self.unique(names, at)?),
            Check::ForeignKey(key) => Some(self.foreign_key(key, at).await?),
        })
    }

    fn column(&self, name: &str) -> Result<Expr, TaskError> {
        self.field(name).map(|field| column(field.name()))
    }

    fn field(&self, name: &str) -> Result<&Field, TaskError> {
        self.schema.field_with_name(name).map_err(|_| {
            let known = || self.columns.iter().map(String::as_str);
            let hint = columns::hint(name, known());
            TaskError::fail(anyhow::anyhow!("there is no column `{name}`{hint}; known are {}", columns::list(known())))
        })
    }

    fn named(&self, names: &[String]) -> Result<Vec<Expr>, TaskError> {
        names.iter().map(|name| self.column(name)).collect()
    }

    fn range(&self, range: &Range) -> Result<Expr, TaskError> {
        let data_type = self.field(&range.column)?.data_type();
        let is_text = matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        let is_number = |bound: &Bound| !matches!(bound, Bound::Text(_));
        let value = column(&range.column);
        // A column of text with bounds that are numbers is compared as numbers, as in Spark.
        let as_numbers = is_text && range.min.iter().chain(&range.max).all(is_number);
        let value = if as_numbers { SparkFunction::cast(value, Target::Double) } else { value };
        let target = if as_numbers { &DataType::Float64 } else { data_type };
        let bound = |bound: &Bound| literal(bound, target).with_context(|| format!("`{}`", range.column));
        let below =
            range.min.as_ref().map(bound).transpose().map_err(TaskError::fail)?.map(|min| value.clone().lt(min));
        let above = range.max.as_ref().map(bound).transpose().map_err(TaskError::fail)?.map(|max| value.gt(max));
        Ok(any(below.into_iter().chain(above)))
    }

    /// Numbers the rows with the same values; those after the first fail.
    fn unique(&mut self, names: &[String], at: usize) -> Result<Expr, TaskError> {
        let columns = self.named(names)?;
        let flag = hidden(&format!("unique_{at}"));
        let number = row_number().partition_by(columns.clone()).build().map_err(TaskError::fail)?;
        let frame = self.frame.take().expect("the planner has a frame");
        self.frame = Some(frame.window(vec![number.alias(&flag)]).map_err(TaskError::fail)?);
        let has_null = any(columns.into_iter().map(Expr::is_null));
        Ok(column(&flag).gt(lit(1_u64)).and(!has_null))
    }

    /// Marks the rows whose values are found in the other table; the others fail.
    async fn foreign_key(&mut self, key: &ForeignKey, at: usize) -> Result<Expr, TaskError> {
        let columns = self.named(key.column.names())?;
        let location = Location::parse(&key.references, self.world.home).map_err(TaskError::fail)?;
        let session = self.world.session;
        let there = table::open(&location, key.format, CsvTypes::Inferred, session, self.world.s3)
            .await
            .with_context(|| format!("the table `{}` cannot be read", key.references))?;
        let there = session.read_table(there.provider).map_err(TaskError::retry)?;
        let known: Vec<String> = there.schema().fields().iter().map(|field| field.name().clone()).collect();
        let mut keys = Vec::new();
        let mut exprs = Vec::new();
        for (name, own) in key.to.as_ref().unwrap_or(&key.column).names().iter().zip(key.column.names()) {
            if !known.contains(name) {
                let known = || known.iter().map(String::as_str);
                let hint = columns::hint(name, known());
                let known = columns::list(known());
                let message = format!("`{}` has no column `{name}`{hint}; known are {known}", key.references);
                return Err(TaskError::fail(anyhow::anyhow!(message)));
            }
            let alias = hidden(&format!("key_{at}_{}", keys.len()));
            exprs.push(try_cast(column(name), self.field(own)?.data_type().clone()).alias(&alias));
            keys.push(alias);
        }
        let mark = hidden(&format!("found_{at}"));
        let there = there.select(exprs).and_then(DataFrame::distinct).map_err(TaskError::fail)?;
        let mut marked: Vec<Expr> = keys.iter().map(|key| column(key)).collect();
        marked.push(lit(true).alias(&mark));
        let there = there.select(marked).map_err(TaskError::fail)?;
        let own: Vec<&str> = key.column.names().iter().map(String::as_str).collect();
        let theirs: Vec<&str> = keys.iter().map(String::as_str).collect();
        let frame = self.frame.take().expect("the planner has a frame");
        let conditions = own.iter().zip(&theirs).map(|(own, theirs)| column(own).eq(column(theirs)));
        let joined = frame.join_on(there, JoinType::Left, conditions).map_err(TaskError::fail)?;
        self.frame = Some(joined);
        let has_null = any(columns.into_iter().map(Expr::is_null));
        Ok(column(&mark).is_null().and(!has_null))
    }
}

/// A bound as a value of the column's type.
fn literal(bound: &Bound, target: &DataType) -> anyhow::Result<Expr> {
    let value = match bound {
        Bound::Integer(value) => ScalarValue::Int64(Some(*value)),
        Bound::Number(value) => ScalarValue::Float64(Some(*value)),
        Bound::Text(text) => ScalarValue::Utf8(Some(text.clone())),
    };
    // An integer stays one beside a column of decimals, and a fraction beside a column of integers.
    if target.is_numeric() && !matches!(bound, Bound::Text(_)) {
        return Ok(lit(value));
    }
    let wanted = if target.is_numeric() { &DataType::Float64 } else { target };
    match value.cast_to(wanted) {
        Ok(value) if !value.is_null() => Ok(lit(value)),
        _ => anyhow::bail!("it holds {}, to which the bound {} cannot be compared", type_name(target), shown(bound)),
    }
}

fn shown(bound: &Bound) -> String {
    match bound {
        Bound::Integer(value) => value.to_string(),
        Bound::Number(value) => value.to_string(),
        Bound::Text(text) => format!("`{text}`"),
    }
}
