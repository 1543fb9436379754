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
        None => {
            let random = Uuid::new_v4().simple().to_string();
            format!("{stem}_{}", &random[..8])
        }
    }
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
