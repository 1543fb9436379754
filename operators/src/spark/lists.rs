//! Functions of arrays and maps.

use std::sync::Arc;

use datafusion::arrow::array::{Array as _, ArrayRef, AsArray as _, Int64Array, ListArray, StringArray};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::{cast, take};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::exec_err;
use datafusion::error::Result;

use super::array::{MICROS_PER_DAY, Target, cast_array, text_array};
use super::scalar::{Scalar, micros, text, text_type, whole};

/// All of them.
pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new("element_at", 2..=2, element_type, element_at),
        Scalar::new("concat", 1..=usize::MAX, text_type, concat),
        Scalar::new("sequence", 2..=2, sequence_type, sequence),
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

/// What counts from one to the other: days, instants, or whole numbers.
fn counted_type(args: &[DataType]) -> DataType {
    let is_instant = |each: &DataType| matches!(each, DataType::Timestamp(..));
    let is_day = |each: &DataType| matches!(each, DataType::Date32 | DataType::Date64);
    match args {
        args if args.iter().any(is_instant) => Target::Timestamp.data_type(),
        args if args.iter().any(is_day) => Target::Date.data_type(),
        _ => Target::Bigint.data_type(),
    }
}

fn sequence_type(args: &[DataType]) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(counted_type(args), true)))
}

/// `sequence(from, to)`: up or down, by one or by a day, as far as it goes. With a step it is DataFusion's `generate_series`.
fn sequence(args: &[ArrayRef]) -> Result<ArrayRef> {
    let types = [args[0].data_type().clone(), args[1].data_type().clone()];
    let counted = counted_type(&types);
    let numbers = |at: usize| match counted {
        DataType::Timestamp(..) => micros(args, at),
        DataType::Date32 => whole(&[cast(&cast_array(&args[at], Target::Date)?, &DataType::Int32)?], 0),
        _ => whole(args, at),
    };
    let (from, to) = (numbers(0)?, numbers(1)?);
    let step = if matches!(counted, DataType::Timestamp(..)) { MICROS_PER_DAY } else { 1 };
    let (mut values, mut lengths) = (Vec::new(), Vec::with_capacity(from.len()));
    for (from, to) in from.iter().zip(&to) {
        let (Some(from), Some(to)) = (from, to) else {
            lengths.push(0);
            continue;
        };
        let length = usize::try_from(from.abs_diff(to) / step.unsigned_abs()).unwrap_or(usize::MAX).saturating_add(1);
        if values.len().saturating_add(length) > i32::MAX as usize {
            return exec_err!("`sequence({from}, {to})` has more items than fit into a column of arrays");
        }
        let step = if from <= to { step } else { -step };
        values.extend(std::iter::successors(Some(from), |last| last.checked_add(step)).take(length));
        lengths.push(length);
    }
    let values = Int64Array::from(values);
    let values = match counted {
        DataType::Date32 => cast(&cast(&values, &DataType::Int32)?, &counted)?,
        _ => cast(&values, &counted)?,
    };
    let known = NullBuffer::union(from.nulls(), to.nulls());
    let field = Arc::new(Field::new_list_field(counted, true));
    Ok(Arc::new(ListArray::try_new(field, OffsetBuffer::from_lengths(lengths), values, known)?))
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
