//! A cron expression in words, for those that have short ones.

use std::collections::BTreeSet;

use super::field::{CronFields, Field};

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

/// More times than this in a day read worse than the expression.
const TIMES_MAX: usize = 4;

/// The words, or none where words would be long or could mislead.
pub(super) fn in_words(fields: &CronFields) -> Option<String> {
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
