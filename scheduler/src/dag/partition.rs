//! Which part of its data a run is about, and an update of an asset (Airflow 3: partitions).

use std::ops::RangeInclusive;

use chrono::{DateTime, Datelike as _, NaiveDateTime, Timelike as _, Utc};
use chrono_tz::Tz;

use super::timetable::resolve_local;

/// The years of dates that keys stand for: Python's but the first and the last, so that a time zone leads nowhere else.
const YEARS: RangeInclusive<i32> = 2..=9998;

/// The most characters of a key (Airflow 3).
pub const KEY_CHARS_MAX: usize = 250;

/// Why a text cannot be the key of a partition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// There is nothing to read.
    #[error("the key of a partition must not be blank")]
    Blank,
    /// It does not fit.
    #[error("the key of a partition has at most {} characters", KEY_CHARS_MAX)]
    Length,
    /// The schedule writes keys otherwise.
    #[error("the key `{key}` is not of the form `{format}`, in which the schedule of the DAG writes keys")]
    Format {
        /// What was given.
        key: String,
        /// How keys are written.
        format: String,
    },
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

/// The part of its data that a run is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// What it is called.
    pub key: String,
    /// The instant that it stands for, if it stands for one.
    pub date: Option<DateTime<Utc>>,
}

/// How the keys of partitions are written: a text with some of `strftime`'s directives, those that Python and we write
/// alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFormat(String);

/// Why keys cannot be written so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeyFormat {
    /// It has a directive that is not known.
    #[error("`{0}` is not a part of a date that a key can have")]
    Directive(String),
    /// All keys would be the same.
    #[error("keys written so are all the same")]
    Constant,
    /// What it writes is no key.
    #[error(transparent)]
    Key(#[from] InvalidKey),
}

/// The letters after `%` that keys can have.
pub const DIRECTIVES: &str = "YmdHMSyjbBaAGVu";

impl KeyFormat {
    /// Airflow's, when none is given.
    pub const DEFAULT: &'static str = "%Y-%m-%dT%H:%M:%S";

    /// Checks a format.
    pub fn new(format: &str) -> Result<KeyFormat, InvalidKeyFormat> {
        let mut rest = format.chars();
        let mut has_parts = false;
        while let Some(character) = rest.next() {
            if character != '%' {
                continue;
            }
            match rest.next() {
                Some('%') => {}
                Some(letter) if DIRECTIVES.contains(letter) => has_parts = true,
                other => return Err(InvalidKeyFormat::Directive(other.map_or("%".to_owned(), |it| format!("%{it}")))),
            }
        }
        if !has_parts {
            return Err(InvalidKeyFormat::Constant);
        }
        let format = KeyFormat(format.to_owned());
        check_key(&format.key(DateTime::<Utc>::UNIX_EPOCH, Tz::UTC))?;
        Ok(format)
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key of the partition of `date`, as clocks in `timezone` show it.
    pub fn key(&self, date: DateTime<Utc>, timezone: Tz) -> String {
        date.with_timezone(&timezone).format(&self.0).to_string()
    }

    /// The instant that a key stands for: what it does not say is the first month, day, hour, minute or second, of 1900
    /// (Python's `strptime`). A key that we would write otherwise meets no other, and is refused.
    pub fn date(&self, key: &str, timezone: Tz) -> Result<DateTime<Utc>, InvalidKey> {
        let directives = self.0.replace("%%", "");
        let says = |letters: &str| letters.chars().any(|letter| directives.contains(&format!("%{letter}")));
        let (mut key_and_rest, mut format) = (key.to_owned(), self.0.clone());
        for (said_by, directive, first) in [
            ("YyG", "%Y", "1900"),
            ("mbBjGV", "%m", "01"),
            ("djGV", "%d", "01"),
            ("H", "%H", "00"),
            ("M", "%M", "00"),
            ("S", "%S", "00"),
        ] {
            if !says(said_by) {
                key_and_rest = format!("{key_and_rest}|{first}");
                format = format!("{format}|{directive}");
            }
        }
        NaiveDateTime::parse_from_str(&key_and_rest, &format)
            .ok()
            // A second of 60 is none of a day's.
            .filter(|local| YEARS.contains(&local.year()) && local.nanosecond() == 0)
            .filter(|local| local.format(&self.0).to_string() == key)
            .map(|local| resolve_local(local, timezone))
            .ok_or_else(|| InvalidKey::Format { key: key.to_owned(), format: self.0.clone() })
    }
}
