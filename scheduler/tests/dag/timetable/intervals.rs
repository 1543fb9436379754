//! Schedules whose runs are about the time since the one before (Airflow 3: `CronDataIntervalTimetable`,
//! `DeltaDataIntervalTimetable`).

use rstest::rstest;
use scheduler::dag::timetable::{DataInterval, Past, Timetable};

use super::{NOW, after, from, next};
use crate::fixtures::{at, timetable};

const DAILY: &str = "{cron: '@daily', data_interval: true}";
const SIX_HOURS: &str = "{every: 6h, data_interval: true}";
const START: Option<&str> = Some("2025-01-01T05:30:00Z");
const LAST: Option<(&str, &str)> = Some(("2026-11-10T00:00:00Z", "2026-11-11T00:00:00Z"));

fn past(last: Option<(&str, &str)>) -> Past {
    last.map_or_else(Past::default, |(start, end)| after(start, end))
}

/// §1, golden table: the CronInterval and DeltaInterval rows.
#[rstest]
#[case(DAILY, false, START, None, "2026-11-21T00:00:00Z", "2026-11-20T00:00:00Z")]
#[case(DAILY, false, None, None, "2026-11-21T00:00:00Z", "2026-11-20T00:00:00Z")]
#[case(DAILY, false, START, LAST, "2026-11-21T00:00:00Z", "2026-11-20T00:00:00Z")]
#[case(DAILY, false, None, LAST, "2026-11-21T00:00:00Z", "2026-11-20T00:00:00Z")]
#[case(DAILY, true, START, None, "2025-01-03T00:00:00Z", "2025-01-02T00:00:00Z")]
#[case(DAILY, true, START, LAST, "2026-11-12T00:00:00Z", "2026-11-11T00:00:00Z")]
#[case(SIX_HOURS, false, START, None, "2026-11-21T00:00:00Z", "2026-11-20T18:00:00Z")]
#[case(SIX_HOURS, true, START, None, "2025-01-01T11:30:00Z", "2025-01-01T05:30:00Z")]
#[case(SIX_HOURS, true, START, Some(("2026-11-10T00:00:00Z", "2026-11-10T06:00:00Z")), "2026-11-10T12:00:00Z", "2026-11-10T06:00:00Z")]
fn runs_when_a_stretch_is_over(
    #[case] schedule: &str,
    #[case] catchup: bool,
    #[case] start: Option<&str>,
    #[case] last: Option<(&str, &str)>,
    #[case] run_after: &str,
    #[case] logical_date: &str,
) {
    let next = next(&timetable(schedule), &past(last), &from(start, catchup));
    assert_eq!(next, Some((at(run_after), at(logical_date))));
}

/// Months are those of the calendar (§18; Airflow counts 30 days for each from 1970 on).
#[test]
fn a_month_is_a_month_of_the_calendar() {
    let monthly = timetable("{every: 1 month, data_interval: true}");
    let expected = (at("2026-11-01T00:00:00Z"), at("2026-10-01T00:00:00Z"));
    assert_eq!(next(&monthly, &Past::default(), &from(START, false)), Some(expected));
}

/// §1: with catchup and without a start date there is nowhere to begin.
#[test]
fn catchup_without_a_start_date_never_runs() {
    for schedule in [DAILY, SIX_HOURS] {
        assert_eq!(next(&timetable(schedule), &Past::default(), &from(None, true)), None, "{schedule}");
    }
}

/// §1: a manual run at 05:07 is about the last complete stretch, or the stretch before it.
#[rstest]
#[case(DAILY, "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z")]
#[case(SIX_HOURS, "2026-11-20T23:07:00Z", "2026-11-21T05:07:00Z")]
fn manual_runs_are_about_a_stretch(#[case] schedule: &str, #[case] start: &str, #[case] end: &str) {
    let interval = timetable(schedule).manual_interval(at("2026-11-21T05:07:00Z"));
    assert_eq!(interval, DataInterval { start: at(start), end: at(end) });
}

/// §1: the tick itself belongs to the stretch that ends with it; the end date is compared with the logical date.
#[test]
fn at_a_tick_the_stretch_that_ends_is_complete() {
    let midnight = at("2026-11-21T00:00:00Z");
    let next = timetable(DAILY).next_run(&Past::default(), midnight, &from(START, false)).unwrap();
    assert_eq!((next.logical_date, next.run_after), (at("2026-11-20T00:00:00Z"), midnight));

    let mut until = from(START, true);
    until.latest = Some(at("2026-11-11T00:00:00Z"));
    assert!(timetable(DAILY).next_run(&past(LAST), midnight, &until).is_some(), "the end date is inclusive");
    until.latest = Some(at("2026-11-10T23:59:59Z"));
    assert_eq!(timetable(DAILY).next_run(&past(LAST), midnight, &until), None);
}

/// §1: after the schedule changed, stretches begin at its own ticks; one that would take the logical date of the last run
/// is left out.
#[rstest]
#[case::within_the_day(("2026-11-10T10:00:00Z", "2026-11-10T11:00:00Z"), "2026-11-10T00:00:00Z")]
#[case::would_collide(("2026-11-10T00:00:00Z", "2026-11-10T01:00:00Z"), "2026-11-11T00:00:00Z")]
#[case::from_a_trigger(("2026-11-10T00:00:00Z", "2026-11-10T00:00:00Z"), "2026-11-11T00:00:00Z")]
fn a_changed_schedule_is_aligned_anew(#[case] last: (&str, &str), #[case] logical_date: &str) {
    let next = next(&timetable(DAILY), &past(Some(last)), &from(START, true)).unwrap();
    assert_eq!(next.1, at(logical_date));
    assert!(next.0 > at(last.1));
}

/// §1 DST: the stretches of the two odd days in Amsterdam.
#[rstest]
#[case("0 0 * * *", "2026-03-28T23:00:00Z", &[23])]
#[case("0 0 * * *", "2026-10-24T22:00:00Z", &[25])]
#[case("30 2 * * *", "2026-03-28T01:30:00Z", &[24, 23])]
#[case("0 */2 * * *", "2026-10-24T22:00:00Z", &[3, 2])]
fn stretches_through_daylight_saving(#[case] cron: &str, #[case] start: &str, #[case] hours: &[i64]) {
    let schedule = format!("{{cron: '{cron}', data_interval: true}}");
    let dag = crate::fixtures::dag(&format!("timezone: Europe/Amsterdam\nschedule: {schedule}\ntasks: []\n"));
    let timetable = Timetable::new(&dag.schedule, dag.timezone).unwrap();
    let mut past = after(start, start);
    past.last = Some(DataInterval { start: at(start) - chrono::TimeDelta::hours(1), end: at(start) });
    for hours in hours {
        let interval = timetable.next_run(&past, at(NOW), &from(None, true)).unwrap().data_interval;
        assert_eq!((interval.end - interval.start).num_hours(), *hours, "{interval:?}");
        past = Past::after(interval);
    }
}

/// A gap moves a tick, and loses no run, also not the latest one.
#[rstest]
#[case("2026-03-29T01:30:00Z", "2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z")]
#[case("2026-03-29T06:00:00Z", "2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z")]
#[case("2026-03-29T01:29:59Z", "2026-03-27T01:30:00Z", "2026-03-28T01:30:00Z")]
fn the_latest_stretch_around_a_gap(#[case] now: &str, #[case] start: &str, #[case] end: &str) {
    let dag = crate::fixtures::dag(
        "timezone: Europe/Amsterdam\nschedule: {cron: 30 2 * * *, data_interval: true}\ntasks: []\n",
    );
    let timetable = Timetable::new(&dag.schedule, dag.timezone).unwrap();
    let interval = timetable.next_run(&Past::default(), at(now), &from(START, false)).unwrap().data_interval;
    assert_eq!(interval, DataInterval { start: at(start), end: at(end) });
    assert_eq!(timetable.manual_interval(at("2026-03-29T01:30:00Z")).start, at("2026-03-28T01:30:00Z"));
}

/// Airflow's own class names mean the same.
#[rstest]
#[case("{__type__: airflow.timetables.interval.CronDataIntervalTimetable, cron: '@daily', timezone: UTC}", DAILY)]
#[case("{__type__: airflow.sdk.CronDataIntervalTimetable, __args__: ['@daily', UTC]}", DAILY)]
#[case(
    "{__type__: airflow.timetables.interval.DeltaDataIntervalTimetable, delta: {__type__: datetime.timedelta, hours: 6}}",
    SIX_HOURS
)]
fn classes_of_airflow(#[case] class: &str, #[case] ours: &str) {
    let of = |schedule: &str| crate::fixtures::dag(&format!("schedule: {schedule}\ntasks: []\n")).schedule.clone();
    assert_eq!(of(class), of(ours));
}
