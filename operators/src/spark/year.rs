//! `YEAR(date)`.

use std::sync::Arc;

use chrono::{Datelike as _, NaiveDate};
use datafusion::arrow::array::Int32Array;
use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::array::days;

/// A part of a date, as an integer of 32 bits.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct DatePart {
    name: &'static str,
    part: Part,
    signature: Signature,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Part {
    Year,
    Month,
    Day,
}

impl DatePart {
    /// `year`, `month`, `day` and `dayofmonth`.
    pub fn all() -> Vec<DatePart> {
        let parts = [("year", Part::Year), ("month", Part::Month), ("day", Part::Day), ("dayofmonth", Part::Day)];
        parts
            .into_iter()
            .map(|(name, part)| DatePart { name, part, signature: Signature::any(1, Volatility::Immutable) })
            .collect()
    }
}

impl ScalarUDFImpl for DatePart {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int32)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let part = self.part;
        let parts: Int32Array = days(&arrays[0])?
            .iter()
            .map(|day| day.and_then(NaiveDate::from_epoch_days).map(|date| part.of(date)))
            .collect();
        Ok(ColumnarValue::Array(Arc::new(parts)))
    }
}

impl Part {
    fn of(self, date: NaiveDate) -> i32 {
        match self {
            Part::Year => date.year(),
            Part::Month => date.month().cast_signed(),
            Part::Day => date.day().cast_signed(),
        }
    }
}
