//! Gathers problems, and words those that are alike.

use super::keys::Key;
use super::node::{Entry, Node};
use super::problem::{Code, Problem};
use super::refused::Refused;
use super::suggest::did_you_mean;

/// Nobody mends more at a time; what a hostile file could make us say must end somewhere.
pub(super) const PROBLEMS_MAX: usize = 100;

/// The mistakes found so far; those beyond [`PROBLEMS_MAX`] may be left out.
#[derive(Debug, Default)]
pub(super) struct Problems {
    pub list: Vec<Problem>,
}

impl Problems {
    pub fn push(&mut self, problem: Problem) {
        if !self.is_full() {
            self.list.push(problem);
        }
    }

    /// Whether there are more mistakes than will be told, so that wording another one is in vain.
    pub fn is_full(&self) -> bool {
        self.list.len() > PROBLEMS_MAX
    }

    /// The value, or none and its problem noted.
    pub fn keep<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(problem) => {
                self.push(problem);
                None
            }
        }
    }

    /// A key that is in no table; `message` says so.
    pub fn unknown_key<'a>(&mut self, entry: &Entry, message: String, known: impl IntoIterator<Item = &'a str>) {
        if self.is_full() {
            return;
        }
        let problem = Problem::new(Code::UnknownKey, message, entry.key_place, "unknown key");
        self.push(problem.maybe_help(did_you_mean(&entry.key, known)));
    }

    /// A key of Airflow's or dag-factory's that is not served, unless its value says what holds anyway.
    pub fn refuse(&mut self, entry: &Entry, refused: &Refused) {
        let value = entry.value.to_json();
        let written = value.to_string();
        if value.is_null() || refused.harmless == Some(written.as_str()) {
            return;
        }
        let message = format!("`{}` is not served by Updraft", entry.key);
        self.push(Problem::new(Code::Unsupported, message, entry.key_place, "not served").help(refused.help));
    }
}

/// Whose value a problem is about: "`retries` of task `load`".
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    pub key: &'a str,
    pub within: &'a str,
}

impl std::fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.within {
            "" => write!(f, "`{}`", self.key),
            within => write!(f, "`{}` of {within}", self.key),
        }
    }
}

/// "`retries` of task `load` must be a whole number, and is text".
pub(super) fn wrong_type(subject: Subject<'_>, node: &Node, wanted: &str) -> Problem {
    let kind = node.kind();
    Problem::new(Code::WrongType, format!("{subject} must be {wanted}, and is {kind}"), node.place, kind)
}

/// The names in a table.
pub(super) fn names<'a>(keys: &'static [Key]) -> impl Iterator<Item = &'a str> {
    keys.iter().map(|key| -> &'a str { key.name })
}
