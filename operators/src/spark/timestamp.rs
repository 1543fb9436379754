//! Timestamps and dates in text.

use std::ops::Range;

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, NaiveTime, TimeZone as _, Timelike as _};
use chrono_tz::Tz;

use super::number::trim;

/// Spark reads years of four to six digits.
const YEAR_DIGITS_MAX: usize = 6;

/// `to_timestamp(text)`: microseconds since the epoch, NULL when Spark cannot read it.
///
/// It reads a year, a month, a day, hours, minutes, seconds and a fraction, of which all but the year may be missing
/// from the right; `T` or a blank before the time; single digits; a zone or an offset at the end, from which it converts
/// to UTC. A time without a date is NULL here (Spark would take today's date, and another answer tomorrow).
pub fn text_to_timestamp(text: &str) -> Option<i64> {
    let text = trim(text);
    if let Some([year, month, day, hour, minute, second]) = usual(text) {
        let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
        return Some(date.and_hms_opt(hour, minute, second)?.and_utc().timestamp_micros());
    }
    let split = text.find([' ', 'T']).unwrap_or(text.len());
    let date = parse_date(&text[..split])?;
    let time = match text.get(split + 1..) {
        Some(time) => parse_time(time)?,
        None => Time { time: NaiveTime::MIN, zone: None },
    };
    let local = NaiveDateTime::new(date, time.time);
    match time.zone {
        None => Some(local.and_utc().timestamp_micros()),
        Some(zone) => zone.micros(local),
    }
}

/// Year, month, day, hour, minute and second of a text as nearly all are, `2018-04-06 12:30:45`: to look for what may be missing
/// takes several times as long.
fn usual(text: &str) -> Option<[u32; 6]> {
    let text: &[u8; 19] = text.as_bytes().try_into().ok()?;
    let is_usual = text.iter().enumerate().all(|(at, byte)| match at {
        4 | 7 => *byte == b'-',
        10 => matches!(byte, b' ' | b'T'),
        13 | 16 => *byte == b':',
        _ => byte.is_ascii_digit(),
    });
    let number =
        |digits: Range<usize>| text[digits].iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0'));
    is_usual.then(|| [number(0..4), number(5..7), number(8..10), number(11..13), number(14..16), number(17..19)])
}

/// `CAST(text AS DATE)`: days since the epoch; what stands after the day is ignored.
pub fn text_to_date(text: &str) -> Option<i32> {
    let text = trim(text);
    let split = text.find([' ', 'T']).unwrap_or(text.len());
    parse_date(&text[..split]).map(|date| date.to_epoch_days())
}

/// A timestamp as Spark prints it: `YYYY-MM-DD HH:MM:SS`, and a fraction if there is one.
pub fn format_timestamp(micros: i64) -> String {
    let Some(instant) = DateTime::from_timestamp_micros(micros) else { return String::new() };
    let text = instant.format("%Y-%m-%d %H:%M:%S").to_string();
    let fraction = micros.rem_euclid(1_000_000);
    if fraction == 0 {
        return text;
    }
    let digits = format!("{fraction:06}");
    format!("{text}.{}", digits.trim_end_matches('0'))
}

fn number(text: &str, digits_max: usize) -> Option<u32> {
    let is_number = !text.is_empty() && text.len() <= digits_max && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

fn parse_date(text: &str) -> Option<NaiveDate> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let mut parts = digits.split('-');
    let year = parts.next().filter(|year| year.len() >= 4)?;
    let year = sign * i32::try_from(number(year, YEAR_DIGITS_MAX)?).ok()?;
    let month = parts.next().map_or(Some(1), |month| number(month, 2))?;
    let day = parts.next().map_or(Some(1), |day| number(day, 2))?;
    if parts.next().is_some() {
        return None;
    }
    NaiveDate::from_ymd_opt(year, month, day)
}

struct Time {
    time: NaiveTime,
    zone: Option<Zone>,
}

pub(super) enum Zone {
    OffsetSeconds(i32),
    Named(Tz),
}

impl Zone {
    /// The instant at which a clock of the zone shows a time.
    pub(super) fn micros(&self, local: NaiveDateTime) -> Option<i64> {
        match self {
            Zone::OffsetSeconds(seconds) => Some(local.and_utc().timestamp_micros() - i64::from(*seconds) * 1_000_000),
            Zone::Named(zone) => zone.from_local_datetime(&local).earliest().map(|at| at.timestamp_micros()),
        }
    }
}

fn parse_time(text: &str) -> Option<Time> {
    // A zone may follow the seconds or the fraction, never an hour or a minute.
    let clock_end = text.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.').unwrap_or(text.len());
    let (clock, zone) = (&text[..clock_end], &text[clock_end..]);
    let (whole, fraction) = clock.split_once('.').map_or((clock, None), |(whole, fraction)| (whole, Some(fraction)));
    let mut parts = whole.split(':');
    let hour = number(parts.next()?, 2)?;
    let minute = parts.next().map(|minute| number(minute, 2));
    let second = parts.next().map(|second| number(second, 2));
    let has_seconds = second.is_some();
    if parts.next().is_some() || (!has_seconds && (fraction.is_some() || !zone.is_empty())) {
        return None;
    }
    let micros = fraction.map_or(Some(0), parse_fraction)?;
    let time = NaiveTime::from_hms_micro_opt(hour, minute.unwrap_or(Some(0))?, second.unwrap_or(Some(0))?, micros)?;
    let zone = if zone.is_empty() { None } else { Some(parse_zone(zone.trim())?) };
    Some(Time { time, zone })
}

/// Microseconds; further digits are cut.
fn parse_fraction(text: &str) -> Option<u32> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = &text[..text.len().min(6)];
    format!("{digits:0<6}").parse().ok()
}

/// A zone by its name, or by how far it is from UTC.
pub(super) fn parse_zone(text: &str) -> Option<Zone> {
    let bare = ["UTC", "GMT", "UT"].iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(text);
    if text == "Z" || bare.is_empty() {
        return Some(Zone::OffsetSeconds(0));
    }
    let sign = match bare.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return text.parse().ok().map(Zone::Named),
    };
    let mut parts = bare[1..].split(':');
    let hours = number(parts.next()?, 2)?;
    let minutes = parts.next().map_or(Some(0), |minutes| number(minutes, 2))?;
    let seconds = parts.next().map_or(Some(0), |seconds| number(seconds, 2))?;
    if parts.next().is_some() || hours > 18 || minutes > 59 || seconds > 59 {
        return None;
    }
    Some(Zone::OffsetSeconds(sign * i32::try_from(hours * 3600 + minutes * 60 + seconds).ok()?))
}

/// A pattern of Java's, such as `yyyy-MM-dd'T'HH:mm:ss`: digits in fixed places, and text between them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TimestampFormat {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Part {
    Field { letter: char, width: usize },
    Text(String),
}

/// A pattern that Updraft cannot read.
#[derive(Debug, thiserror::Error)]
#[error("`{pattern}` has `{letters}`; a pattern has `yyyy`, `MM`, `dd`, `HH`, `mm`, `ss`, `SSS` and text in '…'")]
pub struct UnknownPattern {
    pattern: String,
    letters: String,
}

impl TimestampFormat {
    /// Reads a pattern.
    pub fn parse(pattern: &str) -> Result<TimestampFormat, UnknownPattern> {
        let mut parts = Vec::new();
        let mut rest = pattern;
        while let Some(first) = rest.chars().next() {
            let taken = if first == '\'' {
                let end = rest[1..].find('\'').map_or(rest.len(), |end| end + 2);
                parts.push(Part::Text(rest[1..end.max(2) - 1].to_owned()));
                end
            } else if first.is_ascii_alphabetic() {
                let width = rest.len() - rest.trim_start_matches(first).len();
                let is_known =
                    matches!((first, width), ('y' | 'u', 4) | ('M' | 'd' | 'H' | 'm' | 's', 2) | ('S', 1..=6));
                if !is_known {
                    return Err(UnknownPattern { pattern: pattern.to_owned(), letters: rest[..width].to_owned() });
                }
                parts.push(Part::Field { letter: if first == 'u' { 'y' } else { first }, width });
                width
            } else {
                parts.push(Part::Text(first.to_string()));
                first.len_utf8()
            };
            rest = &rest[taken..];
        }
        Ok(TimestampFormat { parts })
    }

    /// `to_timestamp(text, pattern)`: the whole text must fit.
    pub fn read(&self, text: &str) -> Option<i64> {
        let mut at = NaiveDate::from_ymd_opt(1970, 1, 1)?.and_time(NaiveTime::MIN);
        let mut day = 1;
        let mut rest = text;
        for part in &self.parts {
            match part {
                Part::Text(text) => rest = rest.strip_prefix(text.as_str())?,
                Part::Field { letter, width } => {
                    let digits = match letter {
                        // Fewer digits of a fraction will do.
                        'S' => &rest[..rest.bytes().take(*width).take_while(u8::is_ascii_digit).count()],
                        _ => rest.get(..*width)?,
                    };
                    let value = number(digits, *width)?;
                    rest = &rest[digits.len()..];
                    match letter {
                        'y' => at = at.with_year(i32::try_from(value).ok()?)?,
                        'M' => at = at.with_month(value)?,
                        'd' => day = value,
                        'H' => at = at.with_hour(value)?,
                        'm' => at = at.with_minute(value)?,
                        's' => at = at.with_second(value)?,
                        _ => at = at.with_nanosecond(value * 10_u32.pow(9 - u32::try_from(digits.len()).ok()?))?,
                    }
                }
            }
        }
        // The day last: whether there is a 31st depends on the month.
        let at = at.with_day(day)?;
        rest.is_empty().then(|| at.and_utc().timestamp_micros())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_may_have_fewer_digits_than_its_pattern() {
        let format = TimestampFormat::parse("yyyy-MM-dd HH:mm:ss.SSS").unwrap();
        let read = |fraction: &str| format.read(&format!("1970-01-01 00:00:00.{fraction}"));
        assert_eq!(["5", "25", "125"].map(read), [Some(500_000), Some(250_000), Some(125_000)]);
        assert_eq!(["", "1250", "x"].map(read), [None; 3]);
    }

    #[test]
    fn what_is_written_as_usual_is_read_as_the_rest_is() {
        for text in [
            "2018-04-06T12:30:45",
            "2018-04-06 00:00:00",
            "0001-01-01 23:59:59",
            "9999-12-31 23:59:59",
            "2020-02-29 12:00:00",
            "2018-02-29 12:00:00",
            "2018-04-06 24:00:00",
            "2018-04-06 12:60:00",
            "2018-04-06 12:00:60",
            "2018-13-06 12:00:00",
            "0000-00-00 00:00:00",
        ] {
            assert!(usual(text).is_some(), "{text}");
            // A fraction is not usual.
            assert_eq!(text_to_timestamp(text), text_to_timestamp(&format!("{text}.0")), "{text}");
        }
        assert_eq!(text_to_timestamp("2018-04-06T12:30:45"), Some(1_523_017_845_000_000));
        for text in ["2018-04-06 12:30:4", "2018/04/06 12:30:45", "2018-04-06t12:30:45", "2018-04-06 12:30:4x"] {
            assert_eq!(usual(text), None, "{text}");
        }
    }
}
