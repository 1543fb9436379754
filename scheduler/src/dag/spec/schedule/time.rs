//! Schedules that go by the clock, in words and in mappings.

use std::time::Duration;

use super::super::collect::{Subject, wrong_type};
use super::super::node::{Entry, Mapping, Node, Yaml};
use super::super::problem::{Code, Problem};
use super::super::values;
use super::{FORMS, Reader, SUBJECT, is_none, known_keys, period, present, unsupported, within_schedule};
use crate::dag::partition::{DIRECTIVES, KeyFormat};
use crate::dag::period::Period;
use crate::dag::schedule::{CronPartition, CronTrigger, DeltaTrigger, Events, RunImmediately, Schedule, TimeSchedule};
use crate::dag::timetable::{CronError, Timetable};

/// The keys that say which form a mapping has; exactly one of them is there.
const FORM_KEYS: [&str; 4] = ["cron", "crons", "every", "dates"];

/// `@daily`, `0 3 * * *`, `6h`.
pub(super) fn word(text: &str, node: &Node, reader: &mut Reader<'_>) -> Option<TimeSchedule> {
    match text.trim().to_ascii_lowercase().as_str() {
        "@once" => return Some(TimeSchedule::Once),
        "@continuous" => return Some(TimeSchedule::Continuous),
        _ => (),
    }
    if period::is_length(text) {
        let every = reader.problems.keep(period::of_text(SUBJECT, text, node))?;
        return Some(TimeSchedule::Delta(DeltaTrigger { every, interval: None, keep_phase: false }));
    }
    if text.contains("://") {
        let message = format!("`schedule` is `{text}`, which is no cron expression");
        reader.problems.push(
            Problem::new(Code::InvalidSchedule, message, node.place, "this schedule")
                .help("a DAG that waits for an asset lists it: `schedule: [s3://bucket/report]`"),
        );
        return None;
    }
    if is_none(text) {
        reader.problems.push(wrong_type(SUBJECT, node, "a schedule by the clock").help(FORMS));
        return None;
    }
    let expression = cron(text, node, reader)?;
    Some(TimeSchedule::Cron(CronTrigger::new(expression)))
}

/// A cron expression that can be read, and that some date matches.
fn cron(text: &str, node: &Node, reader: &mut Reader<'_>) -> Option<String> {
    let expression = text.trim().to_owned();
    match Timetable::new(&Schedule::from(CronTrigger::new(&expression)), reader.timezone) {
        Ok(_) => Some(expression),
        Err(error) => {
            reader.problems.push(invalid(&error, node));
            None
        }
    }
}

fn invalid(error: &CronError, node: &Node) -> Problem {
    Problem::new(Code::InvalidSchedule, error.to_string(), node.place, "this schedule")
        .maybe_help(error.help().map(str::to_owned))
}

/// The cron expression under a key.
pub(super) fn cron_of(entry: &Entry, reader: &mut Reader<'_>) -> Option<String> {
    let text = reader.problems.keep(values::text(within_schedule(&entry.key), &entry.value))?;
    cron(&text, &entry.value, reader)
}

/// The cron expressions of a list that is not empty.
pub(super) fn crons_of<'a>(
    items: impl Iterator<Item = &'a Node>,
    holder: &Node,
    reader: &mut Reader<'_>,
) -> Option<Vec<String>> {
    let subject = within_schedule("crons");
    let mut is_empty = true;
    let read: Vec<Option<String>> = items
        .map(|item| {
            is_empty = false;
            let text = reader.problems.keep(values::text(subject, item))?;
            cron(&text, item, reader)
        })
        .collect();
    if is_empty {
        let message = "a schedule by several cron expressions has none";
        reader.problems.push(Problem::new(Code::InvalidSchedule, message, holder.place, "empty"));
        return None;
    }
    read.into_iter().collect()
}

/// `{cron: "@daily", data_interval: true}`, `{crons: […]}`, `{every: 6h, …}`, `{dates: […]}`.
pub(super) fn form(mapping: &Mapping, node: &Node, reader: &mut Reader<'_>) -> Option<TimeSchedule> {
    let mut forms = FORM_KEYS.iter().filter_map(|key| mapping.get(key));
    let Some(form) = forms.next() else {
        reader.problems.push(no_form(mapping, node));
        return None;
    };
    if let Some(other) = forms.next() {
        let message = format!("a schedule has either `{}` or `{}`", form.key, other.key);
        reader.problems.push(
            Problem::new(Code::InvalidSchedule, message, other.key_place, "one too many")
                .also(form.key_place, "this is there already"),
        );
        return None;
    }
    match form.key.as_str() {
        "cron" => by_cron(mapping, form, reader),
        "crons" => by_crons(mapping, form, reader),
        "every" => by_length(mapping, form, reader),
        _ => by_dates(mapping, form, reader),
    }
}

fn no_form(mapping: &Mapping, node: &Node) -> Problem {
    if let Some(entry) = mapping.get("datasets") {
        let help =
            "write a list of assets, or `{any: […]}` and `{all: […]}`; beside a time `{assets: […], time: \"@daily\"}`";
        return unsupported("`datasets` is how Airflow 2 scheduled by assets".to_owned(), entry.key_place, help);
    }
    if let Some(entry) = mapping.get("timedelta").or_else(|| mapping.get("hours")).or_else(|| mapping.get("minutes")) {
        let message = format!("a schedule has no key `{}`", entry.key);
        return Problem::new(Code::UnknownKey, message, entry.key_place, "unknown key").help("write `{every: 1h30m}`");
    }
    let place = mapping.entries.first().map_or(node.place, |entry| entry.key_place);
    Problem::new(Code::InvalidSchedule, "a schedule of no known form", place, "this schedule").help(FORMS)
}

fn by_cron(mapping: &Mapping, entry: &Entry, reader: &mut Reader<'_>) -> Option<TimeSchedule> {
    known_keys(
        mapping,
        &["cron", "data_interval", "interval", "run_immediately", "key_format", "run_offset"],
        "a schedule by cron",
        reader.problems,
    );
    let expression = cron_of(entry, reader);
    if covers_since_last(mapping, &["interval", "run_immediately", "key_format", "run_offset"], reader)? {
        return Some(TimeSchedule::CronInterval(expression?));
    }
    if let Some(format) = present(mapping, "key_format") {
        if let Some(entry) = present(mapping, "interval") {
            let help = "a run of a partition is about no stretch of time";
            reader.problems.push(makes_no_sense(entry, "beside `key_format`", help));
        }
        let beside = [Some(format), present(mapping, "run_offset"), mapping.get("run_immediately")];
        return cron_partition(expression, beside, reader);
    }
    if let Some(entry) = present(mapping, "run_offset") {
        let help = "`key_format: \"%Y-%m-%d\"` gives each run a partition";
        reader.problems.push(makes_no_sense(entry, "without `key_format`", help));
    }
    cron_trigger(expression.map(|only| vec![only]), mapping.get("interval"), mapping.get("run_immediately"), reader)
}

fn by_crons(mapping: &Mapping, entry: &Entry, reader: &mut Reader<'_>) -> Option<TimeSchedule> {
    known_keys(mapping, &["crons", "interval", "run_immediately"], "a schedule by several crons", reader.problems);
    let Yaml::List(items) = &entry.value.value else {
        let problem = wrong_type(within_schedule("crons"), &entry.value, "a list of cron expressions");
        reader.problems.push(problem.help("write one expression as `cron`"));
        return None;
    };
    let expressions = crons_of(items.iter().map(AsRef::as_ref), &entry.value, reader);
    cron_trigger(expressions, mapping.get("interval"), mapping.get("run_immediately"), reader)
}

/// A trigger by cron with what stands beside its expressions.
pub(super) fn cron_trigger(
    expressions: Option<Vec<String>>,
    interval: Option<&Entry>,
    run_immediately: Option<&Entry>,
    reader: &mut Reader<'_>,
) -> Option<TimeSchedule> {
    let interval = period::optional(interval, reader.problems);
    let run_immediately = run_immediately_of(run_immediately, reader);
    Some(TimeSchedule::Cron(CronTrigger {
        expressions: expressions?,
        interval: interval?,
        run_immediately: run_immediately?,
    }))
}

/// Ticks are gone through one by one.
const RUN_OFFSET_MAX: u32 = 1000;

/// A trigger by cron whose runs are about partitions, with `key_format`, `run_offset` and `run_immediately`.
pub(super) fn cron_partition(
    expression: Option<String>,
    [key_format, run_offset, run_immediately]: [Option<&Entry>; 3],
    reader: &mut Reader<'_>,
) -> Option<TimeSchedule> {
    let key_format = key_format_of(key_format, reader);
    let run_offset = run_offset_of(run_offset, reader);
    let run_immediately = run_immediately_of(run_immediately, reader);
    Some(TimeSchedule::CronPartition(CronPartition {
        expression: expression?,
        run_offset: run_offset?,
        key_format: key_format?,
        run_immediately: run_immediately?,
    }))
}

fn key_format_of(entry: Option<&Entry>, reader: &mut Reader<'_>) -> Option<KeyFormat> {
    let Some(entry) = entry else { return KeyFormat::new(KeyFormat::DEFAULT).ok() };
    let text = reader.problems.keep(values::text(within_schedule(&entry.key), &entry.value))?;
    match KeyFormat::new(&text) {
        Ok(format) => Some(format),
        Err(error) => {
            let message = format!("`key_format` is `{text}`: {error}");
            let directives: Vec<String> = DIRECTIVES.chars().map(|letter| format!("%{letter}")).collect();
            let help = format!("a key says which it is, as `%Y-%m-%d` does; there are {}", directives.join(" "));
            let problem = Problem::new(Code::InvalidSchedule, message, entry.value.place, "this format");
            reader.problems.push(problem.help(help));
            None
        }
    }
}

fn run_offset_of(entry: Option<&Entry>, reader: &mut Reader<'_>) -> Option<i32> {
    let Some(entry) = entry else { return Some(0) };
    let offset = reader.problems.keep(values::integer(within_schedule(&entry.key), &entry.value))?;
    if offset.unsigned_abs() > RUN_OFFSET_MAX {
        let message = format!("`run_offset` is {offset}; it goes from -{RUN_OFFSET_MAX} to {RUN_OFFSET_MAX}");
        reader.problems.push(Problem::new(Code::InvalidValue, message, entry.value.place, "out of bounds"));
        return None;
    }
    Some(offset)
}

/// `true`, or how long ago the tick may have been. `false` is as if it were not there (Airflow 3, whatever its
/// documentation says).
fn run_immediately_of(entry: Option<&Entry>, reader: &mut Reader<'_>) -> Option<RunImmediately> {
    let Some(entry) = entry else { return Some(RunImmediately::default()) };
    match &entry.value.value {
        Yaml::Null | Yaml::Bool(false) => Some(RunImmediately::default()),
        Yaml::Bool(true) => Some(RunImmediately::Always),
        _ => {
            let within: Duration = reader.problems.keep(values::duration(within_schedule(&entry.key), &entry.value))?;
            Some(RunImmediately::Within(within))
        }
    }
}

fn by_length(mapping: &Mapping, entry: &Entry, reader: &mut Reader<'_>) -> Option<TimeSchedule> {
    known_keys(mapping, &["every", "data_interval", "interval", "keep_phase"], "a schedule by length", reader.problems);
    let every = period::required(entry, reader.problems);
    if covers_since_last(mapping, &["interval", "keep_phase"], reader)? {
        return Some(TimeSchedule::DeltaInterval(every?));
    }
    let keep_phase = flag(mapping, "keep_phase", reader);
    delta_trigger(every, mapping.get("interval"), keep_phase?, reader)
}

/// A trigger by length with what stands beside it.
pub(super) fn delta_trigger(
    every: Option<Period>,
    interval: Option<&Entry>,
    keep_phase: bool,
    reader: &mut Reader<'_>,
) -> Option<TimeSchedule> {
    let interval = period::optional(interval, reader.problems);
    Some(TimeSchedule::Delta(DeltaTrigger { every: every?, interval: interval?, keep_phase }))
}

fn by_dates(mapping: &Mapping, entry: &Entry, reader: &mut Reader<'_>) -> Option<TimeSchedule> {
    known_keys(mapping, &["dates", "restrict_to_events", "description"], "a schedule by dates", reader.problems);
    events(entry, present(mapping, "restrict_to_events"), present(mapping, "description"), reader)
}

/// The dates, with what stands beside them.
pub(super) fn events(
    dates: &Entry,
    restrict_to_events: Option<&Entry>,
    description: Option<&Entry>,
    reader: &mut Reader<'_>,
) -> Option<TimeSchedule> {
    let subject = within_schedule(&dates.key);
    let Yaml::List(items) = &dates.value.value else {
        reader.problems.push(wrong_type(subject, &dates.value, "a list of dates"));
        return None;
    };
    let timezone = reader.timezone;
    let read: Vec<_> =
        items.iter().map(|item| reader.problems.keep(values::instant(subject, item, timezone))).collect();
    if read.is_empty() {
        let message = "a schedule by dates has none";
        reader.problems.push(Problem::new(Code::InvalidSchedule, message, dates.value.place, "empty"));
    }
    let restrict_to_events = match restrict_to_events {
        Some(entry) => reader.problems.keep(values::boolean(within_schedule(&entry.key), &entry.value)),
        None => Some(false),
    };
    let description = match description {
        Some(entry) => reader.problems.keep(values::text(within_schedule(&entry.key), &entry.value)).map(Some),
        None => Some(None),
    };
    let mut dates = read.into_iter().collect::<Option<Vec<_>>>().filter(|dates| !dates.is_empty())?;
    dates.sort_unstable();
    dates.dedup();
    Some(TimeSchedule::Events(Events { dates, restrict_to_events: restrict_to_events?, description: description? }))
}

/// Whether each run is about the time since the one before; then `others` make no sense.
fn covers_since_last(mapping: &Mapping, others: &[&str], reader: &mut Reader<'_>) -> Option<bool> {
    let covers = flag(mapping, "data_interval", reader)?;
    if covers {
        for entry in others.iter().filter_map(|other| present(mapping, other)) {
            let help = "with `data_interval` a run is about the time since the tick before";
            reader.problems.push(makes_no_sense(entry, "beside `data_interval: true`", help));
        }
    }
    Some(covers)
}

/// A key that does not go with another, or only with another; `why` says which.
pub(super) fn makes_no_sense(entry: &Entry, why: &str, help: &str) -> Problem {
    let message = format!("`{}` makes no sense {why}", entry.key);
    Problem::new(Code::InvalidSchedule, message, entry.key_place, "not here").help(help)
}

/// A key that is true or false, false when absent. Mistakes are noted.
pub(super) fn flag(mapping: &Mapping, key: &str, reader: &mut Reader<'_>) -> Option<bool> {
    match present(mapping, key) {
        Some(entry) => {
            let subject: Subject<'_> = within_schedule(key);
            reader.problems.keep(values::boolean(subject, &entry.value))
        }
        None => Some(false),
    }
}
