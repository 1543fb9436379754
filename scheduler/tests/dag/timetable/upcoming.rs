//! The runs to come, as people are shown them.

use rstest::rstest;
use scheduler::dag::timetable::{Past, Restriction, Timetable};

use crate::fixtures::{at, dag};

/// The next runs of a DAG in Amsterdam, in local time, with their notes.
fn shown(schedule: &str, keys: &str, now: &str, count: usize) -> Vec<String> {
    let dag = dag(&format!("timezone: Europe/Amsterdam\nschedule: {schedule}\n{keys}tasks: []\n"));
    let timetable = Timetable::new(&dag.schedule, dag.timezone).unwrap();
    let runs = timetable.upcoming(Past::default(), at(now), &Restriction::of(&dag), count);
    let text =
        |instant: chrono::DateTime<chrono::Utc>| instant.with_timezone(&dag.timezone).format("%d %H:%M%:z").to_string();
    runs.iter()
        .map(|upcoming| {
            let note = upcoming.note.map(|note| format!(" {note}")).unwrap_or_default();
            format!("{}{note}", text(upcoming.run.run_after))
        })
        .collect()
}

/// §1 DST, with what is said of the odd days.
#[rstest]
#[case("30 2 * * *", "2026-03-28T12:00:00Z", &["29 03:30+02:00 clock goes forward", "30 02:30+02:00"])]
#[case("0 3 * * *", "2026-03-28T12:00:00Z", &["29 03:00+02:00", "30 03:00+02:00"])]
#[case("30 2 * * *", "2026-10-24T12:00:00Z", &["25 02:30+01:00 second occurrence", "26 02:30+01:00"])]
#[case("0 * * * *", "2026-10-24T23:30:00Z", &["25 02:00+02:00 first occurrence", "25 02:00+01:00 second occurrence", "25 03:00+01:00"])]
#[case("0 * * * *", "2026-03-29T00:30:00Z", &["29 03:00+02:00", "29 04:00+02:00"])]
fn daylight_saving_is_pointed_out(#[case] cron: &str, #[case] now: &str, #[case] expected: &[&str]) {
    assert_eq!(shown(&format!("'{cron}'"), "catchup: none\n", now, expected.len()), expected);
    let interval = format!("{{cron: '{cron}', data_interval: true}}");
    assert_eq!(shown(&interval, "catchup: none\n", now, expected.len()), expected, "of the interval family");
}

#[rstest]
#[case("'@daily'", "start_date: 2026-01-01\n", &["21 00:00+01:00", "22 00:00+01:00"])]
#[case("'@daily'", "start_date: 2026-11-19\ncatchup: true\n", &["19 00:00+01:00", "20 00:00+01:00", "21 00:00+01:00", "22 00:00+01:00"])]
#[case("6h", "", &["21 06:11+01:00", "21 12:11+01:00"])]
#[case("'@continuous'", "", &["21 06:11+01:00"])]
#[case("'@once'", "", &["21 06:11+01:00"])]
#[case("[a]", "", &[])]
#[case("'@daily'", "end_date: 2026-11-22\n", &["22 00:00+01:00"])]
fn what_would_run(#[case] schedule: &str, #[case] keys: &str, #[case] expected: &[&str]) {
    let count = if expected.len() < 2 { 5 } else { expected.len() };
    assert_eq!(shown(schedule, keys, "2026-11-21T05:11:40Z", count), expected);
}
