//! `LATERAL VIEW explode(…)`: a row for each item of an array, beside the row that holds it.
//!
//! DataFusion has no such clause. So [`as_relation`] writes it as a relation of its own, an `UNPIVOT` that nobody can write
//! by hand, and [`LateralViews`] plans that.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, NullHandling, TableReference, UnnestOptions, plan_err};
use datafusion::error::Result;
use datafusion::functions_nested::expr_fn::{array_length, map_keys, map_values, range};
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::logical_expr::{Expr, ExprSchemable as _, LogicalPlanBuilder, cast, lit};
use datafusion::sql::sqlparser::ast::{
    self, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Join, JoinConstraint, JoinOperator, LateralView,
    NullInclusion, TableAlias, TableAliasColumnDef, TableFactor, TableWithJoins,
};

use crate::columns::hidden;

/// The name of the column that no `UNPIVOT` could give.
const MARK: &str = "lateral view";

/// What a query reads from, with a lateral view beside it.
pub(super) fn as_relation(from: Vec<TableWithJoins>, view: LateralView) -> TableWithJoins {
    let columns = view.lateral_col_alias.into_iter();
    let columns = columns.map(|name| TableAliasColumnDef { name, data_type: None }).collect();
    let name = view.lateral_view_name.0.last().and_then(|part| part.as_ident()).cloned();
    let alias = TableAlias { explicit: true, name: name.unwrap_or_else(|| Ident::new(MARK)), columns, at: None };
    let relation = TableFactor::Unpivot {
        table: Box::new(joined(from)),
        value: view.lateral_view,
        name: Ident::new(MARK),
        columns: Vec::new(),
        null_inclusion: view.outer.then_some(NullInclusion::IncludeNulls),
        alias: Some(alias),
    };
    TableWithJoins { relation, joins: Vec::new() }
}

/// All that stands after `FROM`, as one.
fn joined(from: Vec<TableWithJoins>) -> TableFactor {
    let mut tables = from.into_iter().map(|table| match table {
        TableWithJoins { relation, joins } if joins.is_empty() => relation,
        table => TableFactor::NestedJoin { table_with_joins: Box::new(table), alias: None },
    });
    let Some(relation) = tables.next() else {
        return one_row();
    };
    let cross =
        |relation| Join { relation, global: false, join_operator: JoinOperator::CrossJoin(JoinConstraint::None) };
    let joins: Vec<Join> = tables.map(cross).collect();
    if joins.is_empty() {
        return relation;
    }
    let table = TableWithJoins { relation, joins };
    TableFactor::NestedJoin { table_with_joins: Box::new(table), alias: None }
}

/// What is read without `FROM`: nothing that anybody could write.
fn one_row() -> TableFactor {
    TableFactor::UNNEST {
        alias: None,
        array_exprs: Vec::new(),
        with_offset: false,
        with_offset_alias: None,
        with_ordinality: false,
    }
}

/// Plans what [`as_relation`] wrote.
#[derive(Debug)]
pub struct LateralViews;

impl RelationPlanner for LateralViews {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        match relation {
            TableFactor::Unpivot { table, value, name, null_inclusion, alias: Some(alias), .. }
                if name.value == MARK =>
            {
                let plan = beside(*table, value, null_inclusion.is_some(), &alias, context)?;
                Ok(RelationPlanning::Planned(Box::new(plan)))
            }
            relation => Ok(RelationPlanning::Original(Box::new(relation))),
        }
    }
}

fn beside(
    table: TableFactor,
    generator: ast::Expr,
    is_outer: bool,
    alias: &TableAlias,
    context: &mut dyn RelationPlannerContext,
) -> Result<PlannedRelation> {
    let plan = match table {
        TableFactor::UNNEST { array_exprs, .. } if array_exprs.is_empty() => LogicalPlanBuilder::empty(true).build()?,
        table => context.plan(table)?,
    };
    let (function, argument) = call(generator)?;
    let argument = context.sql_to_expr(argument, plan.schema())?;
    let lists = lists(&function, argument, |expr| expr.get_type(plan.schema()))?;
    let view = TableReference::bare(alias.name.value.clone());
    if !alias.columns.is_empty() && alias.columns.len() != lists.len() {
        return plan_err!("`{function}` gives {} columns, and `AS` names {}", lists.len(), alias.columns.len());
    }
    let names: Vec<String> = match alias.columns.as_slice() {
        [] => lists.iter().map(|(name, _)| (*name).to_owned()).collect(),
        columns => columns.iter().map(|column| column.name.value.clone()).collect(),
    };
    let kept: Vec<Expr> = plan.schema().columns().into_iter().map(Expr::Column).collect();
    // A view may have a column of a name that is there already; and unnesting forgets the name of the view.
    let hidden: Vec<String> = (0..lists.len()).map(|at| hidden(&format!("{}_{at}", alias.name.value))).collect();
    let added = lists.into_iter().zip(&hidden).map(|((_, list), name)| list.alias(name));
    let columns: Vec<Expr> = kept.iter().cloned().chain(added).collect();
    let nulls = if is_outer || function.ends_with("_outer") {
        NullHandling::PreserveAndExpandEmpty
    } else {
        NullHandling::Drop
    };
    let unnested = hidden.iter().map(Column::new_unqualified).collect();
    let shown = hidden
        .iter()
        .zip(&names)
        .map(|(hidden, name)| Expr::Column(Column::new_unqualified(hidden)).alias_qualified(Some(view.clone()), name));
    let plan = LogicalPlanBuilder::from(plan)
        .project(columns)?
        .unnest_columns_with_options(unnested, UnnestOptions::new().with_null_handling(nulls))?
        .project(kept.into_iter().chain(shown))?
        .build()?;
    Ok(PlannedRelation::new(plan, None))
}

/// The name and the only argument of a generator.
fn call(generator: ast::Expr) -> Result<(String, ast::Expr)> {
    let written = generator.to_string();
    if let ast::Expr::Function(function) = generator
        && let FunctionArguments::List(mut list) = function.args
        && let (Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))), true) =
            (list.args.pop(), list.args.is_empty())
    {
        return Ok((function.name.to_string().to_lowercase(), argument));
    }
    plan_err!("LATERAL VIEW takes `explode(…)` or `posexplode(…)` of an array or a map, not `{written}`")
}

/// The arrays whose items a generator gives, with the names of the columns.
fn lists(
    function: &str,
    argument: Expr,
    type_of: impl Fn(&Expr) -> Result<DataType>,
) -> Result<Vec<(&'static str, Expr)>> {
    let has_position = match function {
        // The translation gives the first two their other names.
        "explode" | "explode_outer" | "unnest" | "unnest_outer" => false,
        "posexplode" | "posexplode_outer" => true,
        _ => return plan_err!("LATERAL VIEW takes `explode` or `posexplode`, not `{function}`"),
    };
    let mut lists = match type_of(&argument)? {
        DataType::Map(..) => {
            vec![("key", map_keys(argument.clone())), ("value", map_values(argument))]
        }
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => vec![("col", argument)],
        other => return plan_err!("`{function}` takes an array or a map, not {other}"),
    };
    if has_position {
        let length = cast(array_length(lists[0].1.clone()), DataType::Int64);
        lists.insert(0, ("pos", range(lit(0_i64), length, lit(1_i64))));
    }
    Ok(lists)
}
