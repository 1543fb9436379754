//! The columns that a task wants, whatever the files have: `schema:` of the input, and the columns of a table that keeps its
//! own.

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::{Expr, lit};
use datafusion::prelude::ident;
use deltalake::kernel::StructType;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel as _;

use super::args::{ColumnTypes, ExtraColumns, SchemaChange};
use super::compile::{Change, OutputColumn};
use crate::columns::list;
use crate::json::CORRUPT_RECORD;
use crate::spark::{SparkFunction, type_name};

/// The columns of `types` from those of `schema`: cast, or NULL where there is none.
pub fn of_schema(types: &ColumnTypes, extra: ExtraColumns, schema: &Schema) -> Vec<OutputColumn> {
    let column = |name: &str| Expr::Column(Column::new_unqualified(name));
    let wanted = types.0.iter().map(|(name, target)| {
        let (expr, change) = match schema.field_with_name(name) {
            Ok(field) if field.data_type() == &target.data_type() => (column(name), None),
            // A value of another shape is of a wrong type as well.
            Ok(field) if field.data_type().is_nested() && target.data_type() != DataType::Utf8 => {
                (null(&target.data_type()), Some((Change::BecameNull, name.clone())))
            }
            Ok(_) => (SparkFunction::cast(column(name), *target), Some((Change::BecameNull, name.clone()))),
            Err(_) => (null(&target.data_type()), None),
        };
        OutputColumn { name: name.clone(), expr, change }
    });
    let is_extra = |name: &str| !types.0.iter().any(|(wanted, _)| wanted == name);
    let extra = schema.fields().iter().map(|field| field.name().as_str()).filter(|name| match extra {
        ExtraColumns::Keep => is_extra(name),
        // What was malformed is a row of NULLs, and its text is no column of the data.
        ExtraColumns::Drop => false,
    });
    let extra = extra.filter(|name| *name != CORRUPT_RECORD);
    wanted.chain(extra.map(|name| OutputColumn { name: name.to_owned(), expr: column(name), change: None })).collect()
}

fn null(data_type: &DataType) -> Expr {
    lit(ScalarValue::try_from(data_type).unwrap_or(ScalarValue::Null))
}

/// Why rows do not fit a table.
#[derive(Debug, thiserror::Error)]
pub enum Misfit {
    /// A column has two types.
    #[error(
        "the column `{column}` holds {ours} in the rows and {theirs} in the table; add a rule that casts it, or write the table \
         anew with `mode: overwrite`"
    )]
    Type {
        /// The column.
        column: String,
        /// In the rows.
        ours: String,
        /// In the table.
        theirs: String,
    },
    /// The table would get other columns.
    #[error("the rows have the columns {ours} and the table {theirs}; `schema_change: refuse` keeps it as it is")]
    Columns {
        /// Of the rows.
        ours: String,
        /// Of the table.
        theirs: String,
    },
    /// A type that Delta does not have.
    #[error("Delta has no type for these columns: {0}")]
    NoType(String),
}

/// The columns of a table after rows with those of `ours` are put into it, with the expressions that make each from the
/// rows and from the table.
pub fn fit(ours: &Schema, theirs: &Schema, change: SchemaChange) -> Result<Vec<(String, Expr, Expr)>, Misfit> {
    let types = |schema: &Schema| -> Result<StructType, Misfit> {
        schema.try_into_kernel().map_err(|error: deltalake::arrow::error::ArrowError| Misfit::NoType(error.to_string()))
    };
    let (our_types, their_types) = (types(ours)?, types(theirs)?);
    if change == SchemaChange::Refuse {
        let names = |schema: &Schema| {
            let mut names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
            names.sort();
            names
        };
        if names(ours) != names(theirs) {
            let listed = |schema: &Schema| list(schema.fields().iter().map(|field| field.name().as_str()));
            return Err(Misfit::Columns { ours: listed(ours), theirs: listed(theirs) });
        }
    }
    let mut columns = Vec::new();
    for field in theirs.fields() {
        let name = field.name();
        let from_ours = match (our_types.field(name), their_types.field(name)) {
            (Some(mine), Some(existing)) if mine.data_type() != existing.data_type() => {
                let ours = ours.field_with_name(name).map(|field| type_name(field.data_type())).unwrap_or_default();
                let theirs = type_name(field.data_type());
                return Err(Misfit::Type { column: name.clone(), ours, theirs });
            }
            (Some(_), _) => ident(name),
            (None, _) => null(field.data_type()).alias(name),
        };
        columns.push((name.clone(), from_ours, ident(name)));
    }
    for field in ours.fields().iter().filter(|field| theirs.column_with_name(field.name()).is_none()) {
        let name = field.name();
        columns.push((name.clone(), ident(name), null(field.data_type()).alias(name)));
    }
    Ok(columns)
}
