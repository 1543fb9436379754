//! `start_date` and `end_date`, of a DAG and of its tasks.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::collect::{Problems, Subject};
use super::node::{Mapping, Yaml};
use super::problem::{Code, Problem};
use super::source::Place;
use super::values;

/// The first and the last date. Each is looked for in these mappings, with the words for what they are, and the first that
/// has the key counts.
pub(super) fn read(
    mappings: &[(&Mapping, &str)],
    timezone: Tz,
    problems: &mut Problems,
) -> (Option<DateTime<Utc>>, Option<DateTime<Utc>>) {
    let start = date("start_date", mappings, timezone, problems);
    let end = date("end_date", mappings, timezone, problems);
    if let (Some((start, start_place)), Some((end, end_place))) = (start, end)
        && start > end
    {
        problems.push(
            Problem::new(Code::InvalidValue, "`start_date` is after `end_date`", start_place, "starts here")
                .also(end_place, "ends before"),
        );
    }
    (start.map(|(date, _)| date), end.map(|(date, _)| date))
}

fn date(
    key: &str,
    mappings: &[(&Mapping, &str)],
    timezone: Tz,
    problems: &mut Problems,
) -> Option<(DateTime<Utc>, Place)> {
    let (entry, within) = mappings.iter().find_map(|(mapping, within)| Some((mapping.get(key)?, *within)))?;
    if matches!(entry.value.value, Yaml::Null) {
        return None;
    }
    let date = values::instant(Subject { key, within }, &entry.value, timezone);
    Some((problems.keep(date)?, entry.value.place))
}
