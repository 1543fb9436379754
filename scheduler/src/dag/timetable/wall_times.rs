//! The times on the wall that a cron expression names: whether one is among them, and which comes next or came before.
//!
//! Time zones and daylight saving are none of its business: see [`super::cron`].

use chrono::{Datelike, Months, NaiveDate, NaiveDateTime, NaiveTime, SubsecRound, TimeDelta, Timelike};

use super::field::{CronFields, Field, YEARS};

/// Leap days and the fifth weekday of a month come round within any so many years.
const ROUND_YEARS: i32 = 40;

impl CronFields {
    /// Whether the expression names this time. A fraction of a second is left aside.
    pub(super) fn names(&self, time: NaiveDateTime) -> bool {
        self.names_date(time.date())
            && self.hour.has(time.hour())
            && self.minute.has(time.minute())
            && self.second.has(time.second())
    }

    /// The first time after `time`; none when the years of the expression are over, or no date ever matches.
    pub(super) fn first_after(&self, time: NaiveDateTime) -> Option<NaiveDateTime> {
        let from = time.trunc_subsecs(0).checked_add_signed(TimeDelta::seconds(1))?;
        let (today, since) = (from.date(), from.time());
        if let Some(time) = self.names_date(today).then(|| self.first_since(since)).flatten() {
            return Some(today.and_time(time));
        }
        let date = self.first_date(today.succ_opt()?)?;
        Some(date.and_time(self.first_since(NaiveTime::MIN)?))
    }

    /// The last time before `time`; none when there was none.
    pub(super) fn last_before(&self, time: NaiveDateTime) -> Option<NaiveDateTime> {
        let until = time.checked_sub_signed(TimeDelta::nanoseconds(1))?.trunc_subsecs(0);
        let (today, by) = (until.date(), until.time());
        if let Some(time) = self.names_date(today).then(|| self.last_by(by)).flatten() {
            return Some(today.and_time(time));
        }
        let date = self.last_date(today.pred_opt()?)?;
        Some(date.and_time(self.last_by(NaiveTime::from_hms_opt(23, 59, 59)?)?))
    }

    /// The first time of a day that is not before `from`.
    fn first_since(&self, from: NaiveTime) -> Option<NaiveTime> {
        let (hour, minute, second) = (from.hour(), from.minute(), from.second());
        let this_hour = self.hour.has(hour).then_some(hour);
        let this_minute = self.minute.has(minute).then_some(minute);
        let (first_minute, first_second) = (self.minute.first(0, 59), self.second.first(0, 59));
        time(this_hour, this_minute, self.second.first(second, 59))
            .or_else(|| time(this_hour, self.minute.first(minute + 1, 59), first_second))
            .or_else(|| time(self.hour.first(hour + 1, 23), first_minute, first_second))
    }

    /// The last time of a day that is not after `to`.
    fn last_by(&self, to: NaiveTime) -> Option<NaiveTime> {
        let (hour, minute, second) = (to.hour(), to.minute(), to.second());
        let this_hour = self.hour.has(hour).then_some(hour);
        let this_minute = self.minute.has(minute).then_some(minute);
        let (last_minute, last_second) = (self.minute.last(0, 59), self.second.last(0, 59));
        let before = |field: &Field, number: u32| field.last(0, number.checked_sub(1)?);
        time(this_hour, this_minute, self.second.last(0, second))
            .or_else(|| time(this_hour, before(&self.minute, minute), last_second))
            .or_else(|| time(before(&self.hour, hour), last_minute, last_second))
    }

    /// The first date that is not before `from`.
    fn first_date(&self, from: NaiveDate) -> Option<NaiveDate> {
        let last_year = (from.year() + ROUND_YEARS).max(YEARS.end().cast_signed());
        let mut date = from;
        while date.year() <= last_year {
            if !self.names_month(date) {
                date = date.with_day(1)?.checked_add_months(Months::new(1))?;
            } else if self.names_day(date) {
                return Some(date);
            } else {
                date = date.succ_opt()?;
            }
        }
        None
    }

    /// The last date that is not after `to`.
    fn last_date(&self, to: NaiveDate) -> Option<NaiveDate> {
        let first_year = (to.year() - ROUND_YEARS).min(YEARS.start().cast_signed());
        let mut date = to;
        while date.year() >= first_year {
            if !self.names_month(date) {
                date = date.with_day(1)?.pred_opt()?;
            } else if self.names_day(date) {
                return Some(date);
            } else {
                date = date.pred_opt()?;
            }
        }
        None
    }

    fn names_date(&self, date: NaiveDate) -> bool {
        self.names_month(date) && self.names_day(date)
    }

    fn names_month(&self, date: NaiveDate) -> bool {
        self.month.has(date.month()) && date.year().try_into().is_ok_and(|year| self.year.has(year))
    }

    /// Where day of the month and day of the week both are restricted, either of them will do (cron, croniter).
    fn names_day(&self, date: NaiveDate) -> bool {
        let weekday = date.weekday().num_days_from_sunday();
        let by_day = self.day.has(date.day()) || self.day.last_day && is_last_of_its_month(date);
        let by_weekday = self.weekday.has(weekday)
            || self.weekday.nth.iter().any(|(of, which)| *of == weekday && is_which_of_its_month(date, *which));
        if self.day.every || self.weekday.every { by_day && by_weekday } else { by_day || by_weekday }
    }
}

impl Field {
    fn has(&self, number: u32) -> bool {
        self.every || self.numbers.contains(&number)
    }

    /// The first number from `from` to `to`.
    fn first(&self, from: u32, to: u32) -> Option<u32> {
        match self.every {
            _ if from > to => None,
            true => Some(from),
            false => self.numbers.range(from..=to).next().copied(),
        }
    }

    /// The last number from `from` to `to`.
    fn last(&self, from: u32, to: u32) -> Option<u32> {
        if self.every { Some(to) } else { self.numbers.range(from..=to).next_back().copied() }
    }
}

fn time(hour: Option<u32>, minute: Option<u32>, second: Option<u32>) -> Option<NaiveTime> {
    NaiveTime::from_hms_opt(hour?, minute?, second?)
}

fn is_last_of_its_month(date: NaiveDate) -> bool {
    date.succ_opt().is_none_or(|next| next.month() != date.month())
}

/// Whether it is the first, second, … of its weekday in its month, or the last one where `which` is none.
fn is_which_of_its_month(date: NaiveDate, which: Option<u32>) -> bool {
    match which {
        Some(which) => date.day().div_ceil(7) == which,
        None => date.checked_add_signed(TimeDelta::days(7)).is_none_or(|later| later.month() != date.month()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::{select, subsequence};

    use super::*;

    const DAY_SECONDS: i64 = 24 * 3600;

    /// A list of some numbers of a field, or all of them.
    fn field(min: u32, max: u32) -> impl Strategy<Value = String> {
        let some = subsequence((min..=max).collect::<Vec<_>>(), 1..4);
        let list = some.prop_map(|some| some.iter().map(u32::to_string).collect::<Vec<_>>().join(","));
        prop_oneof![2 => Just("*".to_owned()), 3 => list, 1 => (2..=max / 2).prop_map(|step| format!("*/{step}"))]
    }

    fn expression() -> impl Strategy<Value = String> {
        let day = prop_oneof![4 => field(1, 31), 1 => select(vec!["l", "15,l"]).prop_map(str::to_owned)];
        let weekday =
            prop_oneof![4 => field(0, 6), 1 => select(vec!["l5", "5#2", "1#1,3#5", "2,l0"]).prop_map(str::to_owned)];
        let year = prop_oneof![5 => Just("*"), 1 => Just("2024"), 1 => Just("2024-2027")];
        (field(0, 59), field(0, 23), day, field(1, 12), weekday, field(0, 59), year)
            .prop_map(|(m, h, d, mo, w, s, y)| format!("{m} {h} {d} {mo} {w} {s} {y}"))
    }

    fn instant() -> impl Strategy<Value = NaiveDateTime> {
        // From the end of 2023 into 2028, so that a leap year and both ends of `2024-2027` are among them.
        let since = NaiveDate::from_ymd_opt(2023, 12, 1).unwrap().and_time(NaiveTime::MIN);
        (0..1600 * DAY_SECONDS, select(vec![0, 1, 500_000_000]))
            .prop_map(move |(seconds, nanos)| since + TimeDelta::seconds(seconds) + TimeDelta::nanoseconds(nanos))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Against looking at every second of a day, there and back.
        #[test]
        fn what_comes_next_and_what_came_before_is_found_as_by_looking_at_every_second(
            expression in expression(),
            from in instant(),
        ) {
            let fields = CronFields::parse(&expression).unwrap();
            let whole = from.trunc_subsecs(0);

            let next = (1..=DAY_SECONDS).map(|step| whole + TimeDelta::seconds(step)).find(|time| fields.names(*time));
            let found = fields.first_after(from);
            match next {
                Some(next) => prop_assert_eq!(found, Some(next)),
                None => prop_assert!(found.is_none_or(|found| found > whole + TimeDelta::seconds(DAY_SECONDS) && fields.names(found))),
            }

            let last = (0..=DAY_SECONDS).map(|step| whole - TimeDelta::seconds(step)).find(|time| *time < from && fields.names(*time));
            let found = fields.last_before(from);
            match last {
                Some(last) => prop_assert_eq!(found, Some(last)),
                None => prop_assert!(found.is_none_or(|found| found < whole - TimeDelta::seconds(DAY_SECONDS) && fields.names(found))),
            }
        }
    }
}
