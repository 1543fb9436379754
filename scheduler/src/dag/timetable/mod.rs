//! When a DAG is due: Airflow 3's timetables, computed from values alone.
//!
//! A [`Timetable`] is made from a DAG's [`Schedule`] and time zone. [`Timetable::next_run`] answers from what is remembered
//! of the runs before, the present instant and the DAG's bounds; asking twice gives the same answer twice, so a tick that
//! comes late, twice or not at all changes nothing.
//!
//! ```text
//!   Schedule + Tz ──> Timetable ──next_run(past, now, restriction)──> NextRun { run_after, logical_date, data_interval }
//! ```
//!
//! There are two families. Runs of the *trigger* family happen at a tick and are about that instant: logical date, both
//! ends of the data interval and `run_after` are the tick. Runs of the *interval* family happen when the stretch between
//! two ticks is over, and are about that stretch.
//!
//! # What to rely on
//!
//! * A cron expression or a length of time alone means the trigger family (Airflow 3: `create_cron_data_intervals =
//!   False`).
//! * The run after the last one is always due later than it, whatever the clock and daylight saving do.
//! * What becomes of ticks that were missed is up to [`Catchup`]; by default the latest is made up for (Airflow 3).

mod cron;
mod describe;
mod events;
mod field;
mod interval;
mod partition;
mod restriction;
mod trigger;
mod upcoming;
mod wall_clock;
mod wall_times;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::dag::asset::AssetExpression;
use crate::dag::partition::{self as partitions, InvalidKey, Partition};
use crate::dag::schedule::{Events, Schedule, TimeSchedule};
use cron::CronTicks;
use interval::IntervalRuns;
use partition::PartitionRuns;
use trigger::{CronRuns, DeltaRuns};

pub use describe::{OF_PARTITIONS, PARTITIONED};
pub use field::CronError;
pub use restriction::{Catchup, CatchupMode, Past, Restriction};
pub use upcoming::{DstNote, Upcoming};
pub use wall_clock::resolve_local;

/// The stretch of time that a run is about: from `start` up to, but not including, `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataInterval {
    /// The first instant.
    pub start: DateTime<Utc>,
    /// The first instant after it; the same as `start` in the trigger family.
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
    /// What identifies it within its DAG: where its data interval begins.
    pub logical_date: DateTime<Utc>,
    /// The stretch of time that it is about.
    pub data_interval: DataInterval,
}

impl NextRun {
    /// The run that is made when `data_interval` is over.
    pub fn over(data_interval: DataInterval) -> NextRun {
        NextRun { run_after: data_interval.end, logical_date: data_interval.start, data_interval }
    }
}

/// When a DAG is due.
#[derive(Clone, Debug)]
pub struct Timetable {
    timezone: Tz,
    /// None when nothing ever happens by the clock.
    time: Option<Clockwork>,
    /// None when no asset matters.
    assets: Option<AssetExpression>,
    /// Whether it is parts of the assets that matter, each by itself.
    is_by_part: bool,
}

/// A schedule by the clock, ready to be asked.
#[derive(Clone, Debug)]
enum Clockwork {
    Once,
    Continuous,
    Cron(CronRuns),
    Delta(DeltaRuns),
    Interval(IntervalRuns),
    Partition(PartitionRuns),
    Events(Events),
}

impl Timetable {
    /// Reads a schedule. `timezone` is the zone in which cron expressions are meant.
    ///
    /// A cron expression that cannot be read, or that no date ever matches, is an error.
    pub fn new(schedule: &Schedule, timezone: Tz) -> Result<Timetable, CronError> {
        let (time, assets) = match schedule {
            Schedule::Never => (None, None),
            Schedule::Time(time) => (Some(Clockwork::new(time, timezone)?), None),
            Schedule::Assets(assets) | Schedule::PartitionedAssets(assets) => (None, Some(assets.clone())),
            Schedule::AssetsOrTime { assets, time } => (Some(Clockwork::new(time, timezone)?), Some(assets.clone())),
        };
        Ok(Timetable { timezone, time, assets, is_by_part: matches!(schedule, Schedule::PartitionedAssets(_)) })
    }

    /// The next run that the scheduler should make, or `None` when none is to come by the clock.
    pub fn next_run(&self, past: &Past, now: DateTime<Utc>, restriction: &Restriction) -> Option<NextRun> {
        self.time.as_ref()?.next_run(past, now, restriction)
    }

    /// The interval of a run that somebody asks for with that logical date (Airflow 3: `infer_manual_data_interval`).
    pub fn manual_interval(&self, logical_date: DateTime<Utc>) -> DataInterval {
        let interval = match &self.time {
            None | Some(Clockwork::Once | Clockwork::Continuous | Clockwork::Partition(_)) => None,
            Some(Clockwork::Cron(cron)) => trigger::interval_before(logical_date, cron.interval.as_ref()),
            Some(Clockwork::Delta(delta)) => trigger::interval_before(logical_date, delta.interval.as_ref()),
            Some(Clockwork::Interval(interval)) => interval.complete_before(logical_date),
            Some(Clockwork::Events(events)) => Some(events::manual_interval(events, logical_date)),
        };
        interval.unwrap_or_else(|| DataInterval::at(logical_date))
    }

    /// Whether its runs are about partitions, and have a logical date only when somebody asks for one.
    pub fn is_partitioned(&self) -> bool {
        self.is_by_part || matches!(self.time, Some(Clockwork::Partition(_)))
    }

    /// The partition that the scheduled run of a tick is about; none when runs are about stretches of time.
    pub fn partition(&self, tick: DateTime<Utc>) -> Option<Partition> {
        match &self.time {
            Some(Clockwork::Partition(partition)) => partition.of_tick(tick),
            _ => None,
        }
    }

    /// The partition that somebody names by its key; none when runs are about no partitions. The key of a part of an asset
    /// stands for no instant (Airflow 3: `resolve_partition_date`, `IdentityMapper`).
    pub fn partition_of_key(&self, key: &str) -> Option<Result<Partition, InvalidKey>> {
        let date = match &self.time {
            Some(Clockwork::Partition(partition)) => {
                partitions::check_key(key).and_then(|()| partition.date(key).map(Some))
            }
            _ if self.is_by_part => partitions::check_key(key).map(|()| None),
            _ => return None,
        };
        Some(date.map(|date| Partition { key: key.to_owned(), date }))
    }

    /// The schedule in words, such as `At 03:00, Monday through Friday`.
    pub fn describe(&self) -> String {
        match (&self.assets, &self.time) {
            (None, None) => "Never, external triggers only".to_owned(),
            (None, Some(time)) => describe::clockwork(time),
            (Some(assets), None) if self.is_by_part => format!("{}{}", describe::assets(assets), OF_PARTITIONS),
            (Some(assets), None) => describe::assets(assets),
            (Some(assets), Some(time)) => format!("{}; or: {}", describe::assets(assets), describe::clockwork(time)),
        }
    }

    /// The schedule in one word or expression (Airflow 3: `timetable_summary`).
    pub fn summary(&self) -> Option<String> {
        let time = self.time.as_ref().map(describe::summary);
        match (&self.assets, time) {
            (None, time) => time,
            (Some(_), None) if self.is_by_part => Some(format!("{PARTITIONED}Asset")),
            (Some(_), None) => Some("Asset".to_owned()),
            (Some(_), Some(time)) => Some(format!("Asset or {time}")),
        }
    }

    /// Whether runs may be due by the clock, without anybody asking for them.
    pub fn is_scheduled(&self) -> bool {
        self.time.is_some()
    }

    /// Whether it makes one run after another for dates that can be told beforehand, so that a range of them can be filled
    /// in (Airflow 3: `periodic`, which backfills need).
    pub fn is_periodic(&self) -> bool {
        !matches!(self.time, None | Some(Clockwork::Once | Clockwork::Continuous))
    }

    /// Whether only one run may be active, whatever `max_active_runs` says (Airflow 3: `ContinuousTimetable`).
    pub fn one_run_at_a_time(&self) -> bool {
        matches!(self.time, Some(Clockwork::Continuous))
    }
}

impl Clockwork {
    fn new(schedule: &TimeSchedule, timezone: Tz) -> Result<Clockwork, CronError> {
        Ok(match schedule {
            TimeSchedule::Once => Clockwork::Once,
            TimeSchedule::Continuous => Clockwork::Continuous,
            TimeSchedule::Cron(cron) => Clockwork::Cron(CronRuns::new(cron, timezone)?),
            TimeSchedule::CronInterval(expression) => {
                Clockwork::Interval(IntervalRuns::Cron(Box::new(CronTicks::new(expression, timezone)?)))
            }
            TimeSchedule::CronPartition(partition) => Clockwork::Partition(PartitionRuns::new(partition, timezone)?),
            TimeSchedule::Delta(delta) => Clockwork::Delta(DeltaRuns::new(delta)),
            TimeSchedule::DeltaInterval(every) => Clockwork::Interval(IntervalRuns::Delta(*every)),
            TimeSchedule::Events(events) => Clockwork::Events(events.clone()),
        })
    }

    fn next_run(&self, past: &Past, now: DateTime<Utc>, restriction: &Restriction) -> Option<NextRun> {
        match self {
            Clockwork::Once => next_once(past, now, restriction),
            Clockwork::Continuous => next_continuous(past, now, restriction),
            Clockwork::Cron(cron) => cron.next_run(past, now, restriction),
            Clockwork::Delta(delta) => delta.next_run(past, now, restriction),
            Clockwork::Interval(interval) => interval.next_run(past, now, restriction),
            Clockwork::Partition(partition) => partition.next_run(past, now, restriction),
            Clockwork::Events(dates) => events::next_run(dates, past, now, restriction),
        }
    }
}

/// At the start date, however long past and whatever `catchup` says (Airflow 3: `OnceTimetable`).
fn next_once(past: &Past, now: DateTime<Utc>, restriction: &Restriction) -> Option<NextRun> {
    if past.last.is_some() {
        return None;
    }
    let at = restriction.earliest.or(past.missed_promise(now)).unwrap_or(now);
    restriction.latest.is_none_or(|latest| at <= latest).then(|| NextRun::over(DataInterval::at(at)))
}

/// The next run follows the one before at once, and covers the time since (Airflow 3: `ContinuousTimetable`).
fn next_continuous(past: &Past, now: DateTime<Utc>, restriction: &Restriction) -> Option<NextRun> {
    let earliest = restriction.earliest.unwrap_or(now);
    let interval = match past.last {
        None => DataInterval { start: earliest, end: earliest.max(now) },
        // The first run waits for a start date in the future, and so does what follows it.
        Some(last) if last.end > now => DataInterval { start: earliest, end: earliest + (last.end - last.start) },
        Some(last) => DataInterval { start: last.end, end: now },
    };
    restriction.latest.is_none_or(|latest| interval.end <= latest).then(|| NextRun::over(interval))
}
