//! What Spark's expressions answer, value by value (ANSI off, session zone UTC).
//!
//! The notebooks that Updraft's pipelines come from ran on Databricks, and their answers depend on details of Spark:
//! what a cast does with ` 20.5 `, which product overflows, where NULLs sort, which of two middle values is the median.
//! This module has those details and nothing else; `tests/` holds them to values that Spark itself gave.

mod array;
mod calendar;
mod casts;
mod dialect;
mod fields;
mod function;
mod generator;
mod implicit;
mod known_patterns;
mod lateral_alias;
mod left_keys;
mod lists;
mod mathematics;
mod number;
mod operators;
mod pattern;
mod percentile;
mod pivot;
mod rowwise;
mod scalar;
mod session;
mod syntax;
mod text;
mod timestamp;
mod translate;

pub use array::{Target, cast_array, text_array, type_name};
pub use dialect::{SparkDialect, in_lower_case, tokens};
pub use function::{Match, Place, SparkFunction};
pub use known_patterns::as_in_java;
pub use lateral_alias::plan;
pub use left_keys::{UNNAMED, keep_left_keys};
pub use number::{
    SuffixLetter, SuffixRule, double_to_text, suffixed_long, suffixed_number, text_to_bool, text_to_double,
    text_to_int, text_to_long,
};
pub use pivot::{keep_labels, named_in, pivot_columns, unpivot_columns};
pub use rowwise::rowwise;
pub use session::session;
pub use timestamp::{TimestampFormat, UnknownPattern, format_timestamp, text_to_date, text_to_timestamp};
pub use translate::{translate, translate_expression, translated_names};
