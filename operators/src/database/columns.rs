//! Columns of databases as columns of Arrow.
//!
//! | MySQL, MariaDB | Postgres | SQLite | here |
//! | --- | --- | --- | --- |
//! | TINYINT … INT, YEAR | INT2, INT4 | | integers of 32 bits |
//! | INT UNSIGNED, BIGINT | INT8, OID | INTEGER | integers of 64 bits |
//! | FLOAT, DOUBLE | FLOAT4, FLOAT8 | REAL, NUMERIC | doubles |
//! | DECIMAL, BIGINT UNSIGNED | NUMERIC | | decimals with 18 digits after the point |
//! | BOOLEAN | BOOL | BOOLEAN | booleans |
//! | DATE; DATETIME, TIMESTAMP | DATE; TIMESTAMP, TIMESTAMPTZ | DATE; DATETIME | dates; instants in UTC |
//! | BLOB, BINARY, BIT | BYTEA | BLOB | bytes |
//! | anything else | anything else | anything else | text, as the server writes it |

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int32Builder,
    Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use datafusion::arrow::compute::kernels::cast_utils::parse_decimal;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Field, TimeUnit};

use super::row::Cell;
use crate::spark::{text_to_date, text_to_timestamp};

/// Digits of a decimal number in all, and after the point: what Spark has for a NUMERIC without a size.
const PRECISION: u8 = 38;
/// See [`PRECISION`].
const SCALE: i8 = 18;

/// What a column becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Int,
    Long,
    Double,
    Decimal,
    Boolean,
    Date,
    Timestamp,
    Bytes,
    Text,
}

impl Type {
    /// By the server's name for it.
    pub(super) fn of(name: &str) -> Type {
        match name {
            "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "YEAR" | "TINYINT UNSIGNED" | "SMALLINT UNSIGNED"
            | "MEDIUMINT UNSIGNED" | "INT2" | "INT4" => Type::Int,
            "INT UNSIGNED" | "BIGINT" | "INT8" | "OID" | "INTEGER" => Type::Long,
            "FLOAT" | "DOUBLE" | "FLOAT4" | "FLOAT8" | "REAL" => Type::Double,
            "DECIMAL" | "BIGINT UNSIGNED" | "NUMERIC" => Type::Decimal,
            "BOOLEAN" | "BOOL" => Type::Boolean,
            "DATE" => Type::Date,
            "DATETIME" | "TIMESTAMP" | "TIMESTAMPTZ" => Type::Timestamp,
            "TINYBLOB" | "BLOB" | "MEDIUMBLOB" | "LONGBLOB" | "BINARY" | "VARBINARY" | "BIT" | "BYTEA" => Type::Bytes,
            _ => Type::Text,
        }
    }

    fn data_type(self) -> DataType {
        match self {
            Type::Int => DataType::Int32,
            Type::Long => DataType::Int64,
            Type::Double => DataType::Float64,
            Type::Decimal => DataType::Decimal128(PRECISION, SCALE),
            Type::Boolean => DataType::Boolean,
            Type::Date => DataType::Date32,
            Type::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Type::Bytes => DataType::Binary,
            Type::Text => DataType::Utf8,
        }
    }

    /// The column under its name.
    pub(super) fn field(self, name: &str) -> Field {
        Field::new(name, self.data_type(), true)
    }
}

/// A column that grows.
pub(super) enum Column {
    Int(Int32Builder),
    Long(Int64Builder),
    Double(Float64Builder),
    Decimal(Decimal128Builder),
    Boolean(BooleanBuilder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
    Bytes(BinaryBuilder),
    Text(StringBuilder),
}

/// A value that is not what its column was made for.
#[derive(Debug, thiserror::Error)]
#[error("the column `{column}` holds `{value}`, which is no {wanted}")]
pub(super) struct Misfit {
    column: String,
    value: String,
    wanted: &'static str,
}

impl Column {
    pub(super) fn new(of: Type) -> Column {
        match of {
            Type::Int => Column::Int(Int32Builder::new()),
            Type::Long => Column::Long(Int64Builder::new()),
            Type::Double => Column::Double(Float64Builder::new()),
            Type::Decimal => Column::Decimal(Decimal128Builder::new().with_data_type(of.data_type())),
            Type::Boolean => Column::Boolean(BooleanBuilder::new()),
            Type::Date => Column::Date(Date32Builder::new()),
            Type::Timestamp => Column::Timestamp(TimestampMicrosecondBuilder::new().with_data_type(of.data_type())),
            Type::Bytes => Column::Bytes(BinaryBuilder::new()),
            Type::Text => Column::Text(StringBuilder::new()),
        }
    }

    /// Appends a value. Days and instants that no calendar has, as MySQL's `0000-00-00`, are NULL.
    pub(super) fn push(&mut self, cell: Cell<'_>, name: &str) -> Result<(), Misfit> {
        let misfit = |wanted| Misfit { column: name.to_owned(), value: shown(cell), wanted };
        let text = || text_of(cell);
        match self {
            Column::Int(column) => column.append_option(number(cell).map_err(|()| misfit("integer"))?),
            Column::Long(column) => column.append_option(number(cell).map_err(|()| misfit("integer"))?),
            Column::Double(column) => column.append_option(double(cell).map_err(|()| misfit("number"))?),
            Column::Decimal(column) => column.append_option(decimal(cell).map_err(|()| misfit("decimal number"))?),
            Column::Boolean(column) => column.append_option(boolean(cell).map_err(|()| misfit("boolean"))?),
            Column::Date(column) => column.append_option(text().and_then(|text| text_to_date(&text))),
            Column::Timestamp(column) => column.append_option(match cell {
                // SQLite keeps instants as it is given them; numbers are seconds since 1970.
                Cell::Integer(seconds) => seconds.checked_mul(1_000_000),
                _ => text().and_then(|text| text_to_timestamp(&text)),
            }),
            Column::Bytes(column) => match cell {
                Cell::Null => column.append_null(),
                Cell::Written(bytes) => column.append_value(unescaped(bytes)),
                other => column.append_value(shown(other)),
            },
            Column::Text(column) => column.append_option(text()),
        }
        Ok(())
    }

    /// What grew; it begins anew.
    pub(super) fn finish(&mut self) -> ArrayRef {
        match self {
            Column::Int(column) => Arc::new(column.finish()),
            Column::Long(column) => Arc::new(column.finish()),
            Column::Double(column) => Arc::new(column.finish()),
            Column::Decimal(column) => Arc::new(column.finish()),
            Column::Boolean(column) => Arc::new(column.finish()),
            Column::Date(column) => Arc::new(column.finish()),
            Column::Timestamp(column) => Arc::new(column.finish()),
            Column::Bytes(column) => Arc::new(column.finish()),
            Column::Text(column) => Arc::new(column.finish()),
        }
    }
}

fn text_of(cell: Cell<'_>) -> Option<String> {
    match cell {
        Cell::Null => None,
        Cell::Written(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Cell::Integer(number) => Some(number.to_string()),
        Cell::Real(number) => Some(number.to_string()),
    }
}

fn shown(cell: Cell<'_>) -> String {
    text_of(cell).unwrap_or_default()
}

fn number<T: TryFrom<i64>>(cell: Cell<'_>) -> Result<Option<T>, ()> {
    let number = match cell {
        Cell::Null => return Ok(None),
        Cell::Integer(number) => number,
        Cell::Real(_) => return Err(()),
        Cell::Written(bytes) => std::str::from_utf8(bytes).map_err(drop)?.trim().parse().map_err(drop)?,
    };
    T::try_from(number).map(Some).map_err(drop)
}

#[expect(clippy::cast_precision_loss, reason = "an integer in a column of doubles is the nearest double")]
fn double(cell: Cell<'_>) -> Result<Option<f64>, ()> {
    match cell {
        Cell::Null => Ok(None),
        Cell::Integer(number) => Ok(Some(number as f64)),
        Cell::Real(number) => Ok(Some(number)),
        // Also `NaN` and `Infinity`.
        Cell::Written(bytes) => std::str::from_utf8(bytes).map_err(drop)?.trim().parse().map(Some).map_err(drop),
    }
}

fn decimal(cell: Cell<'_>) -> Result<Option<i128>, ()> {
    let Some(text) = text_of(cell) else { return Ok(None) };
    parse_decimal::<Decimal128Type>(text.trim(), PRECISION, SCALE).map(Some).map_err(drop)
}

fn boolean(cell: Cell<'_>) -> Result<Option<bool>, ()> {
    match cell {
        Cell::Null => Ok(None),
        Cell::Integer(number) => Ok(Some(number != 0)),
        Cell::Real(_) => Err(()),
        Cell::Written(bytes) => match bytes {
            b"t" | b"true" | b"1" => Ok(Some(true)),
            b"f" | b"false" | b"0" => Ok(Some(false)),
            // MySQL's TINYINT(1) holds any small number.
            other => Ok(Some(std::str::from_utf8(other).map_err(drop)?.parse::<i64>().map_err(drop)? != 0)),
        },
    }
}

/// Bytes as they are; Postgres writes them as `\x6869`.
fn unescaped(bytes: &[u8]) -> Vec<u8> {
    let digits = bytes.strip_prefix(b"\\x").filter(|digits| digits.len().is_multiple_of(2));
    let pairs = digits.and_then(|digits| {
        let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        digits.chunks(2).map(pair).collect::<Option<Vec<u8>>>()
    });
    pairs.unwrap_or_else(|| bytes.to_vec())
}
