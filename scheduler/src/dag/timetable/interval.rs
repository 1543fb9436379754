//! Runs when a stretch of time is over, each about that stretch (Airflow 3: `CronDataIntervalTimetable`,
//! `DeltaDataIntervalTimetable`).

use chrono::{DateTime, Utc};

use super::cron::CronTicks;
use super::{DataInterval, NextRun, Past, Restriction};
use crate::dag::period::Period;

/// What cuts time into stretches.
#[derive(Clone, Debug)]
pub(super) enum IntervalRuns {
    /// The ticks of a cron expression.
    Cron(Box<CronTicks>),
    /// A length, laid end to end from the start date on.
    Delta(Period),
}

impl IntervalRuns {
    pub(super) fn next_run(&self, past: &Past, now: DateTime<Utc>, restriction: &Restriction) -> Option<NextRun> {
        let earliest = if restriction.makes_up_for_all() {
            match restriction.earliest {
                Some(earliest) => Some(self.align_to_next(earliest)?),
                None => None,
            }
        } else {
            Some(self.skip_to_latest(restriction.earliest, now)?)
        };
        let start = match past.last {
            // With catchup, but without a start date, there is nowhere to begin (Airflow 3).
            None => earliest?,
            Some(last) => self.start_after(&last, earliest)?,
        };
        let start = match restriction.floor(past, now) {
            Some(floor) => self.raised(start, floor)?,
            None => start,
        };
        if restriction.latest.is_some_and(|latest| start > latest) {
            return None;
        }
        Some(NextRun::over(DataInterval { start, end: self.next(start)? }))
    }

    /// The last complete stretch before `instant`.
    pub(super) fn complete_before(&self, instant: DateTime<Utc>) -> Option<DataInterval> {
        let end = self.align_to_previous(instant)?;
        Some(DataInterval { start: self.previous(end)?, end })
    }

    /// The beginning of the stretch after `last`. When the schedule changed, stretches begin at its own ticks from now on;
    /// one that would take the logical date of the last run is left out, and so are those that were over before it.
    fn start_after(&self, last: &DataInterval, earliest: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
        let mut start = Some(self.align_to_previous(last.end)?).max(earliest)?;
        if start == last.start {
            start = self.next(start)?;
        }
        while self.next(start)? <= last.end {
            start = self.next(start)?;
        }
        Some(start)
    }

    /// `start`, or that of the first later stretch that is not over before `floor`.
    fn raised(&self, start: DateTime<Utc>, floor: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.next(start)? >= floor {
            return Some(start);
        }
        match self {
            IntervalRuns::Cron(ticks) => Some(start.max(ticks.last_before(ticks.at_or_after(floor)?)?)),
            IntervalRuns::Delta(every) => every.times(start, every.count_until(start, floor).saturating_sub(1)),
        }
    }

    /// The beginning of the latest complete stretch, but not before `earliest`.
    fn skip_to_latest(&self, earliest: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let start = match self {
            IntervalRuns::Cron(ticks) => {
                let last_tick = ticks.last_before(now)?;
                // At a tick, the stretch that ends just now counts as complete.
                if ticks.next(last_tick)? == now { last_tick } else { ticks.last_before(last_tick)? }
            }
            IntervalRuns::Delta(every) => latest_since_epoch(every, now)?,
        };
        match earliest {
            Some(earliest) => Some(start.max(self.align_to_next(earliest)?)),
            None => Some(start),
        }
    }

    fn next(&self, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            IntervalRuns::Cron(ticks) => ticks.next(instant),
            IntervalRuns::Delta(every) => every.after(instant),
        }
    }

    fn previous(&self, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            IntervalRuns::Cron(ticks) => ticks.last_before(instant),
            IntervalRuns::Delta(every) => every.before(instant),
        }
    }

    fn align_to_next(&self, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            IntervalRuns::Cron(ticks) => ticks.at_or_after(instant),
            IntervalRuns::Delta(_) => Some(instant),
        }
    }

    fn align_to_previous(&self, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            IntervalRuns::Cron(ticks) => ticks.at_or_before(instant),
            IntervalRuns::Delta(_) => Some(instant),
        }
    }
}

/// The beginning of the latest period that was over by `now`, where the first one began with 1970 (Airflow 3). Months so
/// are those of the calendar; Airflow counts 30 days for each, and ends between them.
fn latest_since_epoch(every: &Period, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let epoch = DateTime::UNIX_EPOCH;
    let reached = every.count_until(epoch, now);
    let complete = if every.times(epoch, reached)? == now { reached } else { reached.checked_sub(1)? };
    every.times(epoch, complete.checked_sub(1)?)
}
