//! What must hold for the arguments, beyond what the JSON Schema says: of those that are written, and of those that
//! templates were filled into.

use std::path::Path;

use anyhow::anyhow;
use scheduler::operator::{ArgumentProblem, TaskError};
use serde_json::{Map, Value};

use super::{EmulationArgs, Offsets, Order, Pause, ROWS_REAL, SAMPLE, SourceChoice};
use crate::database::unknown_database;
use crate::location::Location;
use crate::requests::Base;
use crate::shapes::TextOr;
use crate::span::Span;

/// More rows than this are a mistake for `sample`: it keeps some hundred bytes of each poster in memory.
const SAMPLE_ROWS_MAX: u64 = 10_000_000;

/// Rows to pick from are kept in memory.
const DRAW_FROM_MAX: u64 = 1_000_000;

const RATE_MAX: f64 = 1_000_000.0;
const RATE_MIN: f64 = 0.001;
const CONCURRENCY_MAX: u64 = 1024;
const BATCH_MAX: u64 = 10_000;

/// What the JSON Schema says of plain values holds for rendered templates, too.
pub(in crate::emulation) fn validate(args: &EmulationArgs) -> Result<(), TaskError> {
    match problem_of(args) {
        Some(problem) => Err(TaskError::fail(anyhow!(problem))),
        None => Ok(()),
    }
}

fn problem_of(args: &EmulationArgs) -> Option<String> {
    let hexadecimal = |sign: u8| sign.is_ascii_digit() || (b'a'..=b'f').contains(&sign);
    if args.user_id.len() != 12 || !args.user_id.bytes().all(hexadecimal) {
        return Some(format!("`user_id` is {:?}; it has 12 hexadecimal digits, in lower case", args.user_id));
    }
    if !(0.0..=1.0).contains(&args.max_broken_share) {
        return Some(format!("`max_broken_share` is {}; it is between 0 and 1", args.max_broken_share));
    }
    if args.flush_size == Some(0) {
        return Some("`flush_size` is 0; an object holds at least one record".to_owned());
    }
    let between = |name: &str, value: Option<u64>, most: u64| match value {
        Some(value) if !(1..=most).contains(&value) => Some(format!("`{name}` is {value}; it is between 1 and {most}")),
        _ => None,
    };
    let rate = args.rate.filter(|rate| !(RATE_MIN..=RATE_MAX).contains(rate));
    between("rows", args.rows, rows_max(args))
        .or_else(|| between("draw_from", args.draw_from, DRAW_FROM_MAX))
        .or_else(|| between("concurrency", args.concurrency, CONCURRENCY_MAX))
        .or_else(|| between("batch", args.batch, BATCH_MAX))
        .or_else(|| rate.map(|rate| format!("`rate` is {rate}; it is between {RATE_MIN} and {RATE_MAX}")))
        .or_else(|| combinations(args))
}

fn rows_max(args: &EmulationArgs) -> u64 {
    let makes_as_many = match &args.source {
        TextOr::Text(text) => text == SAMPLE,
        TextOr::More(SourceChoice::Sample(sample)) => sample.rows.is_none(),
        TextOr::More(_) => false,
    };
    if makes_as_many && args.order == Order::Scan { SAMPLE_ROWS_MAX } else { u64::MAX }
}

fn combinations(args: &EmulationArgs) -> Option<String> {
    if args.rate.is_some() && args.pause.is_some() {
        return Some("`rate` and `pause` both say how fast rows go; write one of them".to_owned());
    }
    if args.order == Order::Random && args.rows.is_none() && args.duration.is_none() {
        return Some("`order: random` has no end of its own; say `rows` or `duration`".to_owned());
    }
    if args.draw_from.is_some() && args.order != Order::Random {
        return Some("`draw_from` is for `order: random`".to_owned());
    }
    let of_folders = [("flush_size", args.flush_size.is_some()), ("offsets", args.offsets != Offsets::Replace)];
    match &args.sink {
        TextOr::Text(_) => {
            args.batch.map(|_| "`batch` is for requests; a folder or bucket has `flush_size`".to_owned())
        }
        TextOr::More(_) => of_folders
            .iter()
            .find(|(_, is_set)| *is_set)
            .map(|(name, _)| format!("`{name}` is for folders and buckets; requests have `batch`")),
    }
}

/// What is wrong with arguments as they are written, where templates may still stand.
pub(in crate::emulation) fn check(args: &Map<String, Value>) -> Vec<ArgumentProblem> {
    let mut problems = Problems::default();
    for key in ["sink", "source"] {
        problems.look_at(args.get(key), &format!("/{key}"), |text| {
            Location::parse(text, Path::new("/")).err().map(|error| error.to_string())
        });
    }
    let inner = |outer: &str, choice: &str, key: &str| args.get(outer)?.get(choice)?.get(key);
    for choice in ["kafka_rest", "kinesis"] {
        problems.look_at(inner("sink", choice, "url"), &format!("/sink/{choice}/url"), |text| Base::parse(text).err());
    }
    problems.look_at(inner("source", "sql", "url"), "/source/sql/url", unknown_database);
    for key in ["duration", "retry_for"] {
        problems.look_at(args.get(key), &format!("/{key}"), |text| text.parse::<Span>().err());
    }
    problems.look_at(args.get("pause"), "/pause", |text| text.parse::<Pause>().err());
    for (outer, choice) in [("sink", "kafka_rest"), ("source", "sql")] {
        let Some(given) = args.get(outer).and_then(|outer| outer.get(choice)).filter(|given| given.is_object()) else {
            continue;
        };
        let message = match (given.get("url"), given.get("url_env")) {
            (None, None) => "it does not say where: write `url` or `url_env`",
            (Some(_), Some(_)) => "it says twice where: write `url` or `url_env`",
            _ => continue,
        };
        problems.0.push(ArgumentProblem {
            pointer: format!("/{outer}/{choice}"),
            message: message.to_owned(),
            help: None,
        });
    }
    if problems.0.is_empty()
        && !Value::Object(args.clone()).to_string().contains("{{")
        && let Ok(args) = serde_json::from_value::<EmulationArgs>(Value::Object(args.clone()))
        && let Some(message) = problem_of(&args)
    {
        problems.0.push(ArgumentProblem { pointer: String::new(), message, help: None });
    }
    problems.0
}

#[derive(Default)]
struct Problems(Vec<ArgumentProblem>);

impl Problems {
    fn look_at(&mut self, value: Option<&Value>, pointer: &str, problem: impl Fn(&str) -> Option<String>) {
        let Some(text) = value.and_then(Value::as_str).filter(|text| !text.contains("{{") && !text.contains("{%"))
        else {
            return;
        };
        if let Some(message) = problem(text) {
            self.0.push(ArgumentProblem { pointer: pointer.to_owned(), message, help: None });
        }
    }
}

impl EmulationArgs {
    /// How many rows `sample` makes for each table.
    pub(in crate::emulation) fn sample_rows(&self) -> u64 {
        let said = match &self.source {
            TextOr::More(SourceChoice::Sample(sample)) => sample.rows,
            _ => None,
        };
        let asked = self.rows.filter(|_| self.order == Order::Scan);
        said.or(asked).unwrap_or(ROWS_REAL)
    }
}
