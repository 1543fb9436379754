//! A result as JSON, for XCom and for people, and as text, for CSV.

use datafusion::arrow::array::{Array, AsArray as _, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Decimal128Type, DecimalType as _, Fields, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType,
    UInt64Type,
};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::error::Result;
use serde_json::{Map, Number, Value};

use crate::spark::format_timestamp;

/// Digits of a decimal number at most.
const DECIMAL_DIGITS_MAX: u8 = 38;
/// Digits that a double holds whatever they are.
const DOUBLE_DIGITS: usize = 15;

/// The first `rows_max` rows of a batch, each as an array of values.
pub fn rows(batch: &RecordBatch, rows_max: usize) -> Result<Vec<Vec<Value>>> {
    let count = batch.num_rows().min(rows_max);
    let mut rows: Vec<Vec<Value>> = vec![Vec::with_capacity(batch.num_columns()); count];
    for array in batch.columns() {
        let values = values(&array.slice(0, count))?;
        rows.iter_mut().zip(values).for_each(|(row, value)| row.push(value));
    }
    Ok(rows)
}

/// The values of a column: numbers and booleans as they are, times as Spark prints them, the rest as text.
fn values(array: &dyn Array) -> Result<Vec<Value>> {
    let data_type = array.data_type();
    Ok(match data_type {
        DataType::Null => vec![Value::Null; array.len()],
        DataType::Boolean => array.as_boolean().iter().map(|value| value.map_or(Value::Null, Value::Bool)).collect(),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().iter().map(Into::into).collect(),
        _ if data_type.is_integer() => {
            cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().iter().map(Into::into).collect()
        }
        _ if data_type.is_floating() => {
            let numbers = cast(array, &DataType::Float64)?;
            numbers.as_primitive::<Float64Type>().iter().map(|value| value.map_or(Value::Null, number)).collect()
        }
        DataType::Decimal128(_, scale) if *scale == 0 => {
            let numbers = array.as_primitive::<Decimal128Type>();
            numbers.iter().map(|value| value.map_or(Value::Null, integer)).collect()
        }
        DataType::Decimal128(_, scale) => {
            let numbers = array.as_primitive::<Decimal128Type>();
            numbers.iter().map(|value| value.map_or(Value::Null, |value| decimal(value, *scale))).collect()
        }
        DataType::Timestamp(..) => {
            let micros = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
            let micros = micros.as_primitive::<TimestampMicrosecondType>().iter();
            micros.map(|value| value.map_or(Value::Null, |value| format_timestamp(value).into())).collect()
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let text = cast(array, &DataType::Utf8)?;
            text.as_string::<i32>().iter().map(Into::into).collect()
        }
        DataType::Dictionary(_, value) => values(&cast(array, value)?)?,
        DataType::Map(..) => maps(array)?,
        DataType::List(_) => array
            .as_list::<i32>()
            .iter()
            .map(|list| list.map_or(Ok(Value::Null), |list| values(&list).map(Value::Array)))
            .collect::<Result<_>>()?,
        DataType::Struct(fields) => structs(array, fields)?,
        _ => {
            let options = FormatOptions::default();
            let formatter = ArrayFormatter::try_new(array, &options)?;
            let text = |row| if array.is_null(row) { Value::Null } else { formatter.value(row).to_string().into() };
            (0..array.len()).map(text).collect()
        }
    })
}

/// Maps as objects; keys are written as text.
fn maps(array: &dyn Array) -> Result<Vec<Value>> {
    let maps = array.as_map();
    let text = |key: Value| if let Value::String(text) = key { text } else { key.to_string() };
    let object = |row: usize| -> Result<Value> {
        let entries = maps.value(row);
        let (keys, items) = (values(entries.column(0))?, values(entries.column(1))?);
        Ok(Value::Object(keys.into_iter().map(text).zip(items).collect()))
    };
    (0..array.len()).map(|row| if array.is_null(row) { Ok(Value::Null) } else { object(row) }).collect()
}

fn structs(array: &dyn Array, fields: &Fields) -> Result<Vec<Value>> {
    let columns: Vec<Vec<Value>> =
        array.as_struct().columns().iter().map(|column| values(column)).collect::<Result<_>>()?;
    let object = |row: usize| -> Map<String, Value> {
        fields.iter().zip(&columns).map(|(field, column)| (field.name().clone(), column[row].clone())).collect()
    };
    let value = |row| if array.is_null(row) { Value::Null } else { Value::Object(object(row)) };
    Ok((0..array.len()).map(value).collect())
}

/// JSON has no NaN and no infinities; they go as text.
fn number(value: f64) -> Value {
    Number::from_f64(value).map_or_else(|| value.to_string().into(), Value::Number)
}

/// Integers beyond 64 bits go as text.
fn integer(value: i128) -> Value {
    i64::try_from(value).map_or_else(|_| value.to_string().into(), Value::from)
}

/// A decimal number without zeros at its end; those with more digits than a double holds go as text.
fn decimal(value: i128, scale: i8) -> Value {
    let mut text = Decimal128Type::format_decimal(value, DECIMAL_DIGITS_MAX, scale);
    if text.contains('.') {
        text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    }
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    match text.parse::<Number>() {
        Ok(number) if digits <= DOUBLE_DIGITS => Value::Number(number),
        _ => Value::String(text),
    }
}

/// Appends a value as a CSV field.
pub fn push_csv(line: &mut String, value: &Value) {
    let text = match value {
        Value::Null => return,
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let must_quote =
        text.is_empty() || text.contains([',', '"', '\n', '\r']) || text.starts_with(' ') || text.ends_with(' ');
    if must_quote {
        line.push('"');
        line.push_str(&text.replace('"', "\"\""));
        line.push('"');
    } else {
        line.push_str(&text);
    }
}
