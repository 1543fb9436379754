//! What Spark casts without being told: text to numbers where sums are made of it, and anything to text where a text may stand
//! as well.
//!
//! DataFusion would take the text for a number there, and fail with the first that is none. Which types meet is known only when
//! a query is planned. So the translation writes these functions, and the planner puts what they mean in their place.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::plan_err;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::binary::try_type_union_resolution;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, when,
};

use super::array::Target;
use super::function::SparkFunction;

/// A value as a number, if it is a text.
pub const NUMBER: &str = "__updraft_number";
/// Whether the first of some values is among the others.
pub const AMONG: &str = "__updraft_among";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Number,
    Among,
    Coalesce,
    If,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Implicit {
    name: &'static str,
    kind: Kind,
    signature: Signature,
}

/// All of them.
pub fn functions() -> impl Iterator<Item = ScalarUDF> {
    let all = [(NUMBER, Kind::Number), (AMONG, Kind::Among), ("coalesce", Kind::Coalesce), ("if", Kind::If)];
    all.into_iter().map(|(name, kind)| {
        let signature = Signature::user_defined(Volatility::Immutable);
        ScalarUDF::new_from_impl(Implicit { name, kind, signature })
    })
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// Whether there is text among other values.
fn mixes_text(types: &[DataType]) -> bool {
    types.iter().any(is_text) && types.iter().any(|each| !is_text(each) && *each != DataType::Null)
}

impl Implicit {
    /// Those of its arguments that are to be of one type.
    fn values<'a, T>(&self, args: &'a [T]) -> &'a [T] {
        if self.kind == Kind::If { args.get(1..).unwrap_or_default() } else { args }
    }
}

impl ScalarUDFImpl for Implicit {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match (self.kind, types) {
            (Kind::Coalesce, []) => return plan_err!("`coalesce` takes values"),
            (Kind::If, [DataType::Boolean | DataType::Null, _, _]) => {}
            (Kind::If, _) => return plan_err!("`if` takes a condition and two values"),
            (Kind::Number, types) => return Ok(types.to_vec()),
            _ => {}
        }
        let values = self.values(types);
        let wanted = if mixes_text(values) { values.to_vec() } else { try_type_union_resolution(values)? };
        Ok(if self.kind == Kind::If { [vec![DataType::Boolean], wanted].concat() } else { wanted })
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let values = self.values(types);
        Ok(match self.kind {
            Kind::Among => DataType::Boolean,
            Kind::Number if values.iter().any(is_text) => DataType::Float64,
            _ if mixes_text(values) => DataType::Utf8,
            _ => values.iter().find(|each| **each != DataType::Null).cloned().unwrap_or(DataType::Null),
        })
    }

    fn simplify(&self, mut args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        // What is not known is taken as it is.
        let types: Vec<DataType> = args.iter().map(|arg| info.get_data_type(arg).unwrap_or(DataType::Null)).collect();
        if mixes_text(self.values(&types)) {
            let offset = args.len() - self.values(&types).len();
            for (arg, data_type) in args.iter_mut().zip(&types).skip(offset) {
                if !is_text(data_type) && *data_type != DataType::Null {
                    *arg = SparkFunction::cast(std::mem::take(arg), Target::String);
                }
            }
        }
        let mut args = args.into_iter();
        let mut next = || args.next().unwrap_or_default();
        let simple = match self.kind {
            Kind::Number if types.iter().any(is_text) => SparkFunction::cast(next(), Target::Double),
            Kind::Number => next(),
            Kind::Among => Expr::InList(InList::new(Box::new(next()), args.collect(), false)),
            Kind::If => when(next(), next()).otherwise(next())?,
            Kind::Coalesce => {
                let mut values: Vec<Expr> = args.collect();
                let last = values.pop().unwrap_or_default();
                let mut values = values.into_iter();
                match values.next() {
                    None => last,
                    Some(first) => {
                        let mut cases = when(first.clone().is_not_null(), first);
                        for value in values {
                            cases = cases.when(value.clone().is_not_null(), value);
                        }
                        cases.otherwise(last)?
                    }
                }
            }
        };
        Ok(ExprSimplifyResult::Simplified(simple))
    }

    fn short_circuits(&self) -> bool {
        matches!(self.kind, Kind::Coalesce | Kind::If)
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Err(DataFusionError::Internal(format!("`{}` is put into other words before it is asked", self.name)))
    }
}
