//! Casts of whole columns.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array as _, ArrayRef, AsArray as _, BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType,
};
use datafusion::arrow::error::ArrowError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::number::{
    double_to_text, float_to_text, saturate_int, saturate_long, text_to_bool, text_to_double, text_to_int, text_to_long,
};
use super::timestamp::{format_timestamp, text_to_date, text_to_timestamp};

const MICROS_PER_SECOND: i64 = 1_000_000;
pub(super) const MICROS_PER_DAY: i64 = 24 * 60 * 60 * MICROS_PER_SECOND;

/// What a column can be cast to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// An integer of 32 bits.
    #[serde(alias = "integer")]
    Int,
    /// An integer of 64 bits.
    #[serde(alias = "long")]
    Bigint,
    /// A floating-point number of 64 bits.
    Double,
    /// Text.
    String,
    /// True or false.
    Boolean,
    /// An instant, to the microsecond, in UTC.
    Timestamp,
    /// A day.
    Date,
}

impl Target {
    /// The word that people write.
    pub fn name(self) -> &'static str {
        match self {
            Target::Int => "int",
            Target::Bigint => "bigint",
            Target::Double => "double",
            Target::String => "string",
            Target::Boolean => "boolean",
            Target::Timestamp => "timestamp",
            Target::Date => "date",
        }
    }

    /// The Arrow type.
    pub fn data_type(self) -> DataType {
        match self {
            Target::Int => DataType::Int32,
            Target::Bigint => DataType::Int64,
            Target::Double => DataType::Float64,
            Target::String => DataType::Utf8,
            Target::Boolean => DataType::Boolean,
            Target::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Target::Date => DataType::Date32,
        }
    }
}

/// What Spark calls a type.
pub fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string".to_owned(),
        DataType::Int8 => "tinyint".to_owned(),
        DataType::Int16 => "smallint".to_owned(),
        DataType::Int32 => "int".to_owned(),
        DataType::Int64 => "bigint".to_owned(),
        DataType::Float32 => "float".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Date32 | DataType::Date64 => "date".to_owned(),
        DataType::Timestamp(..) => "timestamp".to_owned(),
        DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "binary".to_owned(),
        DataType::List(field) | DataType::LargeList(field) => format!("array<{}>", type_name(field.data_type())),
        DataType::Struct(fields) => {
            let field = |(name, data_type): (&str, &DataType)| format!("{name}:{}", type_name(data_type));
            let fields = fields.iter().map(|each| field((each.name(), each.data_type())));
            format!("struct<{}>", fields.collect::<Vec<_>>().join(","))
        }
        DataType::Dictionary(_, values) => type_name(values),
        other => other.to_string(),
    }
}

/// Timestamps in UTC.
pub fn timestamps(values: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(values.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
}

/// The column as text, each value as Spark's `CAST(… AS STRING)` writes it.
pub fn text_array(array: &ArrayRef) -> Result<StringArray, ArrowError> {
    let text: StringArray = match array.data_type() {
        DataType::Float64 => array.as_primitive::<Float64Type>().iter().map(|v| v.map(double_to_text)).collect(),
        DataType::Float32 => array.as_primitive::<Float32Type>().iter().map(|v| v.map(float_to_text)).collect(),
        DataType::Timestamp(..) => {
            let micros = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
            micros.as_primitive::<TimestampMicrosecondType>().iter().map(|v| v.map(format_timestamp)).collect()
        }
        _ => cast(array, &DataType::Utf8)?.as_string::<i32>().clone(),
    };
    Ok(text)
}

/// Casts a column as Spark does with ANSI mode off: what cannot be cast is NULL, never an error.
pub fn cast_array(array: &ArrayRef, target: Target) -> Result<ArrayRef, ArrowError> {
    let to = target.data_type();
    let from = array.data_type();
    if *from == to {
        return Ok(Arc::clone(array));
    }
    if from.is_nested() && target != Target::String {
        return Err(ArrowError::CastError(format!("a column of {from} cannot be cast to {}", target.name())));
    }
    if matches!(from, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) {
        return Ok(cast_text(&text_array(array)?, target));
    }
    match (from, target) {
        (DataType::Dictionary(_, values), _) => cast_array(&cast(array, values)?, target),
        (_, Target::String) => Ok(Arc::new(text_array(array)?)),
        (DataType::Float16 | DataType::Float32 | DataType::Float64, Target::Int) => {
            let numbers = cast(array, &DataType::Float64)?;
            Ok(Arc::new(
                numbers.as_primitive::<Float64Type>().unary::<_, datafusion::arrow::datatypes::Int32Type>(saturate_int),
            ))
        }
        (DataType::Float16 | DataType::Float32 | DataType::Float64, Target::Bigint) => {
            let numbers = cast(array, &DataType::Float64)?;
            Ok(Arc::new(numbers.as_primitive::<Float64Type>().unary::<_, Int64Type>(saturate_long)))
        }
        (DataType::Timestamp(..), Target::Double) => {
            #[expect(clippy::cast_precision_loss, reason = "the nearest double is what is asked for")]
            let seconds = |micros: i64| micros as f64 / MICROS_PER_SECOND as f64;
            Ok(Arc::new(micros(array)?.unary::<_, Float64Type>(seconds)))
        }
        (DataType::Timestamp(..), Target::Int | Target::Bigint) => {
            let seconds: Int64Array =
                micros(array)?.iter().map(|v| v.map(|v| v.div_euclid(MICROS_PER_SECOND))).collect();
            cast_array(&(Arc::new(seconds) as ArrayRef), target)
        }
        (_, Target::Int) => {
            #[expect(clippy::cast_possible_truncation, reason = "Spark keeps the low 32 bits")]
            let low = cast(array, &DataType::Int64)?
                .as_primitive::<Int64Type>()
                .unary::<_, datafusion::arrow::datatypes::Int32Type>(|number| number as i32);
            Ok(Arc::new(low))
        }
        (DataType::Timestamp(_, zone), Target::Date) if is_utc(zone.as_deref()) => {
            #[expect(clippy::cast_possible_truncation, reason = "2^63 microseconds are fewer than 2^31 days")]
            let day = |micros: i64| micros.div_euclid(MICROS_PER_DAY) as i32;
            Ok(Arc::new(micros(array)?.unary::<_, Date32Type>(day)))
        }
        (DataType::Date32 | DataType::Timestamp(..), _) => cast(array, &to),
        (DataType::Float16 | DataType::Float32 | DataType::Float64, Target::Timestamp) => {
            let seconds = cast(array, &DataType::Float64)?;
            Ok(timestamps(seconds.as_primitive::<Float64Type>().iter().map(|v| v.and_then(seconds_to_micros))))
        }
        (DataType::Decimal128(_, scale), Target::Timestamp) => {
            let (seconds, scale) = (array.as_primitive::<Decimal128Type>(), i32::from(*scale));
            Ok(timestamps(seconds.iter().map(|v| v.and_then(|v| decimal_to_micros(v, scale)))))
        }
        // True is the first microsecond.
        (DataType::Boolean, Target::Timestamp) => Ok(timestamps(array.as_boolean().iter().map(|v| v.map(i64::from)))),
        (_, Target::Timestamp) => {
            let seconds = cast(array, &DataType::Int64)?;
            let micros = seconds.as_primitive::<Int64Type>().iter();
            Ok(timestamps(micros.map(|v| v.and_then(|v| v.checked_mul(MICROS_PER_SECOND)))))
        }
        _ => cast(array, &to),
    }
}

/// Seconds with a fraction as microseconds, cut off.
fn seconds_to_micros(seconds: f64) -> Option<i64> {
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "Java saturates as well")]
    let micros = (seconds * MICROS_PER_SECOND as f64) as i64;
    seconds.is_finite().then_some(micros)
}

/// The same of a decimal with so many digits after the point.
fn decimal_to_micros(unscaled: i128, scale: i32) -> Option<i64> {
    let digits = scale - MICROS_PER_SECOND.ilog10().cast_signed();
    let factor = 10_i128.checked_pow(digits.unsigned_abs())?;
    let micros = if digits > 0 { unscaled / factor } else { unscaled.checked_mul(factor)? };
    i64::try_from(micros).ok()
}

/// Whether the days of a zone begin when those of UTC do.
pub(super) fn is_utc(zone: Option<&str>) -> bool {
    zone.is_none_or(|zone| matches!(zone, "UTC" | "+00:00"))
}

fn micros(array: &ArrayRef) -> Result<TimestampMicrosecondArray, ArrowError> {
    let micros = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
    Ok(micros.as_primitive::<TimestampMicrosecondType>().clone())
}

fn cast_text(text: &StringArray, target: Target) -> ArrayRef {
    let values = text.iter();
    match target {
        Target::Int => Arc::new(values.map(|v| v.and_then(text_to_int)).collect::<Int32Array>()),
        Target::Bigint => Arc::new(values.map(|v| v.and_then(text_to_long)).collect::<Int64Array>()),
        Target::Double => Arc::new(values.map(|v| v.and_then(text_to_double)).collect::<Float64Array>()),
        Target::Boolean => Arc::new(values.map(|v| v.and_then(text_to_bool)).collect::<BooleanArray>()),
        Target::Timestamp => timestamps(values.map(|v| v.and_then(text_to_timestamp))),
        Target::Date => Arc::new(values.map(|v| v.and_then(text_to_date)).collect::<Date32Array>()),
        Target::String => Arc::new(text.clone()),
    }
}

/// The calendar days of a column of dates, timestamps or text.
pub fn days(array: &ArrayRef) -> Result<Date32Array, ArrowError> {
    let dates = cast_array(array, Target::Date)?;
    Ok(dates.as_primitive::<Date32Type>().clone())
}
