//! `/` between integers, which is no integer in Spark, and nothing when it divides by zero.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::error::Result;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{ExprSchemable as _, cast, lit};
use datafusion::sql::sqlparser::ast::BinaryOperator;

/// Makes `/` divide as Spark does: integers as doubles, and by zero to NULL.
#[derive(Debug)]
pub struct SparkDivision;

impl ExprPlanner for SparkDivision {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        if expr.op != BinaryOperator::Divide {
            return Ok(PlannerResult::Original(expr));
        }
        let is_number = |data_type: &DataType| data_type.is_integer() || data_type.is_floating();
        let (left, right) = (expr.left.get_type(schema)?, expr.right.get_type(schema)?);
        if !is_number(&left) || !is_number(&right) {
            return Ok(PlannerResult::Original(expr));
        }
        let divisor = datafusion::functions::core::expr_fn::nullif(cast(expr.right, DataType::Float64), lit(0.0));
        Ok(PlannerResult::Planned(cast(expr.left, DataType::Float64) / divisor))
    }
}
