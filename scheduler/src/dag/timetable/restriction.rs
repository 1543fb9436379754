//! What bounds the runs of a DAG, and what is remembered of them.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::DataInterval;
use crate::dag::Dag;

/// What becomes of ticks at which no run was made (Airflow 3: catchup, which knows `Latest` and `All`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Catchup {
    /// Which of them are made up for.
    pub mode: CatchupMode,
    /// No tick is made up for that was due longer ago.
    pub window: Option<Duration>,
}

impl Catchup {
    /// What Airflow, which knows two modes, says of it.
    pub fn is_on(self) -> bool {
        self.mode == CatchupMode::All
    }
}

/// Which ticks are made up for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CatchupMode {
    /// None that came before the DAG was there and not paused. What a scheduler misses because it is down is not such a
    /// tick: the latest of those is made up for.
    None,
    /// The latest (Airflow 3: `catchup=False`).
    #[default]
    Latest,
    /// All since the start date, one by one (Airflow 3: `catchup=True`).
    All,
}

/// What bounds the runs of a DAG (Airflow 3: `TimeRestriction`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restriction {
    /// No run is due before it: the DAG's `start_date`, or else the earliest of its tasks'.
    pub earliest: Option<DateTime<Utc>>,
    /// No run is due after it: the DAG's `end_date`, or else the latest of its tasks', if every one has one.
    pub latest: Option<DateTime<Utc>>,
    /// What becomes of ticks that were missed.
    pub catchup: Catchup,
}

impl Restriction {
    /// The bounds that a DAG sets.
    pub fn of(dag: &Dag) -> Restriction {
        let of_tasks = || dag.tasks().map(|(_, task)| task);
        let ends = || of_tasks().map(|task| task.end_date).collect::<Option<Vec<_>>>();
        Restriction {
            earliest: dag.start_date.or_else(|| of_tasks().filter_map(|task| task.start_date).min()),
            latest: dag.end_date.or_else(|| ends()?.into_iter().max()),
            catchup: dag.runs.catchup,
        }
    }

    pub(super) fn makes_up_for_all(&self) -> bool {
        self.catchup.is_on()
    }

    /// No run that was due before it is made.
    pub(super) fn floor(&self, past: &Past, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let alive = (self.catchup.mode == CatchupMode::None).then(|| past.missed_promise(now).unwrap_or(now));
        let window = self.catchup.window.and_then(|window| TimeDelta::from_std(window).ok());
        let window = window.and_then(|window| now.checked_sub_signed(window));
        alive.max(window)
    }
}

/// What is remembered of a DAG's runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// The data interval of the latest run that the schedule made; runs that people ask for do not count.
    pub last: Option<DataInterval>,
    /// When the next run was last said to be due, if the DAG was not paused since: what a restart must not forget.
    pub promised: Option<DateTime<Utc>>,
}

impl Past {
    /// What is remembered once a run over `interval` was made.
    pub fn after(interval: DataInterval) -> Past {
        Past { last: Some(interval), promised: None }
    }

    /// The run that should have been made by now.
    pub(super) fn missed_promise(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.promised.filter(|promised| *promised <= now)
    }
}
