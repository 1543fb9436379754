//! The runs to come, for people to look at.

use std::fmt;

use chrono::offset::LocalResult;
use chrono::{DateTime, TimeZone, Utc};

use super::partition::PartitionRuns;
use super::{Clockwork, NextRun, Past, Restriction, Timetable};

/// A run to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upcoming {
    /// The run.
    pub run: NextRun,
    /// What daylight saving does to its time.
    pub note: Option<DstNote>,
}

/// What daylight saving does to the time of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DstNote {
    /// The clock skips the time that the schedule names, so the run is later.
    Forward,
    /// The clock shows this time twice; this is the first time.
    First,
    /// The clock shows this time twice; this is the second time.
    Second,
}

impl fmt::Display for DstNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DstNote::Forward => "clock goes forward",
            DstNote::First => "first occurrence",
            DstNote::Second => "second occurrence",
        })
    }
}

impl Timetable {
    /// The next `count` runs, if each is made as soon as it is due. Those due at `now` or before come at once.
    ///
    /// When an `@continuous` run ends nobody can tell, so what follows it is left out.
    pub fn upcoming(&self, past: Past, now: DateTime<Utc>, restriction: &Restriction, count: usize) -> Vec<Upcoming> {
        let count = if self.one_run_at_a_time() { count.min(1) } else { count };
        let (mut past, mut now) = (past, now);
        let mut runs: Vec<Upcoming> = Vec::new();
        while runs.len() < count {
            let Some(run) = self.next_run(&past, now, restriction) else { break };
            runs.push(Upcoming { run, note: self.note(run.run_after) });
            now = now.max(run.run_after);
            past = Past::after(run.data_interval);
        }
        runs
    }

    fn note(&self, instant: DateTime<Utc>) -> Option<DstNote> {
        let local = instant.with_timezone(&self.timezone).naive_local();
        if let LocalResult::Ambiguous(first, second) = self.timezone.from_local_datetime(&local) {
            return Some(if first.max(second) == instant { DstNote::Second } else { DstNote::First });
        }
        let is_moved = match &self.time {
            Some(Clockwork::Cron(cron) | Clockwork::Partition(PartitionRuns { cron, .. })) => {
                !cron.ticks.iter().any(|ticks| ticks.names(local))
            }
            Some(Clockwork::Interval(super::interval::IntervalRuns::Cron(ticks))) => !ticks.names(local),
            _ => false,
        };
        is_moved.then_some(DstNote::Forward)
    }
}
