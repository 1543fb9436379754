//! Durations as people write them: `30s`, `5m`, `1h30m`, `PT5M`, or a number of seconds.

use std::time::Duration;

/// Longer than any pipeline has waited; keeps the arithmetic with dates far from its ends.
const SECONDS_MAX: f64 = 100.0 * 366.0 * 86_400.0;

/// Reads a duration. The error says what is wrong, to be read after the text itself.
pub fn parse(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("is empty".to_owned());
    }
    if let Ok(seconds) = text.parse::<f64>() {
        return from_seconds(seconds);
    }
    let seconds = match text.strip_prefix(['P', 'p']) {
        Some(rest) => iso(rest).ok_or("is not an ISO 8601 duration of weeks, days, hours, minutes and seconds")?,
        None => human(text).ok_or("is not a duration")?,
    };
    from_seconds(seconds)
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

fn human(text: &str) -> Option<f64> {
    let mut seconds = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, after) = split_number(rest)?;
        let after = after.trim_start();
        let unit_end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let unit = match &after[..unit_end] {
            "ms" => 0.001,
            "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
            "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
            "h" | "hr" | "hrs" | "hour" | "hours" => 3_600.0,
            "d" | "day" | "days" => 86_400.0,
            "w" | "week" | "weeks" => 604_800.0,
            _ => return None,
        };
        seconds += number * unit;
        rest = after[unit_end..].trim_start();
    }
    Some(seconds)
}

/// Years and months have no fixed length, so they are no duration.
fn iso(text: &str) -> Option<f64> {
    let upper = text.to_ascii_uppercase();
    let (days, time) = match upper.split_once('T') {
        Some((_, "")) => return None,
        Some((days, time)) => (days, time),
        None => (upper.as_str(), ""),
    };
    if days.is_empty() && time.is_empty() {
        return None;
    }
    let days = iso_part(days, &[('W', 604_800.0), ('D', 86_400.0)])?;
    Some(days + iso_part(time, &[('H', 3_600.0), ('M', 60.0), ('S', 1.0)])?)
}

fn iso_part(text: &str, units: &[(char, f64)]) -> Option<f64> {
    let mut seconds = 0.0;
    let mut rest = text;
    let mut units = units.iter();
    while !rest.is_empty() {
        let (number, after) = split_number(rest)?;
        let letter = after.chars().next()?;
        let (_, unit) = units.find(|(name, _)| *name == letter)?;
        seconds += number * unit;
        rest = &after[letter.len_utf8()..];
    }
    Some(seconds)
}

fn split_number(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}
