//! Timetables against the semantics of Airflow 3 (airflow-semantics.md §1, whose tables were computed by Airflow itself).

mod catchup;
mod deltas;
mod events;
mod intervals;
mod partitions;
mod several;
mod upcoming;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use rstest::rstest;
use scheduler::dag::Schedule;
use scheduler::dag::schedule::{CronTrigger, TimeSchedule};
use scheduler::dag::timetable::{Catchup, CatchupMode, DataInterval, NextRun, Past, Restriction, Timetable};

use crate::fixtures::{at, dag, timetable};

/// The present instant of §1's golden table.
pub const NOW: &str = "2026-11-21T05:11:40Z";

pub fn cron(expression: &str, zone: &str) -> Timetable {
    Timetable::new(&CronTrigger::new(expression).into(), zone.parse().unwrap()).unwrap()
}

/// Airflow's catchup, on or off, from a start date on.
pub fn from(start: Option<&str>, catchup: bool) -> Restriction {
    let mode = if catchup { CatchupMode::All } else { CatchupMode::Latest };
    Restriction { earliest: start.map(at), latest: None, catchup: Catchup { mode, window: None } }
}

/// The next run without any before, or after that one; its time and its logical date.
pub fn next(timetable: &Timetable, past: &Past, restriction: &Restriction) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    timetable.next_run(past, at(NOW), restriction).map(|next| (next.run_after, next.logical_date))
}

/// A run over that interval was the last one.
pub fn after(start: &str, end: &str) -> Past {
    Past::after(DataInterval { start: at(start), end: at(end) })
}

/// The next `count` ticks after `now`.
pub fn ticks(timetable: &Timetable, now: DateTime<Utc>, count: usize) -> Vec<DateTime<Utc>> {
    let past = Past::after(DataInterval::at(now));
    timetable.upcoming(past, now, &from(None, true), count).iter().map(|upcoming| upcoming.run.run_after).collect()
}

/// §1, golden table: the CronTrigger rows.
#[rstest]
#[case::latest_missed_tick(false, Some("2025-01-01T05:30:00Z"), None, "2026-11-21T00:00:00Z")]
#[case::latest_missed_tick_after_a_run(
    false,
    Some("2025-01-01T05:30:00Z"),
    Some("2026-11-10T00:00:00Z"),
    "2026-11-21T00:00:00Z"
)]
#[case::no_start_date(false, None, None, "2026-11-22T00:00:00Z")]
#[case::no_start_date_with_catchup(true, None, None, "2026-11-22T00:00:00Z")]
#[case::catchup_from_the_start(true, Some("2025-01-01T05:30:00Z"), None, "2025-01-02T00:00:00Z")]
#[case::catchup_from_the_last_run(
    true,
    Some("2025-01-01T05:30:00Z"),
    Some("2026-11-10T00:00:00Z"),
    "2026-11-11T00:00:00Z"
)]
fn cron_runs_when_airflow_runs(
    #[case] catchup: bool,
    #[case] start: Option<&str>,
    #[case] last: Option<&str>,
    #[case] expected: &str,
) {
    let past = last.map_or_else(Past::default, |last| after(last, last));
    let next = cron("@daily", "UTC").next_run(&past, at(NOW), &from(start, catchup)).unwrap();
    assert_eq!(next.run_after, at(expected));
    assert_eq!(next.logical_date, at(expected), "the logical date is the tick");
    assert_eq!(next.data_interval, DataInterval::at(at(expected)), "the interval has no length");
}

/// §1, golden table: the @once row, and that it comes only once.
#[rstest]
#[case(true)]
#[case(false)]
fn once_is_at_the_start_date_whatever_catchup_is(#[case] catchup: bool) {
    let once = timetable("'@once'");
    let dated = from(Some("2025-01-01T05:30:00Z"), catchup);
    let next = once.next_run(&Past::default(), at(NOW), &dated).unwrap();
    assert_eq!((next.run_after, next.logical_date), (at("2025-01-01T05:30:00Z"), at("2025-01-01T05:30:00Z")));
    assert_eq!(once.next_run(&Past::after(next.data_interval), at(NOW), &dated), None);
    let undated = once.next_run(&Past::default(), at(NOW), &from(None, catchup)).unwrap();
    assert_eq!(undated.run_after, at(NOW), "else now");
}

/// §1: `None` → never; `@continuous` → the next run when the previous one ended.
#[test]
fn never_never_comes_and_continuous_follows_on() {
    let never = timetable("null");
    let dated = from(Some("2025-01-01T00:00:00Z"), true);
    assert_eq!(never.next_run(&Past::default(), at(NOW), &dated), None);
    assert!(!never.is_scheduled());

    let continuous = timetable("'@continuous'");
    assert!(continuous.one_run_at_a_time());
    let first = continuous.next_run(&Past::default(), at(NOW), &dated).unwrap();
    assert_eq!(first.data_interval, DataInterval { start: at("2025-01-01T00:00:00Z"), end: at(NOW) });
    let undated = continuous.next_run(&Past::default(), at(NOW), &from(None, false)).unwrap();
    assert_eq!(undated.data_interval, DataInterval::at(at(NOW)));
    let later = at(NOW) + TimeDelta::seconds(90);
    let second = continuous.next_run(&Past::after(first.data_interval), later, &dated);
    let interval = DataInterval { start: at(NOW), end: later };
    assert_eq!(second, Some(NextRun { run_after: later, logical_date: at(NOW), data_interval: interval }));
}

/// §1: without a start date the tick before now is used only within max(10 % of the period, 5 minutes).
#[rstest]
#[case::daily_just_missed("@daily", "2026-11-21T02:24:00Z", "2026-11-21T00:00:00Z")]
#[case::daily_too_late("@daily", "2026-11-21T02:24:01Z", "2026-11-22T00:00:00Z")]
#[case::often_five_minutes("*/10 * * * *", "2026-11-21T05:15:00Z", "2026-11-21T05:10:00Z")]
#[case::often_too_late("*/10 * * * *", "2026-11-21T05:15:01Z", "2026-11-21T05:20:00Z")]
#[case::exactly_on_it("@hourly", "2026-11-21T05:00:00Z", "2026-11-21T05:00:00Z")]
fn without_a_start_date_only_a_tick_just_missed_is_made_up_for(
    #[case] expression: &str,
    #[case] now: &str,
    #[case] expected: &str,
) {
    for catchup in [true, false] {
        let next = cron(expression, "UTC").next_run(&Past::default(), at(now), &from(None, catchup)).unwrap();
        assert_eq!(next.run_after, at(expected), "catchup {catchup}");
    }
}

/// The present has fractions of a second, ticks have none.
#[rstest]
#[case("@daily", false, None)]
#[case("@daily", true, None)]
#[case("* * * * * *", false, None)]
#[case("0 * * * *", false, Some("2026-11-21T05:11:40.25Z"))]
#[case("30 2 * * *", true, Some("2026-11-21T05:11:40.25Z"))]
fn ticks_are_whole_seconds(#[case] expression: &str, #[case] catchup: bool, #[case] start: Option<&str>) {
    for zone in ["UTC", "Europe/Amsterdam"] {
        let now = at("2026-11-21T05:11:40.75Z");
        let timetable = cron(expression, zone);
        let mut restriction = from(start, catchup);
        for mode in [restriction.catchup.mode, CatchupMode::None] {
            restriction.catchup.mode = mode;
            let next = timetable.next_run(&Past::default(), now, &restriction).unwrap();
            assert_eq!(next.run_after.timestamp_subsec_nanos(), 0, "{next:?}");
            let second = now - TimeDelta::milliseconds(750);
            assert!(next.run_after <= second || next.run_after >= second + TimeDelta::seconds(1), "{next:?}");
        }
    }
}

/// §1: latest (end_date) is inclusive; a start date that is a tick is one.
#[test]
fn bounds_are_inclusive() {
    let daily = cron("@daily", "UTC");
    let past = after("2025-01-01T00:00:00Z", "2025-01-01T00:00:00Z");
    let until = |latest: &str| Restriction { latest: Some(at(latest)), ..from(Some("2025-01-01T00:00:00Z"), true) };
    assert!(daily.next_run(&past, at(NOW), &until("2025-01-02T00:00:00Z")).is_some());
    assert_eq!(daily.next_run(&past, at(NOW), &until("2025-01-01T23:59:59Z")), None);
    let first = |start: &str, catchup| daily.next_run(&Past::default(), at(NOW), &from(Some(start), catchup)).unwrap();
    assert_eq!(first("2025-01-01T00:00:00Z", true).run_after, at("2025-01-01T00:00:00Z"));
    let future = first("2027-01-01T00:30:00Z", false);
    assert_eq!(future.run_after, at("2027-01-02T00:00:00Z"), "a start date in the future is waited for");
}

/// The ticks from local midnight on, as local times with offsets.
fn ticks_of_day(expression: &str, midnight: &str, count: usize) -> Vec<String> {
    let zone: Tz = "Europe/Amsterdam".parse().unwrap();
    let before = at(midnight) - TimeDelta::seconds(1);
    let local = |tick: DateTime<Utc>| tick.with_timezone(&zone).format("%d %H:%M%:z").to_string();
    ticks(&cron(expression, "Europe/Amsterdam"), before, count).into_iter().map(local).collect()
}

/// §1 DST, Europe/Amsterdam golden, the day of the gap (02:00 → 03:00).
#[rstest]
#[case("30 2 * * *", &["29 03:30+02:00", "30 02:30+02:00"])]
#[case("0 2 * * *", &["29 03:00+02:00", "30 02:00+02:00"])]
#[case("0 3 * * *", &["29 03:00+02:00", "30 03:00+02:00"])]
#[case("0 * * * *", &["29 00:00+01:00", "29 01:00+01:00", "29 03:00+02:00", "29 04:00+02:00"])]
#[case("0 0-23 * * *", &["29 00:00+01:00", "29 01:00+01:00", "29 03:00+02:00", "29 04:00+02:00"])]
#[case("*/30 * * * *", &["29 00:00+01:00", "29 00:30+01:00", "29 01:00+01:00", "29 01:30+01:00", "29 03:00+02:00", "29 03:30+02:00"])]
#[case("0 */2 * * *", &["29 00:00+01:00", "29 03:00+02:00", "29 04:00+02:00", "29 06:00+02:00"])]
#[case("15,45 2 * * *", &["29 03:15+02:00", "30 02:15+02:00", "30 02:45+02:00"])]
fn spring_forward(#[case] expression: &str, #[case] expected: &[&str]) {
    assert_eq!(ticks_of_day(expression, "2026-03-28T23:00:00Z", expected.len()), expected);
}

/// §1 DST, Europe/Amsterdam golden, the day of the fold (03:00 → 02:00).
#[rstest]
#[case("30 2 * * *", &["25 02:30+01:00", "26 02:30+01:00"])]
#[case("0 2 * * *", &["25 02:00+01:00", "26 02:00+01:00"])]
#[case("0 3 * * *", &["25 03:00+01:00", "26 03:00+01:00"])]
#[case("0 * * * *", &["25 00:00+02:00", "25 01:00+02:00", "25 02:00+02:00", "25 02:00+01:00", "25 03:00+01:00"])]
#[case("*/30 1-3 * * *", &["25 01:00+02:00", "25 01:30+02:00", "25 02:00+01:00", "25 02:30+01:00", "25 03:00+01:00"])]
#[case("*/30 * * * *", &["25 00:00+02:00", "25 00:30+02:00", "25 01:00+02:00", "25 01:30+02:00", "25 02:00+02:00", "25 02:30+02:00", "25 02:00+01:00", "25 02:30+01:00", "25 03:00+01:00"])]
#[case("0 */2 * * *", &["25 00:00+02:00", "25 02:00+01:00", "25 04:00+01:00"])]
#[case("15,45 2 * * *", &["25 02:15+01:00", "25 02:45+01:00", "26 02:15+01:00"])]
fn fall_back(#[case] expression: &str, #[case] expected: &[&str]) {
    assert_eq!(ticks_of_day(expression, "2026-10-24T22:00:00Z", expected.len()), expected);
}

/// §1 DST, alignment quirk: the tick just before a gap is not recognised as a tick.
#[test]
fn a_start_date_on_the_tick_before_a_gap_is_not_recognised() {
    let start = "2026-03-28T23:00:00Z";
    let next = cron("0 */2 * * *", "Europe/Amsterdam");
    let next = next.next_run(&Past::default(), at(NOW), &from(Some(start), true)).unwrap();
    assert_eq!(next.run_after, at("2026-03-29T01:00:00Z"), "03:00 in summer time");
}

/// §1: the presets, and croniter's own two.
#[rstest]
#[case("@hourly", "2026-11-21T06:00:00Z")]
#[case("@daily", "2026-11-22T00:00:00Z")]
#[case("@midnight", "2026-11-22T00:00:00Z")]
#[case("@weekly", "2026-11-22T00:00:00Z")]
#[case("@monthly", "2026-12-01T00:00:00Z")]
#[case("@quarterly", "2027-01-01T00:00:00Z")]
#[case("@yearly", "2027-01-01T00:00:00Z")]
#[case("@annually", "2027-01-01T00:00:00Z")]
fn presets(#[case] preset: &str, #[case] expected: &str) {
    assert_eq!(ticks(&cron(preset, "UTC"), at(NOW), 1), [at(expected)]);
}

/// §1: the dialect is croniter's. 2026-11-21 is a Saturday.
#[rstest]
#[case::seconds_last("*/5 * * * * */10", "2026-11-21T05:15:00Z", "2026-11-21T05:15:10Z")]
#[case::year("0 0 1 1 * 0 2030", "2030-01-01T00:00:00Z", "")]
#[case::names("0 9 * jan mon", "2027-01-04T09:00:00Z", "2027-01-11T09:00:00Z")]
#[case::upper_case("0 9 * JAN MON-WED", "2027-01-04T09:00:00Z", "2027-01-05T09:00:00Z")]
#[case::last_day("0 0 l * *", "2026-11-30T00:00:00Z", "2026-12-31T00:00:00Z")]
#[case::last_friday("0 0 * * L5", "2026-11-27T00:00:00Z", "2026-12-25T00:00:00Z")]
#[case::second_friday("0 0 * * 5#2", "2026-12-11T00:00:00Z", "2027-01-08T00:00:00Z")]
#[case::question_mark("0 0 ? * 1", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z")]
#[case::sunday_is_zero("0 0 * * 0", "2026-11-22T00:00:00Z", "2026-11-29T00:00:00Z")]
#[case::sunday_is_seven("0 0 * * 7", "2026-11-22T00:00:00Z", "2026-11-29T00:00:00Z")]
#[case::day_or_weekday("0 0 25 * 1", "2026-11-23T00:00:00Z", "2026-11-25T00:00:00Z")]
#[case::stepped_day_or_weekday("0 0 */10 * 1", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z")]
#[case::range_round_the_end("0 22-1 * * *", "2026-11-21T22:00:00Z", "2026-11-21T23:00:00Z")]
#[case::weekdays_round_the_end("0 0 * * sat-mon", "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z")]
#[case::step_from("0 20/2 * * *", "2026-11-21T20:00:00Z", "2026-11-21T22:00:00Z")]
#[case::leap_day("0 0 29 2 *", "2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z")]
fn the_dialect(#[case] expression: &str, #[case] first: &str, #[case] second: &str) {
    let expected: Vec<_> = [first, second].into_iter().filter(|tick| !tick.is_empty()).map(at).collect();
    assert_eq!(ticks(&cron(expression, "UTC"), at(NOW), expected.len()), expected);
}

#[rstest]
#[case("@reboot", "`@reboot` is not a time")]
#[case("@dialy", "there is no schedule called `@dialy`")]
#[case("59 23 31 2 *", "no date ever matches `59 23 31 2 *`")]
#[case("0 25 * * *", "the hour `25` cannot be read: it goes from 0 to 23")]
#[case("0 0 * *", "a cron expression has 5 fields, `0 0 * *` has 4")]
#[case("0 0 * * mo", "the day of the week `mo` cannot be read: `mo` is not a number, and it goes from 0 to 7")]
#[case("*/0 * * * *", "the minute `*/0` cannot be read: after `/` comes a number from 1 up")]
#[case("0 0 1, * *", "the day of the month `1,` cannot be read: there is nothing between two commas")]
#[case("0 0 * * 5#6", "the day of the week `5#6` cannot be read: after `#` comes a number from 1 to 5")]
#[case(
    "r * * * *",
    "the minute `r` cannot be read: random and hashed numbers are not served, because the next run would be anybody's guess"
)]
fn what_is_no_schedule_says_why(#[case] expression: &str, #[case] message: &str) {
    let error = Timetable::new(&CronTrigger::new(expression).into(), Tz::UTC).unwrap_err();
    assert_eq!(error.to_string(), message);
}

#[rstest]
#[case("0 3 * * 1-5", "At 03:00, Monday through Friday")]
#[case("@daily", "Every day at 00:00")]
#[case("@hourly", "Every hour")]
#[case("@weekly", "At 00:00, only on Sunday")]
#[case("@monthly", "At 00:00, on day 1 of every month")]
#[case("@quarterly", "At 00:00, on day 1 in January, April, July and October")]
#[case("@yearly", "At 00:00, on day 1 in January")]
#[case("*/15 * * * *", "Every 15 minutes")]
#[case("* * * * *", "Every minute")]
#[case("5 * * * *", "Every hour, at 5 minutes past the hour")]
#[case("0 */6 * * *", "Every 6 hours, at 0 minutes past the hour")]
#[case("0 6,18 * * *", "Every day at 06:00 and 18:00")]
#[case("30 9 l * *", "At 09:30, on the last day of every month")]
#[case("0 9 * * mon#1", "At 09:00, on the first Monday")]
#[case("0 9 1 * mon", "At 09:00, on day 1 of the month and on Monday")]
#[case("0 9 * jan,jul mon,fri", "At 09:00, Monday and Friday in January and July")]
#[case("0 9 * mar *", "At 09:00, every day in March")]
#[case("*/7 * * * *", "*/7 * * * *")]
#[case("0 */5 * * *", "0 */5 * * *")]
#[case("*/5 1-4 * * *", "*/5 1-4 * * *")]
#[case("0 0 * * * 30", "0 0 * * * 30")]
fn in_words_or_as_written(#[case] expression: &str, #[case] words: &str) {
    let timetable = cron(expression, "UTC");
    assert_eq!(timetable.describe(), words);
    assert_eq!(timetable.summary().as_deref(), Some(expression));
}

#[test]
fn the_other_schedules_in_words() {
    let words = |schedule| Timetable::new(&schedule, Tz::UTC).unwrap();
    assert_eq!(words(Schedule::Never).describe(), "Never, external triggers only");
    assert_eq!(words(Schedule::Never).summary(), None);
    assert_eq!(words(Schedule::Time(TimeSchedule::Once)).summary().as_deref(), Some("@once"));
    assert_eq!(words(Schedule::Time(TimeSchedule::Continuous)).summary().as_deref(), Some("@continuous"));
}

/// §1: a manual run of the trigger family covers the instant that it is about.
#[test]
fn manual_runs_cover_an_instant() {
    let instant = at("2026-11-21T05:07:00Z");
    for schedule in ["'@daily'", "6h", "null", "'@once'"] {
        assert_eq!(timetable(schedule).manual_interval(instant), DataInterval::at(instant), "{schedule}");
    }
}

/// §1: dates of tasks widen what a DAG without dates is bound to (`_time_restriction`); a DAG's own dates count alone.
#[rstest]
#[case::none("tasks: [{task_id: a, operator: empty}]", None, None)]
#[case::earliest(
    "tasks: [{task_id: a, operator: empty, start_date: 2026-03-01}, {task_id: b, operator: empty, start_date: 2026-02-01}, {task_id: c, operator: empty}]",
    Some("2026-02-01T00:00:00Z"),
    None
)]
#[case::not_all_end(
    "tasks: [{task_id: a, operator: empty, end_date: 2026-03-01}, {task_id: b, operator: empty}]",
    None,
    None
)]
#[case::all_end(
    "tasks: [{task_id: a, operator: empty, end_date: 2026-03-01}, {task_id: b, operator: empty, end_date: 2026-04-01}]",
    None,
    Some("2026-04-01T00:00:00Z")
)]
#[case::of_the_dag(
    "start_date: 2026-01-01\nend_date: 2026-12-31\ntasks: [{task_id: a, operator: empty, start_date: 2025-01-01, end_date: 2027-01-01}]",
    Some("2026-01-01T00:00:00Z"),
    Some("2026-12-31T00:00:00Z")
)]
fn dates_of_tasks_bound_the_schedule(#[case] file: &str, #[case] earliest: Option<&str>, #[case] latest: Option<&str>) {
    let restriction = Restriction::of(&dag(file));
    assert_eq!((restriction.earliest, restriction.latest), (earliest.map(at), latest.map(at)));
}
