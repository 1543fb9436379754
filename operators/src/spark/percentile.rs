//! Percentiles: `percentile_approx(column, percentage)`, without the approximation, and those that have none in Spark.
//!
//! Spark answers with one of the values, of the column's own type: the smallest one that at least `percentage` of the
//! rows do not exceed. Up to some 10,000 distinct values Spark is exact; beyond, it may be off by a ten-thousandth of
//! the ranks, depending on how the rows were partitioned. Here it is always exact.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array as _, ArrayRef, ArrowNativeTypeOp as _, ArrowPrimitiveType, AsArray as _, ListArray, PrimitiveArray,
    downcast_primitive_array,
};
use datafusion::arrow::buffer::{OffsetBuffer, ScalarBuffer};
use datafusion::arrow::compute::{SortOptions, cast, concat, is_not_null, sort};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::common::{ScalarValue, exec_err, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, Signature, Volatility};
use datafusion::physical_expr::expressions::Literal;

use super::array::type_name;

/// Which number stands for a share of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Method {
    /// One of the values, of the column's own type.
    Approx,
    /// One of the values, as a double.
    Discrete,
    /// Between two values, when the share falls between them.
    Interpolated,
}

/// The aggregate.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Percentile {
    name: &'static str,
    method: Method,
    signature: Signature,
}

impl Percentile {
    /// `percentile_approx`, its other name, and those that are exact also in Spark.
    pub fn all() -> Vec<Percentile> {
        [
            ("percentile_approx", Method::Approx),
            ("approx_percentile", Method::Approx),
            ("percentile_disc", Method::Discrete),
            ("percentile", Method::Interpolated),
            ("median", Method::Interpolated),
        ]
        .into_iter()
        .map(|(name, method)| Percentile { name, method, signature: Signature::variadic_any(Volatility::Immutable) })
        .collect()
    }

    /// The type of one answer.
    fn value_type(&self, column: &DataType) -> DataType {
        match self.method {
            Method::Approx => column.clone(),
            Method::Discrete | Method::Interpolated => DataType::Float64,
        }
    }

    /// The shares that are asked for, and whether they came as an array.
    fn shares(&self, args: &AccumulatorArgs) -> Result<(Vec<f64>, bool)> {
        let Some(share) = args.exprs.get(1) else { return Ok((vec![0.5], false)) };
        let literal = share.downcast_ref::<Literal>().map(Literal::value);
        let (shares, is_list) = match literal {
            Some(ScalarValue::List(list)) => (list.value(0), true),
            Some(value) => (value.to_array()?, false),
            None => return exec_err!("the percentage of `{}` must be a number, not a column", self.name),
        };
        let shares: Vec<f64> =
            cast(&shares, &DataType::Float64)?.as_primitive::<Float64Type>().iter().flatten().collect();
        if shares.is_empty() || !shares.iter().all(|share| (0.0..=1.0).contains(share)) {
            return exec_err!("the percentage of `{}` must be a number between 0 and 1", self.name);
        }
        Ok((shares, is_list))
    }
}

impl AggregateUDFImpl for Percentile {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        let name = self.name;
        let (column, share) = match arg_types {
            [column] if name == "median" => (column, None),
            [column, share] if name != "median" => (column, Some(share)),
            // How exact it has to be. Elsewhere the third would be how often each value counts.
            [column, share, _] if self.method == Method::Approx => (column, Some(share)),
            _ if name == "median" => return plan_err!("`{name}` takes a column"),
            _ => return plan_err!("`{name}` takes a column and a percentage between 0 and 1"),
        };
        let is_list = matches!(share, Some(DataType::List(_)));
        if share.is_some_and(|share| !share.is_numeric() && !is_list) {
            return plan_err!("`{name}` takes one percentage between 0 and 1 as its second argument");
        }
        if !(column.is_numeric() || column.is_temporal() || *column == DataType::Null) {
            return plan_err!(
                "`{name}` needs a column of numbers or times, not of {}; cast it first",
                type_name(column)
            );
        }
        let value = self.value_type(column);
        Ok(if is_list { DataType::List(Arc::new(Field::new_list_field(value, true))) } else { value })
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let value = match args.return_field.data_type() {
            DataType::List(item) => item.data_type().clone(),
            other => other.clone(),
        };
        let item = Field::new_list_field(value, true);
        Ok(vec![Arc::new(Field::new(format!("{}_values", args.name), DataType::List(Arc::new(item)), true))])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let (shares, is_list) = self.shares(&args)?;
        let data_type = match args.return_type() {
            DataType::List(item) => item.data_type().clone(),
            other => other.clone(),
        };
        Ok(Box::new(Values { shares, is_list, method: self.method, data_type, arrays: Vec::new() }))
    }
}

/// All values seen so far, without NULLs.
#[derive(Debug)]
struct Values {
    shares: Vec<f64>,
    is_list: bool,
    method: Method,
    data_type: DataType,
    arrays: Vec<ArrayRef>,
}

impl Values {
    fn push(&mut self, array: &ArrayRef) -> Result<()> {
        let array = if array.data_type() == &self.data_type { array } else { &cast(array, &self.data_type)? };
        let present = if array.null_count() == 0 {
            Arc::clone(array)
        } else {
            datafusion::arrow::compute::filter(array, &is_not_null(array)?)?
        };
        if !present.is_empty() {
            self.arrays.push(present);
        }
        // Groups receive many small slices; a list of thousands of arrays costs more than copying them now and then.
        if self.arrays.len() >= 64 {
            self.arrays = vec![self.joined()?];
        }
        Ok(())
    }

    /// What stands for a share of the values.
    fn answer(&self, values: &ArrayRef, share: f64) -> Result<ScalarValue> {
        match self.method {
            Method::Approx | Method::Discrete => nth(values, rank(values.len(), share)),
            Method::Interpolated => {
                let mut numbers = values.as_primitive::<Float64Type>().values().to_vec();
                Ok(ScalarValue::Float64(Some(interpolated(&mut numbers, share))))
            }
        }
    }

    fn joined(&self) -> Result<ArrayRef> {
        if self.arrays.is_empty() {
            return Ok(datafusion::arrow::array::new_empty_array(&self.data_type));
        }
        let arrays: Vec<_> = self.arrays.iter().map(AsRef::as_ref).collect();
        Ok(concat(&arrays)?)
    }
}

impl Accumulator for Values {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.push(&values[0])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for part in states[0].as_list::<i32>().iter().flatten() {
            self.push(&part)?;
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values = self.joined()?;
        Ok(vec![list_of(values)])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let values = self.joined()?;
        if values.is_empty() {
            let item = Field::new_list_field(self.data_type.clone(), true);
            let answer = if self.is_list { DataType::List(Arc::new(item)) } else { self.data_type.clone() };
            return ScalarValue::try_from(&answer);
        }
        let answers = self.shares.iter().map(|share| self.answer(&values, *share));
        let answers = answers.collect::<Result<Vec<_>>>()?;
        match answers.first() {
            Some(answer) if !self.is_list => Ok(answer.clone()),
            _ => Ok(list_of(ScalarValue::iter_to_array(answers)?)),
        }
    }

    fn size(&self) -> usize {
        size_of_val(self)
            + self.arrays.iter().map(datafusion::arrow::array::Array::get_array_memory_size).sum::<usize>()
    }
}

/// One list of all values.
fn list_of(values: ArrayRef) -> ScalarValue {
    let item = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    ScalarValue::List(Arc::new(ListArray::new(item, OffsetBuffer::from_lengths([values.len()]), values, None)))
}

/// The value that would stand at `rank` if they were sorted. Finding it takes less time than sorting all of them.
fn nth(values: &ArrayRef, rank: usize) -> Result<ScalarValue> {
    let one = downcast_primitive_array!(
        values => nth_primitive(values, rank),
        _ => sort(values, Some(SortOptions { descending: false, nulls_first: true }))?.slice(rank, 1)
    );
    ScalarValue::try_from_array(&one, 0)
}

fn nth_primitive<T: ArrowPrimitiveType>(values: &PrimitiveArray<T>, rank: usize) -> ArrayRef {
    let mut natives = values.values().to_vec();
    let (_, nth, _) = natives.select_nth_unstable_by(rank, |one, other| one.compare(*other));
    let one = PrimitiveArray::<T>::new(ScalarBuffer::from(vec![*nth]), None);
    Arc::new(one.with_data_type(values.data_type().clone()))
}

/// The value at a share of the way from the first to the last of the values, of which there is at least one. They are left
/// in another order.
#[expect(clippy::cast_precision_loss, reason = "ranks are far below 2^52")]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and length")]
fn interpolated(values: &mut [f64], share: f64) -> f64 {
    let at = (values.len() - 1) as f64 * share;
    let (_, lower, above) = values.select_nth_unstable_by(at.floor() as usize, f64::total_cmp);
    let lower = *lower;
    let upper = if at.ceil() > at { above.iter().copied().min_by(f64::total_cmp).unwrap_or(lower) } else { lower };
    if lower.total_cmp(&upper).is_eq() { lower } else { (at.ceil() - at) * lower + (at - at.floor()) * upper }
}

/// The index, counted from 0, of the smallest value that at least `share` of `length` sorted values do not exceed.
#[expect(clippy::cast_precision_loss, reason = "ranks are far below 2^52")]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and length")]
fn rank(length: usize, share: f64) -> usize {
    let ceiling = (length as f64 * share).ceil() as usize;
    ceiling.clamp(1, length) - 1
}
