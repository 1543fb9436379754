//! When a DAG is due: Airflow 3's trigger timetables, computed from values alone.
//!
//! A [`Timetable`] is made from a DAG's [`Schedule`] and time zone. [`Timetable::next_run`] answers from the run before,
//! the present instant and the DAG's bounds; asking twice gives the same answer twice, so a tick that comes late, twice or
//! not at all changes nothing.
//!
//! ```text
//!   Schedule + Tz ──> Timetable ──next_run(last, now, bounds, catchup)──> NextRun { run_after, logical_date, data_interval }
//! ```
//!
//! # What to rely on
//!
//! * Cron runs have intervals of length zero: logical date, both ends of the data interval and `run_after` are the tick
//!   (Airflow 3: `create_cron_data_intervals = False`).
//! * The run after `last` is always later than `last`, whatever the clock and daylight saving do.
//! * Without catchup, the latest tick that was missed is made up for, and no other (Airflow 3).

mod cron;
mod describe;
mod field;
mod wall_clock;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::dag::Schedule;
use cron::CronTicks;

pub use field::CronError;
pub use wall_clock::resolve_local;

/// The stretch of time that a run is about: from `start` up to, but not including, `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataInterval {
    /// The first instant.
    pub start: DateTime<Utc>,
    /// The first instant after it; the same as `start` for cron schedules.
    pub end: DateTime<Utc>,
}

impl DataInterval {
    /// The interval of length zero at `instant`.
    pub fn at(instant: DateTime<Utc>) -> DataInterval {
        DataInterval { start: instant, end: instant }
    }
}

/// A run that is due, now or later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextRun {
    /// The earliest instant at which it may start.
    pub run_after: DateTime<Utc>,
    /// What identifies it within its DAG; every scheduled run of this module has one.
    pub logical_date: Option<DateTime<Utc>>,
    /// The stretch of time that it is about.
    pub data_interval: DataInterval,
}

impl NextRun {
    fn at(instant: DateTime<Utc>) -> NextRun {
        NextRun::over(DataInterval::at(instant))
    }

    fn over(data_interval: DataInterval) -> NextRun {
        NextRun { run_after: data_interval.end, logical_date: Some(data_interval.start), data_interval }
    }
}

/// Between which instants a DAG may be scheduled; both are inclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// The DAG's `start_date`.
    pub earliest: Option<DateTime<Utc>>,
    /// The DAG's `end_date`.
    pub latest: Option<DateTime<Utc>>,
}

/// When a DAG is due.
#[derive(Clone, Debug)]
pub struct Timetable {
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Never,
    Once,
    Continuous,
    Cron(Box<CronTicks>),
}

impl Timetable {
    /// Reads a schedule. `timezone` is the zone in which a cron expression is meant.
    ///
    /// A cron expression that cannot be read, or that no date ever matches, is an error.
    pub fn new(schedule: &Schedule, timezone: Tz) -> Result<Timetable, CronError> {
        let kind = match schedule {
            Schedule::Never => Kind::Never,
            Schedule::Once => Kind::Once,
            Schedule::Continuous => Kind::Continuous,
            Schedule::Cron(expression) => Kind::Cron(Box::new(CronTicks::new(expression, timezone)?)),
        };
        Ok(Timetable { kind })
    }

    /// The next run that the scheduler should make, or `None` when there is none to come.
    ///
    /// `last` is the interval of the latest run that the scheduler made; manual runs never move it.
    pub fn next_run(
        &self,
        last: Option<&DataInterval>,
        now: DateTime<Utc>,
        bounds: Bounds,
        catchup: bool,
    ) -> Option<NextRun> {
        let next = match &self.kind {
            Kind::Never => return None,
            Kind::Once if last.is_some() => return None,
            // The start date, however long past and whatever `catchup` says (Airflow 3: OnceTimetable).
            Kind::Once => NextRun::at(bounds.earliest.unwrap_or(now)),
            Kind::Continuous => next_continuous(last, now, bounds.earliest.unwrap_or(now)),
            Kind::Cron(ticks) => NextRun::at(next_tick(ticks, last, now, bounds.earliest, catchup)?),
        };
        match bounds.latest {
            Some(latest) if next.run_after > latest => None,
            _ => Some(next),
        }
    }

    /// The instants of the next `count` runs after `now`, for people to look at; none where nobody can tell.
    pub fn preview(&self, now: DateTime<Utc>, count: usize) -> Vec<DateTime<Utc>> {
        match &self.kind {
            Kind::Cron(ticks) => std::iter::successors(ticks.next(now), |tick| ticks.next(*tick)).take(count).collect(),
            Kind::Never | Kind::Once | Kind::Continuous => Vec::new(),
        }
    }

    /// The interval of a run that somebody asks for with that logical date.
    pub fn manual_interval(&self, logical_date: DateTime<Utc>) -> DataInterval {
        DataInterval::at(logical_date)
    }

    /// The schedule in words, such as `At 03:00, Monday through Friday`.
    pub fn describe(&self) -> String {
        match &self.kind {
            Kind::Never => "Never, external triggers only".to_owned(),
            Kind::Once => "Once, as soon as possible".to_owned(),
            Kind::Continuous => "As frequently as possible, but only one run at a time".to_owned(),
            Kind::Cron(ticks) => describe::in_words(ticks.fields()).unwrap_or_else(|| ticks.expression().to_owned()),
        }
    }

    /// The schedule in one word or expression (Airflow 3: `timetable_summary`).
    pub fn summary(&self) -> Option<String> {
        match &self.kind {
            Kind::Never => None,
            Kind::Once => Some("@once".to_owned()),
            Kind::Continuous => Some("@continuous".to_owned()),
            Kind::Cron(ticks) => Some(ticks.expression().to_owned()),
        }
    }

    /// Whether runs may be due at all without anybody asking for them.
    pub fn is_scheduled(&self) -> bool {
        !matches!(self.kind, Kind::Never)
    }

    /// Whether it makes one run after another for dates that can be told beforehand, so that a range of them can be filled
    /// in (Airflow 3: backfill).
    pub fn is_periodic(&self) -> bool {
        matches!(self.kind, Kind::Cron(_))
    }

    /// Whether only one run may be active, whatever `max_active_runs` says (Airflow 3: ContinuousTimetable).
    pub fn one_run_at_a_time(&self) -> bool {
        matches!(self.kind, Kind::Continuous)
    }
}

/// The tick of the next run (Airflow 3: CronTriggerTimetable).
fn next_tick(
    ticks: &CronTicks,
    last: Option<&DataInterval>,
    now: DateTime<Utc>,
    earliest: Option<DateTime<Utc>>,
    catchup: bool,
) -> Option<DateTime<Utc>> {
    let after_last = match last {
        Some(last) => Some(ticks.next(last.end)?),
        None => None,
    };
    if catchup {
        return match (after_last, earliest) {
            (Some(tick), _) => Some(tick),
            (None, Some(earliest)) => ticks.at_or_after(earliest),
            (None, None) => first_without_start_date(ticks, now),
        };
    }
    let first = match (after_last, earliest) {
        (Some(tick), _) => Some(tick),
        (None, None) => Some(first_without_start_date(ticks, now)?),
        (None, Some(_)) => None,
    };
    let aligned = match earliest {
        Some(earliest) => Some(ticks.at_or_after(earliest)?),
        None => None,
    };
    [ticks.at_or_before(now), first, aligned].into_iter().flatten().max()
}

/// Without a start date nothing says that the tick before `now` was ever wanted, unless it was only just missed.
fn first_without_start_date(ticks: &CronTicks, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let next = ticks.at_or_after(now)?;
    let Some(previous) = ticks.at_or_before(now) else { return Some(next) };
    let just_missed = ((next - previous) / 10).max(TimeDelta::minutes(5));
    Some(if now - previous <= just_missed { previous } else { next })
}

/// The next run follows the one before at once, and covers the time since (Airflow 3: ContinuousTimetable).
fn next_continuous(last: Option<&DataInterval>, now: DateTime<Utc>, earliest: DateTime<Utc>) -> NextRun {
    NextRun::over(match last {
        None => DataInterval { start: earliest, end: earliest.max(now) },
        // The first run waits for a start date in the future, and so does what follows it.
        Some(last) if last.end > now => DataInterval { start: earliest, end: earliest + (last.end - last.start) },
        Some(last) => DataInterval { start: last.end, end: now },
    })
}
