//! Functions of arrays and maps.

use std::sync::Arc;

use datafusion::arrow::array::{Array as _, ArrayRef, AsArray as _, Int64Array, StringArray};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::exec_err;
use datafusion::error::Result;

use super::array::text_array;
use super::scalar::{Scalar, text, text_type, whole};

/// All of them.
pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new("element_at", 2..=2, element_type, element_at),
        Scalar::new("concat", 1..=usize::MAX, text_type, concat),
    ]
}

fn element_type(args: &[DataType]) -> DataType {
    match args.first() {
        Some(DataType::List(item)) => item.data_type().clone(),
        Some(DataType::Map(entries, _)) => match entries.data_type() {
            DataType::Struct(fields) if fields.len() == 2 => fields[1].data_type().clone(),
            _ => DataType::Null,
        },
        _ => DataType::Null,
    }
}

/// `element_at(array, n)`, counted from 1, or from the end when it is negative; `element_at(map, key)`.
fn element_at(args: &[ArrayRef]) -> Result<ArrayRef> {
    match args[0].data_type() {
        DataType::List(_) => {
            let (lists, indices) = (args[0].as_list::<i32>(), whole(args, 1)?);
            let offsets = lists.value_offsets();
            let found = indices.iter().enumerate().map(|(row, index)| {
                let (start, end) = (i64::from(offsets[row]), i64::from(offsets[row + 1]));
                let at = match index? {
                    index @ 1.. => start + index - 1,
                    index => end + index,
                };
                (!lists.is_null(row) && index != Some(0) && (start..end).contains(&at)).then_some(at)
            });
            Ok(take(lists.values(), &found.collect::<Int64Array>(), None)?)
        }
        DataType::Map(..) => {
            let (maps, wanted) = (args[0].as_map(), text(args, 1)?);
            let (keys, offsets) = (text_array(maps.keys())?, maps.value_offsets());
            let found = wanted.iter().enumerate().map(|(row, wanted)| {
                let (start, end) = (usize::try_from(offsets[row]).ok()?, usize::try_from(offsets[row + 1]).ok()?);
                let wanted = wanted.filter(|_| !maps.is_null(row))?;
                (start..end).find(|at| keys.value(*at) == wanted).and_then(|at| i64::try_from(at).ok())
            });
            Ok(take(maps.values(), &found.collect::<Int64Array>(), None)?)
        }
        other => exec_err!("`element_at` takes an array or a map, not {other}"),
    }
}

/// `concat(a, b, …)`: NULL if any of them is.
fn concat(args: &[ArrayRef]) -> Result<ArrayRef> {
    if args.iter().any(|array| array.data_type().is_nested()) {
        return exec_err!("`concat` takes texts; arrays are joined by `array_concat`");
    }
    let texts = (0..args.len()).map(|at| text(args, at)).collect::<Result<Vec<_>>>()?;
    let joined = (0..args[0].len()).map(|row| {
        let parts = texts.iter().map(|text| (!text.is_null(row)).then(|| text.value(row)));
        parts.collect::<Option<String>>()
    });
    Ok(Arc::new(joined.collect::<StringArray>()))
}
