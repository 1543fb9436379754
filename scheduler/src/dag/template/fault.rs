//! From the template engine's errors to sentences that name what is missing, and what may have been meant.

use std::ops::Range;

use minijinja::{Error, ErrorKind};

use super::names;
use super::{Mistake, TemplateContext};
use crate::dag::spec::suggest::did_you_mean;

/// Words an error of a template with that text. The context, where there is one, gives suggestions.
pub(super) fn mistake(text: &str, error: &Error, context: Option<&TemplateContext>) -> Mistake {
    let range = whole_path(text, range(text, error));
    let source = text.get(range.clone()).unwrap_or_default();
    if error.kind() == ErrorKind::UndefinedError {
        let (message, help) = undefined(source, context);
        return Mistake { range, message, help };
    }
    let detail = error.detail().unwrap_or_default();
    let message = match error.kind() {
        ErrorKind::OutOfFuel => "it takes too many steps".to_owned(),
        ErrorKind::WriteFailure => "the text that it makes is too long".to_owned(),
        ErrorKind::SyntaxError | ErrorKind::InvalidOperation if !detail.is_empty() => detail.to_owned(),
        kind if detail.is_empty() => kind.to_string(),
        kind => format!("{kind}: {detail}"),
    };
    let help = help_for(error.kind(), detail, text);
    Mistake { range, message, help }
}

fn help_for(kind: ErrorKind, detail: &str, text: &str) -> Option<String> {
    match kind {
        ErrorKind::UnknownFilter => {
            let name = detail.split_whitespace().find(|word| !matches!(*word, "filter" | "unknown"))?;
            let name = name.trim_matches(|c: char| !c.is_alphanumeric() && c != '_');
            did_you_mean(name, FILTERS.iter().copied())
        }
        ErrorKind::InvalidOperation if detail.contains("unsupported types") => {
            Some("dates move with `.add(days=1)` and `.subtract(days=1)`".to_owned())
        }
        ErrorKind::TemplateNotFound => {
            Some("templates are looked for beside the DAG file, and in its `template_searchpath`".to_owned())
        }
        ErrorKind::SyntaxError if text.contains("{#") && detail.contains("comment") => {
            Some("`{#` begins a comment; where it should not, write {% raw %} around the text".to_owned())
        }
        _ => None,
    }
}

/// Filters that people look for; the rest are suggested by Jinja's documentation.
const FILTERS: &[&str] = &[
    "ds",
    "ds_nodash",
    "ts",
    "ts_nodash",
    "ts_nodash_with_tz",
    "quote",
    "shell_quote",
    "default",
    "upper",
    "lower",
    "replace",
    "join",
    "length",
    "tojson",
    "urlencode",
    "trim",
    "first",
    "last",
    "int",
    "float",
    "list",
    "round",
    "sort",
    "unique",
    "map",
    "select",
    "reject",
    "title",
    "capitalize",
    "items",
    "sum",
    "min",
    "max",
    "abs",
    "reverse",
    "batch",
    "indent",
];

/// The part of a text that an error is about, with all of the path that it is the end of.
pub(super) fn part<'t>(text: &'t str, error: &Error) -> &'t str {
    text.get(whole_path(text, range(text, error))).unwrap_or(text).trim()
}

/// The place that the engine names, or the line that it is on, or all of it.
pub(super) fn range(text: &str, error: &Error) -> Range<usize> {
    if let Some(range) = error.range().filter(|range| text.get(range.clone()).is_some() && !range.is_empty()) {
        return range;
    }
    let Some(line) = error.line() else { return 0..text.len() };
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let length = text.get(start..).and_then(|rest| rest.lines().next()).map_or(0, str::len);
    start.min(text.len())..(start + length).min(text.len())
}

/// The engine points at the last step of `a.b.c`; people look for all of it.
fn whole_path(text: &str, range: Range<usize>) -> Range<usize> {
    let is_step = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    if !text[range.clone()].starts_with(is_step) {
        return range;
    }
    let before = &text[..range.start];
    before.trim_end_matches(is_step).len()..range.end
}

/// What is wrong with an expression that has no value, and what may help.
fn undefined(expression: &str, context: Option<&TemplateContext>) -> (String, Option<String>) {
    let path: Vec<&str> =
        expression.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|part| !part.is_empty()).collect();
    let Some(name) = path.first().copied() else { return ("a value is not there".to_owned(), None) };
    let is_in_callback = context.is_some_and(|context| context.callback.is_some());
    let is_at_home = is_in_callback && names::IN_CALLBACKS.contains(&name);
    if let Some((message, help)) = names::foreign(name).filter(|_| !is_at_home) {
        return (message, Some(help.to_owned()));
    }
    if names::WITH_LOGICAL_DATE.contains(&name) {
        let message = format!("`{name}` is not there, because the run has no logical date");
        return (message, Some("write `dag_run.run_after`, or trigger the run with a logical date".to_owned()));
    }
    if !names::known().any(|known| known == name) {
        return (format!("`{name}` is not there"), did_you_mean(name, names::known()));
    }
    let member = path.get(1).copied().unwrap_or_default();
    let help = context.and_then(|context| match (name, member) {
        ("params", member) => did_you_mean(member, context.run.params.keys().map(String::as_str)),
        ("dag_run", "conf") => did_you_mean(path.get(2)?, context.run.conf.keys().map(String::as_str)),
        _ => None,
    });
    (format!("`{expression}` is not there"), help)
}

/// Line and column, both from 1, of a byte of the text.
pub(super) fn position(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    (line, before.rsplit('\n').next().unwrap_or_default().chars().count() + 1)
}
