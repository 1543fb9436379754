//! How runs are called (Airflow 3: run ids).

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::run::RunType;

/// The id that a run gets when nobody names it: `<type>__<run_after>`, and without a logical date something random after
/// it, because several runs may then be made at the same instant.
pub fn generate(run_type: RunType, run_after: DateTime<Utc>, logical_date: Option<DateTime<Utc>>) -> String {
    let stem = format!("{}__{}", run_type.word(), isoformat(run_after));
    match logical_date {
        Some(_) => stem,
        None => format!("{stem}_{}", random()),
    }
}

/// The most characters of a key that the id of a run shows: ids are names of folders, too.
const KEY_CHARS_SHOWN: usize = 100;

/// The id of a scheduled run of a partition: `scheduled__<run_after>__<key>__` and something random (Airflow 3). Of the key
/// it shows what ids may have.
pub fn of_partition(run_after: DateTime<Utc>, key: &str) -> String {
    let shown = |c: char| if c.is_ascii_alphanumeric() || "_~:+-".contains(c) { c } else { '_' };
    let key: String = key.chars().take(KEY_CHARS_SHOWN).map(shown).collect();
    format!("{}__{}__{key}__{}", RunType::Scheduled.word(), isoformat(run_after), random())
}

fn random() -> String {
    let mut random = Uuid::new_v4().simple().to_string();
    random.truncate(8);
    random
}

/// An instant as Python's `isoformat` writes it: microseconds only where there are some.
pub fn isoformat(instant: DateTime<Utc>) -> String {
    if instant.timestamp_subsec_micros() == 0 {
        instant.format("%Y-%m-%dT%H:%M:%S+00:00").to_string()
    } else {
        instant.format("%Y-%m-%dT%H:%M:%S%.6f+00:00").to_string()
    }
}

/// Why a name cannot be the id of a run that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRunId {
    /// It has characters that ids do not have.
    #[error("the run id `{0}` may only have letters, digits and `_ . ~ : + -`, and no `..`")]
    Characters(String),
    /// It looks as if the scheduler had made it.
    #[error("the run id `{0}` begins like that of a run of another type")]
    Prefix(String),
    /// It does not fit.
    #[error("the run id has more than 250 characters")]
    Length,
}

/// Checks the id that somebody gives to a run of type `run_type`.
pub fn check(run_id: &str, run_type: RunType) -> Result<(), InvalidRunId> {
    if run_id.chars().count() > 250 {
        return Err(InvalidRunId::Length);
    }
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "_.~:+-".contains(c);
    if run_id.is_empty() || !run_id.chars().all(is_allowed) || run_id.contains("..") {
        return Err(InvalidRunId::Characters(run_id.to_owned()));
    }
    let imitates = |other: &RunType| run_id.starts_with(&format!("{}__", other.word()));
    if RunType::ALL.iter().filter(|other| **other != run_type).any(imitates) {
        return Err(InvalidRunId::Prefix(run_id.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// Airflow 3's semantics, section 1: `<type>__<run_after>`, whatever the logical date is.
    #[rstest]
    #[case(RunType::Scheduled, "2025-01-01T00:00:00Z", "scheduled__2025-01-01T00:00:00+00:00")]
    #[case(RunType::Backfill, "2025-01-01T02:30:00.25Z", "backfill__2025-01-01T02:30:00.250000+00:00")]
    fn ids_say_type_and_time(#[case] run_type: RunType, #[case] run_after: &str, #[case] expected: &str) {
        let run_after: DateTime<Utc> = run_after.parse().unwrap();
        let logical_date = Some(run_after - chrono::TimeDelta::days(1));
        assert_eq!(generate(run_type, run_after, logical_date), expected);

        let first = generate(run_type, run_after, None);
        let suffix = first.strip_prefix(&format!("{expected}_")).unwrap();
        assert!(suffix.len() == 8 && suffix.chars().all(|c| c.is_ascii_alphanumeric()), "{first}");
        assert_ne!(first, generate(run_type, run_after, None), "several may be made at the same instant");
    }

    /// Airflow 3's `CronPartitionTimetable.generate_run_id`; what no id may have is left out of the key.
    #[rstest]
    #[case("2026-01-01", "2026-01-01")]
    #[case("2026-01-01T05:00:00", "2026-01-01T05:00:00")]
    #[case("2026/01 ä..", "2026_01____")]
    fn ids_of_partitions_say_which(#[case] key: &str, #[case] shown: &str) {
        let id = of_partition("2026-01-02T00:00:00Z".parse().unwrap(), key);
        let random = id.strip_prefix(&format!("scheduled__2026-01-02T00:00:00+00:00__{shown}__")).unwrap();
        assert_eq!(random.len(), 8, "{id}");
        assert_eq!(check(&id, RunType::Scheduled), Ok(()));
        assert!(of_partition(DateTime::<Utc>::UNIX_EPOCH, &"k".repeat(250)).len() < 200);
    }

    /// Airflow 3's semantics, section 1: which ids somebody may give to a run.
    #[rstest]
    #[case("mine", RunType::Manual, None)]
    #[case("A-z_0.9~:+", RunType::Manual, None)]
    #[case("manual__2025-01-01T00:00:00+00:00", RunType::Manual, None)]
    #[case("", RunType::Manual, Some("may only have"))]
    #[case("a b", RunType::Manual, Some("may only have"))]
    #[case("a/b", RunType::Manual, Some("may only have"))]
    #[case("ä", RunType::Manual, Some("may only have"))]
    #[case("a..b", RunType::Manual, Some("may only have"))]
    #[case("scheduled__2025-01-01T00:00:00+00:00", RunType::Manual, Some("of another type"))]
    #[case("backfill__mine", RunType::Manual, Some("of another type"))]
    #[case("asset_triggered__mine", RunType::OperatorTriggered, Some("of another type"))]
    #[case("operator_triggered__mine", RunType::OperatorTriggered, None)]
    #[case("scheduled_mine", RunType::Manual, None)]
    fn ids_are_checked(#[case] run_id: &str, #[case] run_type: RunType, #[case] refused: Option<&str>) {
        let said = check(run_id, run_type).err().map(|problem| problem.to_string());
        match refused {
            None => assert_eq!(said, None),
            Some(why) => assert!(said.as_deref().is_some_and(|said| said.contains(why)), "{said:?}"),
        }
    }

    #[test]
    fn ids_have_an_end() {
        assert_eq!(check(&"a".repeat(250), RunType::Manual), Ok(()));
        assert_eq!(check(&"a".repeat(251), RunType::Manual), Err(InvalidRunId::Length));
    }
}
