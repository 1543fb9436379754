//! What became of the expectations: counts, a few rows that failed, and whether the task may go on.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use scheduler::log::TaskLog;
use scheduler::operator::TaskError;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Action, RowCount};

/// Failed rows of an expectation that are shown; the rest is counted.
pub const EXAMPLES_MAX: usize = 3;
/// Letters of a row that is shown.
const EXAMPLE_LETTERS_MAX: usize = 300;

/// How many rows did not meet an expectation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Its name, or what it says.
    pub name: String,
    /// What was to be done about it.
    pub action: &'static str,
    /// Rows that did not meet it; of a number of rows, how many there were too few or too many.
    pub failed_rows: u64,
}

/// What an expectation has seen.
#[derive(Debug)]
struct Tally {
    name: String,
    action: Action,
    failed: u64,
    examples: Vec<Map<String, Value>>,
    /// Of `row_count`.
    count: Option<RowCount>,
}

/// What all expectations of a table have seen so far.
#[derive(Debug, Default)]
pub struct Verdict {
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    tallies: Vec<Tally>,
    rows: u64,
    dropped: u64,
    is_final: bool,
}

impl Verdict {
    /// Adds an expectation; its index.
    pub(super) fn add(&self, label: String, action: Action, count: Option<RowCount>) -> usize {
        let mut seen = self.lock();
        let taken = seen.tallies.iter().filter(|tally| tally.name.split(" #").next() == Some(&label)).count();
        let name = if taken == 0 { label } else { format!("{label} #{}", taken + 1) };
        seen.tallies.push(Tally { name, action, failed: 0, examples: Vec::new(), count });
        seen.tallies.len() - 1
    }

    /// How many examples an expectation can still use.
    pub(super) fn examples_wanted(&self, index: usize) -> usize {
        EXAMPLES_MAX.saturating_sub(self.lock().tallies[index].examples.len())
    }

    /// Rows failed an expectation.
    pub(super) fn failed(&self, index: usize, rows: u64, examples: Vec<Map<String, Value>>) {
        let mut seen = self.lock();
        let tally = &mut seen.tallies[index];
        tally.failed += rows;
        tally.examples.extend(examples);
        tally.examples.truncate(EXAMPLES_MAX);
    }

    /// Rows came, of which some were dropped.
    pub(super) fn passed(&self, rows: u64, dropped: u64) {
        let mut seen = self.lock();
        seen.rows += rows;
        seen.dropped += dropped;
    }

    /// All rows have come: counts what depends on their number.
    pub(super) fn conclude(&self) -> Result<(), String> {
        let mut seen = self.lock();
        let kept = seen.rows - seen.dropped;
        for tally in &mut seen.tallies {
            if let Some(count) = &tally.count {
                let missing = count.min.map_or(0, |min| min.saturating_sub(kept));
                let beyond = count.max.map_or(0, |max| kept.saturating_sub(max));
                tally.failed = missing.max(beyond);
            }
        }
        seen.is_final = true;
        seen.complaint().map_or(Ok(()), Err)
    }

    /// Whether all rows have come and an expectation with `action: fail` does not hold: what to tell.
    pub fn complaint(&self) -> Option<String> {
        self.lock().complaint()
    }

    /// The error of whoever consumed the rows: what was expected of them, if that is why, else `error` itself.
    pub fn explain(&self, error: TaskError) -> TaskError {
        match self.complaint() {
            Some(complaint) => TaskError::fail(anyhow::anyhow!(complaint)),
            None => error,
        }
    }

    /// Rows that were left out.
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// What became of each expectation, in their order.
    pub fn outcomes(&self) -> Vec<Outcome> {
        let seen = self.lock();
        let outcomes = seen.tallies.iter().map(|tally| Outcome {
            name: tally.name.clone(),
            action: tally.action.name(),
            failed_rows: tally.failed,
        });
        outcomes.collect()
    }

    /// Says what does not hold and did not fail the task.
    pub fn tell(&self, log: &TaskLog) {
        let seen = self.lock();
        for tally in seen.tallies.iter().filter(|tally| tally.failed > 0 && tally.action != Action::Fail) {
            let what = seen.sentence(tally);
            match tally.action {
                Action::Drop => log.warning(format_args!("Dropped what does not meet {what}")),
                _ => log.warning(format_args!("Expected, but not so: {what}")),
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn complaint(&self) -> Option<String> {
        if !self.is_final {
            return None;
        }
        let fatal = self.tallies.iter().filter(|tally| tally.action == Action::Fail && tally.failed > 0);
        let sentences: Vec<String> = fatal.map(|tally| self.sentence(tally)).collect();
        match sentences.as_slice() {
            [] => None,
            [one] => Some(format!("nothing was written, because an expectation does not hold: {one}")),
            several => Some(format!(
                "nothing was written, because {} expectations do not hold: {}",
                several.len(),
                several.join("; ")
            )),
        }
    }

    fn sentence(&self, tally: &Tally) -> String {
        if let Some(count) = &tally.count {
            let bounds = match (count.min, count.max) {
                (Some(min), Some(max)) => format!("{min} to {max} are expected"),
                (Some(min), None) => format!("at least {min} are expected"),
                (None, Some(max)) => format!("at most {max} are expected"),
                (None, None) => String::new(),
            };
            return format!("`{}`: there are {} rows, {bounds}", tally.name, self.rows - self.dropped);
        }
        let mut text = format!("`{}`: {} of {} rows", tally.name, tally.failed, self.rows);
        let examples: Vec<String> = tally.examples.iter().map(shown).collect();
        if !examples.is_empty() {
            let _ = write!(text, ", for example {}", examples.join(", "));
        }
        text
    }
}

/// A row as JSON, of which long ones are cut.
fn shown(row: &Map<String, Value>) -> String {
    let text = Value::Object(row.clone()).to_string();
    match text.char_indices().nth(EXAMPLE_LETTERS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
