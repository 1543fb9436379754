//! Instants as Airflow's API writes them.

use chrono::{NaiveDate, NaiveDateTime, SubsecRound, Timelike, Utc};
use serde::{Serialize, Serializer};

/// An instant in an answer: UTC with `Z`, and microseconds only where there are some.
///
/// It is called like chrono's type because the OpenAPI generator knows `date-time` by that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DateTime(pub(crate) chrono::DateTime<Utc>);

impl From<chrono::DateTime<Utc>> for DateTime {
    fn from(instant: chrono::DateTime<Utc>) -> DateTime {
        DateTime(instant)
    }
}

impl Serialize for DateTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let format = if self.0.nanosecond() / 1000 == 0 { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S%.6fZ" };
        serializer.collect_str(&self.0.format(format))
    }
}

/// Reads an instant with its offset, as bodies must have it.
pub(crate) fn read_aware(text: &str) -> Option<chrono::DateTime<Utc>> {
    let instant = chrono::DateTime::parse_from_rfc3339(text).ok()?;
    Some(instant.with_timezone(&Utc).trunc_subsecs(6))
}

/// Reads an instant of a query: without an offset it is in UTC, and a `+` that was not encoded came as a space.
pub(crate) fn read_lenient(text: &str) -> Option<chrono::DateTime<Utc>> {
    if let Some(instant) = read_aware(text).or_else(|| read_aware(&text.replacen(' ', "+", 1))) {
        return Some(instant);
    }
    if let Some((date, offset_or_time)) = text.rsplit_once(' ')
        && let Some(instant) = read_aware(&format!("{}+{offset_or_time}", date.replacen(' ', "T", 1)))
    {
        return Some(instant);
    }
    let naive = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f")
        .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f"))
        .or_else(|_| NaiveDate::parse_from_str(text, "%Y-%m-%d").map(|date| date.and_time(chrono::NaiveTime::MIN)));
    naive.ok().map(|naive| naive.and_utc().trunc_subsecs(6))
}

/// How long something took, in seconds; none until it is over.
pub(crate) fn seconds_between(start: Option<chrono::DateTime<Utc>>, end: Option<chrono::DateTime<Utc>>) -> Option<f64> {
    let micros = (end? - start?).num_microseconds()?;
    #[expect(clippy::cast_precision_loss, reason = "exact up to 285 years")]
    Some(micros as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn microseconds_are_written_only_where_there_are_some() {
        let written = |text: &str| serde_json::to_string(&DateTime(read_aware(text).unwrap())).unwrap();

        assert_eq!(written("2026-11-21T08:00:00+00:00"), r#""2026-11-21T08:00:00Z""#);
        assert_eq!(written("2026-11-21T09:00:00.5+01:00"), r#""2026-11-21T08:00:00.500000Z""#);
        assert_eq!(written("2026-11-21T08:00:00.000001Z"), r#""2026-11-21T08:00:00.000001Z""#);
    }

    #[test]
    fn queries_may_write_instants_in_many_ways() {
        let expected = read_aware("2026-11-21T08:00:00Z");

        for text in [
            "2026-11-21T08:00:00Z",
            "2026-11-21T08:00:00+00:00",
            "2026-11-21T08:00:00 00:00",
            "2026-11-21 08:00:00 00:00",
            "2026-11-21T09:00:00+01:00",
            "2026-11-21T08:00:00",
            "2026-11-21 08:00:00",
        ] {
            assert_eq!(read_lenient(text), expected, "{text}");
        }
        assert_eq!(read_lenient("2026-11-21"), read_aware("2026-11-21T00:00:00Z"));
        assert_eq!(read_lenient("yesterday"), None);
        assert_eq!(read_lenient(""), None);
    }
}
