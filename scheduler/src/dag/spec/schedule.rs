//! The `schedule` key: presets, cron, and dag-factory's notation for Airflow's timetables.

use chrono_tz::Tz;

use super::collect::{Subject, wrong_type};
use super::node::{Entry, Node, Yaml};
use super::problem::{Code, Problem};
use super::values;
use crate::dag::Schedule;
use crate::dag::timetable::Timetable;

const INTERVALS: &str = "schedules by interval are not served yet; write a cron expression, such as `*/30 * * * *`";
const ASSETS: &str = "schedules by asset are not served yet; write a cron expression, or trigger the DAG";

/// The schedule, and the time zone that it brings along in Airflow's notation.
pub(super) fn read(subject: Subject<'_>, entry: &Entry, timezone: Tz) -> Result<(Schedule, Option<Tz>), Problem> {
    let node = &entry.value;
    match &node.value {
        Yaml::Null => Ok((Schedule::Never, None)),
        Yaml::Text(text) => word(text, node, timezone).map(|schedule| (schedule, None)),
        Yaml::List(_) => Err(unsupported(subject, node, ASSETS)),
        Yaml::Number(_) => Err(unsupported(subject, node, INTERVALS)),
        Yaml::Map(_) => timetable(subject, node, timezone),
        Yaml::Bool(_) => Err(wrong_type(subject, node, "a cron expression, a preset or nothing")),
    }
}

fn word(text: &str, node: &Node, timezone: Tz) -> Result<Schedule, Problem> {
    let word = text.trim();
    match word.to_ascii_lowercase().as_str() {
        // dag-factory writes the absence of a schedule so, too.
        "none" | "null" => return Ok(Schedule::Never),
        "@once" => return Ok(Schedule::Once),
        "@continuous" => return Ok(Schedule::Continuous),
        _ => (),
    }
    if crate::dag::duration::parse(word).is_ok() {
        let subject = Subject { key: "schedule", within: "" };
        return Err(unsupported(subject, node, INTERVALS));
    }
    let schedule = Schedule::Cron(word.to_owned());
    match Timetable::new(&schedule, timezone) {
        Ok(_) => Ok(schedule),
        Err(error) => Err(Problem::new(Code::InvalidSchedule, error.to_string(), node.place, "this schedule")
            .maybe_help(error.help().map(str::to_owned))),
    }
}

/// `{__type__: airflow.timetables.trigger.CronTriggerTimetable, cron: "0 3 * * *", timezone: UTC}`.
fn timetable(subject: Subject<'_>, node: &Node, timezone: Tz) -> Result<(Schedule, Option<Tz>), Problem> {
    let class =
        node.as_map().and_then(|mapping| mapping.get(values::OBJECT_KEY)).and_then(|class| class.value.as_text());
    match class {
        Some("airflow.timetables.trigger.CronTriggerTimetable" | "airflow.sdk.CronTriggerTimetable") => (),
        Some("datetime.timedelta" | "dateutil.relativedelta.relativedelta") => {
            return Err(unsupported(subject, node, INTERVALS));
        }
        Some(_) => return Err(unsupported(subject, node, "write a cron expression")),
        None => return Err(unsupported(subject, node, ASSETS)),
    }
    let wanted = "a cron expression";
    let mut cron = None;
    let mut own_zone = None;
    for entry in values::object(
        subject,
        node,
        &["airflow.timetables.trigger.CronTriggerTimetable", "airflow.sdk.CronTriggerTimetable"],
        wanted,
    )? {
        let subject = Subject { key: &entry.key, ..subject };
        match entry.key.as_str() {
            "cron" => cron = Some(entry),
            "timezone" => own_zone = Some(values::timezone(subject, &entry.value)?),
            _ => return Err(values::unknown_field(entry, "CronTriggerTimetable")),
        }
    }
    let Some(cron) = cron else {
        return Err(Problem::new(Code::MissingKey, "a CronTriggerTimetable needs `cron`", node.place, "here"));
    };
    let text = values::text(Subject { key: "cron", ..subject }, &cron.value)?;
    Ok((word(&text, &cron.value, own_zone.unwrap_or(timezone))?, own_zone))
}

fn unsupported(subject: Subject<'_>, node: &Node, help: &str) -> Problem {
    let message = format!("{subject} must be a cron expression, a preset or nothing, and is {}", node.kind());
    Problem::new(Code::Unsupported, message, node.place, "not served").help(help)
}
