//! Numbers in text.

use std::borrow::Cow;
use std::fmt::{Debug, UpperExp};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How `12k` and `3M` become numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SuffixRule {
    /// The letter is taken off, the rest cut to an integer and multiplied: `1.5k` is 1000, and `3000M` overflows.
    LetterOff,
    /// The letter is replaced by zeros, and the text cut to an integer: `1.5k` is 1, and `3000M` is NULL.
    Zeros,
    /// The letter is taken off, the rest read as a decimal number and multiplied: `1.5k` is 1500, and `3000M` is the
    /// largest integer.
    Double,
    /// All but the digits is taken off: `1.5k` is 15, and `3000M` is 3000.
    DigitsOnly,
}

/// A letter that stands for zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum SuffixLetter {
    /// A thousand.
    #[serde(rename = "k")]
    SmallK,
    /// A thousand.
    #[serde(rename = "K")]
    LargeK,
    /// A million.
    #[serde(rename = "m")]
    SmallM,
    /// A million.
    #[serde(rename = "M")]
    LargeM,
    /// A billion.
    #[serde(rename = "b")]
    SmallB,
    /// A billion.
    #[serde(rename = "B")]
    LargeB,
}

impl SuffixLetter {
    /// The letters of the original pipelines.
    pub const USUAL: [SuffixLetter; 2] = [SuffixLetter::SmallK, SuffixLetter::LargeM];

    fn letter(self) -> char {
        match self {
            SuffixLetter::SmallK => 'k',
            SuffixLetter::LargeK => 'K',
            SuffixLetter::SmallM => 'm',
            SuffixLetter::LargeM => 'M',
            SuffixLetter::SmallB => 'b',
            SuffixLetter::LargeB => 'B',
        }
    }

    fn zeros(self) -> u32 {
        match self {
            SuffixLetter::SmallK | SuffixLetter::LargeK => 3,
            SuffixLetter::SmallM | SuffixLetter::LargeM => 6,
            SuffixLetter::SmallB | SuffixLetter::LargeB => 9,
        }
    }
}

/// The number in a text such as `136k`, as a 32-bit integer; NULL when there is none.
pub fn suffixed_number(text: &str, rule: SuffixRule, letters: &[SuffixLetter]) -> Option<i32> {
    match rule {
        SuffixRule::Zeros => text_to_int(&with_zeros(text, letters)),
        SuffixRule::DigitsOnly => text_to_int(&digits(text)),
        SuffixRule::LetterOff => {
            let (digits, zeros) = split_suffix(text, letters);
            text_to_int(&digits).map(|number| number.wrapping_mul(10_i32.pow(zeros)))
        }
        SuffixRule::Double => {
            let (digits, zeros) = split_suffix(text, letters);
            text_to_double(&digits).map(|number| saturate_int(number * f64::from(10_i32.pow(zeros))))
        }
    }
}

/// The same as a 64-bit integer.
pub fn suffixed_long(text: &str, rule: SuffixRule, letters: &[SuffixLetter]) -> Option<i64> {
    match rule {
        SuffixRule::Zeros => text_to_long(&with_zeros(text, letters)),
        SuffixRule::DigitsOnly => text_to_long(&digits(text)),
        SuffixRule::LetterOff => {
            let (digits, zeros) = split_suffix(text, letters);
            text_to_long(&digits).map(|number| number.wrapping_mul(10_i64.pow(zeros)))
        }
        SuffixRule::Double => {
            let (digits, zeros) = split_suffix(text, letters);
            text_to_double(&digits).map(|number| saturate_long(number * f64::from(10_i32.pow(zeros))))
        }
    }
}

fn with_zeros(text: &str, letters: &[SuffixLetter]) -> String {
    letters
        .iter()
        .fold(text.to_owned(), |text, letter| text.replace(letter.letter(), &"0".repeat(letter.zeros() as usize)))
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// Takes off the first of the letters that occurs, wherever it does, and says how many zeros it stands for. A text with
/// two of them keeps the other one, and is no number any more.
fn split_suffix<'a>(text: &'a str, letters: &[SuffixLetter]) -> (Cow<'a, str>, u32) {
    match letters.iter().find(|letter| text.contains(letter.letter())) {
        Some(letter) => {
            let sign = letter.letter();
            let rest = match text.strip_suffix(sign).filter(|rest| !rest.contains(sign)) {
                Some(rest) => Cow::Borrowed(rest),
                None => Cow::Owned(text.replace(sign, "")),
            };
            (rest, letter.zeros())
        }
        None => (Cow::Borrowed(text), 0),
    }
}

/// A double as an integer: cut, at the nearest end of the range when it is beyond it, 0 when it is no number.
#[expect(clippy::cast_possible_truncation, reason = "cutting and saturating is what Spark does here")]
pub fn saturate_int(number: f64) -> i32 {
    number as i32
}

/// The same for 64 bits.
#[expect(clippy::cast_possible_truncation, reason = "cutting and saturating is what Spark does here")]
pub fn saturate_long(number: f64) -> i64 {
    number as i64
}

/// `CAST(text AS INT)`: blanks around are ignored and decimals cut; what does not fit 32 bits is NULL.
pub fn text_to_int(text: &str) -> Option<i32> {
    text_to_long(text).and_then(|number| i32::try_from(number).ok())
}

/// `CAST(text AS BIGINT)`.
pub fn text_to_long(text: &str) -> Option<i64> {
    let text = trim(text);
    let (is_negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if digits.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut number: i64 = 0;
    for byte in whole.bytes() {
        if !byte.is_ascii_digit() {
            return None;
        }
        // Downwards, because the smallest number has no positive counterpart.
        number = number.checked_mul(10)?.checked_sub(i64::from(byte - b'0'))?;
    }
    if is_negative { Some(number) } else { number.checked_neg() }
}

/// `CAST(text AS DOUBLE)`: also exponents, `NaN`, `Infinity`, and Java's suffixes `d` and `f`.
pub fn text_to_double(text: &str) -> Option<f64> {
    let text = trim(text);
    match text.to_ascii_lowercase().as_str() {
        "nan" => return Some(f64::NAN),
        "inf" | "+inf" | "infinity" | "+infinity" => return Some(f64::INFINITY),
        "-inf" | "-infinity" => return Some(f64::NEG_INFINITY),
        _ => (),
    }
    let number = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    let is_plain = number.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    if is_plain { number.parse().ok() } else { None }
}

/// `CAST(text AS BOOLEAN)`.
pub fn text_to_bool(text: &str) -> Option<bool> {
    match trim(text).to_ascii_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "1" => Some(true),
        "f" | "false" | "n" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// Takes off the blanks and control characters around a text, of ASCII alone.
pub fn trim(text: &str) -> &str {
    text.trim_matches(|character: char| character <= ' ' || character == '\u{7f}')
}

/// A double as text: decimal between 10⁻³ and 10⁷, with exponent beyond.
pub fn double_to_text(number: f64) -> String {
    written(number, number)
}

/// A number of 32 bits as text, with as many digits as tell it from others of its kind.
pub fn float_to_text(number: f32) -> String {
    written(number, number.into())
}

/// A number as text, of which `value` is the same as a double.
fn written(number: impl Debug + UpperExp, value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let magnitude = value.abs();
    if magnitude == 0.0 || (1e-3..1e7).contains(&magnitude) {
        return format!("{number:?}");
    }
    let scientific = format!("{number:E}");
    match scientific.split_once('E') {
        Some((mantissa, exponent)) if !mantissa.contains('.') => format!("{mantissa}.0E{exponent}"),
        _ => scientific,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_32_bits_has_no_more_digits_than_it_needs() {
        let texts = [0.1, -89.9787, 1e10, 5e-4, 0.0, f32::INFINITY].map(float_to_text);
        assert_eq!(texts, ["0.1", "-89.9787", "1.0E10", "5.0E-4", "0.0", "Infinity"]);
        assert_eq!(double_to_text(0.1_f32.into()), "0.10000000149011612");
    }
}
