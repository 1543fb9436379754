//! How far an emulation has come, in the log and the UI.

use std::time::Duration;

use scheduler::log::TaskLog;
use tokio::time::Instant;

use super::table::Table;

/// A slow one says something at least this often.
const PATIENCE: Duration = Duration::from_secs(5);

/// A fast one, whenever so many percent more are done.
const STEP_PERCENT: u64 = 10;

/// Counts landed rows, and logs now and then.
pub(super) struct Progress {
    log: TaskLog,
    /// As far as it is known.
    rows_total: Option<u64>,
    rows: u64,
    rows_before: u64,
    said_percent: u64,
    said_at: Instant,
    began: Instant,
}

impl Progress {
    /// `rows_before` have landed in earlier tries.
    pub(super) fn new(log: TaskLog, rows_total: Option<u64>, rows_before: u64) -> Progress {
        let now = Instant::now();
        Progress { log, rows_total, rows: rows_before, rows_before, said_percent: 0, said_at: now, began: now }
    }

    /// So many more rows of `table` have landed.
    pub(super) fn add(&mut self, table: Table, rows: u64) {
        self.rows += rows;
        let percent = self.rows_total.map(|total| self.rows * 100 / total.max(1));
        let is_step = percent.is_some_and(|percent| percent >= self.said_percent + STEP_PERCENT);
        if !is_step && self.said_at.elapsed() < PATIENCE {
            return;
        }
        self.said_percent = percent.unwrap_or_default();
        self.said_at = Instant::now();
        let (rows, speed) = (self.rows, self.rows_a_second());
        self.log.progress(match (percent, self.rows_total) {
            (Some(percent), Some(total)) => {
                format!("{percent} %: {rows} of {total} rows landed, now {table}, {speed} rows/s")
            }
            _ => format!("{rows} rows landed, now {table}, {speed} rows/s"),
        });
    }

    /// Since this try began.
    pub(super) fn rows_a_second(&self) -> u64 {
        let millis = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        (self.rows - self.rows_before).saturating_mul(1000) / millis
    }
}
