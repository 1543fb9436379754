//! Fields of structs, whose names are the same whatever their case, and items of arrays, counted from 0.

use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::{Column, DFSchema, ScalarValue, TableReference};
use datafusion::error::Result;
use datafusion::functions::core::expr_fn::get_field;
use datafusion::functions_nested::expr_fn::array_element;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawFieldAccessExpr};
use datafusion::logical_expr::{Expr, ExprSchemable as _, GetFieldAccess, lit, when};

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
        let data_type = access.expr.get_type(schema)?;
        if let (GetFieldAccess::ListIndex { key }, DataType::List(_)) = (&access.field_access, &data_type) {
            return Ok(PlannerResult::Planned(item(access.expr, key)?));
        }
        let GetFieldAccess::NamedStructField { name: ScalarValue::Utf8(Some(name)) } = &access.field_access else {
            return Ok(PlannerResult::Original(access));
        };
        match field_called(&data_type, name) {
            Some(found) => Ok(PlannerResult::Planned(get_field(access.expr, found.name().as_str()))),
            None => Ok(PlannerResult::Original(access)),
        }
    }
}

/// The item of an array; none before its beginning, from which DataFusion would count backwards.
fn item(array: Expr, index: &Expr) -> Result<Expr> {
    let nth = array_element(array, index.clone() + lit(1));
    when(index.clone().gt_eq(lit(0)), nth).end()
}

/// The field of a struct with that name: letter by letter, else but for the case.
fn field_called<'a>(data_type: &'a DataType, name: &str) -> Option<&'a Field> {
    let DataType::Struct(fields) = data_type else { return None };
    let exact = fields.iter().find(|field| field.name() == name);
    let found = exact.or_else(|| fields.iter().find(|field| field.name().to_lowercase() == name.to_lowercase()))?;
    Some(found)
}
