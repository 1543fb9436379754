//! Runs at ticks, each about a partition (Airflow 3: `CronPartitionTimetable`).

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::field::CronError;
use super::trigger::CronRuns;
use super::{NextRun, Past, Restriction};
use crate::dag::partition::{InvalidKey, KeyFormat, Partition};
use crate::dag::schedule::{CronPartition, CronTrigger};

/// Runs at the ticks of a cron expression, about the partition of the same tick or of one some way off.
#[derive(Clone, Debug)]
pub(super) struct PartitionRuns {
    pub(super) cron: CronRuns,
    run_offset: i32,
    key_format: KeyFormat,
    timezone: Tz,
}

impl PartitionRuns {
    pub(super) fn new(schedule: &CronPartition, timezone: Tz) -> Result<PartitionRuns, CronError> {
        let cron =
            CronTrigger { run_immediately: schedule.run_immediately, ..CronTrigger::new(schedule.expression.as_str()) };
        Ok(PartitionRuns {
            cron: CronRuns::new(&cron, timezone)?,
            run_offset: schedule.run_offset,
            key_format: schedule.key_format.clone(),
            timezone,
        })
    }

    /// When runs are due is up to the ticks alone. A tick whose partition would lie beyond the years of the expression is
    /// passed over.
    pub(super) fn next_run(&self, past: &Past, now: DateTime<Utc>, restriction: &Restriction) -> Option<NextRun> {
        let mut next = self.cron.next_run(past, now, restriction)?;
        for _ in 0..=self.run_offset.unsigned_abs() {
            if self.of_tick(next.run_after).is_some() {
                return Some(next);
            }
            next = self.cron.next_run(&Past::after(next.data_interval), now, restriction)?;
        }
        None
    }

    /// The partition that the run of a tick is about.
    pub(super) fn of_tick(&self, tick: DateTime<Utc>) -> Option<Partition> {
        let ticks = self.cron.ticks.first()?;
        let mut date = tick;
        for _ in 0..self.run_offset.unsigned_abs() {
            date = if self.run_offset > 0 { ticks.next(date)? } else { ticks.last_before(date)? };
        }
        Some(Partition { key: self.key_format.key(date, self.timezone), date: Some(date) })
    }

    /// The instant that a key stands for.
    pub(super) fn date(&self, key: &str) -> Result<DateTime<Utc>, InvalidKey> {
        self.key_format.date(key, self.timezone)
    }
}
