//! Functions of rows, each stated by its name, its types and what it answers for whole columns.

use std::hash::{Hash, Hasher};
use std::ops::RangeInclusive;

use datafusion::arrow::array::{Array as _, ArrayRef, AsArray as _, Int64Array, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{ScalarValue, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::interval_arithmetic::Interval;
use datafusion::logical_expr::preimage::PreimageResult;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::array::{Target, cast_array, text_array};

/// A function: see the fields of [`Scalar::new`].
pub(super) struct Scalar {
    name: &'static str,
    aliases: Vec<String>,
    arguments: RangeInclusive<usize>,
    returns: fn(&[DataType]) -> DataType,
    answer: fn(&[ArrayRef]) -> Result<ArrayRef>,
    range: Option<RangeOf>,
    signature: Signature,
}

/// Of which arguments of a type a function answers with a value: those from the first bound on, and before the second. None where
/// that is not known.
pub(super) type RangeOf = fn(&ScalarValue, &DataType) -> Option<(ScalarValue, ScalarValue)>;

impl Scalar {
    /// `answer` gets columns of one length, as many as `arguments` allows.
    pub(super) fn new(
        name: &'static str,
        arguments: RangeInclusive<usize>,
        returns: fn(&[DataType]) -> DataType,
        answer: fn(&[ArrayRef]) -> Result<ArrayRef>,
    ) -> Scalar {
        let signature = Signature::variadic_any(Volatility::Immutable);
        Scalar { name, aliases: Vec::new(), arguments, returns, answer, range: None, signature }
    }

    /// A function of one argument that grows with it: comparing its answer is comparing the argument with a range, which also
    /// says what of a table need not be read.
    pub(super) fn growing(mut self, range: RangeOf) -> Scalar {
        self.range = Some(range);
        self
    }

    /// The same under other names, too.
    pub(super) fn also(mut self, names: &[&str]) -> Scalar {
        self.aliases.extend(names.iter().map(ToString::to_string));
        self
    }
}

impl std::fmt::Debug for Scalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// There is one function of a name.
impl PartialEq for Scalar {
    fn eq(&self, other: &Scalar) -> bool {
        self.name == other.name
    }
}

impl Eq for Scalar {}

impl Hash for Scalar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Scalar {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        if !self.arguments.contains(&arg_types.len()) {
            let (least, most) = (self.arguments.start(), self.arguments.end());
            let takes = if least == most { least.to_string() } else { format!("{least} to {most}") };
            return plan_err!("`{}` takes {takes} arguments, not {}", self.name, arg_types.len());
        }
        Ok((self.returns)(arg_types))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        Ok(ColumnarValue::Array((self.answer)(&arrays)?))
    }

    fn preimage(&self, args: &[Expr], answer: &Expr, info: &SimplifyContext) -> Result<PreimageResult> {
        let (Some(range), [arg], Some(answer)) = (self.range, args, answer.as_literal()) else {
            return Ok(PreimageResult::None);
        };
        if arg.is_volatile() {
            // It would be asked twice, and answer differently.
            return Ok(PreimageResult::None);
        }
        let Some((first, end)) = range(answer, &info.get_data_type(arg)?) else { return Ok(PreimageResult::None) };
        let interval = Box::new(Interval::try_new(first, end)?);
        Ok(PreimageResult::Range { expr: arg.clone(), interval })
    }
}

/// An argument as text.
pub(super) fn text(args: &[ArrayRef], at: usize) -> Result<StringArray> {
    Ok(text_array(&args[at])?)
}

/// An argument as whole numbers.
pub(super) fn whole(args: &[ArrayRef], at: usize) -> Result<Int64Array> {
    Ok(cast_array(&args[at], Target::Bigint)?.as_primitive::<Int64Type>().clone())
}

/// An argument that may be left out, as whole numbers.
pub(super) fn whole_or(args: &[ArrayRef], at: usize, default: i64) -> Result<Int64Array> {
    match args.get(at) {
        Some(_) => whole(args, at),
        None => Ok(Int64Array::from_value(default, args[0].len())),
    }
}

/// An argument as microseconds.
pub(super) fn micros(args: &[ArrayRef], at: usize) -> Result<Int64Array> {
    let instants = cast_array(&args[at], Target::Timestamp)?;
    Ok(cast(&instants, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
}

pub(super) fn text_type(_: &[DataType]) -> DataType {
    DataType::Utf8
}

pub(super) fn int_type(_: &[DataType]) -> DataType {
    DataType::Int32
}

pub(super) fn long_type(_: &[DataType]) -> DataType {
    DataType::Int64
}

pub(super) fn date_type(_: &[DataType]) -> DataType {
    DataType::Date32
}

pub(super) fn timestamp_type(_: &[DataType]) -> DataType {
    Target::Timestamp.data_type()
}
