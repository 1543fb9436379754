//! The ticks of a cron expression in a time zone.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use chrono_tz::Tz;

use super::field::{CronError, CronFields};
use super::wall_clock::resolve_local;

/// How often [`CronTicks::next`] and [`CronTicks::last_before`] look further when daylight saving folds a tick onto an earlier instant. One fold hides
/// at most the ticks of its own hours, and a tick a second is the most that an expression can ask for.
const FOLDED_TICKS_MAX: usize = 2 * 3600;

/// A cron expression in a time zone.
#[derive(Clone, Debug)]
pub struct CronTicks {
    fields: CronFields,
    timezone: Tz,
}

impl CronTicks {
    /// Reads the expression, and makes sure that some date matches it.
    pub fn new(expression: &str, timezone: Tz) -> Result<CronTicks, CronError> {
        let fields = CronFields::parse(expression)?;
        let from = NaiveDate::from_ymd_opt(2000, 1, 1).unwrap_or_default().and_time(NaiveTime::MIN);
        if fields.first_after(from).is_none() {
            return Err(CronError::new(format!("no date ever matches `{expression}`")));
        }
        Ok(CronTicks { fields, timezone })
    }

    /// The expression as written.
    pub fn expression(&self) -> &str {
        self.fields.expression()
    }

    /// The expression taken apart.
    pub fn fields(&self) -> &CronFields {
        &self.fields
    }

    /// The first tick after `instant`; none when the years of the expression are over.
    pub fn next(&self, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let local = self.local(instant);
        let mut tick = self.fields.first_after(local)?;
        if self.fields.every_hour() {
            return instant.checked_add_signed(tick - local);
        }
        for _ in 0..FOLDED_TICKS_MAX {
            let resolved = resolve_local(tick, self.timezone);
            // Shifted out of a gap, or folded, a later time on the wall can be an instant that has been had.
            if resolved > instant {
                return Some(resolved);
            }
            tick = self.fields.first_after(tick)?;
        }
        None
    }

    /// The last tick before `instant`, as the clock on the wall goes.
    ///
    /// Just after a gap or within a fold it may lie at `instant` or after it, exactly as in Airflow; callers compare.
    fn previous(&self, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let local = self.local(instant);
        let tick = self.fields.last_before(local)?;
        if self.fields.every_hour() {
            return instant.checked_sub_signed(local - tick);
        }
        Some(resolve_local(tick, self.timezone))
    }

    /// The last tick that really was before `instant`.
    pub fn last_before(&self, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let local = self.local(instant);
        let mut tick = self.fields.last_before(local)?;
        if self.fields.every_hour() {
            return instant.checked_sub_signed(local - tick);
        }
        for _ in 0..FOLDED_TICKS_MAX {
            let resolved = resolve_local(tick, self.timezone);
            if resolved < instant {
                return Some(resolved);
            }
            tick = self.fields.last_before(tick)?;
        }
        None
    }

    /// `instant` if it is a tick, else the first one after it.
    pub fn at_or_after(&self, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let next = self.next(instant)?;
        Some(if self.previous(next) == Some(instant) { instant } else { next })
    }

    /// `instant` if it is a tick, else the last one before it.
    pub fn at_or_before(&self, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let previous = self.previous(instant)?;
        Some(if self.next(previous) == Some(instant) { instant } else { previous })
    }

    /// Whether the expression names this time on the wall.
    pub fn names(&self, local: NaiveDateTime) -> bool {
        self.fields.names(local)
    }

    fn local(&self, instant: DateTime<Utc>) -> NaiveDateTime {
        instant.with_timezone(&self.timezone).naive_local()
    }
}
