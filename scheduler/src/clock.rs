//! Time as a value that is passed in, so that a test can move a whole day of cron in a moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, SubsecRound, Utc};

/// Tells the time, to the microsecond: Postgres keeps no more.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A clock that moves when it is told to; microseconds since the epoch.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `now` until [`Clock::set`].
    pub fn manual(now: DateTime<Utc>) -> Clock {
        Clock::Manual(Arc::new(AtomicI64::new(now.timestamp_micros())))
    }

    /// The present.
    pub fn now(&self) -> DateTime<Utc> {
        match self {
            #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
            Clock::System => Utc::now().trunc_subsecs(6),
            Clock::Manual(micros) => DateTime::from_timestamp_micros(micros.load(Ordering::SeqCst)).unwrap_or_default(),
        }
    }

    /// Moves a manual clock; the machine's clock is not ours to move.
    pub fn set(&self, now: DateTime<Utc>) {
        if let Clock::Manual(micros) = self {
            micros.store(now.timestamp_micros(), Ordering::SeqCst);
        }
    }
}
