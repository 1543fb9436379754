//! Lengths of time between runs: text, seconds, and dag-factory's timedelta and relativedelta.

use super::super::collect::{Problems, Subject, wrong_type};
use super::super::node::{Entry, Node, Yaml};
use super::super::problem::{Code, Problem};
use super::object::Object;
use super::{unsupported, within_schedule};
use crate::dag::duration;
use crate::dag::period::Period;

const HELP: &str = "write `30m`, `6h`, `1h30m`, `2 days`, `1 month`, `PT6H` or `P1M`";

/// The arguments of a timedelta in Python's order, and how many seconds each is.
const TIMEDELTA: [(&str, f64); 7] = [
    ("days", 86_400.0),
    ("seconds", 1.0),
    ("microseconds", 0.000_001),
    ("milliseconds", 0.001),
    ("minutes", 60.0),
    ("hours", 3_600.0),
    ("weeks", 604_800.0),
];

/// The arguments of a relativedelta that set a part of the date instead of moving it.
const ABSOLUTE: [&str; 9] = ["year", "month", "day", "hour", "minute", "second", "microsecond", "weekday", "leapdays"];

/// Whether a text is meant as a length of time, rightly written or not.
pub(super) fn is_length(text: &str) -> bool {
    duration::parse_amount(text).is_ok()
}

pub(super) fn of_text(subject: Subject<'_>, text: &str, node: &Node) -> Result<Period, Problem> {
    Period::parse(text).map_err(|why| not_a_length(format!("{subject} is `{text}`, which {why}"), node))
}

/// The length under a key that must have one.
pub(super) fn required(entry: &Entry, problems: &mut Problems) -> Option<Period> {
    let subject = within_schedule(&entry.key);
    if let Some(text) = entry.value.as_text() {
        return problems.keep(of_text(subject, text, &entry.value));
    }
    let (months, seconds) = amount(subject, &entry.value, problems)?;
    let period = Period::new(months, seconds);
    problems.keep(period.map_err(|why| not_a_length(format!("{subject} {why}"), &entry.value)))
}

/// The length under a key that may be absent, null or zero, which all mean none.
pub(super) fn optional(entry: Option<&Entry>, problems: &mut Problems) -> Option<Option<Period>> {
    let Some(entry) = entry.filter(|entry| !matches!(entry.value.value, Yaml::Null)) else { return Some(None) };
    let subject = within_schedule(&entry.key);
    match &entry.value.value {
        Yaml::Text(text) => problems.keep(of_text(subject, text, &entry.value)).map(Some),
        _ => match amount(subject, &entry.value, problems)? {
            (0.0, 0.0) => Some(None),
            _ => required(entry, problems).map(Some),
        },
    }
}

/// The months and seconds of an object or a number.
fn amount(subject: Subject<'_>, node: &Node, problems: &mut Problems) -> Option<(f64, f64)> {
    match &node.value {
        Yaml::Number(number) => Some((0.0, number.as_f64().unwrap_or(f64::NAN))),
        Yaml::Map(_) => match problems.keep(Object::read(subject, node))? {
            object if object.class == "datetime.timedelta" => {
                timedelta(&object, problems).map(|seconds| (0.0, seconds))
            }
            object if object.class == "dateutil.relativedelta.relativedelta" => relativedelta(&object, problems),
            object => {
                let message = format!("{subject} must be a length of time, and is an object of `{}`", object.class);
                problems.push(unsupported(message, object.class_place, HELP));
                None
            }
        },
        _ => {
            problems.push(wrong_type(subject, node, "a length of time").help(HELP));
            None
        }
    }
}

/// The period that an object is, when it is the whole schedule.
pub(super) fn of_object(object: &Object<'_>, node: &Node, problems: &mut Problems) -> Option<Period> {
    let (months, seconds) = match object.class {
        "datetime.timedelta" => (0.0, timedelta(object, problems)?),
        _ => relativedelta(object, problems)?,
    };
    let subject = super::SUBJECT;
    problems.keep(Period::new(months, seconds).map_err(|why| not_a_length(format!("{subject} {why}"), node)))
}

fn timedelta(object: &Object<'_>, problems: &mut Problems) -> Option<f64> {
    let names = TIMEDELTA.map(|(name, _)| name);
    let mut seconds = Some(0.0);
    for entry in object.arguments(&names, &names, problems) {
        let unit = TIMEDELTA.iter().find(|(name, _)| *name == entry.key).map_or(0.0, |(_, unit)| *unit);
        seconds = number(&entry, problems).and_then(|count| Some(seconds? + count * unit));
    }
    seconds
}

fn relativedelta(object: &Object<'_>, problems: &mut Problems) -> Option<(f64, f64)> {
    const RELATIVE: [&str; 8] = ["years", "months", "weeks", "days", "hours", "minutes", "seconds", "microseconds"];
    let mut total = Some((0.0, 0.0));
    for entry in object.arguments(&[], &[&RELATIVE[..], &ABSOLUTE[..]].concat(), problems) {
        if ABSOLUTE.contains(&entry.key.as_str()) {
            let message =
                format!("`{}` of a relativedelta sets the {} instead of moving on from it", entry.key, entry.key);
            let help = "for a time of day or a day of the month write a cron expression, such as `0 18 * * *`";
            problems.push(unsupported(message, entry.key_place, help));
            total = None;
            continue;
        }
        let count = number(&entry, problems);
        total = total.zip(count).map(|((months, seconds), count)| match entry.key.as_str() {
            "years" => (months + 12.0 * count, seconds),
            "months" => (months + count, seconds),
            name => {
                let unit = TIMEDELTA.iter().find(|(unit, _)| *unit == name).map_or(0.0, |(_, unit)| *unit);
                (months, seconds + count * unit)
            }
        });
    }
    total
}

fn number(entry: &Entry, problems: &mut Problems) -> Option<f64> {
    let Yaml::Number(number) = &entry.value.value else {
        problems.push(wrong_type(within_schedule(&entry.key), &entry.value, "a number"));
        return None;
    };
    number.as_f64()
}

fn not_a_length(message: String, node: &Node) -> Problem {
    Problem::new(Code::InvalidValue, message, node.place, "not a length of time").help(HELP)
}
