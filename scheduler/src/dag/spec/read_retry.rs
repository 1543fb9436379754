//! `retry_policy`: what is done about certain failures.

use super::collect::{Problems, Subject, names, wrong_type};
use super::keys::RETRY_KEYS;
use super::node::{Mapping, Node, Yaml};
use super::problem::{Code, Problem};
use super::suggest::did_you_mean;
use super::values;
use crate::dag::{RetryAction, RetryRule};

/// What can be done about a failure.
pub(super) const ACTIONS: [&str; 2] = ["retry", "fail"];

/// Reads the rules; those that are wrong are noted and left out.
pub(super) fn read(subject: Subject<'_>, node: &Node, problems: &mut Problems) -> Vec<RetryRule> {
    let Yaml::List(items) = &node.value else {
        problems.push(wrong_type(subject, node, "a list of rules").help("write `[{exit_code: 2, action: fail}]`"));
        return Vec::new();
    };
    items.iter().filter_map(|item| rule(subject, item, problems)).collect()
}

fn rule(subject: Subject<'_>, node: &Node, problems: &mut Problems) -> Option<RetryRule> {
    let Some(mapping) = node.as_map() else {
        problems.push(wrong_type(
            Subject { key: "a rule", within: &subject.to_string() },
            node,
            "a mapping with `action`",
        ));
        return None;
    };
    let whose = subject.to_string();
    for entry in mapping.entries.iter().filter(|entry| !names(RETRY_KEYS).any(|known| known == entry.key)) {
        problems.unknown_key(entry, format!("a rule of {whose} has no key `{}`", entry.key), names(RETRY_KEYS));
    }
    let exit_codes = match given(mapping, "exit_code") {
        Some(node) => problems.keep(exit_codes(Subject { key: "exit_code", within: &whose }, node))?,
        None => Vec::new(),
    };
    let error = match given(mapping, "error") {
        Some(node) => Some(problems.keep(error(Subject { key: "error", within: &whose }, node))?),
        None => None,
    };
    if exit_codes.is_empty() && error.is_none() {
        problems.push(
            Problem::new(Code::MissingKey, format!("a rule of {whose} fits no failure"), node.place, "this rule")
                .help("say with `exit_code` or `error` what it is about"),
        );
        return None;
    }
    let action = problems.keep(action(mapping, node, &whose))?;
    Some(RetryRule { exit_codes, error, action })
}

fn given<'a>(mapping: &'a Mapping, key: &str) -> Option<&'a Node> {
    mapping.get(key).map(|entry| entry.value.as_ref()).filter(|node| !matches!(node.value, Yaml::Null))
}

fn exit_codes(subject: Subject<'_>, node: &Node) -> Result<Vec<i32>, Problem> {
    match &node.value {
        Yaml::List(items) => items.iter().map(|item| values::integer(subject, item)).collect(),
        Yaml::Number(_) => Ok(vec![values::integer(subject, node)?]),
        _ => Err(wrong_type(subject, node, "a whole number, or a list of them")),
    }
}

/// A text, or a regular expression between slashes.
fn error(subject: Subject<'_>, node: &Node) -> Result<String, Problem> {
    let text = values::text(subject, node)?;
    if text.is_empty() {
        return Err(Problem::new(Code::InvalidValue, format!("{subject} is empty"), node.place, "fits everything"));
    }
    if let Some(pattern) = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'))
        && let Err(fault) = regex::Regex::new(pattern)
    {
        let why = fault.to_string();
        let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        let message = format!("{subject} is no regular expression: {why}");
        return Err(Problem::new(Code::InvalidValue, message, node.place, "not a regular expression"));
    }
    Ok(text)
}

fn action(mapping: &Mapping, rule: &Node, whose: &str) -> Result<RetryAction, Problem> {
    let Some(node) = given(mapping, "action") else {
        return Err(Problem::new(
            Code::MissingKey,
            format!("a rule of {whose} has no `action`"),
            rule.place,
            "this rule",
        )
        .help("write `action: retry` or `action: fail`"));
    };
    let delay = match given(mapping, "retry_delay") {
        Some(node) => Some((values::duration(Subject { key: "retry_delay", within: whose }, node)?, node.place)),
        None => None,
    };
    let word = values::text(Subject { key: "action", within: whose }, node)?;
    match (word.as_str(), delay) {
        ("retry", delay) => Ok(RetryAction::Retry { delay: delay.map(|(delay, _)| delay) }),
        ("fail", None) => Ok(RetryAction::Fail),
        ("fail", Some((_, place))) => {
            let message = format!("a rule of {whose} has a `retry_delay`, and does not try again");
            Err(Problem::new(Code::InvalidValue, message, place, "not here"))
        }
        (word, _) => {
            Err(Problem::new(Code::InvalidValue, format!("there is no action `{word}`"), node.place, "unknown")
                .help("the actions are `retry` and `fail`")
                .maybe_help(did_you_mean(word, ACTIONS)))
        }
    }
}
