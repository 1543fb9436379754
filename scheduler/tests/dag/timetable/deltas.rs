//! Schedules by a length of time (Airflow 3: `DeltaTriggerTimetable`).

use rstest::rstest;
use scheduler::dag::timetable::{DataInterval, Past, Restriction, Timetable};

use super::{NOW, after, from, next};
use crate::fixtures::{at, timetable};

fn run_after(schedule: &str, past: &Past, restriction: &Restriction) -> String {
    next(&timetable(schedule), past, restriction).unwrap().0.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// §1, golden table: the DeltaTrigger rows, and what the rule beside them says after a run.
#[rstest]
#[case::at_once(false, Some("2025-01-01T05:30:00Z"), None, NOW)]
#[case::at_once_without_a_start_date(false, None, None, NOW)]
#[case::catchup_from_the_start(true, Some("2025-01-01T05:30:00Z"), None, "2025-01-01T05:30:00Z")]
#[case::catchup_without_a_start_date(true, None, None, NOW)]
#[case::late(false, Some("2025-01-01T05:30:00Z"), Some("2026-11-20T00:00:00Z"), NOW)]
#[case::in_time(false, Some("2025-01-01T05:30:00Z"), Some("2026-11-21T05:00:00Z"), "2026-11-21T11:00:00Z")]
#[case::catchup_after_a_run(true, Some("2025-01-01T05:30:00Z"), Some("2026-11-20T00:00:00Z"), "2026-11-20T06:00:00Z")]
#[case::start_in_the_future(false, Some("2027-01-01T05:30:00Z"), None, "2027-01-01T05:30:00Z")]
fn runs_are_a_length_apart(
    #[case] catchup: bool,
    #[case] start: Option<&str>,
    #[case] last: Option<&str>,
    #[case] expected: &str,
) {
    let past = last.map_or_else(Past::default, |last| after(last, last));
    for schedule in ["6h", "PT6H", "{every: 6h}", "{__type__: datetime.timedelta, hours: 6}"] {
        let next = timetable(schedule).next_run(&past, at(NOW), &from(start, catchup)).unwrap();
        assert_eq!(next.data_interval, DataInterval::at(at(expected)), "{schedule}");
        assert_eq!((next.run_after, next.logical_date), (at(expected), at(expected)), "{schedule}");
    }
}

/// §1: late runs shift the phase, unless they are asked not to (§18).
#[test]
fn a_late_run_shifts_the_phase_unless_it_is_to_be_kept() {
    let (dated, past) =
        (from(Some("2025-01-01T05:30:00Z"), false), after("2026-11-20T04:00:00Z", "2026-11-20T04:00:00Z"));
    assert_eq!(run_after("6h", &past, &dated), NOW);
    assert_eq!(run_after("{every: 6h, keep_phase: true}", &past, &dated), "2026-11-21T04:00:00Z");
    let first = Past::default();
    assert_eq!(
        run_after("{every: 6h, keep_phase: true}", &first, &dated),
        "2026-11-20T23:30:00Z",
        "from the start date"
    );
    assert_eq!(run_after("{every: 6h, keep_phase: true}", &first, &from(None, false)), NOW, "the first sets the phase");
    let future = from(Some("2027-01-01T00:00:00Z"), false);
    assert_eq!(run_after("{every: 6h, keep_phase: true}", &past, &future), "2027-01-01T00:00:00Z");
}

/// A restart does not move a run that was due while nobody was there, unless the one after it is due as well.
#[test]
fn a_promised_run_keeps_its_time() {
    let promised =
        |at_time: &str| Past { promised: Some(at(at_time)), ..after("2026-11-20T22:00:00Z", "2026-11-20T22:00:00Z") };
    assert_eq!(run_after("6h", &promised("2026-11-21T04:00:00Z"), &from(None, false)), "2026-11-21T04:00:00Z");
    assert_eq!(run_after("1h", &promised("2026-11-20T23:00:00Z"), &from(None, false)), NOW);
    assert_eq!(run_after("9h", &promised("2026-11-21T07:00:00Z"), &from(None, false)), "2026-11-21T07:00:00Z");
}

/// §1: relativedelta as a schedule; months are those of the calendar.
#[rstest]
#[case("P1M", "2025-01-31T05:30:00Z", "2025-02-28T05:30:00Z")]
#[case("1 month", "2025-01-31T05:30:00Z", "2025-02-28T05:30:00Z")]
#[case("{__type__: dateutil.relativedelta.relativedelta, months: 1}", "2025-03-31T05:30:00Z", "2025-04-30T05:30:00Z")]
#[case(
    "{__type__: dateutil.relativedelta.relativedelta, years: 1, days: 1}",
    "2024-02-29T00:00:00Z",
    "2025-03-01T00:00:00Z"
)]
#[case("P1Y2M3DT4H", "2025-01-01T00:00:00Z", "2026-03-04T04:00:00Z")]
#[case("{__type__: datetime.timedelta, __args__: [1, 30]}", "2025-01-01T00:00:00Z", "2025-01-02T00:00:30Z")]
#[case("1 week", "2025-01-01T00:00:00Z", "2025-01-08T00:00:00Z")]
fn lengths(#[case] schedule: &str, #[case] last: &str, #[case] expected: &str) {
    let next = next(&timetable(schedule), &after(last, last), &from(None, true)).unwrap();
    assert_eq!(next.0, at(expected));
}

/// Airflow 3: the `interval` of trigger timetables.
#[rstest]
#[case("{every: 6h, interval: 1d}", "2026-11-21T00:00:00Z", "2026-11-20T00:00:00Z")]
#[case("{cron: '@daily', interval: 1d}", "2026-11-21T00:00:00Z", "2026-11-20T00:00:00Z")]
#[case("{cron: '0 0 1 * *', interval: 1 month}", "2026-03-01T00:00:00Z", "2026-02-01T00:00:00Z")]
#[case(
    "{__type__: airflow.sdk.CronTriggerTimetable, cron: '@daily', interval: {__type__: datetime.timedelta, hours: 2}}",
    "2026-11-21T00:00:00Z",
    "2026-11-20T22:00:00Z"
)]
fn a_run_can_be_about_the_time_before_its_tick(#[case] schedule: &str, #[case] tick: &str, #[case] start: &str) {
    let timetable: Timetable = timetable(schedule);
    let before = at(tick) - chrono::TimeDelta::hours(6);
    let past = Past::after(DataInterval::at(before));
    let next = timetable.next_run(&past, at(NOW), &from(None, true)).unwrap();
    assert_eq!((next.logical_date, next.run_after), (at(start), at(tick)));
    assert_eq!(next.data_interval, DataInterval { start: at(start), end: at(tick) });
    assert_eq!(timetable.manual_interval(at(tick)), next.data_interval);
}
