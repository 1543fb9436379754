//! Dates, lengths of time and zones, as Python's `datetime`, pendulum and dateutil make them.

use chrono::{Days, NaiveDate, NaiveDateTime, TimeDelta};

use crate::value::{Date, Length, Value};

/// The parts of a length of time, each with its name in `timedelta`, and how many milliseconds it has.
const PARTS: [(&str, i64); 6] = [
    ("weeks", 7 * 86_400_000),
    ("days", 86_400_000),
    ("hours", 3_600_000),
    ("minutes", 60_000),
    ("seconds", 1_000),
    ("milliseconds", 1),
];

/// The order of the arguments of `timedelta` without names.
pub(crate) const TIMEDELTA_ORDER: [&str; 7] =
    ["days", "seconds", "microseconds", "milliseconds", "minutes", "hours", "weeks"];

/// The order of the arguments of `datetime` without names.
pub(crate) const DATETIME_ORDER: [&str; 8] =
    ["year", "month", "day", "hour", "minute", "second", "microsecond", "tzinfo"];

impl Length {
    /// From the arguments of `timedelta`, `duration` or `relativedelta`; none when one of them is something else.
    pub(crate) fn of(arguments: &[(String, Value<'_>)]) -> Option<Length> {
        let mut length = Length { months: 0, exact: TimeDelta::zero() };
        for (name, value) in arguments {
            let number = value.number()?;
            match name.as_str() {
                "years" => length.months = length.months.checked_add(whole(number * 12.0)?)?,
                "months" => length.months = length.months.checked_add(whole(number)?)?,
                "microseconds" => {
                    length.exact = length.exact.checked_add(&TimeDelta::microseconds(whole(number)?))?;
                }
                other => {
                    let (_, milliseconds) = PARTS.iter().find(|(name, _)| *name == other)?;
                    #[expect(clippy::cast_precision_loss, reason = "the numbers are small")]
                    let part = TimeDelta::try_milliseconds(whole(number * *milliseconds as f64)?)?;
                    length.exact = length.exact.checked_add(&part)?;
                }
            }
        }
        Some(length)
    }

    /// As Updraft writes it: `1d12h`.
    pub(crate) fn written(self) -> String {
        let mut text = String::new();
        if self.months < 0 || self.exact < TimeDelta::zero() {
            text.push('-');
        }
        let (years, months) = (self.months.abs() / 12, self.months.abs() % 12);
        let mut rest = self.exact.abs().num_milliseconds();
        let mut push = |count: i64, unit: &str| {
            if count > 0 {
                text.extend([&count.to_string(), unit]);
            }
        };
        push(years, " years ");
        push(months, " months ");
        for ((_, milliseconds), unit) in PARTS[1..].iter().zip(["d", "h", "m", "s", "ms"]) {
            push(rest / milliseconds, unit);
            rest %= milliseconds;
        }
        let text = text.trim_end().to_owned();
        if text.is_empty() || text == "-" { "0s".to_owned() } else { text }
    }

    /// Turned round.
    pub(crate) fn negated(self) -> Length {
        Length { months: -self.months, exact: -self.exact }
    }

    /// Both together.
    pub(crate) fn plus(self, other: Length) -> Option<Length> {
        let months = self.months.checked_add(other.months)?;
        Some(Length { months, exact: self.exact.checked_add(&other.exact)? })
    }

    /// So many of it.
    pub(crate) fn times(self, count: i64) -> Option<Length> {
        let exact = self.exact.num_milliseconds().checked_mul(count).and_then(TimeDelta::try_milliseconds)?;
        Some(Length { months: self.months.checked_mul(count)?, exact })
    }
}

#[expect(clippy::cast_possible_truncation, reason = "what does not fit is refused")]
fn whole(number: f64) -> Option<i64> {
    (number.abs() < 9e15).then(|| number.round() as i64)
}

impl Date {
    /// From the arguments of `datetime`.
    pub(crate) fn of(arguments: &[(String, Value<'_>)]) -> Option<Date> {
        let mut parts = [0u32; 7];
        let mut year = None;
        let mut zone = None;
        for (name, value) in arguments {
            match (name.as_str(), value) {
                ("tzinfo" | "tz", Value::None) => {}
                ("tzinfo" | "tz", value) => zone = Some(zone_of(value)?),
                ("year", Value::Int(value)) => year = Some(i32::try_from(*value).ok()?),
                (name, Value::Int(value)) => {
                    let position = DATETIME_ORDER.iter().position(|known| *known == name)?;
                    *parts.get_mut(position)? = u32::try_from(*value).ok()?;
                }
                _ => return None,
            }
        }
        let [_, month, day, hour, minute, second, micro] = parts;
        // Pendulum takes the first of the year, or of the month, for what is left out.
        let date = NaiveDate::from_ymd_opt(year?, month.max(1), day.max(1))?;
        Some(Date { local: date.and_hms_micro_opt(hour, minute, second, micro)?, zone })
    }

    /// From a text in ISO 8601, or in the format that is given.
    pub(crate) fn parse(text: &str, format: Option<&str>) -> Option<Date> {
        if let Some(format) = format {
            let local = NaiveDateTime::parse_from_str(text, format)
                .or_else(|_| NaiveDate::parse_from_str(text, format).map(NaiveDateTime::from))
                .ok()?;
            return Some(Date { local, zone: None });
        }
        if let Ok(date) = chrono::DateTime::parse_from_rfc3339(text) {
            return Some(Date { local: date.naive_utc(), zone: Some("UTC".to_owned()) });
        }
        let formats = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
        let with_time = formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
        let local = with_time.or_else(|| {
            ["%Y-%m-%d", "%Y/%m/%d", "%Y%m%d"]
                .iter()
                .find_map(|format| NaiveDate::parse_from_str(text, format).ok())
                .map(NaiveDateTime::from)
        })?;
        Some(Date { local, zone: None })
    }

    /// As Updraft writes it, without the zone.
    pub(crate) fn written(&self) -> String {
        let time = self.local.time();
        if time == chrono::NaiveTime::MIN {
            return self.local.date().to_string();
        }
        self.local
            .format(if self.local.and_utc().timestamp() % 60 == 0 { "%Y-%m-%dT%H:%M" } else { "%Y-%m-%dT%H:%M:%S" })
            .to_string()
    }

    /// Moved by a length of time.
    pub(crate) fn moved(&self, by: Length) -> Option<Date> {
        let months = chrono::Months::new(u32::try_from(by.months.abs()).ok()?);
        let local = if by.months < 0 {
            self.local.checked_sub_months(months)?
        } else {
            self.local.checked_add_months(months)?
        };
        // Whole days first: they may be more than a difference of times can hold.
        let days = by.exact.num_days();
        let whole = Days::new(days.unsigned_abs());
        let local = if days < 0 { local.checked_sub_days(whole)? } else { local.checked_add_days(whole)? };
        let local = local.checked_add_signed(by.exact - TimeDelta::try_days(days)?)?;
        Some(Date { local, zone: self.zone.clone() })
    }
}

/// The zone that a value stands for.
pub(crate) fn zone_of(value: &Value<'_>) -> Option<String> {
    match value {
        Value::Zone(zone) | Value::Text(zone) => Some(zone.clone()),
        Value::Name(name) => {
            let is_utc = name.rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case("utc"));
            is_utc.then(|| "UTC".to_owned())
        }
        _ => None,
    }
}
