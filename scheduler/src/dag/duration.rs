//! Durations as people write them: `30s`, `5m`, `1h30m`, `PT5M`, or a number of seconds.

use std::time::Duration;

/// Longer than any pipeline has waited; keeps the arithmetic with dates far from its ends.
const SECONDS_MAX: f64 = 100.0 * 366.0 * 86_400.0;

/// What a text says. Months have no fixed length, so they are counted apart.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Amount {
    pub(super) months: f64,
    pub(super) seconds: f64,
}

impl Amount {
    const fn seconds(seconds: f64) -> Amount {
        Amount { months: 0.0, seconds }
    }

    const fn months(months: f64) -> Amount {
        Amount { months, seconds: 0.0 }
    }

    fn add(&mut self, count: f64, unit: Amount) {
        self.months += count * unit.months;
        self.seconds += count * unit.seconds;
    }
}

/// Reads a duration. The error says what is wrong, to be read after the text itself.
pub fn parse(text: &str) -> Result<Duration, String> {
    let amount = parse_amount(text)?;
    if amount.months > 0.0 {
        return Err("has years or months, which are not all of one length".to_owned());
    }
    from_seconds(amount.seconds)
}

/// A number of seconds as a duration; negative and endless ones are refused.
pub fn from_seconds(seconds: f64) -> Result<Duration, String> {
    if seconds < 0.0 {
        return Err("is negative".to_owned());
    }
    if !seconds.is_finite() || seconds > SECONDS_MAX {
        return Err("is longer than a hundred years".to_owned());
    }
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// Reads what [`parse`] reads, and years and months besides.
pub(super) fn parse_amount(text: &str) -> Result<Amount, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("is empty".to_owned());
    }
    if let Ok(seconds) = text.parse::<f64>() {
        return Ok(Amount::seconds(seconds));
    }
    match text.strip_prefix(['P', 'p']) {
        Some(rest) => iso(rest).ok_or_else(|| "is not an ISO 8601 duration".to_owned()),
        None => human(text).ok_or_else(|| "is not a duration".to_owned()),
    }
}

fn human(text: &str) -> Option<Amount> {
    let mut amount = Amount::default();
    let mut rest = text;
    while !rest.is_empty() {
        let (number, after) = split_number(rest)?;
        let after = after.trim_start();
        let unit_end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let unit = match &after[..unit_end] {
            "ms" => Amount::seconds(0.001),
            "s" | "sec" | "secs" | "second" | "seconds" => Amount::seconds(1.0),
            "m" | "min" | "mins" | "minute" | "minutes" => Amount::seconds(60.0),
            "h" | "hr" | "hrs" | "hour" | "hours" => Amount::seconds(3_600.0),
            "d" | "day" | "days" => Amount::seconds(86_400.0),
            "w" | "week" | "weeks" => Amount::seconds(604_800.0),
            "month" | "months" => Amount::months(1.0),
            "year" | "years" => Amount::months(12.0),
            _ => return None,
        };
        amount.add(number, unit);
        rest = after[unit_end..].trim_start();
    }
    Some(amount)
}

fn iso(text: &str) -> Option<Amount> {
    const DATE: [(char, Amount); 4] = [
        ('Y', Amount::months(12.0)),
        ('M', Amount::months(1.0)),
        ('W', Amount::seconds(604_800.0)),
        ('D', Amount::seconds(86_400.0)),
    ];
    const TIME: [(char, Amount); 3] =
        [('H', Amount::seconds(3_600.0)), ('M', Amount::seconds(60.0)), ('S', Amount::seconds(1.0))];
    let upper = text.to_ascii_uppercase();
    let (date, time) = match upper.split_once('T') {
        Some((_, "")) => return None,
        Some((date, time)) => (date, time),
        None => (upper.as_str(), ""),
    };
    if date.is_empty() && time.is_empty() {
        return None;
    }
    let mut amount = Amount::default();
    iso_part(date, &DATE, &mut amount)?;
    iso_part(time, &TIME, &mut amount)?;
    Some(amount)
}

fn iso_part(text: &str, units: &[(char, Amount)], amount: &mut Amount) -> Option<()> {
    let mut rest = text;
    let mut units = units.iter();
    while !rest.is_empty() {
        let (number, after) = split_number(rest)?;
        let letter = after.chars().next()?;
        let (_, unit) = units.find(|(name, _)| *name == letter)?;
        amount.add(number, *unit);
        rest = &after[letter.len_utf8()..];
    }
    Some(())
}

fn split_number(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}
