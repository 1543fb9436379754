//! Columns that may hold nothing but NULLs, on their way into a table that knows their type.
//!
//! Of values that are all NULL, files tell no type: they are read as text. Such a column fits a table in which it is anything
//! else, also as a field of a struct, and so does a struct that lacks fields which the table's has. Whether a column of text
//! is one of those is seen when its rows come.

use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::{
    Array as _, ArrayRef, AsArray as _, ListArray, RecordBatch, RecordBatchOptions, StructArray, new_null_array,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::{DataFusionError, Result};
use scheduler::operator::TaskError;

use super::typed::Misfit;
use crate::passage::Passage;
use crate::spark::type_name;

/// Gives columns the types of a table.
pub struct Nulls {
    schema: SchemaRef,
    /// What does not fit after all.
    misfit: Mutex<Option<Misfit>>,
}

impl Nulls {
    /// For rows with the columns of `ours` and a table with those of `theirs`; none if there is no column that has to fit.
    pub fn between(ours: &Schema, theirs: &Schema) -> Option<Arc<Nulls>> {
        let mut is_needed = false;
        let fields = ours.fields().iter().map(|field| {
            let wanted = theirs.field_with_name(field.name()).ok().map(Field::data_type);
            match wanted.filter(|wanted| !is_same(field.data_type(), wanted) && may_fit(field.data_type(), wanted)) {
                Some(wanted) => {
                    is_needed = true;
                    Field::new(field.name(), wanted.clone(), true)
                }
                None => field.as_ref().clone(),
            }
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        is_needed.then(|| Arc::new(Nulls { schema, misfit: Mutex::default() }))
    }

    /// The columns of the rows behind.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Why the rows ended with an error, if it is that they do not fit.
    pub fn explain(&self, error: TaskError) -> TaskError {
        let misfit = self.misfit.lock().unwrap_or_else(PoisonError::into_inner).take();
        misfit.map_or(error, TaskError::fail)
    }
}

impl Passage for Nulls {
    fn pass(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let columns = self.schema.fields().iter().zip(batch.columns()).map(|(field, column)| {
            fitted(column, field.data_type()).ok_or_else(|| {
                let (column, ours) = (field.name().clone(), type_name(column.data_type()));
                let misfit = Misfit::Type { column, ours, theirs: type_name(field.data_type()) };
                let message = misfit.to_string();
                *self.misfit.lock().unwrap_or_else(PoisonError::into_inner) = Some(misfit);
                DataFusionError::Execution(message)
            })
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }

    async fn end(self: Arc<Self>) -> Result<()> {
        Ok(())
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Whether both are the same to people.
fn is_same(one: &DataType, other: &DataType) -> bool {
    type_name(one) == type_name(other)
}

/// Whether values may fit that have another type.
fn may_fit(ours: &DataType, theirs: &DataType) -> bool {
    match (ours, theirs) {
        (ours, theirs) if is_same(ours, theirs) => true,
        (ours, _) if is_text(ours) || *ours == DataType::Null => true,
        (DataType::List(ours), DataType::List(theirs)) => may_fit(ours.data_type(), theirs.data_type()),
        (DataType::Struct(ours), DataType::Struct(theirs)) => ours.iter().all(|field| {
            let wanted = theirs.iter().find(|wanted| wanted.name() == field.name());
            wanted.is_some_and(|wanted| may_fit(field.data_type(), wanted.data_type()))
        }),
        _ => false,
    }
}

/// The values with another type; none if there are some that do not fit it.
fn fitted(array: &ArrayRef, wanted: &DataType) -> Option<ArrayRef> {
    if array.data_type() == wanted {
        return Some(Arc::clone(array));
    }
    if array.logical_null_count() == array.len() {
        return Some(new_null_array(wanted, array.len()));
    }
    match (array.data_type(), wanted) {
        (DataType::List(_), DataType::List(field)) => {
            let list = array.as_list::<i32>();
            let values = fitted(list.values(), field.data_type())?;
            let fitted = ListArray::try_new(Arc::clone(field), list.offsets().clone(), values, list.nulls().cloned());
            fitted.ok().map(|list| Arc::new(list) as ArrayRef)
        }
        (DataType::Struct(_), DataType::Struct(fields)) => {
            let ours = array.as_struct();
            let column = |field: &Arc<Field>| match ours.column_by_name(field.name()) {
                Some(column) => fitted(column, field.data_type()),
                None => Some(new_null_array(field.data_type(), array.len())),
            };
            let columns = fields.iter().map(column).collect::<Option<Vec<_>>>()?;
            let fitted = StructArray::try_new(fields.clone(), columns, ours.nulls().cloned());
            fitted.ok().map(|fitted| Arc::new(fitted) as ArrayRef)
        }
        (ours, wanted) if is_same(ours, wanted) => cast(array, wanted).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Int64Array, StringArray};
    use datafusion::arrow::datatypes::Fields;

    use super::*;

    fn struct_of(columns: Vec<(&str, ArrayRef)>) -> ArrayRef {
        let fields: Fields =
            columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true)).collect();
        Arc::new(StructArray::new(fields, columns.into_iter().map(|(_, column)| column).collect(), None))
    }

    #[test]
    fn nothing_but_nulls_fits_wherever_it_stands() {
        let nothing = || Arc::new(StringArray::from(vec![None::<&str>, None])) as ArrayRef;
        let numbers = || Arc::new(Int64Array::from(vec![Some(1), None])) as ArrayRef;
        let texts = || Arc::new(StringArray::from(vec![Some("x"), None])) as ArrayRef;
        let wanted = struct_of(vec![("a", numbers()), ("b", numbers()), ("c", texts())]);

        let ours = struct_of(vec![("c", texts()), ("a", nothing())]);
        assert!(may_fit(ours.data_type(), wanted.data_type()));
        let expected = struct_of(vec![
            ("a", new_null_array(&DataType::Int64, 2)),
            ("b", new_null_array(&DataType::Int64, 2)),
            ("c", texts()),
        ]);
        assert_eq!(&fitted(&ours, wanted.data_type()).unwrap(), &expected);

        assert!(fitted(&struct_of(vec![("a", texts())]), wanted.data_type()).is_none());
        assert!(!may_fit(struct_of(vec![("z", nothing())]).data_type(), wanted.data_type()));
        assert!(!may_fit(&DataType::Int64, &DataType::Utf8));
    }
}
