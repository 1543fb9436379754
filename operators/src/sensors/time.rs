//! `time_sensor`: waits until a time has come.
//!
//! ```yaml
//! - task_id: after_eight
//!   operator: time_sensor
//!   target_time: "08:00"        # or an instant, or `delta: 2h` after the end of the data interval
//! ```
//!
//! It sleeps until then. Because the clock on the wall may be set, it looks at it at least once a minute.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use chrono_tz::Tz;
use scheduler::dag::template;
use scheduler::dag::timetable::resolve_local;
use scheduler::operator::{ArgumentProblem, Operator, Outcome, TaskContext, TaskError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::arguments::Patience;
use super::wait::{Rhythm, Sight, Watch};
use crate::shapes::With;
use crate::span::{self, Offset};

/// The `time_sensor` operator.
#[derive(Default)]
pub struct TimeSensor(());

/// Arguments of the `time_sensor` operator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeArgs {
    /// An instant (`2026-03-02T08:00:00Z`), or a time of the day on which the task begins (`08:00`). One that names no time
    /// zone is meant in that of the DAG.
    #[serde(default)]
    target_time: Option<String>,
    /// How long after the end of the run's data interval, instead of `target_time`: `30m`, or a number of seconds.
    #[serde(default)]
    delta: Option<Offset>,
    /// Airflow's choice of waiting from the beginning without a worker. Every sensor looks once, and waits so.
    #[serde(default)]
    #[expect(dead_code, reason = "every sensor waits so")]
    start_from_trigger: bool,
    /// Airflow's arguments for that. There is no such thing here.
    #[serde(default)]
    #[expect(dead_code, reason = "there are no triggers")]
    trigger_kwargs: Option<Map<String, Value>>,
    /// Airflow's choice of ending without a worker, too. No worker is needed here.
    #[serde(default)]
    #[expect(dead_code, reason = "no worker is needed")]
    end_from_trigger: bool,
}

impl Operator for TimeSensor {
    const NAME: &'static str = "time_sensor";
    const AIRFLOW_CLASSES: &'static [&'static str] = &[
        "DateTimeSensor",
        "DateTimeSensorAsync",
        "TimeSensor",
        "TimeSensorAsync",
        "TimeDeltaSensor",
        "TimeDeltaSensorAsync",
    ];
    const SUMMARY: &'static str = "Waits until a time has come.";
    type Args = With<Patience, TimeArgs>;

    async fn execute(&self, args: Self::Args, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let With { own, common: patience } = args;
        let target = target(&own, ctx).map_err(|problem| TaskError::fail(anyhow::anyhow!(problem)))?;
        let watch = Watch {
            patience: &patience,
            ctx,
            awaited: target.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
            rhythm: Rhythm::At(target),
        };
        watch.until(|| async { Ok(Sight::of(ctx.clock.now() >= target)) }).await
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let mut problems = Patience::check(args);
        problems.extend(span::check::<Offset>(args, "delta"));
        let problem = |pointer: &str, message: String| ArgumentProblem {
            pointer: pointer.to_owned(),
            message,
            help: Some("write `target_time: 2026-03-02T08:00:00Z`, `target_time: \"08:00\"` or `delta: 2h`".to_owned()),
        };
        match (args.get("target_time"), args.get("delta")) {
            (None, None) => problems.push(problem("", "it needs `target_time` or `delta`".to_owned())),
            (Some(_), Some(_)) => {
                problems.push(problem("/delta", "`target_time` and `delta` exclude each other".to_owned()));
            }
            (Some(Value::String(text)), None) if !template::holds_template(text) => {
                if let Err(message) = Written::read(text) {
                    problems.push(problem("/target_time", message));
                }
            }
            _ => {}
        }
        problems
    }
}

/// The instant for which a try waits.
fn target(args: &TimeArgs, ctx: &TaskContext) -> Result<DateTime<Utc>, String> {
    match (&args.target_time, args.delta) {
        (Some(text), None) => Ok(Written::read(text)?.instant(ctx.started_at, ctx.run.timezone)),
        (None, Some(Offset(delta))) => {
            let from = ctx.run.data_interval_end.unwrap_or(ctx.run.run_after);
            from.checked_add_signed(delta).ok_or_else(|| "`delta` leads beyond all dates".to_owned())
        }
        (None, None) => Err("it needs `target_time` or `delta`".to_owned()),
        (Some(_), Some(_)) => Err("`target_time` and `delta` exclude each other".to_owned()),
    }
}

/// The instant that a text means for a try: that of a day is its beginning, in the time zone of the DAG.
pub(crate) fn instant(text: &str, ctx: &TaskContext) -> Result<DateTime<Utc>, String> {
    Ok(Written::read(text)?.instant(ctx.started_at, ctx.run.timezone))
}

/// Whether a text means an instant.
pub(crate) fn check(text: &str) -> Result<(), String> {
    Written::read(text).map(|_| ())
}

/// A time as people write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    Instant(DateTime<Utc>),
    /// In the time zone of the DAG.
    Local(NaiveDateTime),
    /// Of the day on which the task begins, in the time zone of the DAG.
    OfDay(NaiveTime),
}

impl Written {
    fn read(text: &str) -> Result<Written, String> {
        let text = text.trim();
        if let Some(time) = ["%H:%M:%S%.f", "%H:%M"].iter().find_map(|form| NaiveTime::parse_from_str(text, form).ok())
        {
            return Ok(Written::OfDay(time));
        }
        // Templates print dates as Python does, with a blank.
        let joined = text.replacen(' ', "T", 1);
        if let Ok(instant) = DateTime::parse_from_rfc3339(&joined) {
            return Ok(Written::Instant(instant.to_utc()));
        }
        let forms = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
        if let Some(local) = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(&joined, form).ok()) {
            return Ok(Written::Local(local));
        }
        match NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            Ok(day) => Ok(Written::Local(day.and_time(NaiveTime::MIN))),
            Err(_) => Err(format!("`{text}` is neither an instant nor a time of day")),
        }
    }

    fn instant(self, begun: DateTime<Utc>, timezone: Tz) -> DateTime<Utc> {
        match self {
            Written::Instant(instant) => instant,
            Written::Local(local) => resolve_local(local, timezone),
            Written::OfDay(time) => resolve_local(begun.with_timezone(&timezone).date_naive().and_time(time), timezone),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_and_templates_write_them() {
        let table = [
            ("2026-03-02T08:00:00Z", "2026-03-02T08:00:00Z"),
            ("2026-03-02 08:00:00+00:00", "2026-03-02T08:00:00Z"),
            ("2026-03-02T08:00:00.5+02:00", "2026-03-02T06:00:00.500Z"),
            ("2026-03-02 08:00", "2026-03-02T07:00:00Z"),
            ("2026-03-02", "2026-03-01T23:00:00Z"),
            // It begins half an hour after midnight in Berlin, on the day on which summer time does.
            ("08:00", "2026-03-29T06:00:00Z"),
            ("23:59:30", "2026-03-29T21:59:30Z"),
        ];
        let begun = "2026-03-28T23:30:00Z".parse().unwrap();
        for (text, expected) in table {
            let instant = Written::read(text).unwrap().instant(begun, chrono_tz::Europe::Berlin);
            assert_eq!(instant, expected.parse::<DateTime<Utc>>().unwrap(), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        assert_eq!(Written::read("tomorrow"), Err("`tomorrow` is neither an instant nor a time of day".to_owned()));
        assert!(Written::read("25:00").is_err());
    }
}
