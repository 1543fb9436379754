//! How far apart runs are: a length of time, calendar months, or both.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Months, TimeDelta, Utc};

use super::duration::{self, Amount};

/// Runs that follow each other faster would be made later than they are due.
const SHORTEST: Duration = Duration::from_secs(1);

/// A hundred years, as for durations.
const MONTHS_MAX: f64 = 1_200.0;

/// A stretch of time that can be laid end to end, of at least a second.
///
/// Months are those of the UTC calendar: a month after January 31 is the last day of February. Everything else is
/// absolute, whatever clocks on walls do (Airflow 3: timedelta and relativedelta as a schedule).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    months: u32,
    rest: Duration,
}

impl Period {
    /// A period of so many months and so much time. The error is to be read after what was written.
    pub fn new(months: f64, seconds: f64) -> Result<Period, String> {
        if months.fract() != 0.0 {
            return Err("has a part of a month, which has no length".to_owned());
        }
        if months < 0.0 {
            return Err("is negative".to_owned());
        }
        if months > MONTHS_MAX {
            return Err("is longer than a hundred years".to_owned());
        }
        let rest = duration::from_seconds(seconds)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, and within its bounds")]
        let months = months as u32;
        // Instants are kept to the microsecond.
        let rest = Duration::from_micros(u64::try_from(rest.as_micros()).unwrap_or(u64::MAX));
        if months == 0 && rest < SHORTEST {
            return Err("is shorter than a second".to_owned());
        }
        Ok(Period { months, rest })
    }

    /// Reads what is written like a duration with a unit: `6h`, `PT6H`, `1 month`, `P1M`.
    pub fn parse(text: &str) -> Result<Period, String> {
        if text.trim().parse::<f64>().is_ok() {
            return Err("has no unit".to_owned());
        }
        let Amount { months, seconds } = duration::parse_amount(text)?;
        Period::new(months, seconds)
    }

    /// Whole months, and the time besides.
    pub fn parts(&self) -> (u32, Duration) {
        (self.months, self.rest)
    }

    /// The instant a period after `instant`.
    pub fn after(&self, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.times(instant, 1)
    }

    /// The instant a period before `instant`.
    pub fn before(&self, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let date = instant.checked_sub_months(Months::new(self.months))?;
        date.checked_sub_signed(TimeDelta::from_std(self.rest).ok()?)
    }

    /// The instant so many periods after `anchor`.
    pub fn times(&self, anchor: DateTime<Utc>, count: u32) -> Option<DateTime<Utc>> {
        let date = anchor.checked_add_months(Months::new(self.months.checked_mul(count)?))?;
        date.checked_add_signed(TimeDelta::from_std(self.rest.checked_mul(count)?).ok()?)
    }

    /// The fewest periods that lead from `anchor` to `limit` or beyond it.
    pub fn count_until(&self, anchor: DateTime<Utc>, limit: DateTime<Utc>) -> u32 {
        let (mut short, mut far) = (0, u32::MAX);
        while short < far {
            let middle = short + (far - short) / 2;
            // What the calendar does not hold is beyond any limit.
            if self.times(anchor, middle).is_none_or(|instant| instant >= limit) {
                far = middle;
            } else {
                short = middle + 1;
            }
        }
        short
    }
}

/// As ISO 8601 writes it, in months and seconds.
impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "P")?;
        if self.months > 0 {
            write!(f, "{}M", self.months)?;
        }
        if !self.rest.is_zero() {
            write!(f, "T{}S", self.rest.as_secs_f64())?;
        }
        Ok(())
    }
}
