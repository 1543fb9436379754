//! Schedules by dates (Airflow 3: `EventsTimetable`).

use rstest::rstest;
use scheduler::dag::timetable::{DataInterval, Past};

use super::{NOW, after, from, next};
use crate::fixtures::{at, timetable};

const DATES: &str = "{dates: [2026-12-24T18:00:00Z, 2026-06-01, 2026-11-21T05:00:00Z, 2026-06-01]}";

/// §1: explicit dates. Without catchup those that are past are passed over.
#[rstest]
#[case::upcoming(false, None, None, Some("2026-12-24T18:00:00Z"))]
#[case::catchup(true, None, None, Some("2026-06-01T00:00:00Z"))]
#[case::catchup_from_the_start(true, Some("2026-07-01T00:00:00Z"), None, Some("2026-11-21T05:00:00Z"))]
#[case::catchup_after_a_run(true, None, Some("2026-06-01T00:00:00Z"), Some("2026-11-21T05:00:00Z"))]
#[case::over(true, None, Some("2026-12-24T18:00:00Z"), None)]
fn runs_at_the_dates(
    #[case] catchup: bool,
    #[case] start: Option<&str>,
    #[case] last: Option<&str>,
    #[case] expected: Option<&str>,
) {
    let past = last.map_or_else(Past::default, |last| after(last, last));
    let expected = expected.map(|date| (at(date), at(date)));
    assert_eq!(next(&timetable(DATES), &past, &from(start, catchup)), expected);
}

/// A date that came while nobody was there is made up for, and of several the latest.
#[test]
fn a_restart_forgets_no_date() {
    let promised = |date: &str| Past { last: None, promised: Some(at(date)) };
    let run = |date: &str| next(&timetable(DATES), &promised(date), &from(None, false)).unwrap().0;
    assert_eq!(run("2026-11-21T05:00:00Z"), at("2026-11-21T05:00:00Z"));
    assert_eq!(run("2026-06-01T00:00:00Z"), at("2026-11-21T05:00:00Z"), "the latest of two");
    assert_eq!(run("2026-12-24T18:00:00Z"), at("2026-12-24T18:00:00Z"));
}

/// Airflow 3: `restrict_to_events`.
#[test]
fn manual_runs_are_about_the_present_or_the_latest_date() {
    let restricted = DATES.replace("dates:", "restrict_to_events: true, dates:");
    let manual = |schedule: &str, date: &str| timetable(schedule).manual_interval(at(date));
    assert_eq!(manual(DATES, NOW), DataInterval::at(at(NOW)));
    assert_eq!(manual(&restricted, NOW), DataInterval::at(at("2026-11-21T05:00:00Z")));
    assert_eq!(manual(&restricted, "2026-01-01T00:00:00Z"), DataInterval::at(at("2026-06-01T00:00:00Z")));
}

#[test]
fn dates_in_words() {
    let events = timetable(DATES);
    assert_eq!(events.describe(), "3 events between 2026-06-01T00:00:00Z and 2026-12-24T18:00:00Z");
    assert_eq!(events.summary().as_deref(), Some("3 events"));
    let named = timetable(&DATES.replace("dates:", "description: Matches, dates:"));
    assert_eq!((named.describe().as_str(), named.summary().as_deref()), ("Matches", Some("Matches")));
}
