//! Which rows of a table the rows of a merge can have to do with, as a condition that files are told apart by.
//!
//! A merge replaces the rows that have the keys of new ones, and rewrites the files that they are in. Files know the least and
//! the greatest value of each column; so of the new keys some ranges are kept, few enough for a condition, and as narrow as
//! possible. Every new key lies in one. A file without a row in a range is left alone, and not even read where its statistics
//! tell as much.

use std::collections::BTreeMap;

use datafusion::arrow::array::{Array as _, ArrayRef, AsArray as _};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::{Expr, lit};
use datafusion::prelude::ident;
use futures::StreamExt as _;
use scheduler::operator::TaskError;

/// Ranges in the condition on one column.
const RANGES_MAX: usize = 64;

/// Longer texts would make a long condition, which is part of the commit.
const TEXT_BYTES_MAX: usize = 256;

/// The condition that holds for every row with the keys of `rows`, and for few others. None when nothing can be said: of keys
/// whose types have no ranges, and of very long texts.
pub async fn condition(rows: DataFrame, keys: &[String]) -> Result<Option<Expr>, TaskError> {
    let rows = rows.select(keys.iter().map(ident).collect::<Vec<_>>()).map_err(TaskError::retry)?;
    let types: Vec<DataType> = rows.schema().fields().iter().map(|field| field.data_type().clone()).collect();
    let mut columns: Vec<Option<Ranges>> = types.iter().map(Ranges::of_type).collect();
    let mut batches = rows.execute_stream().await.map_err(TaskError::retry)?;
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(TaskError::retry)?;
        for (ranges, values) in columns.iter_mut().zip(batch.columns()) {
            if let Some(held) = ranges
                && !held.take(values).map_err(TaskError::retry)?
            {
                *ranges = None;
            }
        }
    }
    let mut conditions = Vec::new();
    for ((ranges, data_type), key) in columns.into_iter().zip(&types).zip(keys) {
        if let Some(ranges) = ranges {
            conditions.extend(ranges.condition(key, data_type).map_err(TaskError::retry)?);
        }
    }
    Ok(conditions.into_iter().reduce(Expr::and))
}

/// The ranges of the values of one column.
struct Ranges {
    spans: Spans,
    has_null: bool,
}

enum Spans {
    Numbers(BTreeMap<i64, i64>),
    Texts(BTreeMap<String, String>),
}

impl Ranges {
    fn of_type(data_type: &DataType) -> Option<Ranges> {
        use DataType::{Date32, Int8, Int16, Int32, Int64, LargeUtf8, Timestamp, Utf8, Utf8View};
        let spans = match data_type {
            Int8 | Int16 | Int32 | Int64 | Date32 | Timestamp(TimeUnit::Microsecond, _) => {
                Spans::Numbers(BTreeMap::new())
            }
            Utf8 | LargeUtf8 | Utf8View => Spans::Texts(BTreeMap::new()),
            _ => return None,
        };
        Some(Ranges { spans, has_null: false })
    }

    /// Makes the ranges hold these values as well. False when they cannot.
    fn take(&mut self, values: &ArrayRef) -> datafusion::arrow::error::Result<bool> {
        self.has_null |= values.null_count() > 0;
        match &mut self.spans {
            Spans::Numbers(spans) => {
                let values = cast(values, &DataType::Int64)?;
                for value in values.as_primitive::<Int64Type>().iter().flatten() {
                    hold(spans, value, |low, high| high.abs_diff(low).into());
                }
            }
            Spans::Texts(spans) => {
                let values = cast(values, &DataType::Utf8View)?;
                for value in values.as_string_view().iter().flatten() {
                    if value.len() > TEXT_BYTES_MAX {
                        return Ok(false);
                    }
                    hold(spans, value.to_owned(), |low, high| place(&high).abs_diff(place(&low)));
                }
            }
        }
        Ok(true)
    }

    /// The condition that a column holds a value in the ranges; none when there was no value at all.
    fn condition(self, column: &str, data_type: &DataType) -> datafusion::error::Result<Option<Expr>> {
        let spans: Vec<(ScalarValue, ScalarValue)> = match self.spans {
            Spans::Numbers(mut spans) => {
                merge_nearest(&mut spans, |low, high| high.abs_diff(low).into());
                spans.into_iter().map(|(low, high)| (low.into(), high.into())).collect()
            }
            Spans::Texts(mut spans) => {
                merge_nearest(&mut spans, |low, high| place(&high).abs_diff(place(&low)));
                spans.into_iter().map(|(low, high)| (low.into(), high.into())).collect()
            }
        };
        let mut conditions: Vec<Expr> = self.has_null.then(|| ident(column).is_null()).into_iter().collect();
        for (low, high) in spans {
            let (low, high) = (literal(&low, data_type)?, literal(&high, data_type)?);
            conditions.push(ident(column).gt_eq(low).and(ident(column).lt_eq(high)));
        }
        Ok(conditions.into_iter().reduce(Expr::or))
    }
}

/// A value as a literal of the column's type.
fn literal(value: &ScalarValue, data_type: &DataType) -> datafusion::error::Result<Expr> {
    // A number of days has 32 bits, and arrow makes no date of 64.
    let value = match data_type {
        DataType::Date32 => value.cast_to(&DataType::Int32)?,
        _ => value.clone(),
    };
    Ok(lit(value.cast_to(data_type)?))
}

/// Where a text lies among all: its first bytes as a number.
fn place(text: &str) -> u128 {
    let mut bytes = [0; 16];
    let held = text.len().min(16);
    bytes[..held].copy_from_slice(&text.as_bytes()[..held]);
    u128::from_be_bytes(bytes)
}

/// Makes the spans hold a value; when they become too many, the nearest ones are merged.
fn hold<V: Ord + Clone>(spans: &mut BTreeMap<V, V>, value: V, gap: impl Fn(V, V) -> u128) {
    let before = spans.range(..=&value).next_back();
    if before.is_some_and(|(_, high)| *high >= value) {
        return;
    }
    spans.insert(value.clone(), value);
    if spans.len() >= 2 * RANGES_MAX {
        merge_nearest(spans, gap);
    }
}

/// Merges neighbours until there are few enough, the nearest ones first.
fn merge_nearest<V: Ord + Clone>(spans: &mut BTreeMap<V, V>, gap: impl Fn(V, V) -> u128) {
    let ends: Vec<(V, V)> = std::mem::take(spans).into_iter().collect();
    let mut gaps: Vec<(u128, usize)> =
        ends.windows(2).enumerate().map(|(at, pair)| (gap(pair[0].1.clone(), pair[1].0.clone()), at + 1)).collect();
    gaps.sort_unstable_by(|left, right| right.cmp(left));
    let mut begins: Vec<usize> = gaps.into_iter().take(RANGES_MAX - 1).map(|(_, at)| at).chain([0]).collect();
    begins.sort_unstable();
    for (nth, begin) in begins.iter().enumerate() {
        let end = begins.get(nth + 1).copied().unwrap_or(ends.len());
        if let [(low, first_high), rest @ ..] = &ends[*begin..end] {
            let high = rest.last().map_or(first_high, |(_, high)| high);
            spans.insert(low.clone(), high.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{Int32Array, StringArray, TimestampMicrosecondArray};

    use super::*;

    fn shown(data_type: &DataType, batches: &[ArrayRef]) -> Option<String> {
        let mut ranges = Ranges::of_type(data_type)?;
        for batch in batches {
            if !ranges.take(batch).unwrap() {
                return None;
            }
        }
        ranges.condition("k", data_type).unwrap().map(|condition| condition.to_string())
    }

    #[test]
    fn few_keys_are_named_one_by_one() {
        let keys: ArrayRef = Arc::new(Int32Array::from(vec![Some(7), None, Some(-3), Some(7)]));
        assert_eq!(
            shown(&DataType::Int32, &[keys]).unwrap(),
            "k IS NULL OR k >= Int32(-3) AND k <= Int32(-3) OR k >= Int32(7) AND k <= Int32(7)"
        );
    }

    #[test]
    fn many_keys_leave_the_widest_gaps() {
        let days = (0..10_000).map(|second| second * 1_000_000).chain([9_000_000_000_000]);
        let keys = TimestampMicrosecondArray::from_iter_values(days).with_timezone("UTC");
        let data_type = keys.data_type().clone();
        let said = shown(&data_type, &[Arc::new(keys)]).unwrap();
        assert_eq!(said.matches(" OR ").count() + 1, RANGES_MAX);
        assert!(said.ends_with(
            "k >= TimestampMicrosecond(9000000000000, Some(\"UTC\")) AND k <= TimestampMicrosecond(9000000000000, Some(\"UTC\"))"
        ));
    }

    /// Whatever comes in which order: each key lies in a range, and the ranges are few.
    #[test]
    fn every_key_is_held() {
        let mut number: i64 = 1;
        let mut spans = BTreeMap::new();
        let mut keys = Vec::new();
        for _ in 0..5_000 {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            keys.push(number);
            hold(&mut spans, number, |low, high| high.abs_diff(low).into());
        }
        merge_nearest(&mut spans, |low, high| high.abs_diff(low).into());
        assert_eq!(spans.len(), RANGES_MAX);
        for key in keys {
            assert!(spans.range(..=key).next_back().is_some_and(|(_, high)| *high >= key), "{key}");
        }
    }

    #[test]
    fn texts_have_ranges_unless_they_are_long() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["b", "a"]));
        let said = shown(&DataType::Utf8, &[texts]).unwrap();
        assert_eq!(said, r#"k >= Utf8("a") AND k <= Utf8("a") OR k >= Utf8("b") AND k <= Utf8("b")"#);
        let long: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(300)]));
        assert_eq!(shown(&DataType::Utf8, &[long]), None);
        assert_eq!(shown(&DataType::Float64, &[]), None);
        assert_eq!(shown(&DataType::Utf8, &[]), None);
    }
}
