//! Rows of a database, gathered to batches.

use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;

use super::columns::{Column, Type};
use super::row::AnyRow;

/// Rows in a batch.
const BATCH_ROWS: usize = 8192;

/// Rows on their way into a batch.
pub(crate) struct Gathering {
    schema: SchemaRef,
    columns: Vec<Column>,
    rows: usize,
}

impl Gathering {
    /// For rows with columns of those names, each with the server's name for its type.
    pub(crate) fn new(columns: &[(String, String)]) -> Gathering {
        let types: Vec<Type> = columns.iter().map(|(_, name)| Type::of(name)).collect();
        let fields: Vec<_> = columns.iter().zip(&types).map(|((name, _), of)| of.field(name)).collect();
        let columns = types.into_iter().map(Column::new).collect();
        Gathering { schema: Arc::new(Schema::new(fields)), columns, rows: 0 }
    }

    /// For rows like this one.
    pub(crate) fn like(row: AnyRow<'_>) -> Result<Gathering, sqlx::Error> {
        let columns: Result<Vec<_>, _> =
            (0..row.width()).map(|index| Ok((row.name(index).to_owned(), row.column_type(index)?))).collect();
        columns.map(|columns| Gathering::new(&columns))
    }

    /// What the batches are like.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Takes a row; says whether there are enough for a batch.
    pub(crate) fn push(&mut self, row: AnyRow<'_>) -> Result<bool, sqlx::Error> {
        for (index, column) in self.columns.iter_mut().enumerate() {
            let name = self.schema.field(index).name();
            column.push(row.cell(index)?, name).map_err(|misfit| sqlx::Error::Decode(misfit.into()))?;
        }
        self.rows += 1;
        Ok(self.rows == BATCH_ROWS)
    }

    /// The rows so far.
    pub(crate) fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        let arrays = self.columns.iter_mut().map(Column::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(std::mem::take(&mut self.rows)));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
    }
}
