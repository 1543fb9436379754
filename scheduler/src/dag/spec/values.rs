//! Values of single keys: text, numbers, durations, dates, zones.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use chrono_tz::Tz;
use serde_json::Number;

use super::collect::{Problems, Subject, wrong_type};
use super::node::{Node, Yaml};
use super::problem::{Code, Problem};
use super::suggest::did_you_mean;
use crate::dag::{RunType, TriggerRule, WeightRule, duration, timetable};

/// The longest id (Airflow 3: 250 characters).
const ID_CHARACTERS_MAX: usize = 250;

/// The key with which dag-factory names a Python class to make an object of.
pub(super) const OBJECT_KEY: &str = "__type__";

/// The class of lengths of time.
pub(super) const TIMEDELTA: &str = "datetime.timedelta";

/// The classes of dates.
pub(super) const DATE_CLASSES: &[&str] = &["datetime.datetime", "datetime.date", "pendulum.datetime"];

pub(super) fn text(subject: Subject<'_>, node: &Node) -> Result<String, Problem> {
    match &node.value {
        Yaml::Text(text) => Ok(text.clone()),
        Yaml::Number(_) | Yaml::Bool(_) => Err(wrong_type(subject, node, "text").help("put it in quotes")),
        _ => Err(wrong_type(subject, node, "text")),
    }
}

/// A second name for people, who must be able to see it.
pub(super) fn display_name(subject: Subject<'_>, node: &Node) -> Result<String, Problem> {
    let name = text(subject, node)?;
    let complain = |message: String, label: &str| Err(Problem::new(Code::InvalidValue, message, node.place, label));
    if name.trim().is_empty() {
        return complain(format!("{subject} is empty"), "nothing to see");
    }
    if name.chars().count() > ID_CHARACTERS_MAX || name.contains(char::is_control) {
        return complain(
            format!("{subject} is one line of at most {ID_CHARACTERS_MAX} characters, and this is not"),
            "not a name",
        );
    }
    Ok(name)
}

/// An id of a DAG or a task (Airflow 3: letters, digits, `_`, `-`, `.`, at most 250).
pub(super) fn check_id(what: &str, id: &str, place: super::source::Place) -> Result<(), Problem> {
    if id.is_empty() {
        return Err(Problem::new(Code::InvalidId, format!("the id of a {what} is empty"), place, "here"));
    }
    if id.chars().count() > ID_CHARACTERS_MAX {
        let message = format!("the id of a {what} has at most {ID_CHARACTERS_MAX} characters");
        return Err(Problem::new(Code::InvalidId, message, place, "too long"));
    }
    match id.chars().find(|c| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))) {
        None => Ok(()),
        Some(wrong) => {
            let message = format!("`{}` cannot be the id of a {what}, because of {wrong:?}", id.escape_debug());
            Err(Problem::new(Code::InvalidId, message, place, "not an id")
                .help("ids are made of letters, digits, `_`, `-` and `.`"))
        }
    }
}

pub(super) fn boolean(subject: Subject<'_>, node: &Node) -> Result<bool, Problem> {
    match &node.value {
        Yaml::Bool(value) => Ok(*value),
        Yaml::Text(word) if matches!(word.to_ascii_lowercase().as_str(), "yes" | "no" | "on" | "off" | "y" | "n") => {
            Err(wrong_type(subject, node, "true or false").help("YAML 1.2 knows `true` and `false` only"))
        }
        _ => Err(wrong_type(subject, node, "true or false")),
    }
}

pub(super) fn count(subject: Subject<'_>, node: &Node, min: u32) -> Result<u32, Problem> {
    let Yaml::Number(number) = &node.value else { return Err(wrong_type(subject, node, "a whole number")) };
    if number.is_f64() {
        return Err(wrong_type(subject, node, "a whole number"));
    }
    number.as_u64().and_then(|value| u32::try_from(value).ok()).filter(|value| *value >= min).ok_or_else(|| {
        let bound = if number.as_u64().is_some_and(|value| value >= u64::from(min)) {
            format!("at most {}", u32::MAX)
        } else {
            format!("at least {min}")
        };
        let message = format!("{subject} is {number}; it must be {bound}");
        Problem::new(Code::InvalidValue, message, node.place, "out of bounds")
    })
}

pub(super) fn integer(subject: Subject<'_>, node: &Node) -> Result<i32, Problem> {
    let Yaml::Number(number) = &node.value else { return Err(wrong_type(subject, node, "a whole number")) };
    if number.is_f64() {
        return Err(wrong_type(subject, node, "a whole number"));
    }
    number.as_i64().and_then(|value| i32::try_from(value).ok()).ok_or_else(|| {
        let message = format!("{subject} is {number}; it goes from {} to {}", i32::MIN, i32::MAX);
        Problem::new(Code::InvalidValue, message, node.place, "out of bounds")
    })
}

/// A factor; `true` stands for 2 (Airflow 3: `retry_exponential_backoff`).
pub(super) fn factor(subject: Subject<'_>, node: &Node) -> Result<f64, Problem> {
    match &node.value {
        Yaml::Bool(value) => Ok(if *value { 2.0 } else { 0.0 }),
        Yaml::Number(number) => number.as_f64().filter(|value| *value >= 0.0).ok_or_else(|| {
            Problem::new(Code::InvalidValue, format!("{subject} is {number}; it cannot be negative"), node.place, "")
        }),
        _ => Err(wrong_type(subject, node, "a number, or true or false")),
    }
}

pub(super) fn duration(subject: Subject<'_>, node: &Node) -> Result<Duration, Problem> {
    let complain = |why: String| {
        Problem::new(Code::InvalidValue, format!("{subject} {why}"), node.place, "not a duration")
            .help("write `30s`, `5m`, `1h30m`, `PT5M`, or a number of seconds")
    };
    match &node.value {
        Yaml::Number(number) => duration::from_seconds(number.as_f64().unwrap_or(f64::NAN)).map_err(complain),
        Yaml::Text(text) => duration::parse(text).map_err(|why| complain(format!("is `{text}`, which {why}"))),
        Yaml::Map(_) => timedelta(subject, node),
        _ => Err(wrong_type(subject, node, "a duration").help("write `30s`, `5m`, `1h30m`, or a number of seconds")),
    }
}

/// dag-factory's `{__type__: datetime.timedelta, minutes: 5}`.
fn timedelta(subject: Subject<'_>, node: &Node) -> Result<Duration, Problem> {
    duration::from_seconds(seconds_of(subject, node)?)
        .map_err(|why| Problem::new(Code::InvalidValue, format!("{subject} {why}"), node.place, "not a duration"))
}

/// The same as a number of seconds, which may be negative.
pub(super) fn timedelta_seconds(subject: Subject<'_>, node: &Node) -> Result<Number, Problem> {
    let seconds = seconds_of(subject, node)?;
    #[expect(clippy::cast_possible_truncation, reason = "it is whole, and within the bounds of the comparison")]
    let whole = (seconds.fract() == 0.0 && seconds.abs() < 1e15).then_some(seconds as i64);
    whole.map(Number::from).or_else(|| Number::from_f64(seconds)).ok_or_else(|| {
        Problem::new(Code::InvalidValue, format!("{subject} is not a duration"), node.place, "not a duration")
    })
}

fn seconds_of(subject: Subject<'_>, node: &Node) -> Result<f64, Problem> {
    let fields = object(subject, node, &[TIMEDELTA], "a duration")?;
    let mut seconds = 0.0;
    for entry in fields {
        let unit = match entry.key.as_str() {
            "weeks" => 604_800.0,
            "days" => 86_400.0,
            "hours" => 3_600.0,
            "minutes" => 60.0,
            "seconds" => 1.0,
            "milliseconds" => 0.001,
            "microseconds" => 0.000_001,
            _ => return Err(unknown_field(entry, TIMEDELTA)),
        };
        match &entry.value.value {
            Yaml::Number(number) => seconds += number.as_f64().unwrap_or(f64::NAN) * unit,
            _ => return Err(wrong_type(Subject { key: &entry.key, ..subject }, &entry.value, "a number")),
        }
    }
    Ok(seconds)
}

/// The fields of an object in dag-factory's notation, if it is of one of these classes.
pub(super) fn object<'a>(
    subject: Subject<'_>,
    node: &'a Node,
    classes: &[&str],
    wanted: &str,
) -> Result<Vec<&'a super::node::Entry>, Problem> {
    let Some((mapping, class)) = node.as_map().and_then(|mapping| Some((mapping, mapping.get(OBJECT_KEY)?))) else {
        return Err(wrong_type(subject, node, wanted));
    };
    let name = class.value.as_text().unwrap_or_default();
    if !classes.contains(&name) {
        let message = format!("{subject} must be {wanted}, and is an object of `{name}`");
        return Err(Problem::new(Code::Unsupported, message, class.value.place, "not served"));
    }
    Ok(mapping.entries.iter().filter(|entry| entry.key != OBJECT_KEY).collect())
}

pub(super) fn unknown_field(entry: &super::node::Entry, class: &str) -> Problem {
    let message = format!("`{class}` is not made from `{}` here", entry.key);
    Problem::new(Code::UnknownKey, message, entry.key_place, "unknown key")
}

/// A date, or a date and time; without an offset it is meant in `timezone`.
pub(super) fn instant(subject: Subject<'_>, node: &Node, timezone: Tz) -> Result<DateTime<Utc>, Problem> {
    let help = "write `2026-01-31`, `2026-01-31T06:00:00`, or with an offset `2026-01-31T06:00:00+01:00`";
    let complain = |why: String, label: &str| Problem::new(Code::InvalidValue, why, node.place, label).help(help);
    match &node.value {
        Yaml::Text(text) => match parse_instant(text, timezone) {
            Some(instant) => Ok(instant),
            None if is_relative(text) => {
                let problem = complain(format!("{subject} is relative: `{text}`"), "changes every day");
                Err(problem.help("write a fixed date; a date that moves would make a new DAG of it every day"))
            }
            None => Err(complain(format!("{subject} is `{text}`, which is not a date"), "not a date")),
        },
        Yaml::Map(_) => datetime_object(subject, node, timezone),
        _ => Err(wrong_type(subject, node, "a date").help(help)),
    }
}

/// dag-factory reads `2 days` as that long before today.
fn is_relative(text: &str) -> bool {
    duration::parse(text).is_ok() && text.contains(|c: char| c.is_ascii_alphabetic())
}

fn parse_instant(text: &str, timezone: Tz) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if let Ok(date) = NaiveDate::from_str(text) {
        return within_years(timetable::resolve_local(date.and_time(NaiveTime::MIN), timezone));
    }
    let spaced = text.replacen(' ', "T", 1);
    let joined = spaced.replace(' ', "");
    for format in ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z"] {
        let zulu = joined.strip_suffix(['Z', 'z']).map(|rest| format!("{rest}+00:00"));
        if let Ok(instant) = DateTime::parse_from_str(zulu.as_deref().unwrap_or(&joined), format) {
            return within_years(instant.with_timezone(&Utc));
        }
    }
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(&joined, format).ok())
        .and_then(|local| within_years(timetable::resolve_local(local, timezone)))
}

/// Years that every database and every client can hold.
fn within_years(instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
    use chrono::Datelike;
    (1900..=9000).contains(&instant.year()).then_some(instant)
}

/// dag-factory's `{__type__: datetime.datetime, year: 2026, month: 1, day: 1}`.
pub(super) fn datetime_object(subject: Subject<'_>, node: &Node, timezone: Tz) -> Result<DateTime<Utc>, Problem> {
    const NAMES: [&str; 6] = ["year", "month", "day", "hour", "minute", "second"];
    let mut parts = [0u32; 6];
    for entry in object(subject, node, DATE_CLASSES, "a date")? {
        let Some(position) = NAMES.iter().position(|name| *name == entry.key) else {
            return Err(unknown_field(entry, "datetime.datetime"));
        };
        parts[position] = count(Subject { key: &entry.key, ..subject }, &entry.value, 0)?;
    }
    let [year, month, day, hour, minute, second] = parts;
    i32::try_from(year)
        .ok()
        .and_then(|year| NaiveDate::from_ymd_opt(year, month, day))
        .and_then(|date| date.and_hms_opt(hour, minute, second))
        .and_then(|local| within_years(timetable::resolve_local(local, timezone)))
        .ok_or_else(|| Problem::new(Code::InvalidValue, format!("{subject} is not a date"), node.place, "not a date"))
}

pub(super) fn timezone(subject: Subject<'_>, node: &Node) -> Result<Tz, Problem> {
    let name = text(subject, node)?;
    Tz::from_str(&name).map_err(|_| {
        let message = format!("there is no time zone `{name}`");
        let known = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
        Problem::new(Code::InvalidValue, message, node.place, "unknown time zone")
            .help("write a name of the IANA database, such as `Europe/Amsterdam` or `UTC`")
            .maybe_help(did_you_mean(&name, known))
    })
}

/// A list of texts; `wanted` says of what.
pub(super) fn texts(
    subject: Subject<'_>,
    node: &Node,
    wanted: &str,
) -> Result<Vec<(String, super::source::Place)>, Vec<Problem>> {
    let Yaml::List(items) = &node.value else {
        let problem = wrong_type(subject, node, wanted);
        let problem = match node.as_text() {
            Some(only) => problem.help(format!("write `[{only}]`")),
            None => problem,
        };
        return Err(vec![problem]);
    };
    let (good, bad): (Vec<_>, Vec<_>) =
        items.iter().map(|item| text(subject, item).map(|text| (text, item.place))).partition(Result::is_ok);
    if bad.is_empty() {
        Ok(good.into_iter().filter_map(Result::ok).collect())
    } else {
        Err(bad.into_iter().filter_map(Result::err).collect())
    }
}

pub(super) fn tags(subject: Subject<'_>, node: &Node) -> Result<BTreeSet<String>, Vec<Problem>> {
    Ok(texts(subject, node, "a list of words")?.into_iter().map(|(tag, _)| tag).collect())
}

/// One folder, or a list of them.
pub(super) fn folders(subject: Subject<'_>, node: &Node) -> Result<Vec<String>, Problem> {
    if let Yaml::Text(folder) = &node.value {
        return Ok(vec![folder.clone()]);
    }
    let found = texts(subject, node, "a folder, or a list of folders").map_err(|mut list| list.swap_remove(0))?;
    Ok(found.into_iter().map(|(folder, _)| folder).collect())
}

/// A list of ids under a key that may be absent.
pub(super) fn ids(
    key: &str,
    mapping: &super::node::Mapping,
    within: &str,
    problems: &mut Problems,
) -> Vec<(String, super::source::Place)> {
    let Some(entry) = mapping.get(key).filter(|entry| !matches!(entry.value.value, Yaml::Null)) else {
        return Vec::new();
    };
    texts(Subject { key, within }, &entry.value, "a list of task ids").unwrap_or_else(|list| {
        problems.list.extend(list);
        Vec::new()
    })
}

/// Where an owner can be reached (Airflow 3: a URL with a host, or `mailto:`).
pub(super) const OWNER_LINK: &str = r"^(https?://[^/\s]\S*|mailto:\S+)$";

/// Addresses by owner.
pub(super) fn owner_links(subject: Subject<'_>, node: &Node, problems: &mut Problems) -> BTreeMap<String, String> {
    let Yaml::Map(mapping) = &node.value else {
        problems.push(wrong_type(subject, node, "a mapping from owners to addresses"));
        return BTreeMap::new();
    };
    let mut links = BTreeMap::new();
    for entry in &mapping.entries {
        let within = subject.to_string();
        let Some(link) = problems.keep(text(Subject { key: &entry.key, within: &within }, &entry.value)) else {
            continue;
        };
        let has_host = ["http://", "https://"]
            .iter()
            .any(|scheme| link.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/')));
        let is_mail = link.strip_prefix("mailto:").is_some_and(|address| !address.is_empty());
        if (has_host || is_mail) && !link.contains(char::is_whitespace) {
            links.insert(entry.key.clone(), link);
            continue;
        }
        let message = format!("the link of owner `{}` is `{link}`, which is no address", entry.key);
        problems.push(
            Problem::new(Code::InvalidValue, message, entry.value.place, "not an address")
                .help("write `https://example.com/team` or `mailto:team@example.com`"),
        );
    }
    links
}

/// Kinds of runs, at least one.
pub(super) fn run_types(subject: Subject<'_>, node: &Node, problems: &mut Problems) -> Option<BTreeSet<RunType>> {
    let words = match texts(subject, node, "a list of kinds of runs") {
        Ok(words) => words,
        Err(list) => {
            problems.list.extend(list);
            return None;
        }
    };
    let known = || RunType::ALL.iter().map(|kind| kind.word());
    let names = || format!("the kinds of runs are {}", known().collect::<Vec<_>>().join(", "));
    if words.is_empty() {
        let message = format!("{subject} is empty, so that there would be no runs at all");
        problems.push(Problem::new(Code::InvalidValue, message, node.place, "nothing").help(names()));
    }
    let mut types = BTreeSet::new();
    for (word, place) in words {
        match RunType::called(&word) {
            Some(kind) => _ = types.insert(kind),
            None => problems.push(
                Problem::new(Code::InvalidValue, format!("there is no kind of runs `{word}`"), place, "unknown kind")
                    .help(names())
                    .maybe_help(did_you_mean(&word, known())),
            ),
        }
    }
    Some(types)
}

/// The trigger rules, by the words for them.
pub(super) const RULES: &[(&str, TriggerRule)] = &[
    ("all_success", TriggerRule::AllSuccess),
    ("all_failed", TriggerRule::AllFailed),
    ("all_done", TriggerRule::AllDone),
    ("all_done_min_one_success", TriggerRule::AllDoneMinOneSuccess),
    ("all_done_setup_success", TriggerRule::AllDoneSetupSuccess),
    ("all_skipped", TriggerRule::AllSkipped),
    ("one_success", TriggerRule::OneSuccess),
    ("one_failed", TriggerRule::OneFailed),
    ("one_done", TriggerRule::OneDone),
    ("none_failed", TriggerRule::NoneFailed),
    ("none_failed_min_one_success", TriggerRule::NoneFailedMinOneSuccess),
    ("none_skipped", TriggerRule::NoneSkipped),
    ("always", TriggerRule::Always),
];

/// Names that trigger rules had before Airflow 3.
const RULES_RENAMED: &[(&str, &str)] =
    &[("dummy", "always"), ("none_failed_or_skipped", "none_failed_min_one_success")];

pub(super) fn trigger_rule(subject: Subject<'_>, node: &Node) -> Result<TriggerRule, Problem> {
    let word = text(subject, node)?;
    if let Some((_, rule)) = RULES.iter().find(|(name, _)| *name == word) {
        return Ok(*rule);
    }
    let names: Vec<&str> = RULES.iter().map(|(name, _)| *name).collect();
    let problem = Problem::new(
        Code::InvalidValue,
        format!("there is no trigger rule `{word}`"),
        node.place,
        "unknown trigger rule",
    );
    let renamed =
        RULES_RENAMED.iter().find(|(old, _)| *old == word).map(|(_, new)| format!("it is called `{new}` now"));
    Err(problem
        .help(format!("the trigger rules are {}", names.join(", ")))
        .maybe_help(did_you_mean(&word, names))
        .maybe_help(renamed))
}

/// The weight rules, by the words for them.
pub(super) const WEIGHT_RULES: &[(&str, WeightRule)] =
    &[("downstream", WeightRule::Downstream), ("upstream", WeightRule::Upstream), ("absolute", WeightRule::Absolute)];

pub(super) fn weight_rule(subject: Subject<'_>, node: &Node) -> Result<WeightRule, Problem> {
    let word = text(subject, node)?;
    WEIGHT_RULES.iter().find(|(name, _)| *name == word).map(|(_, rule)| *rule).ok_or_else(|| {
        let known = WEIGHT_RULES.iter().map(|(name, _)| *name);
        Problem::new(Code::InvalidValue, format!("there is no weight rule `{word}`"), node.place, "unknown weight rule")
            .help("the weight rules are `downstream`, `upstream` and `absolute`")
            .maybe_help(did_you_mean(&word, known))
    })
}
