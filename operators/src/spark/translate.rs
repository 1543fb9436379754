//! Writes Spark's SQL in DataFusion's words, where the two differ in more than what functions answer.
//!
//! The names in the tree are in lower case already. What is put in place of something keeps its place in the text, so that
//! errors point to it.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    self, AccessExpr, BinaryOperator, CaseWhen, CastKind, DuplicateTreatment, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArgumentList, FunctionArguments, GroupByExpr, GroupByWithModifier, Ident, OrderByExpr,
    OrderByKind, OrderByOptions, Query, Select, SelectItem, SetExpr, SetOperator, Spanned as _, TableAlias,
    TableAliasColumnDef, TableFactor, Value, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::known_patterns::as_in_java;
use super::syntax::{
    binary, call, case, is_distinct, is_literal, is_name, is_null, is_number, nested, not, null, number, order_args,
    rename, set_args, take, text,
};
use super::{casts, generator, implicit};
use crate::columns::hidden;

/// Functions that DataFusion has under another name.
const RENAMED: &[(&str, &str)] = &[
    ("any", "bool_or"),
    ("array_remove", "array_remove_all"),
    ("array_size", "array_length"),
    ("every", "bool_and"),
    ("exists", "array_any_match"),
    ("explode", "unnest"),
    ("explode_outer", "unnest_outer"),
    ("filter", "array_filter"),
    ("first", "first_value"),
    ("last", "last_value"),
    ("lcase", "lower"),
    ("len", "length"),
    ("listagg", "string_agg"),
    ("sign", "signum"),
    ("some", "bool_or"),
    ("startswith", "starts_with"),
    ("endswith", "ends_with"),
    ("std", "stddev"),
    ("transform", "array_transform"),
    ("ucase", "upper"),
    ("variance", "var_samp"),
];

/// Functions of numbers that take texts for numbers, too.
const OF_NUMBERS: &[&str] = &[
    "approx_percentile",
    "avg",
    "mean",
    "median",
    "percentile",
    "percentile_approx",
    "std",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "sum",
    "var_pop",
    "var_samp",
    "variance",
];
/// The same of two.
const OF_TWO_NUMBERS: &[&str] = &["corr", "covar_pop", "covar_samp"];

/// Functions that the translation knows and no session has.
pub const TRANSLATED: &[&str] = &[
    "approx_count_distinct",
    "count_if",
    "date_from_unix_date",
    "equal_null",
    "isnotnull",
    "isnull",
    "map",
    "max_by",
    "min_by",
    "percentile_cont",
    "posexplode",
    "sort_array",
    "try_add",
    "try_divide",
    "try_multiply",
    "try_subtract",
    "zeroifnull",
];

/// All names of functions that the translation gives a meaning to.
pub fn translated_names() -> impl Iterator<Item = &'static str> {
    RENAMED.iter().map(|(spark, _)| *spark).chain(TRANSLATED.iter().copied())
}

/// Translates a statement in place.
pub fn translate(statement: &mut ast::Statement) {
    let ControlFlow::Continue(()) = statement.visit(&mut Translation::default());
}

/// Translates an expression in place.
pub fn translate_expression(expr: &mut Expr) {
    let ControlFlow::Continue(()) = VisitMut::visit(expr, &mut Translation::default());
}

#[derive(Default)]
struct Translation {
    /// How many `VALUES` have got a name, each another one, because they may be joined.
    named_values: usize,
}

impl VisitorMut for Translation {
    type Break = std::convert::Infallible;

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        minus_is_except(&mut query.body);
        sort_by_is_order_by(query);
        order_by_all(query);
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        for view in std::mem::take(&mut select.lateral_views) {
            let from = std::mem::take(&mut select.from);
            select.from = vec![generator::as_relation(from, view)];
        }
        for item in &mut select.projection {
            name_generated(item);
        }
        name_repeated(&mut select.projection);
        group_with(&mut select.group_by);
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        // `range(3)` has the column `id`.
        if let TableFactor::Table { name, alias, args: Some(_), .. } = factor
            && name.to_string() == "range"
            && alias.as_ref().is_none_or(|alias| alias.columns.is_empty())
        {
            let name = alias.as_ref().map_or_else(|| Ident::new("range"), |alias| alias.name.clone());
            let id = TableAliasColumnDef { name: Ident::new("id"), data_type: None };
            *alias = Some(TableAlias { explicit: true, name, columns: vec![id], at: None });
        }
        name_values(factor, &mut self.named_values);
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        let span = expr.span();
        match expr {
            Expr::Cast { kind, expr: inner, data_type, .. } => {
                *kind = CastKind::TryCast;
                if let Some(function) = casts::function_for(data_type) {
                    *expr = call(function, vec![take(inner)], span);
                }
            }
            Expr::TypedString(typed) => {
                if let Some(function) = casts::function_for(&typed.data_type) {
                    *expr = call(function, vec![Expr::Value(typed.value.clone())], span);
                }
            }
            Expr::UnaryOp { op, .. } if *op == ast::UnaryOperator::BangNot => *op = ast::UnaryOperator::Not,
            Expr::RLike { negated, expr: text, pattern, .. } => {
                let matches = call("regexp_like", vec![take(text), written_pattern(take(pattern))], span);
                *expr = if *negated { not(matches) } else { matches };
            }
            // Only operators know that a text is to be taken as what is beside it, and that one which is none is NULL.
            Expr::Between { expr: value, negated, low, high } => {
                let least = binary((**value).clone(), BinaryOperator::GtEq, take(low));
                let most = binary(take(value), BinaryOperator::LtEq, take(high));
                let within = Expr::Nested(Box::new(binary(least, BinaryOperator::And, most)));
                *expr = if *negated { not(within) } else { within };
            }
            // The same holds for what a value is compared with one by one.
            Expr::Case { operand, conditions, .. } => {
                if let Some(value) = operand.take() {
                    for each in conditions {
                        each.condition = binary((*value).clone(), BinaryOperator::Eq, take(&mut each.condition));
                    }
                }
            }
            // As `IN` has it, a text is no number.
            Expr::InList { expr: value, list, negated }
                if list.iter().all(is_literal) && list.iter().any(is_number) =>
            {
                let args = std::iter::once(take(value)).chain(std::mem::take(list)).collect();
                let among = call(implicit::AMONG, args, span);
                *expr = if *negated { not(among) } else { among };
            }
            Expr::Extract { field, expr: value, .. } => {
                if let Some(function) = part_of_time(&field.to_string()) {
                    *expr = call(function, vec![take(value)], span);
                }
            }
            Expr::Struct { values, fields } if fields.is_empty() => {
                let values = std::mem::take(values).into_iter().enumerate();
                *expr = call("named_struct", values.flat_map(|(at, value)| named_field(value, at + 1)).collect(), span);
            }
            Expr::CompoundFieldAccess { root, access_chain } => name_fields(root, access_chain),
            Expr::Function(function) => {
                if let Some(other) = function_in_our_words(function, span) {
                    *expr = other;
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// `ORDER BY ALL` by the number of each column; with a `*` among them DataFusion does it itself.
fn order_by_all(query: &mut Query) {
    let (Some(order_by), SetExpr::Select(select)) = (&mut query.order_by, query.body.as_ref()) else { return };
    let is_plain = |item: &SelectItem| matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. });
    if let OrderByKind::All(options) = &order_by.kind
        && select.projection.iter().all(is_plain)
    {
        let by = |at: usize| OrderByExpr { expr: number(&at.to_string()), options: *options, with_fill: None };
        order_by.kind = OrderByKind::Expressions((1..=select.projection.len()).map(by).collect());
    }
}

/// `SORT BY` and `CLUSTER BY` order the rows of each partition, of which all can be ordered together; `DISTRIBUTE BY` says
/// in which they are.
fn sort_by_is_order_by(query: &mut Query) {
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    select.distribute_by.clear();
    let by = |expr| OrderByExpr { expr, options: OrderByOptions { asc: None, nulls_first: None }, with_fill: None };
    let mut sorted = std::mem::take(&mut select.sort_by);
    sorted.extend(std::mem::take(&mut select.cluster_by).into_iter().map(by));
    if query.order_by.is_none() && !sorted.is_empty() {
        query.order_by = Some(ast::OrderBy { kind: OrderByKind::Expressions(sorted), interpolate: None });
    }
}

/// Spark's `MINUS` is its `EXCEPT`.
fn minus_is_except(body: &mut SetExpr) {
    if let SetExpr::SetOperation { op, left, right, .. } = body {
        if *op == SetOperator::Minus {
            *op = SetOperator::Except;
        }
        minus_is_except(left);
        minus_is_except(right);
    }
}

/// A column of `explode(…)` without a name is called `col`.
fn name_generated(item: &mut SelectItem) {
    if let SelectItem::UnnamedExpr(expr @ Expr::Function(_)) = item
        && let Expr::Function(function) = &*expr
        && matches!(function.name.to_string().as_str(), "unnest" | "unnest_outer")
    {
        let expr = std::mem::replace(expr, null());
        *item = SelectItem::ExprWithAlias { expr, alias: Ident::new("col") };
    }
}

/// Gives an expression that stands there twice another name: DataFusion wants different ones. The answer is spelt by
/// position, so nobody sees it.
fn name_repeated(projection: &mut [SelectItem]) {
    let mut seen = BTreeSet::new();
    for (at, item) in projection.iter_mut().enumerate() {
        if let SelectItem::UnnamedExpr(expr) = item
            && !seen.insert(expr.to_string())
        {
            let alias = Ident::new(hidden(&at.to_string()));
            *item = SelectItem::ExprWithAlias { expr: std::mem::replace(expr, null()), alias };
        }
    }
}

/// `GROUP BY a, b WITH ROLLUP` as `GROUP BY ROLLUP(a, b)`.
fn group_with(group_by: &mut GroupByExpr) {
    let GroupByExpr::Expressions(exprs, modifiers) = group_by else { return };
    let sets = |exprs: &mut Vec<Expr>| std::mem::take(exprs).into_iter().map(|expr| vec![expr]).collect();
    let grouped = match modifiers.as_slice() {
        [GroupByWithModifier::Rollup] => Expr::Rollup(sets(exprs)),
        [GroupByWithModifier::Cube] => Expr::Cube(sets(exprs)),
        _ => return,
    };
    *group_by = GroupByExpr::Expressions(vec![grouped], Vec::new());
}

/// Renames a function in place, or answers with what stands for it.
fn function_in_our_words(function: &mut Function, span: Span) -> Option<Expr> {
    let name = match function.name.0.as_mut_slice() {
        [part] => part.as_ident().map(|ident| ident.value.clone())?,
        _ => return None,
    };
    as_numbers(function, &name, span);
    pass_over_nulls(function, &name);
    if let Some((_, ours)) = RENAMED.iter().find(|(spark, _)| *spark == name) {
        rename(function, ours);
        return None;
    }
    average_of_some(function, &name, span);
    let FunctionArguments::List(list) = &mut function.args else { return None };
    let within_group = std::mem::take(&mut function.within_group);
    if let ([order], true) = (within_group.as_slice(), name.starts_with("percentile_")) {
        return percentile_within(function, &name, order);
    }
    function.within_group = within_group;
    let mut args = plain(list)?;
    let arity = args.len();
    if let ([Expr::Identifier(unit), ..], Some(of_units)) = (args.as_slice(), in_units(&name, arity)) {
        args[0] = text(&unit.value);
        return Some(call(of_units, args, span));
    }
    let mut next = || if args.is_empty() { null() } else { args.remove(0) };
    match (name.as_str(), arity) {
        (name, 1) if casts::named(name).is_some() => Some(call(casts::named(name)?, vec![next()], span)),
        ("isnull", 1) => Some(Expr::IsNull(Box::new(next()))),
        ("isnotnull", 1) => Some(Expr::IsNotNull(Box::new(next()))),
        ("try_add", 2) => Some(nested(next(), BinaryOperator::Plus, next())),
        ("try_subtract", 2) => Some(nested(next(), BinaryOperator::Minus, next())),
        ("try_multiply", 2) => Some(nested(next(), BinaryOperator::Multiply, next())),
        ("try_divide", 2) => Some(nested(next(), BinaryOperator::Divide, next())),
        ("date_from_unix_date", 1) => Some(call("date_add", vec![text("1970-01-01"), next()], span)),
        ("decode", 3..) => Some(decoded((0..arity).map(|_| next()).collect())),
        ("approx_count_distinct", 1 | 2) => {
            set_args(function, "count", vec![next()]);
            if let FunctionArguments::List(list) = &mut function.args {
                list.duplicate_treatment = Some(DuplicateTreatment::Distinct);
            }
            None
        }
        ("ifnull" | "nvl", 2) => {
            rename(function, "coalesce");
            None
        }
        ("nullif", 2) => {
            let value = next();
            let is_it = binary(value.clone(), BinaryOperator::Eq, next());
            Some(call("if", vec![is_it, null(), value], span))
        }
        (name @ ("regexp_like" | "regexp_count" | "regexp_instr" | "regexp_substr"), 2..) => {
            let mut given: Vec<Expr> = (0..arity).map(|_| next()).collect();
            given[1] = written_pattern(take(&mut given[1]));
            set_args(function, name, given);
            None
        }
        ("equal_null", 2) => Some(binary(next(), BinaryOperator::Spaceship, next())),
        ("array_position", 2) => Some(array_position(next(), next(), span)),
        ("count", 2..) if is_distinct(function) => {
            let args: Vec<Expr> = (0..arity).map(|_| next()).collect();
            let unknown = args.iter().cloned().map(is_null);
            let unknown = unknown.reduce(|one, other| binary(one, BinaryOperator::Or, other)).unwrap_or_else(null);
            let together = call("if", vec![unknown, null(), call("struct", args, span)], span);
            set_args(function, "count", vec![together]);
            None
        }
        ("sequence", 3) => {
            rename(function, "generate_series");
            None
        }
        ("zeroifnull", 1) => Some(call("coalesce", vec![next(), number("0")], span)),
        ("replace", 2) => Some(call("replace", vec![next(), next(), text("")], span)),
        ("sort_array", 1) => Some(call("array_sort", vec![next(), text("ASC"), text("NULLS FIRST")], span)),
        ("sort_array", 2) => {
            let array = next();
            let is_descending = matches!(next(), Expr::Value(value) if value.value == Value::Boolean(false));
            let (order, nulls) = if is_descending { ("DESC", "NULLS LAST") } else { ("ASC", "NULLS FIRST") };
            Some(call("array_sort", vec![array, text(order), text(nulls)], span))
        }
        ("map", _) if arity.is_multiple_of(2) => {
            let (keys, values): (Vec<_>, Vec<_>) = (0..arity / 2).map(|_| (next(), next())).unzip();
            let array = |items| call("make_array", items, span);
            Some(call("map", vec![array(keys), array(values)], span))
        }
        ("count_if", 1) => {
            let counted = case(next(), number("1"), span);
            set_args(function, "count", vec![counted]);
            None
        }
        ("max_by" | "min_by", 2) => {
            let (value, by) = (next(), next());
            set_args(function, "first_value", vec![value]);
            order_args(function, by, name == "min_by");
            None
        }
        _ => None,
    }
}

/// Where an item stands in an array, from 1 on; 0 where it is not in it.
fn array_position(array: Expr, item: Expr, span: Span) -> Expr {
    let unknown = binary(is_null(array.clone()), BinaryOperator::Or, is_null(item.clone()));
    // DataFusion's has no sign, and would be a decimal number beside one that has.
    let position = call("cast_to_bigint", vec![call("array_position", vec![array, item], span)], span);
    let position = call("coalesce", vec![position, number("0")], span);
    call("if", vec![unknown, null(), position], span)
}

/// `avg(x) FILTER (WHERE condition)` as the average of those alone: DataFusion's Spark library passes over the condition where
/// rows are grouped.
fn average_of_some(function: &mut Function, name: &str, span: Span) {
    if !matches!(name, "avg" | "mean") || function.filter.is_none() {
        return;
    }
    if let (FunctionArguments::List(list), Some(condition)) = (&mut function.args, function.filter.take())
        && let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(value))) = list.args.first_mut()
    {
        *value = case(*condition, take(value), span);
    }
}

/// `sum(x)` of a text as that of the number in it.
fn as_numbers(function: &mut Function, name: &str, span: Span) {
    let numbers = match name {
        name if OF_NUMBERS.contains(&name) => 1,
        name if OF_TWO_NUMBERS.contains(&name) => 2,
        _ => return,
    };
    let FunctionArguments::List(list) = &mut function.args else { return };
    for arg in list.args.iter_mut().take(numbers) {
        if let FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) = arg
            && !is_number(value)
        {
            *value = call(implicit::NUMBER, vec![take(value)], span);
        }
    }
}

/// A pattern for a function of DataFusion's, which knows nothing of Java, if it is written in the SQL.
fn written_pattern(mut pattern: Expr) -> Expr {
    if let Expr::Value(value) = &mut pattern
        && let Value::SingleQuotedString(text) = &mut value.value
    {
        *text = as_in_java(text);
    }
    pattern
}

/// `first(x, true)` as `first(x) IGNORE NULLS`.
fn pass_over_nulls(function: &mut Function, name: &str) {
    let FunctionArguments::List(list) = &mut function.args else { return };
    if matches!(name, "any_value" | "first" | "first_value" | "last" | "last_value")
        && let [_, FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(flag)))] = list.args.as_slice()
        && let Value::Boolean(passes_over) = flag.value
    {
        list.args.truncate(1);
        if passes_over {
            function.null_treatment = Some(ast::NullTreatment::IgnoreNulls);
            if name == "any_value" {
                rename(function, "first_value");
            }
        }
    }
}

/// The function that tells a part of a time: `extract(YEAR FROM at)`.
fn part_of_time(field: &str) -> Option<&'static str> {
    Some(match field.to_uppercase().as_str() {
        "YEAR" | "Y" | "YEARS" | "YR" => "year",
        "QUARTER" | "QTR" => "quarter",
        "MONTH" | "MON" | "MONTHS" => "month",
        "WEEK" | "W" | "WEEKS" => "weekofyear",
        "DAY" | "D" | "DAYS" => "day",
        "DAYOFWEEK" | "DOW" => "dayofweek",
        "DOY" => "dayofyear",
        "HOUR" | "H" | "HOURS" => "hour",
        "MINUTE" | "M" | "MINUTES" => "minute",
        _ => return None,
    })
}

/// A field of `struct(…)` after its name: that of the column which it holds, or its place.
fn named_field(field: Expr, at: usize) -> [Expr; 2] {
    let column = match field {
        Expr::Named { expr, name } => return [text(&name.value), *expr],
        Expr::Identifier(ref name) => Some(name),
        Expr::CompoundIdentifier(ref path) => path.last(),
        _ => None,
    };
    let name = column.map_or_else(|| format!("col{at}"), |name| name.value.clone());
    [text(&name), field]
}

/// Fields of what is no column: only their names as texts are understood.
fn name_fields(root: &Expr, chain: &mut [AccessExpr]) {
    let of_column =
        if is_name(root) { chain.iter().take_while(|each| matches!(each, AccessExpr::Dot(_))).count() } else { 0 };
    for access in &mut chain[of_column..] {
        if let AccessExpr::Dot(field) = access
            && let Expr::Identifier(name) = &*field
        {
            *field = text(&name.value);
        }
    }
}

/// The columns of `VALUES` are called `col1`, `col2`, ….
fn name_values(factor: &mut TableFactor, number: &mut usize) {
    if let TableFactor::Derived { subquery, alias, .. } = factor
        && let SetExpr::Values(values) = subquery.body.as_ref()
        && alias.as_ref().is_none_or(|alias| alias.columns.is_empty())
    {
        let width = values.rows.first().map_or(0, |row| row.len());
        let named = |at: usize| TableAliasColumnDef { name: Ident::new(format!("col{at}")), data_type: None };
        *number += 1;
        let own = hidden(&format!("values_{number}"));
        let name = alias.as_ref().map_or_else(|| Ident::new(own), |alias| alias.name.clone());
        *alias = Some(TableAlias { explicit: true, name, columns: (1..=width).map(named).collect(), at: None });
    }
}

/// The function that does with a unit as its first argument what others do in days.
fn in_units(name: &str, arity: usize) -> Option<&'static str> {
    match (name, arity) {
        ("dateadd" | "date_add" | "timestampadd", 3) => Some("timestampadd"),
        ("datediff" | "date_diff" | "timestampdiff", 3) => Some("timestampdiff"),
        _ => None,
    }
}

/// `decode(value, a, x, b, y, z)`: `x` where the value is `a`, also where both are NULL.
fn decoded(args: Vec<Expr>) -> Expr {
    let mut args = args.into_iter();
    let value = args.next().unwrap_or_else(null);
    let (mut conditions, mut else_result) = (Vec::new(), None);
    while let Some(search) = args.next() {
        match args.next() {
            Some(result) => {
                let condition = binary(value.clone(), BinaryOperator::Spaceship, search);
                conditions.push(CaseWhen { condition, result });
            }
            None => else_result = Some(Box::new(search)),
        }
    }
    let (case_token, end_token) = (AttachedToken::empty(), AttachedToken::empty());
    Expr::Case { case_token, end_token, operand: None, conditions, else_result }
}

/// The arguments, when they are expressions without names; a copy, because most functions are left alone.
fn plain(list: &FunctionArgumentList) -> Option<Vec<Expr>> {
    let plain = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    };
    list.args.iter().map(plain).collect()
}

/// `percentile_cont(0.5) WITHIN GROUP (ORDER BY x)` as `percentile(x, 0.5)`.
fn percentile_within(function: &mut Function, name: &str, order: &OrderByExpr) -> Option<Expr> {
    let FunctionArguments::List(list) = &function.args else { return None };
    let mut share = plain(list)?.into_iter().next()?;
    let mut column = order.expr.clone();
    if order.options.asc == Some(false) {
        if name == "percentile_disc" {
            // Counted from the other end, the lower of two middle values is the higher one.
            column = Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr: Box::new(column) };
            set_args(function, name, vec![column, share]);
            let counted = Expr::Function(function.clone());
            return Some(Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr: Box::new(counted) });
        }
        share = binary(number("1"), BinaryOperator::Minus, share);
    }
    set_args(function, if name == "percentile_cont" { "percentile" } else { name }, vec![column, share]);
    None
}
