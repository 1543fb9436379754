//! What is to be looked at when: retries, timeouts, runs that are for later.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::run::InstanceIndex;

/// What to look at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A task instance whose wait for its next try is over.
    Retry(Uuid, InstanceIndex),
    /// A run whose logical date has come, for which it waited.
    DateReached(Uuid),
    /// A run that may have taken longer than it should.
    RunTimeout(Uuid),
    /// A DAG with a queued run that may begin from then on.
    Begin(String),
}

/// Timers by time. A timer that is no longer wanted may ring: whoever it wakes looks at the state, not at the timer.
#[derive(Debug, Default)]
pub(super) struct Timers {
    set: BTreeSet<(DateTime<Utc>, Timer)>,
}

impl Timers {
    /// Sets a timer.
    pub(super) fn set(&mut self, at: DateTime<Utc>, timer: Timer) {
        self.set.insert((at, timer));
    }

    /// When the next one rings.
    pub(super) fn next(&self) -> Option<DateTime<Utc>> {
        self.set.first().map(|(at, _)| *at)
    }

    /// Takes the next one that is due at `now`.
    pub(super) fn take_due(&mut self, now: DateTime<Utc>) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        self.set.pop_first().map(|(_, timer)| timer)
    }
}
