//! The casts as functions that DataFusion plans.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int32Array, StringArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::array::{Target, cast_array, text_array, timestamps};
use super::number::{SuffixRule, suffixed_number};
use super::timestamp::{TimestampFormat, text_to_timestamp};

/// A function of one column.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Cast(Target),
    SuffixedNumber(SuffixRule),
    Timestamp(Option<TimestampFormat>),
    /// Replaces a text at the beginning of the value.
    RemovePrefix(String),
    /// Replaces all occurrences of a text.
    Remove(String),
}

/// A function of one column with Spark's answers.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct SparkFunction {
    name: &'static str,
    kind: Kind,
    signature: Signature,
}

impl SparkFunction {
    fn call(name: &'static str, kind: Kind, column: Expr) -> Expr {
        let function = SparkFunction { name, kind, signature: Signature::any(1, Volatility::Immutable) };
        ScalarUDF::new_from_impl(function).call(vec![column])
    }

    /// `CAST(column AS target)`.
    pub fn cast(column: Expr, target: Target) -> Expr {
        SparkFunction::call("spark_cast", Kind::Cast(target), column)
    }

    /// The number in a text with `k` or `M`.
    pub fn suffixed_number(column: Expr, rule: SuffixRule) -> Expr {
        SparkFunction::call("suffixed_number", Kind::SuffixedNumber(rule), column)
    }

    /// `to_timestamp(column)`, or `to_timestamp(column, format)`.
    pub fn timestamp(column: Expr, format: Option<TimestampFormat>) -> Expr {
        SparkFunction::call("spark_to_timestamp", Kind::Timestamp(format), column)
    }

    /// Removes `text` wherever it occurs.
    pub fn remove(column: Expr, text: &str) -> Expr {
        SparkFunction::call("remove_text", Kind::Remove(text.to_owned()), column)
    }

    /// Removes `text` at the beginning.
    pub fn remove_prefix(column: Expr, text: &str) -> Expr {
        SparkFunction::call("remove_prefix", Kind::RemovePrefix(text.to_owned()), column)
    }
}

impl ScalarUDFImpl for SparkFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(match &self.kind {
            Kind::Cast(target) => target.data_type(),
            Kind::SuffixedNumber(_) => DataType::Int32,
            Kind::Timestamp(_) => Target::Timestamp.data_type(),
            Kind::Remove(_) | Kind::RemovePrefix(_) => DataType::Utf8,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        Ok(ColumnarValue::Array(self.kind.apply(&arrays[0])?))
    }
}

impl Kind {
    fn apply(&self, array: &ArrayRef) -> Result<ArrayRef> {
        Ok(match self {
            Kind::Cast(target) => cast_array(array, *target)?,
            Kind::SuffixedNumber(rule) => {
                let text = text_array(array)?;
                Arc::new(text.iter().map(|v| v.and_then(|v| suffixed_number(v, *rule))).collect::<Int32Array>())
            }
            Kind::Timestamp(format) if is_text(array) => {
                let text = text_array(array)?;
                timestamps(text.iter().map(|v| {
                    v.and_then(|v| match format {
                        Some(format) => format.read(v),
                        None => text_to_timestamp(v),
                    })
                }))
            }
            Kind::Timestamp(_) => cast_array(array, Target::Timestamp)?,
            Kind::Remove(text) => {
                map_text(array, |value| value.contains(text.as_str()).then(|| value.replace(text, "")))?
            }
            Kind::RemovePrefix(text) => map_text(array, |value| value.strip_prefix(text.as_str()).map(str::to_owned))?,
        })
    }
}

fn is_text(array: &ArrayRef) -> bool {
    matches!(array.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Changes the values for which `change` has an answer.
fn map_text(array: &ArrayRef, change: impl Fn(&str) -> Option<String>) -> Result<ArrayRef> {
    let text = text_array(array)?;
    let changed = text.iter().map(|value| {
        value.map(|value| change(value).map_or(std::borrow::Cow::Borrowed(value), std::borrow::Cow::Owned))
    });
    Ok(Arc::new(changed.collect::<StringArray>()))
}
