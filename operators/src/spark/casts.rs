//! `CAST(… AS …)` as functions, one for each type: what cannot be cast is NULL.

use std::sync::Arc;

use datafusion::arrow::array::{Array as _, ArrayRef, AsArray as _, Float32Array, Int8Array, Int16Array};
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::error::Result;
use datafusion::sql::sqlparser::ast::DataType as SqlType;

use super::array::{Target, cast_array};
use super::number::{text_to_double, text_to_long};
use super::scalar::{Scalar, text};

/// All of them.
pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new(
            "cast_to_tinyint",
            1..=1,
            |_| DataType::Int8,
            |args| {
                let cut: Int8Array = narrowed(args, |number| i8::try_from(number).ok())?.collect();
                Ok(Arc::new(cut))
            },
        ),
        Scalar::new(
            "cast_to_smallint",
            1..=1,
            |_| DataType::Int16,
            |args| {
                let cut: Int16Array = narrowed(args, |number| i16::try_from(number).ok())?.collect();
                Ok(Arc::new(cut))
            },
        ),
        Scalar::new("cast_to_int", 1..=1, |_| Target::Int.data_type(), |args| to(args, Target::Int)),
        Scalar::new("cast_to_bigint", 1..=1, |_| Target::Bigint.data_type(), |args| to(args, Target::Bigint)),
        Scalar::new("cast_to_float", 1..=1, |_| DataType::Float32, to_float),
        Scalar::new("cast_to_double", 1..=1, |_| Target::Double.data_type(), |args| to(args, Target::Double)),
        Scalar::new("cast_to_string", 1..=1, |_| Target::String.data_type(), |args| to(args, Target::String)),
        Scalar::new("cast_to_boolean", 1..=1, |_| Target::Boolean.data_type(), |args| to(args, Target::Boolean)),
        Scalar::new("cast_to_timestamp", 1..=1, |_| Target::Timestamp.data_type(), |args| to(args, Target::Timestamp)),
        Scalar::new("cast_to_date", 1..=1, |_| Target::Date.data_type(), |args| to(args, Target::Date)),
    ]
}

/// The function that casts to a type, if it is one of these.
pub(super) fn function_for(data_type: &SqlType) -> Option<&'static str> {
    Some(match data_type {
        SqlType::TinyInt(_) => "cast_to_tinyint",
        SqlType::SmallInt(_) => "cast_to_smallint",
        SqlType::Int(_) | SqlType::Integer(_) | SqlType::Int4(_) => "cast_to_int",
        SqlType::BigInt(_) | SqlType::Int8(_) => "cast_to_bigint",
        SqlType::Float(_) | SqlType::Real | SqlType::Float4 => "cast_to_float",
        SqlType::Double(_) | SqlType::DoublePrecision | SqlType::Float8 => "cast_to_double",
        SqlType::String(_) | SqlType::Text | SqlType::Varchar(_) | SqlType::Char(_) => "cast_to_string",
        SqlType::Boolean | SqlType::Bool => "cast_to_boolean",
        SqlType::Timestamp(..) | SqlType::TimestampNtz(_) => "cast_to_timestamp",
        SqlType::Date => "cast_to_date",
        other => return named(&other.to_string()),
    })
}

/// The function for a type that goes by another name, also when it is written as a function: `int(x)`.
pub(super) fn named(name: &str) -> Option<&'static str> {
    Some(match name.to_lowercase().as_str() {
        "byte" | "tinyint" => "cast_to_tinyint",
        "short" | "smallint" => "cast_to_smallint",
        "int" | "integer" => "cast_to_int",
        "long" | "bigint" => "cast_to_bigint",
        "float" => "cast_to_float",
        "double" => "cast_to_double",
        "string" => "cast_to_string",
        "boolean" => "cast_to_boolean",
        "timestamp" | "timestamp_seconds" => "cast_to_timestamp",
        "date" => "cast_to_date",
        _ => return None,
    })
}

fn to(args: &[ArrayRef], target: Target) -> Result<ArrayRef> {
    Ok(cast_array(&args[0], target)?)
}

fn is_text(array: &ArrayRef) -> bool {
    matches!(array.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Texts that do not fit are NULL.
fn narrowed<T: 'static>(args: &[ArrayRef], fit: fn(i64) -> Option<T>) -> Result<impl Iterator<Item = Option<T>>> {
    let numbers: Vec<Option<i64>> = if is_text(&args[0]) {
        text(args, 0)?.iter().map(|value| value.and_then(text_to_long)).collect()
    } else {
        cast_array(&args[0], Target::Bigint)?.as_primitive::<Int64Type>().iter().collect()
    };
    Ok(numbers.into_iter().map(move |number| number.and_then(fit)))
}

#[expect(clippy::cast_possible_truncation, reason = "the nearest float is what is asked for")]
fn to_float(args: &[ArrayRef]) -> Result<ArrayRef> {
    let floats: Float32Array = if is_text(&args[0]) {
        text(args, 0)?.iter().map(|value| value.and_then(text_to_double).map(|number| number as f32)).collect()
    } else {
        let doubles = cast_array(&args[0], Target::Double)?;
        doubles.as_primitive::<Float64Type>().iter().map(|value| value.map(|number| number as f32)).collect()
    };
    Ok(Arc::new(floats))
}
