//! `latest_only`: lets what comes after it run only in the latest run of a schedule.
//!
//! ```yaml
//! - task_id: only_now
//!   operator: latest_only
//! ```
//!
//! When runs of the past are made up for, some work is worth doing for the newest one alone. The run is the latest while the
//! next one is not due. Runs that somebody triggered, and schedules whose runs are about no stretch of time, always go on
//! (Airflow 3: LatestOnlyOperator).

use chrono::{DateTime, Utc};
use scheduler::clock::Clock;
use scheduler::log::Level;
use scheduler::operator::{Next, Operator, Outcome, RunFacts, TaskContext, TaskError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// The `latest_only` operator.
pub struct LatestOnly {
    clock: Clock,
}

impl LatestOnly {
    /// With a clock of its own.
    pub fn new(clock: Clock) -> LatestOnly {
        LatestOnly { clock }
    }
}

/// It takes no arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LatestOnlyArgs {}

impl Operator for LatestOnly {
    const NAME: &'static str = "latest_only";
    const AIRFLOW_CLASSES: &'static [&'static str] = &["LatestOnlyOperator"];
    const SUMMARY: &'static str = "Lets what comes after it run only in the latest run of a schedule.";
    type Args = LatestOnlyArgs;

    async fn execute(&self, _args: LatestOnlyArgs, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let is_latest = is_latest(&ctx.run, self.clock.now());
        let words = if is_latest { "This is the latest run: it goes on" } else { "There is a later run: it ends here" };
        ctx.log.line(Level::Info, "updraft", words);
        let next = if is_latest { Next::Everything } else { Next::NothingDirect };
        Ok(Outcome::Success { return_value: Value::Null, xcoms: Vec::new(), next })
    }
}

/// Whether the run is the latest one at `now`: after its successor's interval begins, until that ends.
fn is_latest(run: &RunFacts, now: DateTime<Utc>) -> bool {
    match run.next_interval {
        Some((start, end)) if run.run_type != "manual" && start != end => start < now && now <= end,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    /// Airflow 3's semantics, section 6: the latest interval is (left, right] of the run after this one.
    #[test]
    fn the_latest_run_goes_on() {
        let (noon, day, next_day) =
            (at("2026-03-01T12:00:00Z"), at("2026-03-02T00:00:00Z"), at("2026-03-03T00:00:00Z"));
        let table = [
            ("scheduled", Some((day, next_day)), day, false),
            ("scheduled", Some((day, next_day)), at("2026-03-02T00:00:01Z"), true),
            ("scheduled", Some((day, next_day)), next_day, true),
            ("scheduled", Some((day, next_day)), at("2026-03-03T00:00:01Z"), false),
            ("backfill", Some((day, next_day)), at("2026-04-01T00:00:00Z"), false),
            ("manual", Some((day, next_day)), at("2026-04-01T00:00:00Z"), true),
            ("scheduled", Some((day, day)), at("2026-04-01T00:00:00Z"), true),
            ("scheduled", None, at("2026-04-01T00:00:00Z"), true),
        ];
        for (run_type, next_interval, now, expected) in table {
            let run = RunFacts {
                run_type: run_type.to_owned(),
                logical_date: Some(noon),
                data_interval_start: Some(noon),
                data_interval_end: Some(noon),
                partition_key: None,
                partition_date: None,
                next_interval,
                run_after: noon,
                start_date: Some(noon),
                conf: Map::new(),
                params: Map::new(),
                owner: String::new(),
                timezone: chrono_tz::UTC,
            };
            assert_eq!(is_latest(&run, now), expected, "{run_type} {next_interval:?} at {now}");
        }
    }
}
