//! The `catchup` key: Airflow's true and false, or the policy in words.

use super::super::collect::{Problems, Subject, wrong_type};
use super::super::node::{Node, Yaml};
use super::super::problem::{Code, Problem};
use super::super::suggest::did_you_mean;
use super::super::values;
use super::{known_keys, listed, present};
use crate::dag::timetable::{Catchup, CatchupMode};

/// The modes, by the words for them.
pub(super) const MODES: [(&str, CatchupMode); 3] =
    [("none", CatchupMode::None), ("latest", CatchupMode::Latest), ("all", CatchupMode::All)];

/// `true`, `false`, `none`, `latest`, `all`, or `{mode: …, window: 2d}`. Mistakes are noted.
pub(in crate::dag::spec) fn read(node: &Node, problems: &mut Problems) -> Option<Catchup> {
    let subject = Subject { key: "catchup", within: "" };
    let of = |mode| Catchup { mode, window: None };
    match &node.value {
        Yaml::Null | Yaml::Bool(false) => Some(of(CatchupMode::Latest)),
        Yaml::Bool(true) => Some(of(CatchupMode::All)),
        Yaml::Text(text) => match MODES.iter().find(|(word, _)| word == text) {
            Some((_, mode)) => Some(of(*mode)),
            None => {
                problems.keep(values::boolean(subject, node).map_err(|problem| unknown(text, problem)));
                None
            }
        },
        Yaml::Map(mapping) => {
            known_keys(mapping, &["mode", "window"], "`catchup`", problems);
            let mode = match present(mapping, "mode") {
                Some(entry) => problems.keep(mode(&entry.value)),
                None => Some(CatchupMode::default()),
            };
            let window = match present(mapping, "window") {
                Some(entry) => {
                    let subject = Subject { key: "window", within: "`catchup`" };
                    problems.keep(values::duration(subject, &entry.value)).map(Some)
                }
                None => Some(None),
            };
            Some(Catchup { mode: mode?, window: window? })
        }
        _ => {
            problems.push(wrong_type(subject, node, "true or false, or a mapping with `mode` and `window`"));
            None
        }
    }
}

fn mode(node: &Node) -> Result<CatchupMode, Problem> {
    let word = values::text(Subject { key: "mode", within: "`catchup`" }, node)?;
    let words = MODES.map(|(word, _)| word);
    MODES.iter().find(|(known, _)| *known == word).map(|(_, mode)| *mode).ok_or_else(|| {
        Problem::new(Code::InvalidValue, format!("there is no catchup mode `{word}`"), node.place, "unknown mode")
            .help(format!("the modes are {}", listed(&words)))
            .maybe_help(did_you_mean(&word, words))
    })
}

/// `yes` and the like have a help of their own.
fn unknown(word: &str, problem: Problem) -> Problem {
    match problem.help {
        Some(_) => problem,
        None => problem
            .help("write `true`, `false`, `none`, `latest` or `all`")
            .maybe_help(did_you_mean(word, MODES.map(|(word, _)| word))),
    }
}
