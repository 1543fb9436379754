//! Schedules whose runs are about partitions (Airflow 3: `CronPartitionTimetable`).

use rstest::rstest;
use scheduler::dag::timetable::{Past, Timetable};

use super::{NOW, after, from, next};
use crate::fixtures::{at, dag, timetable};

fn partitioned(cron: &str, beside: &str, zone: &str) -> Timetable {
    let file = format!("timezone: {zone}\nschedule: {{cron: '{cron}', {beside}}}\ntasks: []\n");
    let dag = dag(&file);
    Timetable::new(&dag.schedule, dag.timezone).unwrap()
}

/// When they are due is as with the expression alone.
#[rstest]
#[case(false, Some("2025-01-01T05:30:00Z"), None)]
#[case(false, None, None)]
#[case(false, None, Some("2026-11-10T00:00:00Z"))]
#[case(true, Some("2025-01-01T05:30:00Z"), None)]
#[case(true, None, Some("2026-11-10T00:00:00Z"))]
fn they_are_due_as_with_the_expression_alone(
    #[case] catchup: bool,
    #[case] start: Option<&str>,
    #[case] last: Option<&str>,
) {
    let past = last.map_or_else(Past::default, |last| after(last, last));
    let alone = next(&timetable("'@daily'"), &past, &from(start, catchup));
    let of_partitions = timetable("{cron: '@daily', key_format: '%Y-%m-%d', run_offset: -1}");
    assert_eq!(next(&of_partitions, &past, &from(start, catchup)), alone);
    assert!(alone.is_some() && of_partitions.is_partitioned());
}

/// The offset counts ticks, and the key is written as clocks in the zone show it.
#[rstest]
#[case("@daily", "key_format: '%Y-%m-%d'", "UTC", "2026-11-21T00:00:00Z", "2026-11-21", "2026-11-21T00:00:00Z")]
#[case(
    "@daily",
    "key_format: '%Y-%m-%d', run_offset: -1",
    "UTC",
    "2026-11-21T00:00:00Z",
    "2026-11-20",
    "2026-11-20T00:00:00Z"
)]
#[case(
    "@daily",
    "key_format: '%d.%m.%y', run_offset: 2",
    "UTC",
    "2026-11-21T00:00:00Z",
    "23.11.26",
    "2026-11-23T00:00:00Z"
)]
#[case(
    "@daily",
    "key_format: '%Y-%m-%dT%H'",
    "Asia/Taipei",
    "2026-11-20T16:00:00Z",
    "2026-11-21T00",
    "2026-11-20T16:00:00Z"
)]
#[case(
    "0 6 * * mon-fri",
    "key_format: '%a %j', run_offset: -1",
    "UTC",
    "2026-11-23T06:00:00Z",
    "Fri 324",
    "2026-11-20T06:00:00Z"
)]
#[case(
    "@weekly",
    "key_format: '%G-W%V, 100%%'",
    "UTC",
    "2026-11-22T00:00:00Z",
    "2026-W47, 100%",
    "2026-11-22T00:00:00Z"
)]
fn a_run_is_about_the_partition_of_a_tick(
    #[case] cron: &str,
    #[case] beside: &str,
    #[case] zone: &str,
    #[case] tick: &str,
    #[case] key: &str,
    #[case] date: &str,
) {
    let partition = partitioned(cron, beside, zone).partition(at(tick)).unwrap();
    assert_eq!((partition.key.as_str(), partition.date), (key, Some(at(date))));
}

/// Python's `strptime` with the format of the schedule: what a key does not say is the first.
#[rstest]
#[case("%Y-%m-%d", "UTC", "2026-11-21", Some("2026-11-21T00:00:00Z"))]
#[case("%Y-%m-%d", "Europe/Amsterdam", "2026-11-21", Some("2026-11-20T23:00:00Z"))]
#[case("%Y-%m-%dT%H:%M:%S", "UTC", "2026-11-21T05:11:40", Some("2026-11-21T05:11:40Z"))]
#[case("%Y-%m", "UTC", "2026-11", Some("2026-11-01T00:00:00Z"))]
#[case("%Y%m%d/%H", "UTC", "20261121/05", Some("2026-11-21T05:00:00Z"))]
#[case("%Y-%j", "UTC", "2026-325", Some("2026-11-21T00:00:00Z"))]
#[case("%H", "UTC", "05", Some("1900-01-01T05:00:00Z"))]
#[case("%Y-%m-%d", "UTC", "2026-11", None)]
#[case("%Y-%m-%d", "UTC", "2026-13-01", None)]
#[case("%Y-%m-%d", "UTC", "2026-11-21 and more", None)]
#[case("%Y-%m-%d", "UTC", " ", None)]
#[case("%G-W%V", "UTC", "2026-W47", None)]
#[case("%d%%m%Y", "UTC", "21%m2026", Some("2026-01-21T00:00:00Z"))]
// No key of a run looks like these.
#[case("%Y-%m-%d", "UTC", " 2026-11-21", None)]
#[case("%Y-%m-%d", "UTC", "2026-11-1", None)]
#[case("%Y-%m-%d", "UTC", "+20000-01-01", None)]
#[case("%Y-%m-%d", "UTC", "-9999-01-01", None)]
#[case("%Y-%m-%d", "Pacific/Honolulu", "+262142-12-31", None)]
#[case("%Y-%m-%dT%H:%M:%S", "UTC", "2026-11-21T05:11:60", None)]
fn a_key_that_somebody_gives_is_read(
    #[case] format: &str,
    #[case] zone: &str,
    #[case] key: &str,
    #[case] date: Option<&str>,
) {
    let timetable = partitioned("@daily", &format!("key_format: '{format}'"), zone);
    let read = timetable.partition_of_key(key).unwrap();
    assert_eq!(read.ok().and_then(|partition| partition.date), date.map(at));
}

/// The first tick of 2027 would be about one before it, which there is not.
#[test]
fn a_tick_without_a_partition_is_passed_over() {
    let timetable = partitioned("0 6 * * * 0 2027", "key_format: '%Y-%m-%d', run_offset: -1", "UTC");
    let found = next(&timetable, &Past::default(), &from(Some("2026-12-01T00:00:00Z"), true));
    assert_eq!(found.map(|(run_after, _)| run_after), Some(at("2027-01-02T06:00:00Z")));
    assert_eq!(timetable.partition(at("2027-01-02T06:00:00Z")).unwrap().key, "2027-01-01");
}

/// Airflow's `IdentityMapper`: any key is one, and stands for no instant.
#[test]
fn parts_of_assets_have_any_key() {
    let timetable = timetable("{assets: [a, b], partitioned: true}");
    let partition = timetable.partition_of_key("eu").unwrap().unwrap();
    assert_eq!((partition.key.as_str(), partition.date), ("eu", None));
    assert!(timetable.partition_of_key(" ").unwrap().is_err());
    assert!(timetable.is_partitioned() && !timetable.is_periodic() && timetable.partition(at(NOW)).is_none());
    assert_eq!(timetable.describe(), "When a and b are updated, for a partition each");
    assert_eq!(timetable.summary().as_deref(), Some("Partitioned Asset"));
}

#[test]
fn other_schedules_have_none() {
    for schedule in ["'@daily'", "{cron: '@daily', data_interval: true}", "null", "[a]"] {
        let timetable = timetable(schedule);
        assert!(timetable.partition(at(NOW)).is_none() && timetable.partition_of_key("a").is_none(), "{schedule}");
        assert!(!timetable.is_partitioned(), "{schedule}");
    }
}

#[test]
fn in_words() {
    let timetable = timetable("{cron: '0 3 * * *', key_format: '%Y-%m-%d'}");
    assert_eq!(timetable.describe(), "Every day at 03:00, for a partition each");
    assert_eq!(timetable.summary().as_deref(), Some("Partitioned 0 3 * * *"));
}
