//! Dates in templates: what people do with pendulum's `DateTime` in Airflow.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use minijinja::value::{DynObject, Kwargs, Object, ObjectRepr, Value, from_args};
use minijinja::{Error, ErrorKind, State};

use super::span::Span;
use crate::dag::timetable::resolve_local;

/// Python's `strftime`, whose `%f` has six digits.
pub(super) fn strftime<Z: TimeZone<Offset: fmt::Display>>(at: &DateTime<Z>, format: &str) -> Result<String, Error> {
    let format = format.replace("%f", "%6f");
    if StrftimeItems::new(&format).any(|item| matches!(item, Item::Error)) {
        return Err(invalid(format!("`{format}` is not a format of dates")));
    }
    Ok(chrono_format(at, &format))
}

fn chrono_format<Z: TimeZone<Offset: fmt::Display>>(at: &DateTime<Z>, format: &str) -> String {
    use fmt::Write;

    let mut out = String::new();
    match write!(out, "{}", at.format(format)) {
        Ok(()) => out,
        Err(fmt::Error) => String::new(),
    }
}

/// An instant in a time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instant(pub DateTime<Tz>);

impl Instant {
    pub fn utc(instant: DateTime<Utc>) -> Instant {
        Instant(instant.with_timezone(&Tz::UTC))
    }

    /// The instant that a template value stands for: a date, or text in ISO 8601.
    pub fn of(value: &Value) -> Result<Instant, Error> {
        if let Some(instant) = value.downcast_object_ref::<Instant>() {
            return Ok(*instant);
        }
        value.as_str().and_then(parse).map(Instant::utc).ok_or_else(|| invalid(format!("`{value}` is not a date")))
    }

    pub fn isoformat(&self, separator: &str) -> String {
        let fraction = if self.0.nanosecond() >= 1_000 { "%.6f" } else { "" };
        self.chrono_format(&format!("%Y-%m-%d{separator}%H:%M:%S{fraction}%:z"))
    }

    /// Python's `strftime`.
    pub fn strftime(&self, format: &str) -> Result<String, Error> {
        strftime(&self.0, format)
    }

    /// Only for formats that were checked, or that are our own.
    fn chrono_format(&self, format: &str) -> String {
        chrono_format(&self.0, format)
    }

    fn shifted(&self, kwargs: &Kwargs, sign: i64) -> Result<Instant, Error> {
        let amount = |name: &str| kwargs.get::<Option<i64>>(name).map(|amount| amount.unwrap_or(0));
        let months = amount("years")?.saturating_mul(12).saturating_add(amount("months")?).saturating_mul(sign);
        let days = amount("weeks")?.saturating_mul(7).saturating_add(amount("days")?).saturating_mul(sign);
        let seconds = amount("hours")?
            .saturating_mul(3600)
            .saturating_add(amount("minutes")?.saturating_mul(60))
            .saturating_add(amount("seconds")?)
            .saturating_mul(sign);
        let microseconds = amount("microseconds")?.saturating_mul(sign);
        kwargs.assert_all_used()?;
        self.moved(months, days, seconds, microseconds).ok_or_else(|| invalid("the date is too far away".to_owned()))
    }

    /// Months and days move the clock on the wall, hours and less the instant itself.
    fn moved(&self, months: i64, days: i64, seconds: i64, microseconds: i64) -> Option<Instant> {
        let count = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
        let local = self.0.naive_local();
        let local = if months < 0 { local.checked_sub_months(count)? } else { local.checked_add_months(count)? };
        let local = local.checked_add_signed(TimeDelta::try_days(days)?)?;
        let instant =
            if months == 0 && days == 0 { self.0.with_timezone(&Utc) } else { resolve_local(local, self.0.timezone()) };
        let instant = instant
            .checked_add_signed(TimeDelta::try_seconds(seconds)?)?
            .checked_add_signed(TimeDelta::microseconds(microseconds))?;
        Some(Instant(instant.with_timezone(&self.0.timezone())))
    }

    fn replaced(&self, kwargs: &Kwargs) -> Result<Instant, Error> {
        let part = |name: &str, own: u32| kwargs.get::<Option<u32>>(name).map(|part| part.unwrap_or(own));
        let year = kwargs.get::<Option<i32>>("year")?.unwrap_or(self.0.year());
        let date = NaiveDate::from_ymd_opt(year, part("month", self.0.month())?, part("day", self.0.day())?);
        let micro = part("microsecond", self.0.nanosecond() / 1000 % 1_000_000)?;
        let (hour, minute, second) =
            (part("hour", self.0.hour())?, part("minute", self.0.minute())?, part("second", self.0.second())?);
        kwargs.assert_all_used()?;
        let local = date.and_then(|date| date.and_hms_micro_opt(hour, minute, second, micro));
        let local = local.ok_or_else(|| invalid("there is no such date".to_owned()))?;
        Ok(self.at_local(local))
    }

    fn at_local(&self, local: NaiveDateTime) -> Instant {
        let timezone = self.0.timezone();
        Instant(resolve_local(local, timezone).with_timezone(&timezone))
    }

    fn start_of(&self, unit: &str) -> Result<Instant, Error> {
        let date = self.0.date_naive();
        let midnight = |date: Option<NaiveDate>| date.map(|date| date.and_time(NaiveTime::MIN));
        let local = match unit {
            "second" => self.0.naive_local().with_nanosecond(0),
            "minute" => date.and_hms_opt(self.0.hour(), self.0.minute(), 0),
            "hour" => date.and_hms_opt(self.0.hour(), 0, 0),
            "day" => midnight(Some(date)),
            "week" => midnight(date.checked_sub_signed(TimeDelta::days(date.weekday().num_days_from_monday().into()))),
            "month" => midnight(date.with_day(1)),
            "quarter" => midnight(NaiveDate::from_ymd_opt(date.year(), (date.month0() / 3) * 3 + 1, 1)),
            "year" => midnight(NaiveDate::from_ymd_opt(date.year(), 1, 1)),
            _ => return Err(invalid(format!("`{unit}` is not a unit of time"))),
        };
        local.map(|local| self.at_local(local)).ok_or_else(|| invalid("the date is too far away".to_owned()))
    }

    /// The last microsecond of the unit that the instant lies in.
    fn end_of(&self, unit: &str) -> Result<Instant, Error> {
        let start = self.start_of(unit)?;
        let (months, days, seconds) = match unit {
            "second" => (0, 0, 1),
            "minute" => (0, 0, 60),
            "hour" => (0, 0, 3600),
            "day" => (0, 1, 0),
            "week" => (0, 7, 0),
            "month" => (1, 0, 0),
            "quarter" => (3, 0, 0),
            _ => (12, 0, 0),
        };
        start
            .moved(months, days, seconds, 0)
            .and_then(|next| next.moved(0, 0, 0, -1))
            .ok_or_else(|| invalid("the date is too far away".to_owned()))
    }

    /// Pendulum's tokens (`YYYY-MM-DD`), each read as long as it goes; text in brackets stands for itself.
    fn tokens(&self, format: &str) -> String {
        let mut out = String::new();
        let mut rest = format;
        while let Some(first) = rest.chars().next() {
            if let Some((literal, after)) = rest.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
                out.push_str(literal);
                rest = after;
                continue;
            }
            match TOKENS.iter().find(|(token, _)| rest.starts_with(token)) {
                Some((token, chrono)) => {
                    out.push_str(&self.token(token, chrono));
                    rest = &rest[token.len()..];
                }
                None => {
                    out.push(first);
                    rest = &rest[first.len_utf8()..];
                }
            }
        }
        out
    }

    fn token(&self, token: &str, chrono: &str) -> String {
        match token {
            "Do" => ordinal(self.0.day()),
            "Q" => (self.0.month0() / 3 + 1).to_string(),
            "x" => self.0.timestamp_millis().to_string(),
            "S" | "SS" | "SSS" | "SSSS" | "SSSSS" | "SSSSSS" => {
                format!("{:06}", self.0.nanosecond() / 1000 % 1_000_000)[..token.len()].to_owned()
            }
            _ => self.chrono_format(chrono),
        }
    }

    fn attribute(&self, name: &str) -> Option<Value> {
        let instant = &self.0;
        Some(match name {
            "year" => Value::from(instant.year()),
            "month" => Value::from(instant.month()),
            "day" => Value::from(instant.day()),
            "hour" => Value::from(instant.hour()),
            "minute" => Value::from(instant.minute()),
            "second" => Value::from(instant.second()),
            "microsecond" => Value::from(instant.nanosecond() / 1000 % 1_000_000),
            "quarter" => Value::from(instant.month0() / 3 + 1),
            "day_of_week" => Value::from(instant.weekday().num_days_from_monday()),
            "day_of_year" => Value::from(instant.ordinal()),
            "week_of_year" => Value::from(instant.iso_week().week()),
            "int_timestamp" => Value::from(instant.timestamp()),
            "float_timestamp" => Value::from(self.timestamp()),
            "timezone_name" => Value::from(instant.timezone().name()),
            _ => return None,
        })
    }

    #[allow(clippy::cast_precision_loss, reason = "microseconds since 1970 fit into the 53 bits of a float")]
    pub fn timestamp(&self) -> f64 {
        self.0.timestamp_micros() as f64 / 1e6
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.isoformat(" "))
    }
}

impl Object for Instant {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.attribute(key.as_str()?)
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let value = match method {
            "strftime" => Value::from(self.strftime(from_args::<(&str,)>(args)?.0)?),
            "format" => Value::from(self.tokens(from_args::<(&str,)>(args)?.0)),
            "isoformat" | "to_iso8601_string" => {
                let (separator,): (Option<&str>,) = from_args(args)?;
                Value::from(self.isoformat(separator.unwrap_or("T")))
            }
            "add" => Value::from_object(self.shifted(&from_args::<(Kwargs,)>(args)?.0, 1)?),
            "subtract" => Value::from_object(self.shifted(&from_args::<(Kwargs,)>(args)?.0, -1)?),
            "replace" => Value::from_object(self.replaced(&from_args::<(Kwargs,)>(args)?.0)?),
            "start_of" => Value::from_object(self.start_of(from_args::<(&str,)>(args)?.0)?),
            "end_of" => Value::from_object(self.end_of(from_args::<(&str,)>(args)?.0)?),
            "in_timezone" | "in_tz" | "astimezone" => {
                let (name,): (&str,) = from_args(args)?;
                let zone = Tz::from_str(name).map_err(|_| invalid(format!("there is no time zone `{name}`")))?;
                Value::from_object(Instant(self.0.with_timezone(&zone)))
            }
            "diff" => {
                let other = Instant::of(&from_args::<(Value,)>(args)?.0)?;
                Value::from_object(Span((other.0 - self.0).abs()))
            }
            "date" | "to_date_string" => Value::from(self.chrono_format("%Y-%m-%d")),
            "time" | "to_time_string" => Value::from(self.chrono_format("%H:%M:%S")),
            "to_datetime_string" => Value::from(self.chrono_format("%Y-%m-%d %H:%M:%S")),
            "timestamp" => Value::from(self.timestamp()),
            "weekday" => Value::from(self.0.weekday().num_days_from_monday()),
            "isoweekday" => Value::from(self.0.weekday().number_from_monday()),
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        };
        Ok(value)
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<std::cmp::Ordering> {
        Some(self.0.cmp(&other.downcast_ref::<Instant>()?.0))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_ref(), f)
    }
}

/// Pendulum's tokens, the longer before those that they begin with, and the same in chrono's format where there is one.
const TOKENS: &[(&str, &str)] = &[
    ("YYYY", "%Y"),
    ("YY", "%y"),
    ("Y", "%Y"),
    ("Q", ""),
    ("MMMM", "%B"),
    ("MMM", "%b"),
    ("MM", "%m"),
    ("M", "%-m"),
    ("DDDD", "%j"),
    ("DDD", "%-j"),
    ("DD", "%d"),
    ("Do", ""),
    ("D", "%-d"),
    ("dddd", "%A"),
    ("ddd", "%a"),
    ("dd", "%a"),
    ("d", "%w"),
    ("E", "%u"),
    ("HH", "%H"),
    ("H", "%-H"),
    ("hh", "%I"),
    ("h", "%-I"),
    ("mm", "%M"),
    ("m", "%-M"),
    ("ss", "%S"),
    ("s", "%-S"),
    ("SSSSSS", ""),
    ("SSSSS", ""),
    ("SSSS", ""),
    ("SSS", ""),
    ("SS", ""),
    ("S", ""),
    ("A", "%p"),
    ("X", "%s"),
    ("x", ""),
    ("ZZ", "%z"),
    ("Z", "%:z"),
    ("zz", "%Z"),
    ("z", "%Z"),
];

/// ISO 8601 with or without an offset, which is then UTC.
fn parse(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(instant) = DateTime::parse_from_rfc3339(&text.replacen(' ', "T", 1)) {
        return Some(instant.with_timezone(&Utc));
    }
    if let Ok(date) = NaiveDate::from_str(text) {
        return Some(date.and_time(NaiveTime::MIN).and_utc());
    }
    NaiveDateTime::from_str(&text.replacen(' ', "T", 1)).ok().map(|local| local.and_utc())
}

fn ordinal(number: u32) -> String {
    let suffix = match (number % 10, number % 100) {
        (1, tens) if tens != 11 => "st",
        (2, tens) if tens != 12 => "nd",
        (3, tens) if tens != 13 => "rd",
        _ => "th",
    };
    format!("{number}{suffix}")
}

pub(super) fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}
