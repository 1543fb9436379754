//! `percentile_approx(column, percentage)`, without the approximation.
//!
//! Spark answers with one of the values, of the column's own type: the smallest one that at least `percentage` of the
//! rows do not exceed. Up to some 10,000 distinct values Spark is exact; beyond, it may be off by a ten-thousandth of
//! the ranks, depending on how the rows were partitioned. Here it is always exact.

use std::sync::Arc;

use datafusion::arrow::array::{Array as _, ArrayRef, ListArray};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::{SortOptions, concat, is_not_null, sort};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{ScalarValue, exec_err, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, Signature, Volatility};
use datafusion::physical_expr::expressions::Literal;

/// The aggregate.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct PercentileApprox {
    name: &'static str,
    signature: Signature,
}

impl PercentileApprox {
    /// Under both of Spark's names.
    pub fn all() -> Vec<PercentileApprox> {
        ["percentile_approx", "approx_percentile"]
            .into_iter()
            .map(|name| PercentileApprox { name, signature: Signature::variadic_any(Volatility::Immutable) })
            .collect()
    }
}

impl AggregateUDFImpl for PercentileApprox {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        let name = self.name;
        match arg_types {
            [column, percentage] | [column, percentage, _] => {
                if !percentage.is_numeric() {
                    return plan_err!("`{name}` takes one percentage between 0 and 1 as its second argument");
                }
                if column.is_numeric() || column.is_temporal() {
                    Ok(column.clone())
                } else {
                    plan_err!("`{name}` needs a column of numbers or times, not of {column}; cast it first")
                }
            }
            _ => plan_err!("`{name}` takes a column and a percentage between 0 and 1"),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let item = Field::new("item", args.return_field.data_type().clone(), true);
        Ok(vec![Arc::new(Field::new(format!("{}_values", args.name), DataType::List(Arc::new(item)), true))])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let literal = args.exprs.get(1).and_then(|expr| expr.downcast_ref::<Literal>());
        let share = match literal.map(|literal| literal.value().cast_to(&DataType::Float64)) {
            Some(Ok(ScalarValue::Float64(Some(share)))) if (0.0..=1.0).contains(&share) => share,
            _ => return exec_err!("the percentage of `{}` must be a number between 0 and 1", self.name),
        };
        Ok(Box::new(Values { share, data_type: args.return_type().clone(), arrays: Vec::new() }))
    }
}

/// All values seen so far, without NULLs.
#[derive(Debug)]
struct Values {
    share: f64,
    data_type: DataType,
    arrays: Vec<ArrayRef>,
}

impl Values {
    fn push(&mut self, array: &ArrayRef) -> Result<()> {
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
        use datafusion::arrow::array::AsArray as _;
        for part in states[0].as_list::<i32>().iter().flatten() {
            self.push(&part)?;
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values = self.joined()?;
        let item = Arc::new(Field::new("item", self.data_type.clone(), true));
        let list = ListArray::new(item, OffsetBuffer::from_lengths([values.len()]), values, None);
        Ok(vec![ScalarValue::List(Arc::new(list))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let values = self.joined()?;
        if values.is_empty() {
            return ScalarValue::try_from(&self.data_type);
        }
        let sorted = sort(&values, Some(SortOptions { descending: false, nulls_first: true }))?;
        ScalarValue::try_from_array(&sorted, rank(sorted.len(), self.share))
    }

    fn size(&self) -> usize {
        size_of_val(self)
            + self.arrays.iter().map(datafusion::arrow::array::Array::get_array_memory_size).sum::<usize>()
    }
}

/// The index, counted from 0, of the smallest value that at least `share` of `length` sorted values do not exceed.
#[expect(clippy::cast_precision_loss, reason = "ranks are far below 2^52")]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and length")]
fn rank(length: usize, share: f64) -> usize {
    let ceiling = (length as f64 * share).ceil() as usize;
    ceiling.clamp(1, length) - 1
}
