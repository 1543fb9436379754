//! Airflow's `macros`: dates, JSON, YAML, and numbers that look random.

use std::sync::Arc;

use chrono::format::{Fixed, Item, Parsed, StrftimeItems};
use chrono::{DateTime, FixedOffset, NaiveDate, TimeDelta, Utc};
use minijinja::value::{Kwargs, Object, ObjectRepr, Rest, Value, from_args};
use minijinja::{Error, ErrorKind, State};

use super::humans;
use super::instant::{Instant, invalid, strftime};
use super::session::{Session, from_json};
use super::span::Span;

/// `macros`.
#[derive(Debug)]
pub(super) struct Macros(pub Arc<Session>);

impl Object for Macros {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let module = match key.as_str()? {
            "datetime" => Module::Datetime,
            "json" => Module::Json,
            "uuid" => Module::Uuid,
            "time" => Module::Time,
            "yaml" => Module::Yaml,
            "dateutil" => Module::Dateutil,
            _ => return None,
        };
        Some(Value::from_object(MacroModule { module, session: Arc::clone(&self.0) }))
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        match method {
            "ds_add" => {
                let (day, days): (&str, i64) = from_args(args)?;
                let moved = TimeDelta::try_days(days).and_then(|days| date(day).ok()?.checked_add_signed(days));
                Ok(Value::from(moved.ok_or_else(|| not_a_day(day))?.format("%Y-%m-%d").to_string()))
            }
            "ds_format" => {
                let (text, input, output): (&str, &str, &str) = from_args(args)?;
                Ok(Value::from(strftime(&parse_as(text, input)?, output)?))
            }
            "datetime_diff_for_humans" => {
                let (at, since, kwargs): (Value, Option<Value>, Kwargs) = from_args(args)?;
                let since = since.map_or_else(|| kwargs.get::<Option<Value>>("since"), |since| Ok(Some(since)))?;
                kwargs.assert_all_used()?;
                let utc = |value: &Value| Instant::of(value).map(|instant| instant.0.with_timezone(&Utc));
                let since = since.filter(|since| !since.is_none());
                let from = since.as_ref().map_or(Ok(self.0.context.now), utc)?;
                Ok(Value::from(humans::diff(utc(&at)?, from, since.is_none())))
            }
            "ds_format_locale" => Err(invalid(
                "`ds_format_locale` is not served, because days and months have English names here; write `ds_format`"
                    .to_owned(),
            )),
            "timedelta" => timedelta(args),
            "random" => Ok(Value::from(random(&self.0))),
            "datetime" => datetime(args),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Module {
    Datetime,
    Json,
    Uuid,
    Time,
    Yaml,
    Dateutil,
    DateutilParser,
}

#[derive(Debug)]
struct MacroModule {
    module: Module,
    session: Arc<Session>,
}

impl Object for MacroModule {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match (self.module, key.as_str()?) {
            (Module::Dateutil, "parser") => {
                let session = Arc::clone(&self.session);
                Some(Value::from_object(MacroModule { module: Module::DateutilParser, session }))
            }
            (Module::Dateutil, "relativedelta") => Some(Value::from(invalid(
                "`dateutil.relativedelta` is not served, because dates move with `.add(months=1)` and `.subtract(days=1)`"
                    .to_owned(),
            ))),
            _ => None,
        }
    }

    /// `macros.datetime` is a class in Airflow, so calling it makes a date.
    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        match self.module {
            Module::Datetime => datetime(args),
            _ => Err(invalid("this is a module, not a function".to_owned())),
        }
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let now = || Instant::utc(self.session.context.now);
        match (self.module, method) {
            (Module::Datetime, "now" | "utcnow" | "today") => Ok(Value::from_object(now())),
            (Module::Datetime, "strptime") => {
                let (text, format): (&str, &str) = from_args(args)?;
                Ok(Value::from_object(Instant::utc(parse_as(text, format)?.with_timezone(&Utc))))
            }
            (Module::Datetime, "fromisoformat") | (Module::DateutilParser, "parse" | "isoparse") => {
                let (text,): (Value,) = from_args(args)?;
                Ok(Value::from_object(Instant::of(&text)?))
            }
            (Module::Datetime, "fromtimestamp" | "utcfromtimestamp") => {
                let (seconds,): (f64,) = from_args(args)?;
                Ok(Value::from_object(at_timestamp(seconds)?))
            }
            (Module::Yaml, "safe_load" | "load") => {
                let (text, _): (&str, Rest<Value>) = from_args(args)?;
                let value: serde_json::Value =
                    serde_yaml::from_str(text).map_err(|error| invalid(format!("this is not YAML: {error}")))?;
                Ok(from_json(&value))
            }
            (Module::Yaml, "dump" | "safe_dump") => {
                Err(invalid("`yaml.dump` is not served; what `| tojson` writes is YAML as well".to_owned()))
            }
            (Module::Json, "dumps") => {
                let (value, _): (Value, Kwargs) = from_args(args)?;
                serde_json::to_string(&value).map(Value::from).map_err(|error| invalid(error.to_string()))
            }
            (Module::Json, "loads") => {
                let (text,): (&str,) = from_args(args)?;
                let value =
                    serde_json::from_str(text).map_err(|error| invalid(format!("this is not JSON: {error}")))?;
                Ok(from_json(&value))
            }
            (Module::Uuid, "uuid4" | "uuid1") => Ok(Value::from(uuid(self.session.draw()))),
            (Module::Time, "time") => Ok(Value::from(now().timestamp())),
            (Module::Time, "strftime") => {
                let (format,): (&str,) = from_args(args)?;
                Ok(Value::from(now().strftime(format)?))
            }
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

/// `datetime(year, month, day, hour, minute, second)`.
fn datetime(args: &[Value]) -> Result<Value, Error> {
    let (parts,): (Rest<u32>,) = from_args(args)?;
    let part = |index: usize| parts.get(index).copied();
    let (Some(year), Some(month), Some(day)) = (part(0), part(1), part(2)) else {
        return Err(invalid("a date has a year, a month and a day".to_owned()));
    };
    let time = (part(3).unwrap_or(0), part(4).unwrap_or(0), part(5).unwrap_or(0));
    i32::try_from(year)
        .ok()
        .and_then(|year| NaiveDate::from_ymd_opt(year, month, day))
        .and_then(|date| date.and_hms_opt(time.0, time.1, time.2))
        .map(|local| Value::from_object(Instant::utc(local.and_utc())))
        .ok_or_else(|| invalid("there is no such date".to_owned()))
}

/// `timedelta(days=1, hours=2)`; the first positional argument is days.
fn timedelta(args: &[Value]) -> Result<Value, Error> {
    let (days, kwargs): (Option<f64>, Kwargs) = from_args(args)?;
    let mut seconds = days.unwrap_or(0.0) * 86_400.0;
    for (name, unit) in [
        ("weeks", 604_800.0),
        ("days", 86_400.0),
        ("hours", 3_600.0),
        ("minutes", 60.0),
        ("seconds", 1.0),
        ("milliseconds", 1e-3),
        ("microseconds", 1e-6),
    ] {
        seconds += kwargs.get::<Option<f64>>(name)?.unwrap_or(0.0) * unit;
    }
    kwargs.assert_all_used()?;
    let too_long = || invalid("the stretch of time is too long".to_owned());
    if !seconds.is_finite() || seconds.abs() >= 1e12 {
        return Err(too_long());
    }
    // Below 10^12 seconds, milliseconds are exact.
    #[allow(clippy::cast_possible_truncation)]
    let delta = TimeDelta::try_milliseconds((seconds * 1000.0).round() as i64).ok_or_else(too_long)?;
    Ok(Value::from_object(Span(delta)))
}

/// So many seconds after the beginning of 1970.
fn at_timestamp(seconds: f64) -> Result<Instant, Error> {
    #[allow(clippy::cast_possible_truncation, reason = "the cast saturates, and no such date is found then")]
    let micros = (seconds * 1e6).round() as i64;
    let instant = DateTime::from_timestamp_micros(micros).filter(|_| seconds.is_finite());
    instant.map(Instant::utc).ok_or_else(|| invalid("the date is too far away".to_owned()))
}

fn date(text: &str) -> Result<NaiveDate, Error> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| not_a_day(text))
}

fn not_a_day(text: &str) -> Error {
    invalid(format!("`{text}` is not a day such as 2026-01-31, or too far away"))
}

/// Python's `strptime`: what the format does not say is as at midnight of the first of January 1900, in UTC.
fn parse_as(text: &str, format: &str) -> Result<DateTime<FixedOffset>, Error> {
    // Python's `%f` is a fraction of a second, and its `%z` takes a `Z`.
    let format_here = format.replace(".%f", "%.f").replace("%f", "%6f");
    let items = StrftimeItems::new(&format_here).map(|item| match item {
        Item::Fixed(Fixed::TimezoneOffset) => Item::Fixed(Fixed::TimezoneOffsetZ),
        item => item,
    });
    let mut parsed = Parsed::new();
    chrono::format::parse(&mut parsed, text, items)
        .and_then(|()| complete(&mut parsed))
        .and_then(|()| parsed.to_datetime())
        .map_err(|_| invalid(format!("`{text}` is not a date in the format `{format}`")))
}

/// Says what was left out, as Python's `strptime` does.
fn complete(parsed: &mut Parsed) -> chrono::format::ParseResult<()> {
    if parsed.offset().is_none() {
        parsed.set_offset(0)?;
    }
    if parsed.timestamp().is_some() {
        return Ok(());
    }
    let years = [parsed.year(), parsed.year_div_100(), parsed.year_mod_100(), parsed.isoyear()];
    if years.iter().all(Option::is_none) {
        parsed.set_year(1900)?;
    }
    let other_days = [parsed.ordinal(), parsed.isoweek(), parsed.week_from_sun(), parsed.week_from_mon()];
    if other_days.iter().all(Option::is_none) {
        if parsed.month().is_none() {
            parsed.set_month(1)?;
        }
        if parsed.day().is_none() {
            parsed.set_day(1)?;
        }
    }
    match (parsed.hour_div_12(), parsed.hour_mod_12()) {
        (None, None) => parsed.set_hour(0)?,
        (None, Some(_)) => parsed.set_ampm(false)?,
        // `%p` without an hour is refused.
        _ => {}
    }
    if parsed.minute().is_none() {
        parsed.set_minute(0)?;
    }
    if parsed.second().is_none() {
        parsed.set_second(0)?;
    }
    Ok(())
}

/// A number from 0 up to 1.
#[allow(clippy::cast_precision_loss, reason = "53 bits are what a float holds")]
fn random(session: &Session) -> f64 {
    let bytes = session.draw();
    let bits = u64::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7]]);
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

fn uuid(mut bytes: [u8; 16]) -> String {
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
