//! Schedules in words, and in one word.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

use super::Clockwork;
use super::cron::CronTicks;
use super::field::{CronFields, Field};
use super::interval::IntervalRuns;
use super::trigger::CronRuns;
use crate::dag::asset::AssetExpression;
use crate::dag::period::Period;
use crate::dag::schedule::Events;

const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// How the summary of a schedule by partitions begins (Airflow 3: `Partitioned Asset`).
pub const PARTITIONED: &str = "Partitioned ";
/// How such a schedule ends in words.
pub const OF_PARTITIONS: &str = ", for a partition each";

/// More times than this in a day read worse than the expression.
const TIMES_MAX: usize = 4;

/// A schedule by the clock in words.
pub(super) fn clockwork(time: &Clockwork) -> String {
    let covering = |words: String, interval: Option<&Period>| match interval {
        Some(interval) => format!("{words}, covering {} before it", length(interval)),
        None => words,
    };
    match time {
        Clockwork::Once => "Once, as soon as possible".to_owned(),
        Clockwork::Continuous => "As frequently as possible, but only one run at a time".to_owned(),
        Clockwork::Cron(cron) => covering(all_ticks(cron), cron.interval.as_ref()),
        Clockwork::Delta(delta) => covering(every(&delta.every), delta.interval.as_ref()),
        Clockwork::Interval(IntervalRuns::Cron(cron)) => {
            format!("{}, covering the time since the tick before", ticks(cron))
        }
        Clockwork::Interval(IntervalRuns::Delta(period)) => covering(every(period), Some(period)),
        Clockwork::Partition(partition) => format!("{}{OF_PARTITIONS}", all_ticks(&partition.cron)),
        Clockwork::Events(events) => events_in_words(events),
    }
}

/// A schedule by the clock in one word or expression (Airflow 3: `summary`).
pub(super) fn summary(time: &Clockwork) -> String {
    match time {
        Clockwork::Once => "@once".to_owned(),
        Clockwork::Continuous => "@continuous".to_owned(),
        Clockwork::Cron(cron) => expressions(cron),
        Clockwork::Partition(partition) => format!("{PARTITIONED}{}", expressions(&partition.cron)),
        Clockwork::Interval(IntervalRuns::Cron(cron)) => cron.expression().to_owned(),
        Clockwork::Delta(delta) => as_python_writes(&delta.every),
        Clockwork::Interval(IntervalRuns::Delta(period)) => as_python_writes(period),
        Clockwork::Events(events) => events.description.clone().unwrap_or_else(|| count(events)),
    }
}

fn all_ticks(cron: &CronRuns) -> String {
    cron.ticks.iter().map(ticks).collect::<Vec<_>>().join("; ")
}

fn expressions(cron: &CronRuns) -> String {
    cron.ticks.iter().map(CronTicks::expression).collect::<Vec<_>>().join(", ")
}

/// What a DAG waits for in words.
pub(super) fn assets(assets: &AssetExpression) -> String {
    let verb = if assets.assets().len() + assets.aliases().len() == 1 { "is" } else { "are" };
    format!("When {} {verb} updated", assets.in_words())
}

fn ticks(cron: &CronTicks) -> String {
    in_words(cron.fields()).unwrap_or_else(|| cron.expression().to_owned())
}

fn count(events: &Events) -> String {
    match events.dates.len() {
        1 => "1 event".to_owned(),
        count => format!("{count} events"),
    }
}

fn events_in_words(events: &Events) -> String {
    let shown = |date: &DateTime<Utc>| date.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    match (&events.description, events.dates.as_slice()) {
        (Some(description), _) => description.clone(),
        (None, []) => count(events),
        (None, [only]) => format!("{} at {}", count(events), shown(only)),
        (None, [first, .., last]) => format!("{} between {} and {}", count(events), shown(first), shown(last)),
    }
}

/// `Every 6 hours`, `Every day`.
fn every(period: &Period) -> String {
    let length = length(period);
    match length.strip_prefix("1 ") {
        Some(unit) if !unit.contains(' ') => format!("Every {unit}"),
        _ => format!("Every {length}"),
    }
}

/// `6 hours`, `1 month and 2 days`.
fn length(period: &Period) -> String {
    let (months, rest) = period.parts();
    let seconds = rest.as_secs();
    let units = [
        (u64::from(months / 12), "year"),
        (u64::from(months % 12), "month"),
        (seconds / 86_400, "day"),
        (seconds / 3_600 % 24, "hour"),
        (seconds / 60 % 60, "minute"),
    ];
    let mut words: Vec<String> = units
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count} {unit}{}", if count == 1 { "" } else { "s" }))
        .collect();
    let rest = Duration::from_secs(seconds % 60) + Duration::from_nanos(u64::from(rest.subsec_nanos()));
    if !rest.is_zero() {
        words.push(format!("{} second{}", rest.as_secs_f64(), if rest == Duration::from_secs(1) { "" } else { "s" }));
    }
    and(&words)
}

/// A timedelta as Python shows it: `6:00:00`, `1 day, 0:00:00`. Months are none, and are shown as ISO 8601 has them.
fn as_python_writes(period: &Period) -> String {
    let (0, rest) = period.parts() else { return period.to_string() };
    let seconds = rest.as_secs();
    let days = match seconds / 86_400 {
        0 => String::new(),
        1 => "1 day, ".to_owned(),
        days => format!("{days} days, "),
    };
    let micros = match rest.subsec_micros() {
        0 => String::new(),
        micros => format!(".{micros:06}"),
    };
    format!("{days}{}:{:02}:{:02}{micros}", seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60)
}

/// A cron expression in words, or none where words would be long or could mislead.
fn in_words(fields: &CronFields) -> Option<String> {
    let only_on_the_minute = fields.second.numbers.len() == 1 && fields.second.numbers.contains(&0);
    if !only_on_the_minute || !fields.year.every {
        return None;
    }
    let (time, is_clock_time) = time_of_day(&fields.minute, &fields.hour)?;
    let days = days(fields)?;
    Some(match (is_clock_time, days) {
        (true, None) => format!("Every day at {time}"),
        (true, Some(days)) => format!("At {time}, {days}"),
        (false, None) => time,
        (false, Some(days)) => format!("{time}, {days}"),
    })
}

/// The time within a day, and whether it is a list of clock times rather than a rhythm.
fn time_of_day(minute: &Field, hour: &Field) -> Option<(String, bool)> {
    if hour.every {
        return Some((rhythm_within_hours(minute)?, false));
    }
    if let Some(step) = hour.step {
        let only = single(minute)?;
        // Steps that do not divide the day begin anew at midnight; words would promise an even rhythm.
        if 24 % step != 0 {
            return None;
        }
        return Some((format!("Every {step} hours, at {} past the hour", minutes(only)), false));
    }
    let times: Vec<String> = hour
        .numbers
        .iter()
        .flat_map(|hour| minute.numbers.iter().map(move |minute| format!("{hour:02}:{minute:02}")))
        .collect();
    let few = !minute.every && (1..=TIMES_MAX).contains(&times.len());
    few.then(|| (and(&times), true))
}

fn rhythm_within_hours(minute: &Field) -> Option<String> {
    if minute.every {
        return Some("Every minute".to_owned());
    }
    if let Some(step) = minute.step {
        return (60 % step == 0).then(|| format!("Every {step} minutes"));
    }
    Some(match single(minute)? {
        0 => "Every hour".to_owned(),
        past => format!("Every hour, at {} past the hour", minutes(past)),
    })
}

/// On which days; an inner `None` is every day.
fn days(fields: &CronFields) -> Option<Option<String>> {
    let day = day_of_month(&fields.day)?;
    let weekday = weekdays(&fields.weekday)?;
    let month = match &fields.month {
        month if month.every => None,
        month => Some(format!("in {}", and(&names(&month.numbers, &MONTHS, 1)))),
    };
    let which = match (day, weekday) {
        (None, None) => None,
        (Some(day), None) => Some(day),
        (None, Some(weekday)) if fields.weekday.numbers.len() == 1 => Some(format!("only on {weekday}")),
        (None, Some(weekday)) if !fields.weekday.nth.is_empty() => Some(format!("on {weekday}")),
        (None, Some(weekday)) => Some(weekday),
        // Either is enough (cron's old rule), which "and" says of a list of days.
        (Some(day), Some(weekday)) => Some(format!("{day} of the month and on {weekday}")),
    };
    Some(match (which, month) {
        (None, None) => None,
        (Some(which), None) if fields.weekday.every => Some(format!("{which} of every month")),
        (Some(which), None) => Some(which),
        (None, Some(month)) => Some(format!("every day {month}")),
        (Some(which), Some(month)) => Some(format!("{which} {month}")),
    })
}

fn day_of_month(day: &Field) -> Option<Option<String>> {
    if day.every {
        return Some(None);
    }
    if day.last_day {
        return day.numbers.is_empty().then(|| Some("on the last day".to_owned()));
    }
    let days: Vec<String> = day.numbers.iter().map(u32::to_string).collect();
    match days.len() {
        0 => None,
        1 => Some(Some(format!("on day {}", days[0]))),
        2..=TIMES_MAX => Some(Some(format!("on days {}", and(&days)))),
        _ => None,
    }
}

fn weekdays(weekday: &Field) -> Option<Option<String>> {
    if weekday.every {
        return Some(None);
    }
    if !weekday.nth.is_empty() {
        let mut nth = weekday.nth.iter();
        let (Some((day, which)), None, true) = (nth.next(), nth.next(), weekday.numbers.is_empty()) else {
            return None;
        };
        let which = match which {
            None => "last",
            Some(1) => "first",
            Some(2) => "second",
            Some(3) => "third",
            Some(4) => "fourth",
            Some(_) => "fifth",
        };
        return Some(Some(format!("the {which} {}", WEEKDAYS[*day as usize % 7])));
    }
    let numbers = &weekday.numbers;
    let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else { return None };
    if numbers.len() > 2 && (last - first) as usize + 1 == numbers.len() {
        return Some(Some(format!("{} through {}", WEEKDAYS[*first as usize], WEEKDAYS[*last as usize])));
    }
    Some(Some(and(&names(numbers, &WEEKDAYS, 0))))
}

fn names(numbers: &BTreeSet<u32>, names: &[&str], offset: u32) -> Vec<String> {
    numbers.iter().filter_map(|number| names.get((number - offset) as usize)).map(|name| (*name).to_owned()).collect()
}

fn single(field: &Field) -> Option<u32> {
    let mut numbers = field.numbers.iter();
    match (numbers.next(), numbers.next()) {
        (Some(only), None) if !field.every => Some(*only),
        _ => None,
    }
}

fn minutes(count: u32) -> String {
    if count == 1 { "1 minute".to_owned() } else { format!("{count} minutes") }
}

fn and(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}
