//! Fields of structs, whose names are the same whatever their case.

use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::{Column, DFSchema, ScalarValue, TableReference};
use datafusion::error::Result;
use datafusion::functions::core::expr_fn::get_field;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawFieldAccessExpr};
use datafusion::logical_expr::{Expr, ExprSchemable as _, GetFieldAccess};

/// Finds `place.City` where the struct has `city`, and the other way round.
#[derive(Debug)]
pub struct SparkFields;

impl ExprPlanner for SparkFields {
    fn plan_compound_identifier(
        &self,
        field: &Field,
        qualifier: Option<&TableReference>,
        nested_names: &[String],
    ) -> Result<PlannerResult<Vec<Expr>>> {
        let mut expr = Expr::Column(Column::from((qualifier, field)));
        let mut data_type = field.data_type();
        for name in nested_names {
            let Some(found) = field_called(data_type, name) else { return Ok(PlannerResult::Original(Vec::new())) };
            expr = get_field(expr, found.name().as_str());
            data_type = found.data_type();
        }
        Ok(PlannerResult::Planned(expr))
    }

    fn plan_field_access(
        &self,
        access: RawFieldAccessExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawFieldAccessExpr>> {
        let GetFieldAccess::NamedStructField { name: ScalarValue::Utf8(Some(name)) } = &access.field_access else {
            return Ok(PlannerResult::Original(access));
        };
        let data_type = access.expr.get_type(schema)?;
        match field_called(&data_type, name) {
            Some(found) => Ok(PlannerResult::Planned(get_field(access.expr, found.name().as_str()))),
            None => Ok(PlannerResult::Original(access)),
        }
    }
}

/// The field of a struct with that name: letter by letter, else but for the case.
fn field_called<'a>(data_type: &'a DataType, name: &str) -> Option<&'a Field> {
    let DataType::Struct(fields) = data_type else { return None };
    let exact = fields.iter().find(|field| field.name() == name);
    let found = exact.or_else(|| fields.iter().find(|field| field.name().to_lowercase() == name.to_lowercase()))?;
    Some(found)
}
