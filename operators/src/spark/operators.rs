//! Operators between values: what `/`, `%`, `DIV` and comparisons answer in Spark, and not elsewhere.
//!
//! * Integers divide into doubles, and dividing by zero is NULL.
//! * A text beside a number, in a sum or a comparison, is taken as a number; one that is none is NULL.
//! * A text beside a date or a timestamp is taken as that.
//! * `||` joins what its sides are as texts.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::functions::core::expr_fn::nullif;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable as _, cast, lit};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::array::Target;
use super::function::SparkFunction;

/// Plans operators as Spark does.
#[derive(Debug)]
pub struct SparkOperators;

impl ExprPlanner for SparkOperators {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let RawBinaryExpr { op, left, right } = expr;
        let (left_type, right_type) = (left.get_type(schema)?, right.get_type(schema)?);
        if op == BinaryOperator::StringConcat && !left_type.is_nested() && !right_type.is_nested() {
            let (left, right) = (as_text(left, &left_type), as_text(right, &right_type));
            return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }));
        }
        let left = beside(left, &left_type, &right_type, &op);
        let right = beside(right, &right_type, &left_type, &op);
        let (left_type, right_type) = (left.get_type(schema)?, right.get_type(schema)?);
        let are_plain = is_plain_number(&left_type) && is_plain_number(&right_type);
        Ok(match op {
            BinaryOperator::Divide if are_plain => {
                let divisor = nullif(cast(right, DataType::Float64), lit(0.0));
                PlannerResult::Planned(cast(left, DataType::Float64) / divisor)
            }
            BinaryOperator::MyIntegerDivide if are_plain => {
                PlannerResult::Planned(cast(left, DataType::Int64) / nullif(cast(right, DataType::Int64), lit(0_i64)))
            }
            BinaryOperator::Modulo if left_type.is_integer() && right_type.is_integer() => {
                PlannerResult::Planned(left % nullif(cast(right, DataType::Int64), lit(0_i64)))
            }
            // Of decimals DataFusion fails, and of doubles it makes no number.
            BinaryOperator::Divide | BinaryOperator::Modulo if left_type.is_numeric() && right_type.is_numeric() => {
                let right = nullif(right, lit(ScalarValue::new_zero(&right_type)?));
                PlannerResult::Original(RawBinaryExpr { op, left, right })
            }
            op => PlannerResult::Original(RawBinaryExpr { op, left, right }),
        })
    }
}

fn is_plain_number(data_type: &DataType) -> bool {
    data_type.is_integer() || data_type.is_floating()
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// What `||` joins.
fn as_text(expr: Expr, own: &DataType) -> Expr {
    if is_text(own) || own.is_null() || own.is_binary() { expr } else { SparkFunction::cast(expr, Target::String) }
}

/// A text as what stands on the other side of an operator; anything else as it is.
fn beside(expr: Expr, own: &DataType, other: &DataType, op: &BinaryOperator) -> Expr {
    if !is_text(own) {
        return expr;
    }
    let target = if is_arithmetic(op) {
        let is_number = other.is_numeric() || is_text(other) || *other == DataType::Null;
        is_number.then_some(Target::Double)
    } else if is_comparison(op) {
        match other {
            DataType::Boolean => Some(Target::Boolean),
            DataType::Date32 => Some(Target::Date),
            DataType::Timestamp(..) => Some(Target::Timestamp),
            // A literal is as long as it is written; Spark's own are of 32 bits, and no text fits those that a longer
            // number would not fit.
            other if other.is_integer() => Some(Target::Bigint),
            other if other.is_numeric() => Some(Target::Double),
            _ => None,
        }
    } else {
        None
    };
    match target {
        Some(target) => SparkFunction::cast(expr, target),
        None => expr,
    }
}

fn is_arithmetic(op: &BinaryOperator) -> bool {
    matches!(
        op,
        BinaryOperator::Plus
            | BinaryOperator::Minus
            | BinaryOperator::Multiply
            | BinaryOperator::Divide
            | BinaryOperator::Modulo
            | BinaryOperator::MyIntegerDivide
    )
}

fn is_comparison(op: &BinaryOperator) -> bool {
    matches!(
        op,
        BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq
            | BinaryOperator::Spaceship
    )
}
