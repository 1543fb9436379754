//! Puts parts together whose columns may differ.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::dataframe::DataFrame;
use datafusion::functions::core::expr_fn::nullif;
use datafusion::logical_expr::{Expr, cast, lit};
use datafusion::prelude::{SessionContext, ident};
use scheduler::log::TaskLog;

use super::chain;
use crate::engine::parallelism;
use crate::spark::{SparkFunction, Target, type_name};

/// Digits of the longest integer.
const INTEGER_DIGITS: i16 = 20;

/// Rows of one schema.
pub struct Part {
    /// The first of its files, for people.
    pub name: String,
    /// How many files it has.
    pub files: usize,
    /// The rows.
    pub provider: Arc<dyn TableProvider>,
    /// Other names for its columns.
    pub names: Option<Vec<String>>,
    /// The text that stands for NULL in its columns of text.
    pub null: Option<String>,
    /// Columns with the same value in all its rows.
    pub values: Vec<(String, ScalarValue)>,
    /// What can be looked at for how long its rows are; nothing of documents, which say so themselves.
    pub sample: Option<Sample>,
}

/// Some of the rows of a part.
pub struct Sample {
    pub provider: Arc<dyn TableProvider>,
    pub disk_bytes: u64,
}

impl Part {
    /// Its columns, and how each is made from those of the provider.
    fn columns(&self) -> Vec<(String, DataType, Expr)> {
        let schema = self.provider.schema();
        let own = schema.fields().iter().enumerate().map(|(at, field)| {
            let name = self.names.as_ref().and_then(|names| names.get(at)).unwrap_or(field.name());
            let value = match &self.null {
                Some(null) if is_text(field.data_type()) => nullif(ident(field.name()), lit(null.as_str())),
                _ => ident(field.name()),
            };
            (name.clone(), field.data_type().clone(), value)
        });
        // As in Spark, a folder has the last word on a column that is in the files too.
        let own = own.filter(|(name, _, _)| !self.values.iter().any(|(other, _)| other == name));
        let values = self.values.iter().map(|(name, value)| (name.clone(), value.data_type(), lit(value.clone())));
        own.chain(values).collect()
    }
}

/// The rows of all parts.
pub async fn rows(
    parts: Vec<Part>,
    session: &SessionContext,
    in_order: bool,
    log: &TaskLog,
) -> anyhow::Result<DataFrame> {
    if let [part] = parts.as_slice()
        && part.names.is_none()
        && part.null.is_none()
        && part.values.is_empty()
    {
        return Ok(session.read_table(Arc::clone(&part.provider))?);
    }
    let columns: Vec<_> = parts.iter().map(Part::columns).collect();
    let schema = merged(&parts, &columns, log);
    let mut plans = Vec::with_capacity(parts.len());
    for (part, columns) in parts.iter().zip(&columns) {
        let exprs: Vec<Expr> = schema.fields().iter().map(|field| expr(field, columns)).collect();
        let frame = session.read_table(Arc::clone(&part.provider))?.select(exprs)?;
        plans.push(frame.create_physical_plan().await?);
    }
    let width = if in_order { 1 } else { parallelism() };
    Ok(session.read_table(Arc::new(chain::table(&plans, &schema, width)?))?)
}

/// A column of the whole from the columns of a part.
fn expr(field: &Field, columns: &[(String, DataType, Expr)]) -> Expr {
    let wanted = field.data_type();
    let expr = match columns.iter().find(|(name, _, _)| name == field.name()) {
        None => lit(ScalarValue::try_from(wanted).unwrap_or(ScalarValue::Null)),
        Some((_, data_type, expr)) if data_type == wanted => expr.clone(),
        Some((_, _, expr)) if *wanted == DataType::Utf8 => SparkFunction::cast(expr.clone(), Target::String),
        Some((_, _, expr)) => cast(expr.clone(), wanted.clone()),
    };
    expr.alias(field.name())
}

/// The columns of all parts: in the order in which they are met, of types that hold the values of all.
fn merged(parts: &[Part], columns: &[Vec<(String, DataType, Expr)>], log: &TaskLog) -> SchemaRef {
    let mut fields: Vec<Field> = Vec::new();
    for (name, data_type, _) in columns.iter().flatten() {
        match fields.iter_mut().find(|field| field.name() == name) {
            None => fields.push(Field::new(name, data_type.clone(), true)),
            Some(field) => {
                let wide = wider(field.data_type(), data_type);
                *field = Field::new(name, wide, true);
            }
        }
    }
    for field in &fields {
        let of = |columns: &[(String, DataType, Expr)]| {
            columns.iter().find(|(name, _, _)| name == field.name()).map(|(_, data_type, _)| data_type.clone())
        };
        let found: Vec<Option<DataType>> = columns.iter().map(|columns| of(columns)).collect();
        let missing: usize = parts.iter().zip(&found).filter(|(_, found)| found.is_none()).map(|(p, _)| p.files).sum();
        if let Some((part, _)) = parts.iter().zip(&found).find(|(_, found)| found.is_none()) {
            let files = if missing == 1 { "1 file".to_owned() } else { format!("{missing} files") };
            log.warning(format_args!(
                "the column `{}` is NULL for {files} without it, such as {}",
                field.name(),
                part.name
            ));
        }
        let mut types: Vec<(&DataType, &Part)> = Vec::new();
        for (part, found) in parts.iter().zip(&found) {
            if let Some(found) = found
                && !types.iter().any(|(other, _)| same(other, found))
            {
                types.push((found, part));
            }
        }
        if let [(first, one), (second, other), ..] = types.as_slice() {
            let (name, read) = (field.name(), type_name(field.data_type()));
            let (first, second) = (type_name(first), type_name(second));
            let (one, other) = (&one.name, &other.name);
            log.warning(format_args!(
                "the column `{name}` is {first} in {one} and {second} in {other}; it is read as {read}"
            ));
        }
    }
    Arc::new(Schema::new(fields))
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn same(one: &DataType, other: &DataType) -> bool {
    one == other || (is_text(one) && is_text(other))
}

/// A type that holds the values of both, if it is for numbers; else text.
fn wider(one: &DataType, other: &DataType) -> DataType {
    if one == other {
        return one.clone();
    }
    match (one, other) {
        (DataType::Null, known) | (known, DataType::Null) => known.clone(),
        (one, other) if one.is_integer() && other.is_integer() => DataType::Int64,
        (one, other) if (one.is_integer() || one.is_floating()) && (other.is_integer() || other.is_floating()) => {
            DataType::Float64
        }
        (DataType::Decimal128(..), other) if other.is_floating() => DataType::Float64,
        (other, DataType::Decimal128(..)) if other.is_floating() => DataType::Float64,
        (DataType::Timestamp(..) | DataType::Date32, DataType::Timestamp(..) | DataType::Date32) => {
            Target::Timestamp.data_type()
        }
        (one, other) => match (digits(one), digits(other)) {
            (Some((whole, part)), Some((other_whole, other_part))) => {
                let part = part.max(other_part);
                let digits = whole.max(other_whole) + part;
                match (u8::try_from(digits), i8::try_from(part)) {
                    (Ok(digits), Ok(part)) if digits <= DECIMAL128_MAX_PRECISION => DataType::Decimal128(digits, part),
                    // Digits that have no room would be an error, or lost.
                    _ => DataType::Utf8,
                }
            }
            _ => DataType::Utf8,
        },
    }
}

/// Digits of a decimal number before its point and behind it, also of an integer; none of anything else.
fn digits(data_type: &DataType) -> Option<(i16, i16)> {
    match data_type {
        DataType::Decimal128(digits, part) => Some((i16::from(*digits) - i16::from(*part), i16::from(*part))),
        other if other.is_integer() => Some((INTEGER_DIGITS, 0)),
        _ => None,
    }
}
