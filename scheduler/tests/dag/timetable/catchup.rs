//! What becomes of missed runs: `catchup` as a policy (complaints.md 10), and what a restart must not forget.

use chrono::{DateTime, Utc};
use rstest::rstest;
use scheduler::dag::timetable::{DataInterval, Past, Restriction};

use super::{NOW, after, next};
use crate::fixtures::{at, dag, timetable};

const START: &str = "2025-01-01T05:30:00Z";

fn policy(catchup: &str, start: Option<&str>) -> Restriction {
    let start = start.map(|start| format!("start_date: {start}\n")).unwrap_or_default();
    Restriction::of(&dag(&format!("{start}catchup: {catchup}\ntasks: []\n")))
}

fn run_after(schedule: &str, past: &Past, restriction: &Restriction) -> Option<DateTime<Utc>> {
    next(&timetable(schedule), past, restriction).map(|(run_after, _)| run_after)
}

/// `none` makes up for nothing, `latest` is Airflow's false, `all` its true.
#[rstest]
#[case("'@daily'", "none", "2026-11-22T00:00:00Z")]
#[case("'@daily'", "latest", "2026-11-21T00:00:00Z")]
#[case("'@daily'", "false", "2026-11-21T00:00:00Z")]
#[case("'@daily'", "all", "2026-11-11T00:00:00Z")]
#[case("'@daily'", "true", "2026-11-11T00:00:00Z")]
#[case("'@daily'", "{mode: all, window: 2d}", "2026-11-20T00:00:00Z")]
#[case("'@daily'", "{mode: all, window: 365d}", "2026-11-11T00:00:00Z")]
#[case("'@daily'", "{window: 6h}", "2026-11-21T00:00:00Z")]
#[case("'@daily'", "{mode: latest, window: 5h}", "2026-11-22T00:00:00Z")]
#[case("{cron: '@daily', data_interval: true}", "none", "2026-11-22T00:00:00Z")]
#[case("{cron: '@daily', data_interval: true}", "latest", "2026-11-21T00:00:00Z")]
#[case("{cron: '@daily', data_interval: true}", "{mode: all, window: 2d}", "2026-11-20T00:00:00Z")]
#[case("{cron: '@daily', data_interval: true}", "{window: 5h}", "2026-11-22T00:00:00Z")]
#[case("7h", "none", "2026-11-21T09:00:00Z")]
#[case("7h", "latest", NOW)]
#[case("7h", "all", "2026-11-10T07:00:00Z")]
#[case("7h", "{mode: all, window: 12h}", "2026-11-20T19:00:00Z")]
#[case("{every: 6h, data_interval: true}", "none", "2026-11-21T06:00:00Z")]
#[case("{every: 7h, data_interval: true}", "{mode: all, window: 12h}", "2026-11-20T19:00:00Z")]
#[case("{dates: [2026-11-20, 2026-12-01]}", "none", "2026-12-01T00:00:00Z")]
#[case("{dates: [2026-11-15, 2026-11-20, 2026-12-01]}", "{mode: all, window: 2d}", "2026-11-20T00:00:00Z")]
fn what_was_missed_since_a_run_long_ago(#[case] schedule: &str, #[case] catchup: &str, #[case] expected: &str) {
    let past = after("2026-11-10T00:00:00Z", "2026-11-10T00:00:00Z");
    assert_eq!(run_after(schedule, &past, &policy(catchup, Some(START))), Some(at(expected)));
}

/// A DAG that has never run, just created or unpaused.
#[rstest]
#[case("'@daily'", "none", Some(START), "2026-11-22T00:00:00Z")]
#[case("'@hourly'", "none", None, "2026-11-21T06:00:00Z")]
#[case("{cron: '@hourly', run_immediately: true}", "none", None, "2026-11-21T06:00:00Z")]
#[case("6h", "none", Some(START), "2026-11-21T05:30:00Z")]
#[case("6h", "none", None, "2026-11-21T11:11:40Z")]
#[case("6h", "{mode: all, window: 1d}", Some(START), "2026-11-20T05:30:00Z")]
#[case("'@once'", "none", Some(START), START)]
fn what_a_new_dag_makes_up_for(
    #[case] schedule: &str,
    #[case] catchup: &str,
    #[case] start: Option<&str>,
    #[case] expected: &str,
) {
    assert_eq!(run_after(schedule, &Past::default(), &policy(catchup, start)), Some(at(expected)));
}

/// A run that was due while the scheduler was down is made even with `none`: the DAG was there, and wanted it. Of several
/// the latest is.
#[rstest]
#[case("'@daily'", "2026-11-21T00:00:00Z", "2026-11-21T00:00:00Z")]
#[case("'@daily'", "2026-11-18T00:00:00Z", "2026-11-21T00:00:00Z")]
#[case("'@daily'", "2026-11-22T00:00:00Z", "2026-11-22T00:00:00Z")]
#[case("{cron: '@daily', data_interval: true}", "2026-11-21T00:00:00Z", "2026-11-21T00:00:00Z")]
#[case("6h", "2026-11-21T00:30:00Z", "2026-11-21T00:30:00Z")]
#[case("{dates: [2026-11-20, 2026-12-01]}", "2026-11-20T00:00:00Z", "2026-11-20T00:00:00Z")]
fn a_promise_is_kept(#[case] schedule: &str, #[case] promised: &str, #[case] expected: &str) {
    let past = Past { last: None, promised: Some(at(promised)) };
    assert_eq!(run_after(schedule, &past, &policy("none", None)), Some(at(expected)));
}

/// Without a start date, a first run that was due while the scheduler was down is not forgotten, however long ago it was.
#[test]
fn a_first_run_that_was_promised_is_kept_without_a_start_date() {
    let promised = Past { last: None, promised: Some(at("2026-11-19T00:00:00Z")) };
    let of = |catchup| run_after("'@daily'", &promised, &policy(catchup, None)).unwrap();
    assert_eq!(of("latest"), at("2026-11-21T00:00:00Z"));
    assert_eq!(of("all"), at("2026-11-19T00:00:00Z"));
    let later = Past { last: None, promised: Some(at("2027-01-01T00:00:00Z")) };
    assert_eq!(run_after("'@daily'", &later, &policy("latest", None)), Some(at("2026-11-22T00:00:00Z")), "not yet due");
}

/// The runs that follow when each is made as soon as it is due.
#[test]
fn after_a_run_the_next_one_follows() {
    for catchup in ["none", "latest", "all", "{mode: none, window: 1d}"] {
        let restriction = policy(catchup, Some(START));
        for (schedule, expected) in [
            ("'@hourly'", "2026-11-21T06:00:00Z"),
            ("{cron: '@hourly', data_interval: true}", "2026-11-21T06:00:00Z"),
            ("1h", "2026-11-21T06:00:00Z"),
        ] {
            let past = Past::after(DataInterval { start: at("2026-11-21T05:00:00Z"), end: at("2026-11-21T05:00:00Z") });
            let past = if schedule.contains("interval") {
                after("2026-11-21T04:00:00Z", "2026-11-21T05:00:00Z")
            } else {
                past
            };
            assert_eq!(run_after(schedule, &past, &restriction), Some(at(expected)), "{schedule}, catchup {catchup}");
        }
    }
}
