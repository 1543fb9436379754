//! How long a failed task waits before its next try (Airflow 3: retries).

use std::time::Duration;

use chrono::{DateTime, Utc};
use sha1::{Digest, Sha1};

use crate::dag::Task;

/// No wait is longer, whatever is asked for (Airflow 3: `max_task_retry_delay`).
const RETRY_DELAY_MAX: Duration = Duration::from_hours(24);

/// When the try after `try_number`, which ended at `ended`, is due.
///
/// `jitter_key` spreads the waits of exponential back-off: the same key gives the same wait, so a restart does not
/// change what was promised.
pub fn next_try_at(task: &Task, try_number: u32, ended: DateTime<Utc>, jitter_key: &str) -> DateTime<Utc> {
    ended + delay(task, try_number, jitter_key)
}

fn delay(task: &Task, try_number: u32, jitter_key: &str) -> Duration {
    let mut delay = task.retry_delay;
    if task.retry_exponential_backoff > 0.0 {
        delay = with_backoff(task, try_number, jitter_key);
    }
    delay.min(RETRY_DELAY_MAX).min(task.max_retry_delay.unwrap_or(RETRY_DELAY_MAX))
}

/// Between the grown delay and twice that, by a hash of the key (Airflow 3: `next_retry_datetime`).
fn with_backoff(task: &Task, try_number: u32, jitter_key: &str) -> Duration {
    let growth = task.retry_exponential_backoff.powi(i32::try_from(try_number).unwrap_or(i32::MAX) - 1);
    let grown = (task.retry_delay.as_secs_f64() * growth).ceil().clamp(1.0, RETRY_DELAY_MAX.as_secs_f64());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 1 s .. 1 day above")]
    let grown_secs = grown as u64;
    Duration::from_secs(grown_secs + sha1_modulo(jitter_key, grown_secs))
}

/// The SHA-1 of `text`, read as one large number, modulo `divisor`.
fn sha1_modulo(text: &str, divisor: u64) -> u64 {
    Sha1::digest(text.as_bytes()).iter().fold(0, |rest, byte| ((rest << 8) | u64::from(*byte)) % divisor)
}

/// A date as Python's `str(datetime)` prints it, which is what Airflow hashes.
pub(super) fn python_date(date: Option<DateTime<Utc>>) -> String {
    match date {
        None => "None".to_owned(),
        Some(date) if date.timestamp_subsec_micros() == 0 => date.format("%Y-%m-%d %H:%M:%S+00:00").to_string(),
        Some(date) => date.format("%Y-%m-%d %H:%M:%S%.6f+00:00").to_string(),
    }
}
