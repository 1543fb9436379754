//! How far two instants lie apart, in words: pendulum's `diff_for_humans`, which Airflow's macro calls.

use chrono::{DateTime, Datelike, Months, Utc};

/// "2 days after", "in 3 weeks", "an hour ago": where `at` lies as seen from `since`; `is_now` says that this is the present.
pub(super) fn diff(at: DateTime<Utc>, since: DateTime<Utc>, is_now: bool) -> String {
    let is_later = at > since;
    let apart = apart(at.min(since), at.max(since));
    match (is_now, is_later) {
        (true, true) => format!("in {apart}"),
        (true, false) => format!("{apart} ago"),
        (false, true) => format!("{apart} after"),
        (false, false) => format!("{apart} before"),
    }
}

/// One unit and how many of it, rounded as pendulum rounds.
fn apart(from: DateTime<Utc>, to: DateTime<Utc>) -> String {
    let months = months_between(from, to);
    let rest = from.checked_add_months(Months::new(months)).map_or(to - from, |moved| to - moved);
    let (years, months) = (months / 12, months % 12);
    let (days, hours, minutes, seconds) =
        (rest.num_days(), rest.num_hours() % 24, rest.num_minutes() % 60, rest.num_seconds() % 60);
    let (weeks, days_of_week) = (days / 7, days % 7);
    let (count, unit) = if years > 0 {
        (i64::from(years) + i64::from(months > 6), "year")
    } else if months == 11 && days > 15 {
        (1, "year")
    } else if months > 0 {
        (i64::from(months) + i64::from(days >= 27), "month")
    } else if weeks > 0 {
        (weeks + i64::from(days_of_week > 3), "week")
    } else if days > 0 {
        (days + i64::from(hours >= 22), "day")
    } else if hours > 0 {
        (hours, "hour")
    } else if minutes > 0 {
        (minutes, "minute")
    } else if seconds > 10 {
        (seconds, "second")
    } else {
        return "a few seconds".to_owned();
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// Whole months of the calendar.
fn months_between(from: DateTime<Utc>, to: DateTime<Utc>) -> u32 {
    let count = (to.year() - from.year()) * 12 + to.month0().cast_signed() - from.month0().cast_signed();
    let count = u32::try_from(count).unwrap_or(0);
    let is_over = from.checked_add_months(Months::new(count)).is_none_or(|moved| moved > to);
    if is_over { count.saturating_sub(1) } else { count }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_unit_counts_and_is_rounded_as_pendulum_does() {
        let at = |text: &str| -> DateTime<Utc> { text.parse().unwrap() };
        let since = at("2018-01-01T00:00:00Z");
        for (text, expected) in [
            ("2018-01-01T00:00:03Z", "a few seconds after"),
            ("2018-01-01T00:00:40Z", "40 seconds after"),
            ("2018-01-01T00:01:40Z", "1 minute after"),
            ("2017-12-31T22:00:00Z", "2 hours before"),
            ("2018-01-02T22:00:00Z", "2 days after"),
            ("2018-01-11T00:00:00Z", "1 week after"),
            ("2018-01-12T00:00:00Z", "2 weeks after"),
            ("2018-01-30T00:00:00Z", "4 weeks after"),
            ("2018-02-01T00:00:00Z", "1 month after"),
            ("2018-12-20T00:00:00Z", "1 year after"),
            ("2016-05-01T00:00:00Z", "2 years before"),
        ] {
            assert_eq!(diff(at(text), since, false), expected, "{text}");
        }
        assert_eq!(diff(at("2018-01-03T00:00:00Z"), since, true), "in 2 days");
        assert_eq!(diff(at("2017-12-30T00:00:00Z"), since, true), "2 days ago");
    }
}
