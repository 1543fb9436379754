//! Names as Spark takes them: `Follower_Count` and `follower_count` are one column, and a column of the answer is called
//! as the query wrote it.
//!
//! DataFusion compares names letter by letter. So it sees the tables with columns in lower case and the query with names
//! in lower case, and the answer gets its spelling back from the query as it was written: from `AS`, from the name of the
//! column, or, for `*`, from the tables.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use anyhow::bail;
use datafusion::catalog::TableProvider;
use datafusion::prelude::{SessionContext, ident};
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, ObjectName, ObjectNamePart, PivotValueSource, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, TableAlias, TableFactor, TableWithJoins, WildcardAdditionalOptions,
    visit_expressions_mut,
};

use crate::spark::{named_in, pivot_columns, unpivot_columns};

/// Columns of tables as they are spelt, by the folded name of the table.
pub type Columns = BTreeMap<String, Vec<String>>;

/// What names that differ in case alone have in common.
pub fn fold(name: &str) -> String {
    name.to_lowercase()
}

/// A table with its columns in lower case; the same one if they are already.
pub fn fold_columns(
    name: &str,
    provider: Arc<dyn TableProvider>,
    session: &SessionContext,
) -> anyhow::Result<Arc<dyn TableProvider>> {
    let schema = provider.schema();
    let mut folded: BTreeMap<String, &str> = BTreeMap::new();
    for field in schema.fields() {
        if let Some(other) = folded.insert(fold(field.name()), field.name()) {
            bail!("the table `{name}` has the columns `{other}` and `{}`, which SQL takes for one", field.name());
        }
    }
    if folded.iter().all(|(folded, written)| folded == written) {
        return Ok(provider);
    }
    // An alias that changes nothing would stand in the way of rules that push the fields of structs down.
    let folded = |name: &str| if fold(name) == name { ident(name) } else { ident(name).alias(fold(name)) };
    let columns: Vec<_> = schema.fields().iter().map(|field| folded(field.name())).collect();
    Ok(session.read_table(provider)?.select(columns)?.into_view())
}

/// The names of an answer's columns as the query spells them; `planned` are the folded ones.
pub fn respell(planned: &[String], query: &Query, tables: &Columns) -> Vec<String> {
    let mut written = of_query(query, tables);
    if written.len() == planned.len() {
        return written;
    }
    // Joins with USING have fewer columns than their tables together.
    planned
        .iter()
        .map(|name| match written.iter().position(|written| fold(written) == *name) {
            Some(at) => written.remove(at),
            None => name.clone(),
        })
        .collect()
}

/// The columns of a query's answer, when they can be told without its tables: unless there is a `*` among them.
pub fn told(query: &Query) -> Option<Vec<String>> {
    let is_told = |item: &SelectItem| matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. });
    let mut body = &query.body;
    loop {
        body = match body.as_ref() {
            SetExpr::Select(select) if select.projection.iter().all(is_told) => {
                return Some(of_query(query, &Columns::new()));
            }
            SetExpr::SetOperation { left, .. } => left,
            SetExpr::Query(query) => &query.body,
            _ => return None,
        };
    }
}

/// The spellings of the columns of a query's answer, in their order, as far as they can be told.
fn of_query(query: &Query, tables: &Columns) -> Vec<String> {
    let Some(with) = &query.with else { return of_body(&query.body, tables) };
    let mut known = tables.clone();
    for cte in &with.cte_tables {
        let columns = renamed(Some(&cte.alias), of_query(&cte.query, &known));
        known.insert(fold(&cte.alias.name.value), columns);
    }
    of_body(&query.body, &known)
}

fn of_body(body: &SetExpr, tables: &Columns) -> Vec<String> {
    match body {
        SetExpr::Select(select) => select.projection.iter().flat_map(|item| of_item(item, select, tables)).collect(),
        SetExpr::Query(query) => of_query(query, tables),
        SetExpr::SetOperation { left, .. } => of_body(left, tables),
        _ => Vec::new(),
    }
}

fn of_item(item: &SelectItem, select: &Select, tables: &Columns) -> Vec<String> {
    match item {
        SelectItem::UnnamedExpr(Expr::Identifier(name)) => vec![name.value.clone()],
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(path)) => path.last().map(spelling).into_iter().collect(),
        SelectItem::UnnamedExpr(expr) => vec![of_expression(expr)],
        SelectItem::ExprWithAlias { alias, .. } => vec![alias.value.clone()],
        SelectItem::ExprWithAliases { aliases, .. } => aliases.iter().map(spelling).collect(),
        SelectItem::Wildcard(options) => {
            let left_out = left_out(options);
            let all = from(select, tables).into_iter().flat_map(|(_, columns)| columns);
            all.filter(|column| !left_out.contains(&fold(column))).collect()
        }
        SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
            let (table, left_out) = (last_part(name), left_out(options));
            let same = from(select, tables).into_iter().filter(|(name, _)| *name == table);
            same.flat_map(|(_, columns)| columns).filter(|column| !left_out.contains(&fold(column))).collect()
        }
        SelectItem::QualifiedWildcard(..) => Vec::new(),
    }
}

/// What Spark calls an expression that has no name: the expression, with functions in lower case.
fn of_expression(expr: &Expr) -> String {
    let mut expr = expr.clone();
    let _: ControlFlow<()> = visit_expressions_mut(&mut expr, |expr| {
        if let Expr::Function(function) = expr {
            for part in &mut function.name.0 {
                if let ObjectNamePart::Identifier(name) = part {
                    name.value = fold(&name.value);
                }
            }
        }
        ControlFlow::Continue(())
    });
    match expr.to_string().as_str() {
        "count(*)" => "count(1)".to_owned(),
        generated if generated.starts_with("explode(") || generated.starts_with("explode_outer(") => "col".to_owned(),
        other => other.to_owned(),
    }
}

/// The folded columns of `* EXCEPT (…)`.
fn left_out(options: &WildcardAdditionalOptions) -> Vec<String> {
    let Some(except) = &options.opt_except else { return Vec::new() };
    std::iter::once(&except.first_element).chain(&except.additional_elements).map(|name| fold(&name.value)).collect()
}

/// What a query reads from: the folded name of each, and the spellings of its columns.
fn from(select: &Select, tables: &Columns) -> Vec<(String, Vec<String>)> {
    let views = select.lateral_views.iter();
    let views =
        views.map(|view| (last_part(&view.lateral_view_name), view.lateral_col_alias.iter().map(spelling).collect()));
    select.from.iter().flat_map(|table| with_joins(table, tables)).chain(views).collect()
}

fn with_joins(table: &TableWithJoins, tables: &Columns) -> Vec<(String, Vec<String>)> {
    let joined = table.joins.iter().map(|join| &join.relation);
    std::iter::once(&table.relation).chain(joined).flat_map(|factor| of_factor(factor, tables)).collect()
}

fn of_factor(factor: &TableFactor, tables: &Columns) -> Vec<(String, Vec<String>)> {
    let (name, alias, columns) = match factor {
        TableFactor::Table { name, alias, .. } => {
            let name = last_part(name);
            let columns = tables.get(&name).cloned().unwrap_or_default();
            (name, alias, columns)
        }
        TableFactor::Derived { subquery, alias, .. } => (String::new(), alias, of_query(subquery, tables)),
        TableFactor::NestedJoin { table_with_joins, .. } => return with_joins(table_with_joins, tables),
        TableFactor::Pivot { table, aggregate_functions, value_column, value_source, alias, .. } => {
            let used = named_in(aggregate_functions.iter().map(|call| &call.expr).chain(value_column));
            let added = match value_source {
                PivotValueSource::List(values) => pivot_columns(aggregate_functions, values),
                _ => Vec::new(),
            };
            (String::new(), alias, beside(table, &used, added, tables))
        }
        TableFactor::Unpivot { table, value, name, columns, alias, .. } => {
            let used = named_in(columns.iter().map(|column| &column.expr));
            (String::new(), alias, beside(table, &used, unpivot_columns(value, name), tables))
        }
        _ => return Vec::new(),
    };
    let name = alias.as_ref().map_or(name, |alias| fold(&alias.name.value));
    vec![(name, renamed(alias.as_ref(), columns))]
}

/// The columns of a table that are not used up, and those that take their place.
fn beside(table: &TableFactor, used: &[String], added: Vec<String>, tables: &Columns) -> Vec<String> {
    let is_used = |column: &String| used.iter().any(|used| fold(used) == fold(column));
    let kept = of_factor(table, tables).into_iter().flat_map(|(_, columns)| columns).filter(|column| !is_used(column));
    kept.chain(added).collect()
}

/// The columns that an alias names (`AS t(a, b)`), else those that are there.
fn renamed(alias: Option<&TableAlias>, columns: Vec<String>) -> Vec<String> {
    match alias {
        Some(alias) if !alias.columns.is_empty() => alias.columns.iter().map(|column| spelling(&column.name)).collect(),
        _ => columns,
    }
}

fn last_part(name: &ObjectName) -> String {
    name.0.last().and_then(|part| part.as_ident()).map(|name| fold(&name.value)).unwrap_or_default()
}

fn spelling(name: &Ident) -> String {
    name.value.clone()
}
