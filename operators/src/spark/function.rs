//! The casts as functions that DataFusion plans.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array as _, ArrayRef, AsArray as _, BooleanArray, Int32Array, Int64Array, ListBuilder, StringArray, StringBuilder,
};
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::arrow::compute::{cast, nullif};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use memchr::memmem::Finder;
use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::array::{Target, cast_array, text_array, timestamps};
use super::known_patterns::known;
use super::number::{SuffixLetter, SuffixRule, suffixed_long, suffixed_number};
use super::timestamp::{TimestampFormat, text_to_timestamp};

/// Where in a value a text is looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// Everywhere in the value.
    #[default]
    Anywhere,
    /// At its beginning only.
    Start,
    /// At its end only.
    End,
    /// The value must be the text.
    Whole,
}

/// When a value is a marker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Match {
    /// It equals the marker.
    #[default]
    Whole,
    /// It begins with the marker.
    Prefix,
    /// It holds the marker anywhere.
    Contains,
}

/// A function of one column.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Cast(Target),
    SuffixedNumber {
        rule: SuffixRule,
        letters: Vec<SuffixLetter>,
        is_long: bool,
    },
    Timestamp(Option<TimestampFormat>),
    /// Puts a text in the place of another.
    Replace {
        text: String,
        with: String,
        at: Place,
    },
    /// Puts a text in the place of what fits a pattern.
    ReplacePattern {
        pattern: String,
        with: String,
    },
    /// The part that fits a group of a pattern; an empty text if there is none.
    Extract {
        pattern: String,
        group: usize,
    },
    /// What stands before (after, if negative) so many occurrences of the delimiter.
    SubstringIndex {
        delimiter: String,
        count: i64,
    },
    Split(String),
    Trim {
        squeeze: bool,
    },
    Lower,
    Upper,
    /// NULL in the place of markers.
    WithoutMarkers {
        markers: Vec<String>,
        how: Match,
        ignore_case: bool,
    },
}

/// A function of one column with Spark's answers.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct SparkFunction {
    name: &'static str,
    kind: Kind,
    signature: Signature,
}

impl SparkFunction {
    fn call(name: &'static str, kind: Kind, column: Expr) -> Expr {
        let function = SparkFunction { name, kind, signature: Signature::any(1, Volatility::Immutable) };
        ScalarUDF::new_from_impl(function).call(vec![column])
    }

    /// `CAST(column AS target)`.
    pub fn cast(column: Expr, target: Target) -> Expr {
        SparkFunction::call("spark_cast", Kind::Cast(target), column)
    }

    /// The number in a text with letters that stand for zeros, of 64 bits or of 32.
    pub fn suffixed_number(column: Expr, rule: SuffixRule, letters: &[SuffixLetter], is_long: bool) -> Expr {
        let kind = Kind::SuffixedNumber { rule, letters: letters.to_vec(), is_long };
        SparkFunction::call("suffixed_number", kind, column)
    }

    /// `to_timestamp(column)`, or `to_timestamp(column, format)`.
    pub fn timestamp(column: Expr, format: Option<TimestampFormat>) -> Expr {
        SparkFunction::call("spark_to_timestamp", Kind::Timestamp(format), column)
    }

    /// Puts `with` in the place of `text`.
    pub fn replace(column: Expr, text: &str, with: &str, at: Place) -> Expr {
        let kind = Kind::Replace { text: text.to_owned(), with: with.to_owned(), at };
        SparkFunction::call("replace_text", kind, column)
    }

    /// `regexp_replace(column, pattern, with)`; groups are written as Java has them (`$1`).
    pub fn replace_pattern(column: Expr, pattern: &str, with: &str) -> Expr {
        let kind = Kind::ReplacePattern { pattern: pattern.to_owned(), with: java_groups(with) };
        SparkFunction::call("replace_pattern", kind, column)
    }

    /// `regexp_extract(column, pattern, group)`.
    pub fn extract(column: Expr, pattern: &str, group: usize) -> Expr {
        SparkFunction::call("spark_extract", Kind::Extract { pattern: pattern.to_owned(), group }, column)
    }

    /// `substring_index(column, delimiter, count)`.
    pub fn substring_index(column: Expr, delimiter: &str, count: i64) -> Expr {
        let kind = Kind::SubstringIndex { delimiter: delimiter.to_owned(), count };
        SparkFunction::call("spark_substring_index", kind, column)
    }

    /// The parts between the separators, as an array.
    pub fn split(column: Expr, separator: &str) -> Expr {
        SparkFunction::call("split_text", Kind::Split(separator.to_owned()), column)
    }

    /// Takes white space off both ends, and leaves one blank of each stretch of it within if it is to `squeeze`.
    pub fn trim(column: Expr, squeeze: bool) -> Expr {
        SparkFunction::call("trim_text", Kind::Trim { squeeze }, column)
    }

    /// Lower case.
    pub fn lower(column: Expr) -> Expr {
        SparkFunction::call("lower_text", Kind::Lower, column)
    }

    /// Upper case.
    pub fn upper(column: Expr) -> Expr {
        SparkFunction::call("upper_text", Kind::Upper, column)
    }

    /// NULL in the place of values whose text is one of the markers.
    pub fn without_markers(column: Expr, markers: &[String], how: Match, ignore_case: bool) -> Expr {
        let fold = |marker: &String| if ignore_case { marker.to_lowercase() } else { marker.clone() };
        let kind = Kind::WithoutMarkers { markers: markers.iter().map(fold).collect(), how, ignore_case };
        SparkFunction::call("without_markers", kind, column)
    }
}

/// `$1` as the crate for patterns has it (`${1}`): without braces it would take letters that follow for a part of the
/// name. `\$` is the sign itself.
fn java_groups(with: &str) -> String {
    let mut text = String::with_capacity(with.len());
    let mut signs = with.chars().peekable();
    while let Some(sign) = signs.next() {
        match sign {
            '\\' => match signs.next() {
                Some('$') => text.push_str("$$"),
                Some(other) => text.push(other),
                None => text.push('\\'),
            },
            '$' if signs.peek().is_some_and(char::is_ascii_digit) => {
                text.push_str("${");
                while let Some(digit) = signs.next_if(char::is_ascii_digit) {
                    text.push(digit);
                }
                text.push('}');
            }
            other => text.push(other),
        }
    }
    text
}

impl ScalarUDFImpl for SparkFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(match &self.kind {
            Kind::Cast(target) => target.data_type(),
            Kind::SuffixedNumber { is_long: true, .. } => DataType::Int64,
            Kind::SuffixedNumber { .. } => DataType::Int32,
            Kind::Timestamp(_) => Target::Timestamp.data_type(),
            Kind::WithoutMarkers { .. } => arg_types[0].clone(),
            Kind::Split(_) => DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))),
            _ => DataType::Utf8,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        Ok(ColumnarValue::Array(self.kind.apply(&arrays[0])?))
    }
}

impl Kind {
    fn apply(&self, array: &ArrayRef) -> Result<ArrayRef> {
        Ok(match self {
            Kind::Cast(target) => cast_array(array, *target)?,
            Kind::SuffixedNumber { rule, letters, is_long: false } => {
                let text = text_array(array)?;
                let numbers = text.iter().map(|v| v.and_then(|v| suffixed_number(v, *rule, letters)));
                Arc::new(numbers.collect::<Int32Array>())
            }
            Kind::SuffixedNumber { rule, letters, is_long: true } => {
                let text = text_array(array)?;
                let numbers = text.iter().map(|v| v.and_then(|v| suffixed_long(v, *rule, letters)));
                Arc::new(numbers.collect::<Int64Array>())
            }
            Kind::Timestamp(format) if is_text(array) => {
                let text = text_array(array)?;
                timestamps(text.iter().map(|v| {
                    v.and_then(|v| match format {
                        Some(format) => format.read(v),
                        None => text_to_timestamp(v),
                    })
                }))
            }
            Kind::Timestamp(_) => cast_array(array, Target::Timestamp)?,
            Kind::Replace { text, with, at: Place::Anywhere } if !text.is_empty() => {
                Arc::new(replace_all(&text_array(array)?, text, with))
            }
            Kind::Replace { text, with, at } => map_text(array, |value| replaced(value, text, with, *at))?,
            Kind::ReplacePattern { pattern, with } => {
                let pattern = compiled(pattern)?;
                map_text(array, |value| match pattern.replace_all(value, with.as_str()) {
                    Cow::Borrowed(_) => None,
                    Cow::Owned(replaced) => Some(replaced),
                })?
            }
            Kind::Extract { pattern, group } => {
                let pattern = compiled(pattern)?;
                map_text(array, |value| {
                    let found = pattern.captures(value).and_then(|found| found.get(*group));
                    Some(found.map_or(String::new(), |found| found.as_str().to_owned()))
                })?
            }
            Kind::SubstringIndex { delimiter, count } => {
                map_text(array, |value| Some(substring_index(value, delimiter, *count).to_owned()))?
            }
            Kind::Split(separator) => split(array, separator)?,
            Kind::Trim { squeeze } => map_text(array, |value| Some(trimmed(value, *squeeze)))?,
            Kind::Lower => map_text(array, |value| Some(value.to_lowercase()))?,
            Kind::Upper => map_text(array, |value| Some(value.to_uppercase()))?,
            Kind::WithoutMarkers { markers, how: Match::Whole, .. } if array.data_type().is_signed_integer() => {
                without_numbers(array, markers)?
            }
            Kind::WithoutMarkers { markers, how, ignore_case } => {
                let text = text_array(array)?;
                let lengths = Lengths::of(markers);
                let is_marker = |value: &str| {
                    if *how == Match::Whole && !*ignore_case && !lengths.may_be_among(value) {
                        return false;
                    }
                    let value = if *ignore_case { Cow::Owned(value.to_lowercase()) } else { Cow::Borrowed(value) };
                    markers.iter().any(|marker| match how {
                        Match::Whole => value == marker.as_str(),
                        Match::Prefix => value.starts_with(marker.as_str()),
                        Match::Contains => value.contains(marker.as_str()),
                    })
                };
                // What stands behind a NULL does not matter: it stays NULL.
                let markers = BooleanBuffer::collect_bool(text.len(), |row| is_marker(text.value(row)));
                // The values stay where they are.
                nullif(array, &BooleanArray::new(markers, None))?
            }
        })
    }
}

/// Integers without those whose text is one of the markers.
fn without_numbers(array: &ArrayRef, markers: &[String]) -> Result<ArrayRef> {
    let numbers: Vec<i64> = markers
        .iter()
        .filter_map(|marker| marker.parse().ok().filter(|number: &i64| number.to_string() == *marker))
        .collect();
    if numbers.is_empty() {
        return Ok(Arc::clone(array));
    }
    let longs = cast(array, &DataType::Int64)?;
    let longs = longs.as_primitive::<Int64Type>();
    let markers = BooleanBuffer::collect_bool(longs.len(), |row| numbers.contains(&longs.value(row)));
    Ok(nullif(array, &BooleanArray::new(markers, None))?)
}

/// The lengths of some texts, to tell quickly that a value is none of them.
struct Lengths(u64);

impl Lengths {
    fn of(texts: &[String]) -> Lengths {
        Lengths(texts.iter().fold(0, |lengths, text| lengths | Lengths::bit(text)))
    }

    fn bit(text: &str) -> u64 {
        1 << (text.len() % 64)
    }

    fn may_be_among(&self, text: &str) -> bool {
        self.0 & Lengths::bit(text) != 0
    }
}

fn compiled(pattern: &str) -> Result<Rc<Regex>> {
    known(pattern).map_err(|error| DataFusionError::External(error.into()))
}

fn is_text(array: &ArrayRef) -> bool {
    matches!(array.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Changes the values for which `change` has an answer.
fn map_text(array: &ArrayRef, change: impl Fn(&str) -> Option<String>) -> Result<ArrayRef> {
    let text = text_array(array)?;
    let changed = text.iter().map(|value| value.map(|value| change(value).map_or(Cow::Borrowed(value), Cow::Owned)));
    Ok(Arc::new(changed.collect::<StringArray>()))
}

/// The values with `with` wherever `text` is.
fn replace_all(values: &StringArray, text: &str, with: &str) -> StringArray {
    let finder = Finder::new(text);
    let mut replaced = StringBuilder::with_capacity(values.len(), values.value_data().len());
    for value in values {
        let Some(value) = value else {
            replaced.append_null();
            continue;
        };
        let mut from = 0;
        for at in finder.find_iter(value.as_bytes()) {
            // Writing to memory does not fail.
            let _ = replaced.write_str(&value[from..at]).and_then(|()| replaced.write_str(with));
            from = at + text.len();
        }
        replaced.append_value(&value[from..]);
    }
    replaced.finish()
}

/// The value with another text; none if the text is not where it is looked for.
fn replaced(value: &str, text: &str, with: &str, at: Place) -> Option<String> {
    match at {
        Place::Anywhere => value.contains(text).then(|| value.replace(text, with)),
        Place::Start => value.strip_prefix(text).map(|rest| format!("{with}{rest}")),
        Place::End => value.strip_suffix(text).map(|rest| format!("{rest}{with}")),
        Place::Whole => (value == text).then(|| with.to_owned()),
    }
}

/// As Spark: from the left before the `count`th delimiter, or from the right after it where `count` is negative.
fn substring_index<'a>(value: &'a str, delimiter: &str, count: i64) -> &'a str {
    let Ok(nth) = usize::try_from(count.unsigned_abs()) else { return value };
    if nth == 0 || delimiter.is_empty() {
        return "";
    }
    if count > 0 {
        value.match_indices(delimiter).nth(nth - 1).map_or(value, |(at, _)| &value[..at])
    } else {
        value.rmatch_indices(delimiter).nth(nth - 1).map_or(value, |(at, found)| &value[at + found.len()..])
    }
}

fn split(array: &ArrayRef, separator: &str) -> Result<ArrayRef> {
    let text = text_array(array)?;
    let mut lists = ListBuilder::new(StringBuilder::new());
    for value in &text {
        if let Some(value) = value {
            value.split(separator).for_each(|part| lists.values().append_value(part));
        }
        lists.append(value.is_some());
    }
    Ok(Arc::new(lists.finish()))
}

fn trimmed(value: &str, squeeze: bool) -> String {
    if squeeze { value.split_whitespace().collect::<Vec<_>>().join(" ") } else { value.trim().to_owned() }
}
