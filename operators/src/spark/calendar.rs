//! Functions of dates and times. All of them take dates, timestamps and text.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Datelike as _, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, Timelike as _};
use datafusion::arrow::array::{ArrayRef, Date32Array, Float64Array, Int32Array, Int64Array, StringArray};
use datafusion::arrow::datatypes::{DataType, Int32Type, TimeUnit};
use datafusion::common::{ScalarValue, exec_err, plan_err};
use datafusion::error::Result;

use super::array::{Target, cast_array, days, is_utc, timestamps};
use super::pattern::Pattern;
use super::scalar::{Scalar, date_type, int_type, long_type, micros, text, text_type, timestamp_type, whole};

const MICROS_PER_SECOND: i64 = 1_000_000;
/// How instants are written unless a pattern says otherwise.
const DEFAULT_PATTERN: &str = "yyyy-MM-dd HH:mm:ss";

/// All of them.
pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new("date_format", 2..=2, text_type, date_format),
        Scalar::new("to_timestamp", 1..=2, timestamp_type, to_timestamp),
        Scalar::new("to_date", 1..=2, date_type, to_date),
        Scalar::new("unix_timestamp", 1..=2, long_type, unix_timestamp).also(&["to_unix_timestamp"]),
        Scalar::new("from_unixtime", 1..=2, text_type, from_unixtime),
        Scalar::new("date_trunc", 2..=2, timestamp_type, date_trunc),
        Scalar::new("trunc", 2..=2, date_type, trunc),
        Scalar::new("year", 1..=1, int_type, years).growing(range_of_year),
        Scalar::new("quarter", 1..=1, int_type, |args| of_date(args, |date| part(date.month0() / 3 + 1))),
        Scalar::new("month", 1..=1, int_type, |args| of_date(args, |date| part(date.month()))),
        Scalar::new("day", 1..=1, int_type, |args| of_date(args, |date| part(date.day()))).also(&["dayofmonth"]),
        Scalar::new("dayofyear", 1..=1, int_type, |args| of_date(args, |date| part(date.ordinal()))),
        Scalar::new("dayofweek", 1..=1, int_type, |args| {
            of_date(args, |date| part(date.weekday().number_from_sunday()))
        }),
        Scalar::new("weekday", 1..=1, int_type, |args| {
            of_date(args, |date| part(date.weekday().num_days_from_monday()))
        }),
        Scalar::new("weekofyear", 1..=1, int_type, |args| of_date(args, |date| part(date.iso_week().week()))),
        Scalar::new("hour", 1..=1, int_type, |args| of_time(args, |at| part(at.hour()))),
        Scalar::new("minute", 1..=1, int_type, |args| of_time(args, |at| part(at.minute()))),
        Scalar::new("second", 1..=1, int_type, |args| of_time(args, |at| part(at.second()))),
        Scalar::new("date_add", 2..=2, date_type, |args| shifted(args, 1)).also(&["dateadd"]),
        Scalar::new("date_sub", 2..=2, date_type, |args| shifted(args, -1)),
        Scalar::new("datediff", 2..=2, int_type, datediff).also(&["date_diff"]),
        Scalar::new("timestampadd", 3..=3, timestamp_type, timestampadd),
        Scalar::new("timestampdiff", 3..=3, long_type, timestampdiff),
        Scalar::new("add_months", 2..=2, date_type, add_months),
        Scalar::new("months_between", 2..=2, |_| DataType::Float64, months_between),
        Scalar::new("last_day", 1..=1, date_type, |args| dates(args, last_of_month)),
        Scalar::new("next_day", 2..=2, date_type, next_day),
        Scalar::new("dayname", 1..=1, text_type, |args| named(args, "E")),
        Scalar::new("monthname", 1..=1, text_type, |args| named(args, "MMM")),
    ]
}

fn part(number: u32) -> i32 {
    number.cast_signed()
}

fn instant(micros: i64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp_micros(micros).map(|at| at.naive_utc())
}

fn in_micros(at: NaiveDateTime) -> i64 {
    at.and_utc().timestamp_micros()
}

/// What lies between two times is in no year and no hour: its digits would be taken for those of a time.
fn refuse_spans(data_type: &DataType) -> Result<()> {
    match data_type {
        DataType::Duration(_) | DataType::Interval(_) => exec_err!(
            "`b - a` is a span of time, and has no year, day or hour of its own; write `timestampdiff(HOUR, a, b)`"
        ),
        _ => Ok(()),
    }
}

fn of_date(args: &[ArrayRef], part: fn(NaiveDate) -> i32) -> Result<ArrayRef> {
    refuse_spans(args[0].data_type())?;
    let parts = days(&args[0])?.iter().map(|day| Some(part(NaiveDate::from_epoch_days(day?)?))).collect::<Int32Array>();
    Ok(Arc::new(parts))
}

/// The question that is asked of dates most. It needs no calendar of each.
fn years(args: &[ArrayRef]) -> Result<ArrayRef> {
    refuse_spans(args[0].data_type())?;
    Ok(Arc::new(days(&args[0])?.unary::<_, Int32Type>(year_of)))
}

/// The year of a day, which is counted from 1970-01-01. Years are taken to begin in March, so that a leap day is the last of its
/// year, and divisions by the lengths of a century and of a year are multiplications (Neri and Schneider, "Euclidean affine
/// functions and their application to calendar algorithms").
#[expect(
    clippy::cast_possible_truncation,
    reason = "the rest of a division, the half of a product, and years of 32-bit days"
)]
fn year_of(day: i32) -> i32 {
    const DAYS_OF_400_YEARS: i64 = 146_097;
    /// So many blocks of 400 years before year 0 there is no day left.
    const BLOCKS_BEFORE: i64 = 14_700;
    let since_first = (i64::from(day) + 719_468 + BLOCKS_BEFORE * DAYS_OF_400_YEARS).unsigned_abs();
    let quarters = 4 * since_first + 3;
    let century = quarters / DAYS_OF_400_YEARS.unsigned_abs();
    let day_of_century = (quarters % DAYS_OF_400_YEARS.unsigned_abs()) / 4;
    let product = 2_939_745 * (4 * day_of_century + 3);
    let day_of_year = (product as u32) / 2_939_745 / 4;
    let is_january_or_february = day_of_year >= 306;
    let year = 100 * century + (product >> 32) + u64::from(is_january_or_february);
    (year.cast_signed() - 400 * BLOCKS_BEFORE) as i32
}

/// The days or instants of a year.
fn range_of_year(year: &ScalarValue, of: &DataType) -> Option<(ScalarValue, ScalarValue)> {
    let ScalarValue::Int32(Some(year)) = *year else { return None };
    let (first, end) = (NaiveDate::from_ymd_opt(year, 1, 1)?, NaiveDate::from_ymd_opt(year.checked_add(1)?, 1, 1)?);
    if *of == DataType::Date32 {
        let day = |date: NaiveDate| ScalarValue::Date32(Some(date.to_epoch_days()));
        return Some((day(first), day(end)));
    }
    let DataType::Timestamp(unit, zone) = of else { return None };
    if !is_utc(zone.as_deref()) {
        return None;
    }
    let midnight = |date: NaiveDate| {
        let seconds = date.and_time(NaiveTime::MIN).and_utc().timestamp();
        Some(match unit {
            TimeUnit::Second => ScalarValue::TimestampSecond(Some(seconds), zone.clone()),
            TimeUnit::Millisecond => ScalarValue::TimestampMillisecond(Some(seconds.checked_mul(1_000)?), zone.clone()),
            TimeUnit::Microsecond => {
                ScalarValue::TimestampMicrosecond(Some(seconds.checked_mul(MICROS_PER_SECOND)?), zone.clone())
            }
            TimeUnit::Nanosecond => {
                ScalarValue::TimestampNanosecond(Some(seconds.checked_mul(1_000_000_000)?), zone.clone())
            }
        })
    };
    Some((midnight(first)?, midnight(end)?))
}

fn of_time(args: &[ArrayRef], part: fn(NaiveDateTime) -> i32) -> Result<ArrayRef> {
    refuse_spans(args[0].data_type())?;
    let parts = micros(args, 0)?.iter().map(|at| Some(part(instant(at?)?))).collect::<Int32Array>();
    Ok(Arc::new(parts))
}

fn dates(args: &[ArrayRef], change: fn(NaiveDate) -> Option<NaiveDate>) -> Result<ArrayRef> {
    let changed = days(&args[0])?
        .iter()
        .map(|day| Some(change(NaiveDate::from_epoch_days(day?)?)?.to_epoch_days()))
        .collect::<Date32Array>();
    Ok(Arc::new(changed))
}

/// Patterns that were met. Most columns have one.
#[derive(Default)]
struct Patterns(HashMap<String, Pattern>);

impl Patterns {
    fn get(&mut self, text: &str) -> Result<&Pattern> {
        if !self.0.contains_key(text) {
            self.0.insert(text.to_owned(), Pattern::parse(text)?);
        }
        Ok(&self.0[text])
    }
}

/// Instants as texts by the pattern of each row.
fn written(instants: &Int64Array, patterns: &StringArray) -> Result<ArrayRef> {
    let mut known = Patterns::default();
    let texts = instants.iter().zip(patterns).map(|(at, pattern)| {
        let (Some(at), Some(pattern)) = (at.and_then(instant), pattern) else { return Ok(None) };
        Ok(Some(known.get(pattern)?.write(at)))
    });
    Ok(Arc::new(texts.collect::<Result<StringArray>>()?))
}

/// Microseconds of what is a time already, or of texts by the pattern of each row.
fn read(args: &[ArrayRef]) -> Result<Vec<Option<i64>>> {
    let is_text = matches!(args[0].data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    if args.len() < 2 || !is_text {
        return Ok(micros(args, 0)?.iter().collect());
    }
    let mut known = Patterns::default();
    let (texts, patterns) = (text(args, 0)?, text(args, 1)?);
    let read = texts.iter().zip(&patterns).map(|(text, pattern)| {
        let (Some(text), Some(pattern)) = (text, pattern) else { return Ok(None) };
        Ok(known.get(pattern)?.read(text).map(in_micros))
    });
    read.collect()
}

fn date_format(args: &[ArrayRef]) -> Result<ArrayRef> {
    written(&micros(args, 0)?, &text(args, 1)?)
}

fn named(args: &[ArrayRef], pattern: &str) -> Result<ArrayRef> {
    let pattern = Pattern::parse(pattern)?;
    let names = micros(args, 0)?.iter().map(|at| Some(pattern.write(instant(at?)?))).collect::<StringArray>();
    Ok(Arc::new(names))
}

fn to_timestamp(args: &[ArrayRef]) -> Result<ArrayRef> {
    Ok(timestamps(read(args)?.into_iter()))
}

fn to_date(args: &[ArrayRef]) -> Result<ArrayRef> {
    if args.len() < 2 {
        return Ok(cast_array(&args[0], Target::Date)?);
    }
    Ok(cast_array(&timestamps(read(args)?.into_iter()), Target::Date)?)
}

/// Seconds since 1970; texts without a pattern have to be `2018-03-04 05:06:07`, and nothing else.
fn unix_timestamp(args: &[ArrayRef]) -> Result<ArrayRef> {
    let default: ArrayRef =
        Arc::new(std::iter::repeat_n(Some(DEFAULT_PATTERN), args[0].len()).collect::<StringArray>());
    let pattern = args.get(1).unwrap_or(&default);
    let seconds = read(&[Arc::clone(&args[0]), Arc::clone(pattern)])?
        .into_iter()
        .map(|at| at.map(|at| at.div_euclid(MICROS_PER_SECOND)));
    Ok(Arc::new(seconds.collect::<Int64Array>()))
}

fn from_unixtime(args: &[ArrayRef]) -> Result<ArrayRef> {
    let seconds = whole(args, 0)?;
    let instants: Int64Array = seconds.iter().map(|at| at.and_then(|at| at.checked_mul(MICROS_PER_SECOND))).collect();
    let patterns = match args.get(1) {
        Some(_) => text(args, 1)?,
        None => std::iter::repeat_n(Some(DEFAULT_PATTERN), instants.len()).collect(),
    };
    written(&instants, &patterns)
}

/// The beginning of the unit that an instant is in; none for units that there are not.
fn beginning(unit: &str, at: NaiveDateTime) -> Option<NaiveDateTime> {
    let day = |date: Option<NaiveDate>| date.map(|date| date.and_time(NaiveTime::MIN));
    let date = at.date();
    match unit.to_lowercase().as_str() {
        "year" | "yyyy" | "yy" => day(date.with_ordinal(1)),
        "quarter" => day(NaiveDate::from_ymd_opt(date.year(), date.month0() / 3 * 3 + 1, 1)),
        "month" | "mm" | "mon" => day(date.with_day(1)),
        "week" => day(date.checked_sub_days(Days::new(date.weekday().num_days_from_monday().into()))),
        "day" | "dd" => day(Some(date)),
        "hour" => at.with_minute(0)?.with_second(0)?.with_nanosecond(0),
        "minute" => at.with_second(0)?.with_nanosecond(0),
        "second" => at.with_nanosecond(0),
        "millisecond" => at.with_nanosecond(at.nanosecond() / 1_000_000 * 1_000_000),
        "microsecond" => Some(at),
        _ => None,
    }
}

fn date_trunc(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (units, instants) = (text(args, 0)?, micros(args, 1)?);
    let rows = units.iter().zip(&instants);
    Ok(timestamps(rows.map(|(unit, at)| beginning(unit?, instant(at?)?).map(in_micros))))
}

/// What dates are cut off to; the others are units of times.
const UNITS_OF_DATES: [&str; 8] = ["year", "yyyy", "yy", "quarter", "month", "mm", "mon", "week"];

fn trunc(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (dates, units) = (days(&args[0])?, text(args, 1)?);
    let truncated = dates.iter().zip(&units).map(|(day, unit)| {
        let unit = unit.filter(|unit| UNITS_OF_DATES.contains(&unit.to_lowercase().as_str()))?;
        let at = NaiveDate::from_epoch_days(day?)?.and_time(NaiveTime::MIN);
        beginning(unit, at).map(|at| at.date().to_epoch_days())
    });
    Ok(Arc::new(truncated.collect::<Date32Array>()))
}

fn shifted(args: &[ArrayRef], sign: i64) -> Result<ArrayRef> {
    let (dates, numbers) = (days(&args[0])?, whole(args, 1)?);
    let rows = dates.iter().zip(&numbers);
    let shifted = rows.map(|(day, number)| i32::try_from(i64::from(day?) + sign * number?).ok());
    Ok(Arc::new(shifted.collect::<Date32Array>()))
}

fn datediff(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (ends, starts) = (days(&args[0])?, days(&args[1])?);
    Ok(Arc::new(ends.iter().zip(&starts).map(|(end, start)| end?.checked_sub(start?)).collect::<Int32Array>()))
}

/// A unit that time is counted in.
enum Unit {
    Months(i64),
    Micros(i64),
}

impl Unit {
    fn of(name: &str) -> Result<Unit> {
        const HOUR: i64 = 3_600 * MICROS_PER_SECOND;
        Ok(match name.to_lowercase().as_str() {
            "year" => Unit::Months(12),
            "quarter" => Unit::Months(3),
            "month" => Unit::Months(1),
            "week" => Unit::Micros(7 * 24 * HOUR),
            "day" | "dayofyear" => Unit::Micros(24 * HOUR),
            "hour" => Unit::Micros(HOUR),
            "minute" => Unit::Micros(60 * MICROS_PER_SECOND),
            "second" => Unit::Micros(MICROS_PER_SECOND),
            "millisecond" => Unit::Micros(1_000),
            "microsecond" => Unit::Micros(1),
            _ => return plan_err!("`{name}` is no unit of time"),
        })
    }
}

fn timestampadd(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (units, numbers, instants) = (text(args, 0)?, whole(args, 1)?, micros(args, 2)?);
    let rows = units.iter().zip(&numbers).zip(&instants);
    let moved: Vec<Option<i64>> = rows
        .map(|((unit, number), at)| {
            let (Some(unit), Some(number), Some(at)) = (unit, number, at) else { return Ok(None) };
            Ok(match Unit::of(unit)? {
                Unit::Micros(length) => number.checked_mul(length).and_then(|span| at.checked_add(span)),
                Unit::Months(length) => number.checked_mul(length).and_then(|months| by_months(instant(at)?, months)),
            })
        })
        .collect::<Result<_>>()?;
    Ok(timestamps(moved.into_iter()))
}

fn by_months(at: NaiveDateTime, months: i64) -> Option<i64> {
    let span = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
    let moved = if months < 0 { at.checked_sub_months(span) } else { at.checked_add_months(span) };
    moved.map(in_micros)
}

/// How many whole units there are between two instants.
fn timestampdiff(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (units, starts, ends) = (text(args, 0)?, micros(args, 1)?, micros(args, 2)?);
    let rows = units.iter().zip(&starts).zip(&ends);
    let counted: Vec<Option<i64>> = rows
        .map(|((unit, start), end)| {
            let (Some(unit), Some(start), Some(end)) = (unit, start, end) else { return Ok(None) };
            Ok(match Unit::of(unit)? {
                Unit::Micros(length) => end.checked_sub(start).map(|span| span / length),
                Unit::Months(length) => months_within(start, end).map(|months| months / length),
            })
        })
        .collect::<Result<_>>()?;
    Ok(Arc::new(counted.into_iter().collect::<Int64Array>()))
}

/// Whole months from one instant to another; negative ones back.
fn months_within(start: i64, end: i64) -> Option<i64> {
    let (from, to) = (instant(start)?, instant(end)?);
    let months = i64::from((to.year() - from.year()) * 12 + part(to.month()) - part(from.month()));
    let rest = |at: NaiveDateTime| (at.day(), at.time());
    Some(match months {
        1.. if rest(to) < rest(from) => months - 1,
        i64::MIN..=-1 if rest(to) > rest(from) => months + 1,
        months => months,
    })
}

fn add_months(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (dates, numbers) = (days(&args[0])?, whole(args, 1)?);
    let moved = dates.iter().zip(&numbers).map(|(day, number)| {
        let (date, number) = (NaiveDate::from_epoch_days(day?)?, number?);
        let months = Months::new(u32::try_from(number.unsigned_abs()).ok()?);
        let moved = if number < 0 { date.checked_sub_months(months) } else { date.checked_add_months(months) };
        moved.map(|date| date.to_epoch_days())
    });
    Ok(Arc::new(moved.collect::<Date32Array>()))
}

fn last_of_month(date: NaiveDate) -> Option<NaiveDate> {
    date.with_day(1)?.checked_add_months(Months::new(1))?.pred_opt()
}

/// Whole months when both are the same day of their months, or the last ones; else parts of 31 days.
#[expect(clippy::cast_precision_loss, reason = "there are fewer seconds in 31 days than 2^52")]
fn months_between(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (ends, starts) = (micros(args, 0)?, micros(args, 1)?);
    let between = ends.iter().zip(&starts).map(|(end, start)| {
        let (end, start) = (instant(end?)?, instant(start?)?);
        let months = f64::from((end.year() - start.year()) * 12 + part(end.month()) - part(start.month()));
        let is_last = |at: NaiveDateTime| last_of_month(at.date()) == Some(at.date());
        if end.day() == start.day() || (is_last(end) && is_last(start)) {
            return Some(months);
        }
        let seconds = |at: NaiveDateTime| i64::from(at.day()) * 86_400 + i64::from(at.num_seconds_from_midnight());
        let parts = (seconds(end) - seconds(start)) as f64 / (31.0 * 86_400.0);
        Some(((months + parts) * 1e8).round() / 1e8)
    });
    Ok(Arc::new(between.collect::<Float64Array>()))
}

fn next_day(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (dates, names) = (days(&args[0])?, text(args, 1)?);
    let next = dates.iter().zip(&names).map(|(day, name)| {
        let (date, name) = (NaiveDate::from_epoch_days(day?)?, name?.trim().to_lowercase());
        let wanted = ["mo", "tu", "we", "th", "fr", "sa", "su"].iter().position(|short| name.starts_with(short))?;
        let wanted = u64::try_from(wanted).ok()?;
        let today = u64::from(date.weekday().num_days_from_monday());
        let ahead = (wanted + 6 - today) % 7 + 1;
        date.checked_add_days(Days::new(ahead)).map(|date| date.to_epoch_days())
    });
    Ok(Arc::new(next.collect::<Date32Array>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_year_of_a_day_is_that_of_the_calendar() {
        let all_of_3_000_years = -900_000..200_000;
        let far_away = (-95_000_000..95_000_000).step_by(9_973);
        for day in all_of_3_000_years.chain(far_away) {
            assert_eq!(Some(year_of(day)), NaiveDate::from_epoch_days(day).map(|date| date.year()), "day {day}");
        }
        assert_eq!((year_of(i32::MIN), year_of(i32::MAX)), (-5_877_641, 5_881_580));
    }

    /// What is compared with a year is compared with its days, and finds the same rows.
    #[tokio::test]
    async fn a_year_that_is_compared_is_a_range() {
        let session = crate::spark::session(64 * 1024 * 1024, 2).unwrap();
        let rows = "VALUES ('2017-12-31 23:59:59.999999'), ('2018-01-01 00:00:00'), ('2018-07-01 12:00:00'), \
                    ('2018-12-31 23:59:59.999999'), ('2019-01-01 00:00:00'), ('1677-12-31 00:00:00'), (NULL)";
        let instants = [("s", "Second"), ("ms", "Millisecond"), ("us", "Microsecond"), ("ns", "Nanosecond")];
        let instants = instants.map(|(name, unit)| {
            format!("arrow_cast(written, 'Timestamp({unit}, Some(\"UTC\"))') AS {name}, arrow_cast(written, 'Timestamp({unit}, None)') AS {name}_plain")
        });
        let view = format!(
            "CREATE VIEW days AS SELECT CAST(written AS DATE) AS day, {} FROM ({rows}) AS t(written)",
            instants.join(", ")
        );
        session.sql(&view).await.unwrap().collect().await.unwrap();
        for condition in [
            "= 2018",
            "!= 2018",
            "< 2018",
            "<= 2018",
            "> 2018",
            ">= 2018",
            "BETWEEN 2018 AND 2019",
            "IN (1700, 2018)",
            "NOT IN (2018)",
            "<=> 2018",
            "= 1677",
        ] {
            for column in ["day", "s", "s_plain", "ms", "ms_plain", "us", "us_plain", "ns", "ns_plain"] {
                let asked = format!("SELECT count(*) FROM days WHERE year({column}) {condition}");
                let plainly = format!("SELECT count(*) FROM days WHERE year({column}) + 0 {condition}");
                let count = async |sql: &str| session.sql(sql).await.unwrap().collect().await.unwrap();
                assert_eq!(count(&asked).await, count(&plainly).await, "{asked}");
                let plan =
                    session.sql(&asked).await.unwrap().into_optimized_plan().unwrap().display_indent().to_string();
                // The first nanosecond there is is in 1677, so that its year has no beginning.
                let is_known = !(column.starts_with("ns") && condition == "= 1677");
                assert_eq!(!plan.contains("year("), is_known, "{asked}\n{plan}");
            }
        }
    }

    #[test]
    fn a_year_without_an_end_is_no_range() {
        let range = |year: i32, of: DataType| range_of_year(&ScalarValue::Int32(Some(year)), &of);
        assert_eq!(range(300_000, DataType::Date32), None);
        assert_eq!(range(2018, DataType::Utf8), None);
        assert_eq!(range(2018, DataType::Timestamp(TimeUnit::Microsecond, Some("Europe/Paris".into()))), None);
        assert_eq!(range(1970, DataType::Date32), Some((ScalarValue::Date32(Some(0)), ScalarValue::Date32(Some(365)))));
    }
}
