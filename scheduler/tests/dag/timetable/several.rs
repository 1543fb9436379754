//! Several cron expressions, what is done about the tick before a new DAG, and schedules beside assets.

use rstest::rstest;
use scheduler::dag::timetable::{DataInterval, Past};

use super::{NOW, after, from, next};
use crate::fixtures::{at, timetable};

const TWICE: &str = "{crons: ['0 4 * * *', '30 18 * * mon-fri']}";

/// Airflow 3: `MultipleCronTriggerTimetable`. 2026-11-21 is a Saturday.
#[rstest]
#[case::latest_missed(false, Some("2025-01-01T00:00:00Z"), None, "2026-11-21T04:00:00Z")]
#[case::earliest_to_come(false, Some("2025-01-01T00:00:00Z"), Some("2026-11-21T04:00:00Z"), "2026-11-22T04:00:00Z")]
#[case::catchup(true, Some("2026-11-19T12:00:00Z"), None, "2026-11-19T18:30:00Z")]
#[case::catchup_goes_on(true, None, Some("2026-11-19T18:30:00Z"), "2026-11-20T04:00:00Z")]
#[case::no_start_date_just_missed(false, None, None, "2026-11-21T04:00:00Z")]
fn several_crons_are_one_schedule(
    #[case] catchup: bool,
    #[case] start: Option<&str>,
    #[case] last: Option<&str>,
    #[case] expected: &str,
) {
    let past = last.map_or_else(Past::default, |last| after(last, last));
    let object = "{__type__: airflow.timetables.trigger.MultipleCronTriggerTimetable, \
                  __args__: ['0 4 * * *', '30 18 * * mon-fri'], timezone: UTC}";
    for schedule in [TWICE, object] {
        let next = next(&timetable(schedule), &past, &from(start, catchup)).unwrap();
        assert_eq!(next, (at(expected), at(expected)), "{schedule}");
    }
}

/// Only at most one run is made for any given time.
#[test]
fn ticks_at_the_same_time_are_one_run() {
    let both = timetable("{crons: ['0 4 * * *', '0 4 * * sat']}");
    let ticks = super::ticks(&both, at("2026-11-20T12:00:00Z"), 2);
    assert_eq!(ticks, [at("2026-11-21T04:00:00Z"), at("2026-11-22T04:00:00Z")]);
}

/// Airflow 3: `run_immediately`; false is as if it were not there (§1).
#[rstest]
#[case("'@daily'", "2026-11-22T00:00:00Z")]
#[case("{cron: '@daily', run_immediately: false}", "2026-11-22T00:00:00Z")]
#[case("{cron: '@daily', run_immediately: true}", "2026-11-21T00:00:00Z")]
#[case("{cron: '@daily', run_immediately: 6h}", "2026-11-21T00:00:00Z")]
#[case("{cron: '@daily', run_immediately: 5h}", "2026-11-22T00:00:00Z")]
fn run_immediately_makes_up_for_the_tick_before(#[case] schedule: &str, #[case] expected: &str) {
    assert_eq!(next(&timetable(schedule), &Past::default(), &from(None, false)).unwrap().0, at(expected));
}

/// Airflow 3: `AssetOrTimeSchedule` goes by its timetable; assets alone are never due by the clock.
#[test]
fn assets_beside_a_time() {
    let either = timetable("{assets: ['s3://lake/a', 's3://lake/b'], time: {cron: '@daily', data_interval: true}}");
    let (run_after, logical_date) = next(&either, &Past::default(), &from(None, false)).unwrap();
    assert_eq!((logical_date, run_after), (at("2026-11-20T00:00:00Z"), at("2026-11-21T00:00:00Z")));
    let manual = either.manual_interval(at(NOW));
    assert_eq!(manual, DataInterval { start: at("2026-11-20T00:00:00Z"), end: at("2026-11-21T00:00:00Z") });
    assert!(either.is_scheduled() && either.is_periodic());
    assert_eq!(either.summary().as_deref(), Some("Asset or @daily"));

    let assets = timetable("['s3://lake/a', {any: ['s3://lake/b', {name: c}]}]");
    assert_eq!(next(&assets, &Past::default(), &from(None, true)), None);
    assert!(!assets.is_scheduled() && !assets.is_periodic());
    assert_eq!(assets.summary().as_deref(), Some("Asset"));
    assert_eq!(assets.describe(), "When s3://lake/a and (s3://lake/b or c) are updated");
}

#[rstest]
#[case("6h", "Every 6 hours", "6:00:00")]
#[case("1d", "Every day", "1 day, 0:00:00")]
#[case("90s", "Every 1 minute and 30 seconds", "0:01:30")]
#[case("P1M", "Every month", "P1M")]
#[case("P1Y2M", "Every 1 year and 2 months", "P14M")]
#[case("{every: 1h, data_interval: true}", "Every hour, covering 1 hour before it", "1:00:00")]
#[case("{every: 2 days, interval: 12h}", "Every 2 days, covering 12 hours before it", "2 days, 0:00:00")]
#[case(
    "{cron: '@daily', data_interval: true}",
    "Every day at 00:00, covering the time since the tick before",
    "@daily"
)]
#[case("{cron: '@daily', interval: 1d}", "Every day at 00:00, covering 1 day before it", "@daily")]
#[case(TWICE, "Every day at 04:00; At 18:30, Monday through Friday", "0 4 * * *, 30 18 * * mon-fri")]
#[case("{uri: s3://lake/a}", "When s3://lake/a is updated", "Asset")]
#[case("{assets: [a], time: '@once'}", "When a is updated; or: Once, as soon as possible", "Asset or @once")]
fn in_words(#[case] schedule: &str, #[case] words: &str, #[case] summary: &str) {
    let timetable = timetable(schedule);
    assert_eq!(timetable.describe(), words);
    assert_eq!(timetable.summary().as_deref(), Some(summary));
}
