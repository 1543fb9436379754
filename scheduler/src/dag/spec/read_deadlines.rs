//! The key `deadline`: by when runs should be done (Airflow 3: `DeadlineAlert`).

use chrono::TimeDelta;
use chrono_tz::Tz;
use serde_json::Number;

use super::collect::{Problems, Subject, wrong_type};
use super::node::{Entry, Mapping, Node, Yaml};
use super::problem::{Code, Problem};
use super::read_callbacks::CallbackReader;
use super::suggest::did_you_mean;
use super::values;
use crate::dag::callback::{Deadline, DeadlineReference};

/// The keys of a deadline.
pub(super) const KEYS: [&str; 7] = ["name", "reference", "interval", "callback", "datetime", "max_runs", "min_runs"];

/// The references.
pub(super) const REFERENCES: [&str; 4] =
    ["DAGRUN_LOGICAL_DATE", "DAGRUN_QUEUED_AT", "FIXED_DATETIME", "AVERAGE_RUNTIME"];

/// Runs that an average is made of (Airflow 3).
const MAX_RUNS: u32 = 10;

/// Reads one deadline, or a list of them.
pub(super) fn read(
    subject: Subject<'_>,
    node: &Node,
    timezone: Tz,
    callbacks: &mut CallbackReader<'_>,
    problems: &mut Problems,
) -> Vec<Deadline> {
    let mut one = |node: &Node| match &node.value {
        Yaml::Map(mapping) => DeadlineReader { mapping, node, timezone, problems }.read(callbacks),
        _ => {
            problems.push(wrong_type(subject, node, "a mapping with `reference`, `interval` and `callback`"));
            None
        }
    };
    match &node.value {
        Yaml::Null => Vec::new(),
        Yaml::List(items) => items.iter().filter_map(|item| one(item)).collect(),
        _ => one(node).into_iter().collect(),
    }
}

struct DeadlineReader<'a> {
    mapping: &'a Mapping,
    node: &'a Node,
    timezone: Tz,
    problems: &'a mut Problems,
}

impl DeadlineReader<'_> {
    fn read(mut self, callbacks: &mut CallbackReader<'_>) -> Option<Deadline> {
        for entry in self.mapping.entries.iter().filter(|entry| !KEYS.contains(&entry.key.as_str())) {
            let message = format!("a deadline has no key `{}`", entry.key);
            self.problems.unknown_key(entry, message, KEYS);
        }
        let name = self.optional("name", values::text);
        let reference = self.reference();
        let interval = self.needed("interval", signed_duration);
        let callback = self.entry("callback").and_then(|entry| {
            callbacks.one(Subject { key: "callback", within: "a deadline" }, &entry.value, self.problems)
        });
        Some(Deadline { name, reference: reference?, interval: interval?, callback: callback? })
    }

    fn reference(&mut self) -> Option<DeadlineReference> {
        let word = self.needed("reference", values::text)?;
        let reference = match word.as_str() {
            "DAGRUN_LOGICAL_DATE" => DeadlineReference::LogicalDate,
            "DAGRUN_QUEUED_AT" => DeadlineReference::QueuedAt,
            "FIXED_DATETIME" => {
                let timezone = self.timezone;
                let at = self.needed("datetime", |subject, node| values::instant(subject, node, timezone))?;
                DeadlineReference::Fixed(at)
            }
            "AVERAGE_RUNTIME" => self.average()?,
            _ => {
                let place = self.mapping.get("reference").map_or(self.node.place, |entry| entry.value.place);
                let message = format!("`reference` of a deadline cannot be `{word}`");
                let problem = Problem::new(Code::InvalidValue, message, place, "unknown reference");
                let known = format!("the references are {}", REFERENCES.map(|name| format!("`{name}`")).join(", "));
                self.problems.push(problem.help(known).maybe_help(did_you_mean(&word, REFERENCES)));
                return None;
            }
        };
        self.refuse_strangers(&reference);
        Some(reference)
    }

    fn average(&mut self) -> Option<DeadlineReference> {
        let one_up = |subject: Subject<'_>, node: &Node| values::count(subject, node, 1);
        let max_runs = self.optional("max_runs", one_up).unwrap_or(MAX_RUNS);
        let min_runs = self.optional("min_runs", one_up).unwrap_or(max_runs);
        if min_runs > max_runs {
            let place = self.mapping.get("min_runs").map_or(self.node.place, |entry| entry.value.place);
            let message = format!("`min_runs` is {min_runs}, and only {max_runs} runs are looked at");
            let problem = Problem::new(Code::InvalidValue, message, place, "more than `max_runs`");
            self.problems.push(problem.help("make `max_runs` larger"));
            return None;
        }
        Some(DeadlineReference::AverageRuntime { max_runs, min_runs })
    }

    /// Keys that only another reference has.
    fn refuse_strangers(&mut self, reference: &DeadlineReference) {
        let own: &[&str] = match reference {
            DeadlineReference::LogicalDate | DeadlineReference::QueuedAt => &[],
            DeadlineReference::Fixed(_) => &["datetime"],
            DeadlineReference::AverageRuntime { .. } => &["max_runs", "min_runs"],
        };
        for name in ["datetime", "max_runs", "min_runs"].into_iter().filter(|name| !own.contains(name)) {
            if let Some(entry) = self.mapping.get(name) {
                let message = format!("a deadline by `{}` has no `{name}`", reference.word());
                self.problems.push(Problem::new(Code::UnknownKey, message, entry.key_place, "not with this reference"));
            }
        }
    }

    fn optional<T>(&mut self, key: &str, read: impl FnOnce(Subject<'_>, &Node) -> Result<T, Problem>) -> Option<T> {
        let entry = self.mapping.get(key).filter(|entry| !matches!(entry.value.value, Yaml::Null))?;
        self.problems.keep(read(Subject { key, within: "a deadline" }, &entry.value))
    }

    fn needed<T>(&mut self, key: &str, read: impl FnOnce(Subject<'_>, &Node) -> Result<T, Problem>) -> Option<T> {
        let entry = self.entry(key)?;
        self.problems.keep(read(Subject { key, within: "a deadline" }, &entry.value))
    }

    /// The entry of a key that must be there.
    fn entry(&mut self, key: &str) -> Option<Entry> {
        let entry = self.mapping.get(key).cloned();
        if entry.is_none() {
            let message = format!("a deadline needs `{key}`");
            self.problems.push(Problem::new(Code::MissingKey, message, self.node.place, format!("`{key}` is missing")));
        }
        entry
    }
}

/// A duration, or one with a minus before it: that long before the reference.
fn signed_duration(subject: Subject<'_>, node: &Node) -> Result<TimeDelta, Problem> {
    let positive = match &node.value {
        Yaml::Text(text) => text.trim().strip_prefix('-').map(|rest| Yaml::Text(rest.trim().to_owned())),
        Yaml::Number(number) => number
            .as_f64()
            .filter(|number| *number < 0.0)
            .and_then(|number| Number::from_f64(-number))
            .map(Yaml::Number),
        _ => None,
    };
    let (duration, sign) = match positive {
        Some(value) => (values::duration(subject, &Node::new(node.place, value))?, -1),
        None => (values::duration(subject, node)?, 1),
    };
    // Durations of DAG files are bounded far below what a TimeDelta holds.
    Ok(TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX) * sign)
}
