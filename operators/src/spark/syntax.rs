//! Pieces of syntax trees, to say in other words what a query says.

use datafusion::sql::sqlparser::ast::{
    self, BinaryOperator, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArgumentList, FunctionArguments, Ident, ObjectName, OrderByExpr, OrderByOptions, Spanned as _, Value,
};
use datafusion::sql::sqlparser::tokenizer::Span;

pub fn rename(function: &mut Function, name: &str) {
    let span = function.name.span();
    let ident = Ident::with_span(span, name);
    function.name = ObjectName::from(vec![ident]);
}

/// The same call, of another function with other arguments.
pub fn set_args(function: &mut Function, name: &str, args: Vec<Expr>) {
    rename(function, name);
    if let FunctionArguments::List(list) = &mut function.args {
        list.args = args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))).collect();
    }
}

/// Orders the rows that an aggregate sees, those without a value last.
pub fn order_args(function: &mut Function, by: Expr, is_ascending: bool) {
    let options = OrderByOptions { asc: Some(is_ascending), nulls_first: Some(false) };
    let order = OrderByExpr { expr: by, options, with_fill: None };
    if let FunctionArguments::List(list) = &mut function.args {
        list.clauses.push(FunctionArgumentClause::OrderBy(vec![order]));
    }
}

/// Takes an expression out of its place.
pub fn take(expr: &mut Expr) -> Expr {
    std::mem::replace(expr, null())
}

pub fn call(name: &str, args: Vec<Expr>, span: Span) -> Expr {
    let args = args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))).collect();
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::with_span(span, name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// `CASE WHEN condition THEN result END`.
pub fn case(condition: Expr, result: Expr, span: Span) -> Expr {
    call("if", vec![condition, result, null()], span)
}

pub fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

pub fn nested(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::Nested(Box::new(binary(left, op, right)))
}

pub fn not(expr: Expr) -> Expr {
    Expr::UnaryOp { op: ast::UnaryOperator::Not, expr: Box::new(expr) }
}

pub fn is_null(expr: Expr) -> Expr {
    Expr::Nested(Box::new(Expr::IsNull(Box::new(expr))))
}

pub fn is_distinct(function: &Function) -> bool {
    matches!(&function.args, FunctionArguments::List(list) if list.duplicate_treatment == Some(DuplicateTreatment::Distinct))
}

pub fn is_name(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
}

pub fn is_literal(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(_)) || is_number(expr)
}

pub fn is_number(expr: &Expr) -> bool {
    match expr {
        Expr::Value(value) => matches!(value.value, Value::Number(..)),
        Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr } => is_number(expr),
        _ => false,
    }
}

pub fn null() -> Expr {
    value(Value::Null)
}

pub fn number(digits: &str) -> Expr {
    value(Value::Number(digits.to_owned(), false))
}

pub fn text(content: &str) -> Expr {
    value(Value::SingleQuotedString(content.to_owned()))
}

pub fn value(value: Value) -> Expr {
    Expr::Value(value.with_empty_span())
}
