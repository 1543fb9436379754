//! How far a landing has come, in the log.

use std::time::Duration;

use scheduler::log::TaskLog;
use tokio::time::Instant;

use super::table::Table;

/// A slow landing says something at least this often.
const PATIENCE: Duration = Duration::from_secs(5);

/// A fast one, whenever so many percent more are done.
const STEP_PERCENT: u64 = 10;

/// Counts landed rows, and logs now and then.
pub(super) struct Progress {
    log: TaskLog,
    rows_total: u64,
    rows: u64,
    said_percent: u64,
    said_at: Instant,
}

impl Progress {
    pub(super) fn new(log: TaskLog, rows_total: u64) -> Progress {
        Progress { log, rows_total, rows: 0, said_percent: 0, said_at: Instant::now() }
    }

    /// So many more rows of `table` have landed.
    pub(super) fn add(&mut self, table: Table, rows: u64) {
        self.rows += rows;
        let percent = self.rows * 100 / self.rows_total.max(1);
        if percent < self.said_percent + STEP_PERCENT && self.said_at.elapsed() < PATIENCE {
            return;
        }
        self.said_percent = percent;
        self.said_at = Instant::now();
        self.log.info(format!("{percent} %: {} of {} rows landed, now {table}", self.rows, self.rows_total));
    }
}
