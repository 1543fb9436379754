//! Runs at given instants (Airflow 3: `EventsTimetable`).

use chrono::{DateTime, Utc};

use super::{DataInterval, NextRun, Past, Restriction};
use crate::dag::schedule::Events;

/// The next of the instants. Without catchup those that are past are passed over (Airflow 3), save for what was promised
/// before a restart.
pub(super) fn next_run(events: &Events, past: &Past, now: DateTime<Utc>, restriction: &Restriction) -> Option<NextRun> {
    let all = restriction.makes_up_for_all();
    let alive = (!all).then(|| past.missed_promise(now).unwrap_or(now));
    let from = alive.max(restriction.earliest).max(restriction.floor(past, now));
    let is_wanted =
        |date: &DateTime<Utc>| from.is_none_or(|from| *date >= from) && past.last.is_none_or(|last| *date > last.end);
    let mut wanted = events.dates.iter().copied().filter(is_wanted);
    let latest_missed = if all { None } else { wanted.clone().take_while(|date| *date <= now).last() };
    let date = latest_missed.or_else(|| wanted.next())?;
    restriction.latest.is_none_or(|latest| date <= latest).then(|| NextRun::over(DataInterval::at(date)))
}

/// What a run that somebody asks for at `instant` is about: that instant, or the latest event up to it.
pub(super) fn manual_interval(events: &Events, instant: DateTime<Utc>) -> DataInterval {
    let latest = || events.dates.iter().rev().find(|date| **date <= instant).or(events.dates.first());
    let date = if events.restrict_to_events { latest() } else { None };
    DataInterval::at(date.copied().unwrap_or(instant))
}
