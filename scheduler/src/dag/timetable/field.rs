//! The cron dialect of Airflow (croniter's), taken apart into sets of numbers.
//!
//! Five fields, or six with the **seconds last**, or seven with the year after them.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// Why a cron expression cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CronError {
    message: String,
    help: Option<&'static str>,
}

impl CronError {
    pub(super) fn new(message: String) -> CronError {
        CronError { message, help: None }
    }

    fn with_help(message: String, help: &'static str) -> CronError {
        CronError { message, help: Some(help) }
    }

    /// What to write instead, where there is something to say.
    pub fn help(&self) -> Option<&'static str> {
        self.help
    }
}

/// A field of a cron expression: its name, and between which numbers it lies.
#[derive(Debug)]
struct FieldKind {
    name: &'static str,
    min: u32,
    max: u32,
    names: &'static [&'static str],
}

/// The years that an expression can name.
pub(super) const YEARS: RangeInclusive<u32> = 1970..=2099;

const MONTHS: &[&str] = &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

const MINUTE: FieldKind = FieldKind { name: "minute", min: 0, max: 59, names: &[] };
const HOUR: FieldKind = FieldKind { name: "hour", min: 0, max: 23, names: &[] };
const DAY: FieldKind = FieldKind { name: "day of the month", min: 1, max: 31, names: &[] };
const MONTH: FieldKind = FieldKind { name: "month", min: 1, max: 12, names: MONTHS };
const WEEKDAY: FieldKind = FieldKind { name: "day of the week", min: 0, max: 7, names: WEEKDAYS };
const SECOND: FieldKind = FieldKind { name: "second", min: 0, max: 59, names: &[] };
const YEAR: FieldKind = FieldKind { name: "year", min: *YEARS.start(), max: *YEARS.end(), names: &[] };

/// What one field asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Field {
    /// The numbers that match; all of them when `every`.
    pub numbers: BTreeSet<u32>,
    /// Whether every number matches.
    pub every: bool,
    /// The step, when the field is one plain `*/n`.
    pub step: Option<u32>,
    /// Whether `L` is there: the last day of the month.
    pub last_day: bool,
    /// `L5`, `5#2`: a weekday, and which one of the month; `None` is the last.
    pub nth: BTreeSet<(u32, Option<u32>)>,
}

/// A cron expression, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CronFields {
    expression: String,
    pub(super) second: Field,
    pub(super) minute: Field,
    pub(super) hour: Field,
    pub(super) day: Field,
    pub(super) month: Field,
    pub(super) weekday: Field,
    pub(super) year: Field,
}

impl CronFields {
    /// Reads an expression or a preset.
    pub fn parse(expression: &str) -> Result<CronFields, CronError> {
        let written = expression.trim();
        let expanded = if written.starts_with('@') { preset(written)? } else { written };
        let texts: Vec<&str> = expanded.split_whitespace().collect();
        if !(5..=7).contains(&texts.len()) {
            let count = texts.len();
            return Err(CronError::with_help(
                format!("a cron expression has 5 fields, `{written}` has {count}"),
                "the fields are minute, hour, day of the month, month and day of the week; a 6th is the second, a 7th the year",
            ));
        }
        let mut every_second_zero = Field::default();
        every_second_zero.numbers.insert(0);
        let mut weekday = parse_field(texts[4], &WEEKDAY)?;
        if weekday.numbers.remove(&7) {
            weekday.numbers.insert(0);
        }
        weekday.every |= weekday.numbers.len() == 7;
        Ok(CronFields {
            expression: written.to_owned(),
            minute: parse_field(texts[0], &MINUTE)?,
            hour: parse_field(texts[1], &HOUR)?,
            day: parse_field(texts[2], &DAY)?,
            month: parse_field(texts[3], &MONTH)?,
            weekday,
            second: texts.get(5).map_or(Ok(every_second_zero), |text| parse_field(text, &SECOND))?,
            year: texts.get(6).map_or_else(|| parse_field("*", &YEAR), |text| parse_field(text, &YEAR))?,
        })
    }

    /// The expression as written.
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// Whether it ticks in every hour, so that daylight saving must not hide or repeat any (Airflow 3).
    pub(super) fn every_hour(&self) -> bool {
        self.hour.every
    }
}

/// What a preset stands for (Airflow 3: `cron_presets`, and croniter's own two).
fn preset(name: &str) -> Result<&'static str, CronError> {
    Ok(match name.to_ascii_lowercase().as_str() {
        "@hourly" => "0 * * * *",
        "@daily" | "@midnight" => "0 0 * * *",
        "@weekly" => "0 0 * * 0",
        "@monthly" => "0 0 1 * *",
        "@quarterly" => "0 0 1 */3 *",
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@reboot" => {
            return Err(CronError::with_help(
                "`@reboot` is not a time".to_owned(),
                "`@once` runs one time, `@continuous` again and again",
            ));
        }
        _ => {
            return Err(CronError::with_help(
                format!("there is no schedule called `{name}`"),
                "the presets are @once, @continuous, @hourly, @daily, @weekly, @monthly, @quarterly and @yearly",
            ));
        }
    })
}

fn parse_field(text: &str, kind: &FieldKind) -> Result<Field, CronError> {
    let mut field = Field::default();
    for item in text.split(',') {
        parse_item(&item.to_ascii_lowercase(), kind, &mut field)
            .map_err(|why| CronError::new(format!("the {} `{text}` cannot be read: {why}", kind.name)))?;
    }
    // croniter counts `0-23` and `*/1` as `*` too, which matters for daylight saving and for day-or-weekday.
    field.every |= (kind.min..=kind.max).all(|number| field.numbers.contains(&number));
    if let (Some(step), false) = (text.strip_prefix("*/"), field.every) {
        field.step = step.parse().ok();
    }
    Ok(field)
}

fn parse_item(item: &str, kind: &FieldKind, field: &mut Field) -> Result<(), String> {
    match item {
        "" => return Err("there is nothing between two commas".to_owned()),
        "*" => {
            field.every = true;
            return Ok(());
        }
        "?" if kind.name == DAY.name || kind.name == WEEKDAY.name => {
            field.every = true;
            return Ok(());
        }
        "l" if kind.name == DAY.name => {
            field.last_day = true;
            return Ok(());
        }
        _ => (),
    }
    if item.starts_with(['r', 'h']) && !item.starts_with("h-") {
        return Err(
            "random and hashed numbers are not served, because the next run would be anybody's guess".to_owned()
        );
    }
    if kind.name == WEEKDAY.name {
        if let Some(weekday) = item.strip_prefix('l') {
            field.nth.insert((number(weekday, kind)? % 7, None));
            return Ok(());
        }
        if let Some((weekday, nth)) = item.split_once('#') {
            let nth = nth.parse().ok().filter(|nth| (1..=5).contains(nth));
            field.nth.insert((number(weekday, kind)? % 7, Some(nth.ok_or("after `#` comes a number from 1 to 5")?)));
            return Ok(());
        }
    }
    range(item, kind, &mut field.numbers)
}

/// `n`, `a-b`, `a-b/step`, `*/step` or `a/step`; a range that ends before it begins goes round, as in croniter.
fn range(item: &str, kind: &FieldKind, numbers: &mut BTreeSet<u32>) -> Result<(), String> {
    let (span, step) = match item.split_once('/') {
        Some((span, step)) => (span, Some(step.parse::<u32>().ok().filter(|step| *step > 0))),
        None => (item, None),
    };
    let stepped = step.is_some();
    let step = step.unwrap_or(Some(1)).ok_or("after `/` comes a number from 1 up")?;
    // Seven is another name of Sunday, not an eighth day to count.
    let top = if kind.name == WEEKDAY.name { 6 } else { kind.max };
    let (from, to) = match span.split_once('-') {
        _ if span == "*" => (kind.min, top),
        Some((from, to)) => (number(from, kind)?, number(to, kind)?),
        None if stepped => (number(span, kind)?, top),
        None => {
            let only = number(span, kind)?;
            (only, only)
        }
    };
    if from <= to {
        numbers.extend((from..=to).step_by(step as usize));
    } else {
        let round = top - kind.min + 1;
        let steps = (from..=to + round).step_by(step as usize);
        numbers.extend(steps.map(|value| if value > top { value - round } else { value }));
    }
    Ok(())
}

fn number(text: &str, kind: &FieldKind) -> Result<u32, String> {
    if let Some(position) = kind.names.iter().position(|name| *name == text) {
        return Ok(kind.min + u32::try_from(position).unwrap_or_default());
    }
    let bounds = || format!("it goes from {} to {}", kind.min, kind.max);
    let value: u32 = text.parse().map_err(|_| format!("`{text}` is not a number, and {}", bounds()))?;
    if (kind.min..=kind.max).contains(&value) { Ok(value) } else { Err(bounds()) }
}
