//! `PIVOT` and `UNPIVOT`: the values of a column as columns of their own, and columns as values of one.
//!
//! ```text
//!   FROM posts PIVOT (count(*) FOR year IN (2018, 2019 AS last))
//!     other columns are grouped by; a column for each value: the aggregate over the rows that have it, NULL if none has
//!
//!   FROM years UNPIVOT (posts FOR year IN (y2018, y2019 AS last))
//!     a row for each of the columns, beside the others: its name, and its value
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use datafusion::common::tree_node::{Transformed, TreeNode as _, TreeNodeRecursion};
use datafusion::common::{Column, UnnestOptions, plan_err};
use datafusion::error::Result;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::functions_nested::expr_fn::make_array;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Operator, binary_expr, lit, when};
use datafusion::sql::sqlparser::ast::{
    self, ExprWithAlias, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, NullInclusion, PivotValueSource,
    TableFactor, Value, Visit, VisitMut, Visitor, VisitorMut,
};

use crate::columns::hidden;

/// Plans both.
#[derive(Debug)]
pub struct Pivots;

impl RelationPlanner for Pivots {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let (plan, alias) = match relation {
            TableFactor::Pivot { table, aggregate_functions, value_column, value_source, alias, .. } => {
                let PivotValueSource::List(values) = value_source else {
                    return plan_err!("PIVOT takes a list of values, as in `FOR year IN (2018, 2019)`");
                };
                let plan = context.plan(*table)?;
                (pivoted(plan, &aggregate_functions, value_column, &values, context)?, alias)
            }
            TableFactor::Unpivot { table, value, name, columns, null_inclusion, alias } => {
                let plan = context.plan(*table)?;
                let keeps_nulls = null_inclusion == Some(NullInclusion::IncludeNulls);
                (unpivoted(&plan, &value, &name, columns, keeps_nulls, context)?, alias)
            }
            relation => return Ok(RelationPlanning::Original(Box::new(relation))),
        };
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias))))
    }
}

fn pivoted(
    plan: LogicalPlan,
    aggregates: &[ExprWithAlias],
    by: Vec<ast::Expr>,
    values: &[ExprWithAlias],
    context: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    let schema = plan.schema();
    let mut expr = |written: ast::Expr| context.sql_to_expr(written, schema);
    let by: Vec<Expr> = by.into_iter().map(&mut expr).collect::<Result<_>>()?;
    let calls: Vec<Expr> = aggregates.iter().map(|call| expr(call.expr.clone())).collect::<Result<_>>()?;
    let used: BTreeSet<&Column> = by.iter().chain(&calls).flat_map(Expr::column_refs).collect();
    let groups = all_but(&used, &plan)?;
    let mut names = pivot_columns(aggregates, values).into_iter();
    let (mut over_rows, mut columns) = (Vec::new(), groups.clone());
    for value in values {
        let parts = parts(&value.expr);
        if parts.len() != by.len() {
            return plan_err!(
                "PIVOT tells rows apart by {} columns, and `{value}` is {} values",
                by.len(),
                parts.len()
            );
        }
        let mut fits = lit(true);
        for (column, part) in by.iter().zip(parts) {
            fits = fits.and(binary_expr(column.clone(), Operator::IsNotDistinctFrom, expr(part)?));
        }
        let rows = counted(count(lit(1_i64)), &fits, &mut over_rows)?;
        for call in &calls {
            let before = over_rows.len();
            let answer = counted(call.clone(), &fits, &mut over_rows)?;
            if over_rows.len() == before {
                return plan_err!("PIVOT takes aggregate functions, such as `sum(…)`");
            }
            // Where no row has the value there is no group, which is NULL also for `count`.
            let answer = when(rows.clone().gt(lit(0_i64)), answer).end()?;
            columns.push(answer.alias(names.next().unwrap_or_default()));
        }
    }
    LogicalPlanBuilder::from(plan).aggregate(groups, over_rows)?.project(columns)?.build()
}

/// What `*` stands for, without these columns. Columns that tables are joined by with `USING` are one: that of the table on the
/// left, which no row lacks. (DataFusion itself takes that of the table whose name is first in the alphabet.)
fn all_but(used: &BTreeSet<&Column>, plan: &LogicalPlan) -> Result<Vec<Expr>> {
    let columns = plan.schema().columns();
    let keys = joined_keys(plan)?;
    let is_kept = |column: &Column| match keys.iter().find(|same| same.contains(column)) {
        Some(same) => {
            let is_first = columns.iter().find(|each| same.contains(*each)) == Some(column);
            // Without a table, the name of a key is not yet that of one column.
            is_first && !used.contains(column) && !used.contains(&Column::new_unqualified(&column.name))
        }
        None => !used.contains(column),
    };
    Ok(columns.iter().filter(|column| is_kept(column)).cloned().map(Expr::Column).collect())
}

/// Columns that are one because tables are joined by them with `USING`; of three tables three are.
fn joined_keys(plan: &LogicalPlan) -> Result<Vec<BTreeSet<Column>>> {
    let mut keys: Vec<BTreeSet<Column>> = Vec::new();
    for of_join in plan.using_columns()? {
        let mut by_name: BTreeMap<String, BTreeSet<Column>> = BTreeMap::new();
        for column in of_join {
            by_name.entry(column.name.clone()).or_default().insert(column);
        }
        for mut same in by_name.into_values() {
            let (overlapping, others): (Vec<_>, Vec<_>) = keys.into_iter().partition(|known| !known.is_disjoint(&same));
            same.extend(overlapping.into_iter().flatten());
            keys = others;
            keys.push(same);
        }
    }
    Ok(keys)
}

/// An expression whose aggregates see the rows that fit alone, and stand in columns of their own.
fn counted(expr: Expr, fits: &Expr, over_rows: &mut Vec<Expr>) -> Result<Expr> {
    let columns = expr.transform(|expr| match expr {
        Expr::AggregateFunction(AggregateFunction { func, mut params }) => {
            let own = params.filter.take().map(|own| *own);
            let filter = own.map_or_else(|| fits.clone(), |own| own.and(fits.clone()));
            // DataFusion's Spark library passes over the filter of an average.
            match params.args.first_mut().filter(|_| func.name() == "avg") {
                Some(value) => *value = when(filter, value.clone()).end()?,
                None => params.filter = Some(Box::new(filter)),
            }
            let name = hidden(&format!("pivot_{}", over_rows.len()));
            over_rows.push(Expr::AggregateFunction(AggregateFunction { func, params }).alias(&name));
            // Aggregates hold no others.
            Ok(Transformed::new(Expr::Column(Column::new_unqualified(name)), true, TreeNodeRecursion::Jump))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(columns.data)
}

/// Columns that become one row, and what that row is told apart by.
type Set = (String, Vec<Expr>);

fn unpivoted(
    plan: &LogicalPlan,
    value: &ast::Expr,
    name: &Ident,
    columns: Vec<ExprWithAlias>,
    keeps_nulls: bool,
    context: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    let schema = plan.schema();
    let values = parts(value);
    let mut sets = Vec::with_capacity(columns.len());
    for column in columns {
        let label = label(&column);
        let set = parts(&column.expr).into_iter().map(|part| context.sql_to_expr(part, schema));
        let set: Vec<Expr> = set.collect::<Result<_>>()?;
        if set.len() != values.len() {
            return plan_err!("UNPIVOT makes {} columns of values, and `{column}` is {}", values.len(), set.len());
        }
        sets.push((label, set));
    }
    let used: BTreeSet<&Column> = sets.iter().flat_map(|(_, set)| set).flat_map(Expr::column_refs).collect();
    let all: Vec<Expr> = schema.columns().into_iter().map(Expr::Column).collect();
    let kept = all_but(&used, plan)?;
    // A row for each set, which holds its number.
    let number = hidden("unpivot");
    let numbers = (0..i64::try_from(sets.len()).unwrap_or(i64::MAX)).map(lit).collect();
    let at = Expr::Column(Column::new_unqualified(&number));
    let chosen = |of: &dyn Fn(&Set) -> Expr| -> Result<Expr> {
        let mut sets = (0_i64..).zip(&sets);
        let Some((_, first)) = sets.next() else { return plan_err!("UNPIVOT takes columns") };
        let mut cases = when(at.clone().eq(lit(0_i64)), of(first));
        for (number, set) in sets {
            cases = cases.when(at.clone().eq(lit(number)), of(set));
        }
        cases.end()
    };
    let mut answer = kept;
    answer.push(chosen(&|(label, _)| lit(label.as_str()))?.alias(&name.value));
    let mut has_value = lit(keeps_nulls);
    for (at, value) in values.iter().enumerate() {
        let chosen = chosen(&|(_, set)| set[at].clone())?;
        has_value = has_value.or(chosen.clone().is_not_null());
        answer.push(chosen.alias(text(value)));
    }
    let with_number = all.into_iter().chain([make_array(numbers).alias(&number)]);
    let options = UnnestOptions::new();
    LogicalPlanBuilder::from(plan.clone())
        .project(with_number)?
        .unnest_columns_with_options(vec![Column::new_unqualified(&number)], options)?
        .filter(has_value)?
        .project(answer)?
        .build()
}

/// The columns that a `PIVOT` adds, in their order.
pub fn pivot_columns(aggregates: &[ExprWithAlias], values: &[ExprWithAlias]) -> Vec<String> {
    let columns = values.iter().flat_map(|value| {
        let value = of_value(value);
        aggregates.iter().map(move |aggregate| match aggregates.len() {
            1 => value.clone(),
            _ => format!("{value}_{}", called(aggregate)),
        })
    });
    columns.collect()
}

/// How a value of a `PIVOT` is called.
fn of_value(value: &ExprWithAlias) -> String {
    value.alias.as_ref().map_or_else(|| text(&value.expr), |alias| alias.value.clone())
}

/// How an aggregate of a `PIVOT` is called: as Spark calls it, with the name of the function in lower case.
fn called(aggregate: &ExprWithAlias) -> String {
    if let Some(alias) = &aggregate.alias {
        return alias.value.clone();
    }
    let mut expr = aggregate.expr.clone();
    if let ast::Expr::Function(function) = &mut expr {
        function.name = ast::ObjectName::from(vec![Ident::new(function.name.to_string().to_lowercase())]);
    }
    expr.to_string().replace("(*)", "(1)")
}

/// The columns that an `UNPIVOT` adds, in their order.
pub fn unpivot_columns(value: &ast::Expr, name: &Ident) -> Vec<String> {
    std::iter::once(name.value.clone()).chain(parts(value).iter().map(text)).collect()
}

/// The columns that are named in expressions, without those of tables before them.
pub fn named_in<'a>(exprs: impl Iterator<Item = &'a ast::Expr>) -> Vec<String> {
    let mut names = Vec::new();
    for expr in exprs {
        let _: ControlFlow<()> = ast::visit_expressions(expr, |part| {
            match part {
                ast::Expr::Identifier(name) => names.push(name.value.clone()),
                ast::Expr::CompoundIdentifier(path) => names.extend(path.last().map(|name| name.value.clone())),
                _ => {}
            }
            ControlFlow::Continue(())
        });
    }
    names
}

/// Names become values, and values names. Says to a statement whose names are all in lower case how they were written, and
/// how they are called in it.
pub fn keep_labels(written: &ast::Statement, planned: &mut ast::Statement) {
    let mut labels = Labels::default();
    let _: ControlFlow<()> = written.visit(&mut labels);
    let _: ControlFlow<()> = planned.visit(&mut Keeping(labels.0.into_iter()));
}

/// The names of what a `PIVOT` computes, and those of its values or of the columns of an `UNPIVOT`, as they were written.
#[derive(Default)]
struct Labels(Vec<(Vec<String>, Vec<String>)>);

impl Visitor for Labels {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Unpivot { columns, .. } => {
                self.0.push((Vec::new(), columns.iter().map(label).collect()));
            }
            TableFactor::Pivot { aggregate_functions, value_source: PivotValueSource::List(values), .. } => {
                let called = aggregate_functions.iter().map(|call| called(call).to_lowercase()).collect();
                self.0.push((called, values.iter().map(|value| of_value(value).to_lowercase()).collect()));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Gives them as aliases.
struct Keeping(std::vec::IntoIter<(Vec<String>, Vec<String>)>);

impl VisitorMut for Keeping {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let mut none = Vec::new();
        let (calls, values) = match factor {
            TableFactor::Unpivot { columns, .. } => (&mut none, columns),
            TableFactor::Pivot { aggregate_functions, value_source: PivotValueSource::List(values), .. } => {
                (aggregate_functions, values)
            }
            _ => return ControlFlow::Continue(()),
        };
        let (of_calls, of_values) = self.0.next().unwrap_or_default();
        for (named, label) in calls.iter_mut().zip(of_calls).chain(values.iter_mut().zip(of_values)) {
            named.alias = Some(Ident::with_quote('`', label));
        }
        ControlFlow::Continue(())
    }
}

/// What a row is told apart by that holds the value of a column, or of several.
fn label(column: &ExprWithAlias) -> String {
    match &column.alias {
        Some(alias) => alias.value.clone(),
        None => named_in(parts(&column.expr).iter()).join("_"),
    }
}

/// The items of `(a, b)`, or the one that stands without brackets.
fn parts(expr: &ast::Expr) -> Vec<ast::Expr> {
    match expr {
        ast::Expr::Tuple(items) => items.clone(),
        ast::Expr::Nested(inner) => parts(inner),
        other => vec![other.clone()],
    }
}

/// A value as the name of a column.
fn text(expr: &ast::Expr) -> String {
    match expr {
        ast::Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => text.clone(),
            Value::Number(digits, _) => digits.clone(),
            Value::Null => "null".to_owned(),
            other => other.to_string(),
        },
        ast::Expr::Identifier(name) => name.value.clone(),
        ast::Expr::TypedString(typed) => text(&ast::Expr::Value(typed.value.clone())),
        ast::Expr::Cast { expr, .. } | ast::Expr::Nested(expr) => text(expr),
        ast::Expr::Tuple(items) => format!("{{{}}}", items.iter().map(text).collect::<Vec<_>>().join(", ")),
        // What a cast was translated to.
        ast::Expr::Function(function) => match &function.args {
            FunctionArguments::List(list) => match list.args.as_slice() {
                [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] => text(argument),
                _ => function.to_string(),
            },
            _ => function.to_string(),
        },
        other => other.to_string(),
    }
}
