//! Functions of numbers, where Spark's answers are not those of the usual libraries.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray as _, Decimal128Array, Float64Array, Int64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Float64Type};
use datafusion::error::Result;

use super::array::{Target, cast_array};
use super::scalar::{Scalar, long_type, whole, whole_or};

/// All of them.
pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new("round", 1..=2, rounded_type, round),
        Scalar::new("sqrt", 1..=1, double_type, |args| of_double(args, |number| Some(number.sqrt()))),
        Scalar::new("ln", 1..=1, double_type, |args| of_double(args, |number| positive(number).map(f64::ln))),
        Scalar::new("log2", 1..=1, double_type, |args| of_double(args, |number| positive(number).map(f64::log2))),
        Scalar::new("log10", 1..=1, double_type, |args| of_double(args, |number| positive(number).map(f64::log10))),
        Scalar::new("log", 1..=2, double_type, log),
        Scalar::new("factorial", 1..=1, long_type, factorial),
    ]
}

fn double_type(_: &[DataType]) -> DataType {
    DataType::Float64
}

fn doubles(args: &[ArrayRef], at: usize) -> Result<Float64Array> {
    Ok(cast_array(&args[at], Target::Double)?.as_primitive::<Float64Type>().clone())
}

fn of_double(args: &[ArrayRef], answer: fn(f64) -> Option<f64>) -> Result<ArrayRef> {
    let answers = doubles(args, 0)?.iter().map(|number| number.and_then(answer)).collect::<Float64Array>();
    Ok(Arc::new(answers))
}

/// Logarithms of zero and below are NULL.
fn positive(number: f64) -> Option<f64> {
    (number > 0.0).then_some(number)
}

/// `log(number)`, the natural one, or `log(base, number)`.
fn log(args: &[ArrayRef]) -> Result<ArrayRef> {
    if args.len() == 1 {
        return of_double(args, |number| positive(number).map(f64::ln));
    }
    let (bases, numbers) = (doubles(args, 0)?, doubles(args, 1)?);
    let answers =
        bases.iter().zip(&numbers).map(|(base, number)| Some(positive(number?)?.ln() / positive(base?)?.ln()));
    Ok(Arc::new(answers.collect::<Float64Array>()))
}

/// Up to 20, as far as 64 bits go.
fn factorial(args: &[ArrayRef]) -> Result<ArrayRef> {
    let of = |number: i64| if number < 0 { None } else { (1..=number).try_fold(1_i64, i64::checked_mul) };
    let answers = whole(args, 0)?.iter().map(|number| number.and_then(of)).collect::<Int64Array>();
    Ok(Arc::new(answers))
}

fn rounded_type(args: &[DataType]) -> DataType {
    match args.first() {
        Some(number) if number.is_integer() || matches!(number, DataType::Decimal128(..)) => number.clone(),
        _ => DataType::Float64,
    }
}

/// `round(number[, digits])`: halves away from zero, as the number is written, so that 1.005 becomes 1.01.
fn round(args: &[ArrayRef]) -> Result<ArrayRef> {
    let digits = whole_or(args, 1, 0)?;
    match args[0].data_type() {
        data_type if data_type.is_integer() => {
            let rows = whole(args, 0)?;
            let rounded = rows
                .iter()
                .zip(&digits)
                .map(|(number, digits)| i64::try_from(round_whole(number?.into(), digits?.checked_neg()?)?).ok());
            Ok(cast(&(Arc::new(rounded.collect::<Int64Array>()) as ArrayRef), data_type)?)
        }
        DataType::Decimal128(precision, scale) => {
            let rows = args[0].as_primitive::<Decimal128Type>();
            let rounded =
                rows.iter().zip(&digits).map(|(number, digits)| round_whole(number?, i64::from(*scale) - digits?));
            let rounded = rounded.collect::<Decimal128Array>().with_precision_and_scale(*precision, *scale)?;
            Ok(Arc::new(rounded))
        }
        _ => {
            let rows = doubles(args, 0)?;
            let rounded = rows.iter().zip(&digits).map(|(number, digits)| Some(round_double(number?, digits?)));
            Ok(Arc::new(rounded.collect::<Float64Array>()))
        }
    }
}

/// A number without its last digits: as many zeros take their place.
fn round_whole(number: i128, zeros: i64) -> Option<i128> {
    let Ok(zeros) = u32::try_from(zeros) else { return Some(number) };
    let Some(unit) = 10_i128.checked_pow(zeros) else { return Some(0) };
    let half = unit / 2;
    let moved = if number < 0 { number.checked_sub(half)? } else { number.checked_add(half)? };
    Some(moved / unit * unit)
}

/// A double rounded by its shortest decimal form, which is what people see of it.
fn round_double(number: f64, digits: i64) -> f64 {
    if !number.is_finite() || number == 0.0 {
        return number;
    }
    let written = format!("{:e}", number.abs());
    let Some((mantissa, exponent)) = written.split_once('e') else { return number };
    let (Ok(exponent), fraction) = (exponent.parse::<i64>(), mantissa.replace('.', "")) else { return number };
    let (Ok(whole), Ok(places)) = (fraction.parse::<i128>(), i64::try_from(fraction.len() - 1)) else { return number };
    // The number is `whole` with so many digits after the point.
    let scale = places - exponent;
    if digits >= scale {
        return number;
    }
    let Some(rounded) = round_whole(whole, scale - digits) else { return number };
    let rounded: f64 = format!("{rounded}e{}", -scale).parse().unwrap_or(number.abs());
    rounded.copysign(number)
}
