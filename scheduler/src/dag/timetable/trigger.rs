//! Runs at ticks, each about an instant or about a stretch of given length before its tick (Airflow 3:
//! `CronTriggerTimetable`, `MultipleCronTriggerTimetable`, `DeltaTriggerTimetable`).

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::cron::CronTicks;
use super::field::CronError;
use super::{CatchupMode, DataInterval, NextRun, Past, Restriction};
use crate::dag::period::Period;
use crate::dag::schedule::{CronTrigger, DeltaTrigger, RunImmediately};

/// A tick that was missed by so little counts also where ticks follow each other closely.
const JUST_MISSED: TimeDelta = TimeDelta::minutes(5);

/// Runs at the ticks of cron expressions.
#[derive(Clone, Debug)]
pub(super) struct CronRuns {
    pub(super) ticks: Vec<CronTicks>,
    pub(super) interval: Option<Period>,
    run_immediately: RunImmediately,
}

impl CronRuns {
    pub(super) fn new(cron: &CronTrigger, timezone: Tz) -> Result<CronRuns, CronError> {
        let ticks = cron.expressions.iter().map(|expression| CronTicks::new(expression, timezone));
        let ticks = ticks.collect::<Result<_, _>>()?;
        Ok(CronRuns { ticks, interval: cron.interval, run_immediately: cron.run_immediately })
    }

    /// With several expressions, each is asked alone. Among their answers the earliest is next; without catchup the latest
    /// that is past, so that as little as possible is made up for (Airflow 3: `MultipleCronTriggerTimetable`).
    pub(super) fn next_run(&self, past: &Past, now: DateTime<Utc>, restriction: &Restriction) -> Option<NextRun> {
        let next = self.ticks.iter().filter_map(|ticks| self.next_tick(ticks, past, now, restriction));
        let tick = if restriction.makes_up_for_all() {
            next.min()
        } else {
            next.min_by_key(|tick| (*tick > now, (*tick - now).abs()))
        };
        ending_at(tick?, self.interval.as_ref())
    }

    fn next_tick(
        &self,
        ticks: &CronTicks,
        past: &Past,
        now: DateTime<Utc>,
        restriction: &Restriction,
    ) -> Option<DateTime<Utc>> {
        let earliest = restriction.earliest.or(past.missed_promise(now));
        let first = match (past.last, earliest) {
            (Some(last), _) => Some(ticks.next(last.end)?),
            (None, None) => Some(self.first_without_start_date(ticks, now)?),
            (None, Some(_)) => None,
        };
        let aligned = match earliest {
            Some(earliest) => Some(ticks.at_or_after(earliest)?),
            None => None,
        };
        let tick = if restriction.makes_up_for_all() {
            first.or(aligned)?
        } else {
            [ticks.at_or_before(now), first, aligned].into_iter().flatten().max()?
        };
        let tick = match restriction.floor(past, now) {
            Some(floor) if tick < floor => ticks.at_or_after(floor)?,
            _ => tick,
        };
        not_after(tick, restriction)
    }

    /// Without a start date nothing says that the tick before `now` was ever wanted, unless it was only just missed.
    fn first_without_start_date(&self, ticks: &CronTicks, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let next = ticks.at_or_after(now)?;
        let Some(previous) = ticks.at_or_before(now) else { return Some(next) };
        let is_wanted = match self.run_immediately {
            RunImmediately::Always => true,
            RunImmediately::Within(duration) => TimeDelta::from_std(duration).is_ok_and(|most| now - previous <= most),
            RunImmediately::IfJustMissed => now - previous <= ((next - previous) / 10).max(JUST_MISSED),
        };
        Some(if is_wanted { previous } else { next })
    }
}

/// Runs every so often.
#[derive(Clone, Copy, Debug)]
pub(super) struct DeltaRuns {
    pub(super) every: Period,
    pub(super) interval: Option<Period>,
    keep_phase: bool,
}

impl DeltaRuns {
    pub(super) fn new(delta: &DeltaTrigger) -> DeltaRuns {
        DeltaRuns { every: delta.every, interval: delta.interval, keep_phase: delta.keep_phase }
    }

    pub(super) fn next_run(&self, past: &Past, now: DateTime<Utc>, restriction: &Restriction) -> Option<NextRun> {
        let tick = match restriction.catchup.mode {
            CatchupMode::All => self.following(past, now, restriction)?,
            CatchupMode::Latest if !self.keep_phase => self.latest(past, now, restriction)?,
            CatchupMode::Latest | CatchupMode::None => self.latest_in_phase(past, now, restriction)?,
        };
        let tick = match restriction.floor(past, now) {
            Some(floor) if tick < floor => self.every.times(tick, self.every.count_until(tick, floor))?,
            _ => tick,
        };
        ending_at(not_after(tick, restriction)?, self.interval.as_ref())
    }

    /// The run after the last one, or the first one.
    fn following(&self, past: &Past, now: DateTime<Utc>, restriction: &Restriction) -> Option<DateTime<Utc>> {
        match past.last {
            Some(last) => self.every.after(last.end),
            None => restriction.earliest.or(past.missed_promise(now)).or(Some(now)),
        }
    }

    /// Late runs shift the rhythm (Airflow 3). One that comes late by less than a period was due when it was promised.
    fn latest(&self, past: &Past, now: DateTime<Utc>, restriction: &Restriction) -> Option<DateTime<Utc>> {
        let is_recent = |promised: &DateTime<Utc>| self.every.after(*promised).is_some_and(|after| now < after);
        let here = past.missed_promise(now).filter(is_recent).unwrap_or(now);
        let after_last = match past.last {
            Some(last) => Some(self.every.after(last.end)?),
            None => None,
        };
        [Some(here), after_last, restriction.earliest].into_iter().flatten().max()
    }

    /// The latest run that is due in the rhythm of the last one, or of the start date.
    fn latest_in_phase(&self, past: &Past, now: DateTime<Utc>, restriction: &Restriction) -> Option<DateTime<Utc>> {
        let first = match (past.last, restriction.earliest) {
            (Some(last), earliest) => Some(self.every.after(last.end)?).max(earliest)?,
            (None, Some(earliest)) => earliest,
            (None, None) if past.promised.is_some() => past.promised?,
            // There is no rhythm yet: with this run it begins, unless nothing is to run at once.
            (None, None) if restriction.catchup.mode == CatchupMode::None => self.every.after(now)?,
            (None, None) => now,
        };
        if first > now {
            return Some(first);
        }
        let beyond = self.every.count_until(first, now);
        let tick = self.every.times(first, beyond)?;
        if tick <= now { Some(tick) } else { self.every.times(first, beyond.saturating_sub(1)) }
    }
}

fn not_after(tick: DateTime<Utc>, restriction: &Restriction) -> Option<DateTime<Utc>> {
    (restriction.latest.is_none_or(|latest| tick <= latest)).then_some(tick)
}

fn ending_at(tick: DateTime<Utc>, interval: Option<&Period>) -> Option<NextRun> {
    Some(NextRun::over(interval_before(tick, interval)?))
}

/// The interval of that length that ends at `tick`.
pub(super) fn interval_before(tick: DateTime<Utc>, interval: Option<&Period>) -> Option<DataInterval> {
    let start = match interval {
        Some(interval) => interval.before(tick)?,
        None => tick,
    };
    Some(DataInterval { start, end: tick })
}
