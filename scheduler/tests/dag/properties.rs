//! What holds for any text: reading a DAG file never panics, and what it tells lies within the file.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, TimeDelta, Timelike, Utc};
use proptest::prelude::*;
use scheduler::dag::period::Period;
use scheduler::dag::schedule::CronTrigger;
use scheduler::dag::spec::{SourceFile, load, render};

use scheduler::dag::timetable::{Catchup, CatchupMode, Past, Restriction, Timetable};

use crate::fixtures::registry;
use crate::spec::grammar::GOOD;
use crate::timetable::{cron, from, ticks};

/// Schedules of every kind that daylight saving treats differently.
const EXPRESSIONS: &[&str] = &[
    "@daily",
    "@hourly",
    "30 2 * * *",
    "*/7 1-3 * * *",
    "15,45 2 * * *",
    "0 */2 * * *",
    "0 3 1 * mon",
    "0 0 l * *",
    "0 12 * * 5#2",
];

/// Schedules of every kind that goes by the clock.
const SCHEDULES: &[&str] = &[
    "'@daily'",
    "'30 2 * * *'",
    "'@hourly'",
    "{crons: ['0 */5 * * *', '30 2 * * mon']}",
    "{cron: '@daily', interval: 1d}",
    "{cron: '30 2 * * *', data_interval: true}",
    "{cron: '0 */2 * * *', data_interval: true}",
    "6h",
    "P1M",
    "{every: 7h, keep_phase: true}",
    "{every: 7h, data_interval: true}",
    "{every: 1 month, data_interval: true}",
    "{dates: [1999-01-01, 2010-06-01, 2010-06-02, 2030-01-01]}",
];

/// A field of a cron expression: any number, or some.
fn field(min: u32, max: u32) -> impl Strategy<Value = Option<BTreeSet<u32>>> {
    // All numbers would be another way to write `*`.
    prop::option::of(prop::collection::btree_set(min..=max, 1..=(max - min) as usize))
}

/// Zones with gaps of an hour, of half an hour, of a whole day, and with none.
const ZONES: &[&str] =
    &["UTC", "Europe/Amsterdam", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca"];

/// Reads the text, and checks what must hold for whatever comes of it.
fn read(text: &str) -> Result<(), TestCaseError> {
    let source = SourceFile::new("dags/any.yaml", text);
    let loaded = load(&source, &registry());
    prop_assert!(!loaded.dags.is_empty() || !loaded.problems.is_empty(), "neither a DAG nor a problem");
    for problem in &loaded.problems {
        prop_assert!(problem.line >= 1 && problem.column >= 1);
        prop_assert!(!problem.message.is_empty());
        for label in &problem.labels {
            prop_assert!(
                text.get(label.place.start..label.place.end).is_some(),
                "{:?} is not in the text",
                label.place
            );
        }
    }
    prop_assert_eq!(render(&source, &loaded.problems, false).is_empty(), loaded.problems.is_empty());
    Ok(())
}

/// Pieces of DAG files, in any order, so that much of it is nearly right.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "tasks:",
        "tasks",
        ":",
        " ",
        "\n",
        "\n  ",
        "\n    ",
        "- ",
        "task_id: a",
        "operator: bash",
        "operator: clean",
        "bash_command: ",
        "{{ ds }}",
        "{{",
        "}}",
        "{%",
        "{",
        "}",
        "[",
        "]",
        ",",
        "'",
        "\"",
        "&a ",
        "*a",
        "<<: *a",
        "|\n",
        ">-\n",
        "schedule: ",
        "@daily",
        "0 3 * * *",
        "* * * * * * *",
        "start_date: ",
        "2026-01-01",
        "default:",
        "default_args:",
        "retries: 1",
        "dependencies: [a]",
        "params:",
        "{type: integer, default: 1}",
        "__type__: ",
        "datetime.timedelta",
        "\t",
        "# x",
        "---",
        "...",
        "!!str ",
        "!x ",
        "~",
        "null",
        "true",
        "1e999",
        "-1",
        "0x",
        "\u{feff}",
        "é",
        "日",
        "\u{0}",
        "? ",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read(text in any::<String>()) {
        read(&text)?;
    }

    #[test]
    fn any_pieces_are_read(text in pieces()) {
        read(&text)?;
    }

    #[test]
    fn any_template_is_checked(text in prop_oneof![any::<String>(), pieces()]) {
        for mistake in scheduler::dag::template::check(&text) {
            prop_assert!(text.get(mistake.range.clone()).is_some());
        }
    }

    #[test]
    fn any_cron_expression_is_read(text in prop_oneof![any::<String>(), "[0-9*/,L#?a-z -]{0,24}"]) {
        let _ = Timetable::new(&CronTrigger::new(text).into(), chrono_tz::Tz::UTC);
    }

    #[test]
    fn any_duration_is_read(text in prop_oneof![any::<String>(), "[PT0-9.smhdw -]{0,16}"]) {
        let _ = scheduler::dag::duration::parse(&text);
    }

    #[test]
    fn ticks_are_those_of_a_slow_look_at_every_minute(
        minute in field(0, 59),
        hour in field(0, 23),
        day in field(1, 31),
        month in field(1, 12),
        weekday in field(0, 6),
        start in 0..2_000_000_000i64,
    ) {
        let written = |field: &Option<BTreeSet<u32>>| match field {
            None => "*".to_owned(),
            Some(numbers) => numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(","),
        };
        let fields = [&minute, &hour, &day, &month, &weekday];
        let expression = fields.map(written).join(" ");
        // A day that no month has is refused, and has no ticks to compare.
        let timetable = Timetable::new(&CronTrigger::new(&expression).into(), chrono_tz::Tz::UTC);
        prop_assume!(timetable.is_ok());
        let start = DateTime::from_timestamp(start, 0).unwrap();
        let end = start + TimeDelta::days(40);
        let holds = |field: &Option<BTreeSet<u32>>, number: u32| field.as_ref().is_none_or(|all| all.contains(&number));
        let matches = |tick: &DateTime<Utc>| {
            let by_day = holds(&day, tick.day());
            let by_weekday = holds(&weekday, tick.weekday().num_days_from_sunday());
            // Either is enough when both are restricted.
            let days = if day.is_some() && weekday.is_some() { by_day || by_weekday } else { by_day && by_weekday };
            days && holds(&minute, tick.minute()) && holds(&hour, tick.hour()) && holds(&month, tick.month())
        };
        let first = start - TimeDelta::seconds(start.timestamp() % 60) + TimeDelta::minutes(1);
        let minutes = std::iter::successors(Some(first), |tick| Some(*tick + TimeDelta::minutes(1)));
        let slow: Vec<DateTime<Utc>> = minutes.take_while(|tick| *tick < end).filter(matches).take(50).collect();
        let quick: Vec<DateTime<Utc>> =
            ticks(&timetable.unwrap(), start, 50).into_iter().take_while(|tick| *tick < end).collect();
        prop_assert_eq!(quick, slow, "{}", expression);
    }

    #[test]
    fn time_only_moves_on(
        expression in prop::sample::select(EXPRESSIONS),
        zone in prop::sample::select(ZONES),
        start in 0..2_000_000_000i64,
        ahead in 0..10_000_000i64,
    ) {
        let timetable = cron(expression, zone);
        let start = DateTime::from_timestamp(start, 0).unwrap();
        let dated = |catchup| Restriction { earliest: Some(start), ..from(None, catchup) };
        let first = timetable.next_run(&Past::default(), start, &dated(true)).unwrap();
        prop_assert!(first.run_after >= start);
        let mut last = first;
        for _ in 0..40 {
            let past = Past::after(last.data_interval);
            let next = timetable.next_run(&past, start, &dated(true)).unwrap();
            prop_assert!(next.run_after > last.run_after, "{} is not after {}", next.run_after, last.run_after);
            prop_assert_eq!(next.logical_date, next.run_after);
            let again = timetable.next_run(&past, start, &dated(true)).unwrap();
            prop_assert_eq!(next, again);
            last = next;
        }
        // Without catchup, what was missed is jumped over, but never backwards, and not further than the tick after now.
        let now = start + TimeDelta::seconds(ahead);
        let latest = timetable.next_run(&Past::after(first.data_interval), now, &dated(false)).unwrap();
        prop_assert!(latest.run_after > first.run_after);
        let upcoming = ticks(&timetable, now.max(first.run_after), 1)[0];
        prop_assert!(latest.run_after <= upcoming, "{} is after {upcoming}", latest.run_after);
    }

    #[test]
    fn every_schedule_moves_on_whatever_becomes_of_missed_runs(
        schedule in prop::sample::select(SCHEDULES),
        zone in prop::sample::select(ZONES),
        mode in prop::sample::select(vec![CatchupMode::None, CatchupMode::Latest, CatchupMode::All]),
        window in prop::option::of(1..1_000_000u64),
        started in prop::option::of(0..2_000_000_000i64),
        now in 0..2_000_000_000i64,
        waits in prop::collection::vec(0..1_000_000i64, 1..20),
    ) {
        let dag = crate::fixtures::dag(&format!("timezone: {zone}\nschedule: {schedule}\ntasks: []\n"));
        let timetable = Timetable::new(&dag.schedule, dag.timezone).unwrap();
        let earliest = started.map(|at| DateTime::from_timestamp(at, 0).unwrap());
        let window = window.map(std::time::Duration::from_secs);
        let restriction = Restriction { earliest, latest: None, catchup: Catchup { mode, window } };
        let mut now = DateTime::from_timestamp(now, 0).unwrap();
        let mut past = Past::default();
        let mut next = timetable.next_run(&past, now, &restriction);
        for wait in waits {
            let Some(run) = next else { break };
            // What was promised is kept or replaced by a later run once it is due; nothing before it comes back.
            now = now.max(run.run_after) + TimeDelta::seconds(wait);
            let promised = Past { promised: Some(run.run_after), ..past };
            let Some(made) = timetable.next_run(&promised, now, &restriction) else { break };
            prop_assert!(made.run_after >= run.run_after, "{:?} was promised, {:?} came", run, made);
            prop_assert!(made.data_interval.start <= made.data_interval.end);
            prop_assert_eq!(made.run_after, made.data_interval.end);
            if let Some(window) = window && mode != CatchupMode::None {
                let oldest = now - TimeDelta::from_std(window).unwrap();
                prop_assert!(made.run_after >= oldest, "{:?} is older than {}", made, oldest);
            }
            if mode == CatchupMode::Latest && made.run_after <= now {
                let twice = timetable.next_run(&Past::after(made.data_interval), now, &restriction);
                prop_assert!(twice.is_none_or(|twice| twice.run_after > now), "{:?} after {:?} at {}", twice, made, now);
            }
            if let Some(last) = past.last {
                prop_assert!(made.run_after > last.end, "{:?} does not follow {:?}", made, last);
            }
            past = Past::after(made.data_interval);
            next = timetable.next_run(&past, now, &restriction);
        }
    }

    #[test]
    fn periods_are_laid_end_to_end(
        months in 0..30u32,
        seconds in 1..10_000_000u32,
        anchor in 0..2_000_000_000i64,
        beyond in 0..1_000_000_000i64,
    ) {
        let period = Period::new(f64::from(months), f64::from(seconds)).unwrap();
        let anchor = DateTime::from_timestamp(anchor, 0).unwrap();
        let limit = anchor + TimeDelta::seconds(beyond);
        let count = period.count_until(anchor, limit);
        prop_assert!(period.times(anchor, count).unwrap() >= limit);
        prop_assert!(count == 0 || period.times(anchor, count - 1).unwrap() < limit);
        prop_assert_eq!(Period::parse(&period.to_string()), Ok(period));
    }

    #[test]
    fn a_good_file_with_changes_is_read(
        which in 0..GOOD.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..3u8, pieces()), 1..4),
    ) {
        let mut text: Vec<char> = GOOD[which].1.chars().collect();
        for (place, kind, piece) in changes {
            let at = place.index(text.len() + 1);
            match kind {
                0 => { text.splice(at..at, piece.chars()); }
                1 => { text.drain(at..(at + piece.len()).min(text.len())); }
                _ => { text.splice(at..(at + 1).min(text.len()), piece.chars().take(3)); }
            }
        }
        read(&text.into_iter().collect::<String>())?;
    }
}
