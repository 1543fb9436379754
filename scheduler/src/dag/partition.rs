//! Which part of its data a run is about, and an update of an asset (Airflow 3: partitions).

/// The most characters of a key (Airflow 3).
pub const KEY_CHARS_MAX: usize = 250;

/// Why a text cannot be the key of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// There is nothing to read.
    #[error("the key of a partition must not be blank")]
    Blank,
    /// It does not fit.
    #[error("the key of a partition has at most {KEY_CHARS_MAX} characters")]
    Length,
}

/// Checks the key that somebody gives to a run or an update.
pub fn check_key(key: &str) -> Result<(), InvalidKey> {
    if key.trim().is_empty() {
        return Err(InvalidKey::Blank);
    }
    if key.chars().count() > KEY_CHARS_MAX {
        return Err(InvalidKey::Length);
    }
    Ok(())
}
