//! How much of the input may be broken.

use scheduler::operator::TaskError;

/// Fails when more than `share_max` of `total` documents are broken: another try would read the same.
#[expect(clippy::cast_precision_loss, reason = "a share needs no 53 bits")]
pub fn check_share(broken: u64, total: u64, share_max: f64) -> Result<(), TaskError> {
    if broken == 0 || broken as f64 <= share_max * total as f64 {
        return Ok(());
    }
    let share = 100.0 * broken as f64 / total as f64;
    let cure = if broken == total { "; a document stands on one line" } else { "" };
    Err(TaskError::fail(anyhow::anyhow!(
        "{broken} of {total} documents are malformed ({share:.1} %), more than `max_broken_share` ({:.1} %) allows{cure}",
        100.0 * share_max
    )))
}
