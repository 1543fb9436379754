//! The tables of keys in the documentation, made from what the loader reads.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::keys::{DAG_KEYS, GROUP_KEYS, Key, Kind, RETRY_KEYS, TASK_KEYS};
use super::refused::{REFUSED_IN_DAGS, REFUSED_IN_GROUPS, REFUSED_IN_TASKS, Refused};
use crate::dag::shape;
use crate::operator::ErasedOperator;

/// Which table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// The keys of a DAG.
    DagKeys,
    /// The keys of every task.
    TaskKeys,
    /// The keys of a group of tasks.
    GroupKeys,
    /// The keys of a rule of `retry_policy`.
    RetryKeys,
    /// The keys of Airflow and dag-factory that are refused, and what to do instead.
    Refused,
}

/// A table of `docs/dag-files.md` in Markdown.
pub fn reference_table(table: Table) -> String {
    match table {
        Table::DagKeys => keys(DAG_KEYS),
        Table::TaskKeys => keys(TASK_KEYS),
        Table::GroupKeys => keys(GROUP_KEYS),
        Table::RetryKeys => keys(RETRY_KEYS),
        Table::Refused => refused(),
    }
}

/// The keys that every DAG may have.
pub fn dag_keys() -> impl Iterator<Item = &'static str> {
    DAG_KEYS.iter().map(|key| key.name)
}

/// The keys that every task may have, whatever its operator is.
pub fn task_keys() -> impl Iterator<Item = &'static str> {
    TASK_KEYS.iter().map(|key| key.name)
}

/// The keys that every group of tasks may have, and those of a rule of `retry_policy`.
pub fn inner_keys() -> impl Iterator<Item = &'static str> {
    GROUP_KEYS.iter().chain(RETRY_KEYS).map(|key| key.name)
}

/// The names of an operator's arguments; none when it takes any.
pub fn argument_names(operator: &ErasedOperator) -> BTreeSet<String> {
    let names = shape::properties(operator.schema.as_value()).unwrap_or_default();
    names.into_iter().map(str::to_owned).collect()
}

fn keys(keys: &[Key]) -> String {
    let mut out = String::from("| key | type | default | meaning | example |\n|---|---|---|---|---|\n");
    for key in keys {
        let default = match key.default {
            "" => "–".to_owned(),
            "null" => "none".to_owned(),
            json => code(json.trim_matches('"')),
        };
        let example = code(&format!("{}: {}", key.name, key.example));
        // Writing into a string cannot fail.
        let _ = writeln!(
            out,
            "| `{}` | {} | {default} | {} | {example} |",
            key.name,
            kind(key.kind),
            key.summary.replace('|', "\\|")
        );
    }
    out
}

fn refused() -> String {
    let mut out = String::from("| key | where | instead |\n|---|---|---|\n");
    let tables: [(&str, &[Refused]); 3] =
        [("DAG", REFUSED_IN_DAGS), ("group", REFUSED_IN_GROUPS), ("task", REFUSED_IN_TASKS)];
    for (place, table) in tables {
        for key in table {
            let harmless =
                key.harmless.map(|value| format!(" (`{}: {value}` is let pass)", key.name)).unwrap_or_default();
            let _ = writeln!(out, "| `{}` | {place} | {}{harmless} |", key.name, key.help);
        }
    }
    out
}

fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Id => "id",
        Kind::Text => "text",
        Kind::Boolean => "true or false",
        Kind::Count(0) => "whole number from 0",
        Kind::Count(_) => "whole number from 1",
        Kind::Integer => "whole number",
        Kind::Factor => "number from 0, or true",
        Kind::Duration => "[duration](#durations)",
        Kind::Instant => "[date](#dates-and-time-zones)",
        Kind::Timezone => "name of a time zone",
        Kind::Schedule => "[schedule](schedules.md)",
        Kind::Catchup => "[catchup](schedules.md#catchup)",
        Kind::Assets | Kind::Outlets => "[list of assets](schedules.md#assets)",
        Kind::Tags | Kind::RunTypes => "list of words",
        Kind::Params => "[params](#params)",
        Kind::DefaultArgs | Kind::Partial => "mapping",
        Kind::Tasks => "list or mapping",
        Kind::Operator => "operator",
        Kind::Dependencies => "list of task ids",
        Kind::TriggerRule | Kind::WeightRule | Kind::RetryAction => "word",
        Kind::Groups => "list or mapping of [groups](#keys-of-a-group)",
        Kind::GroupName => "name of a group",
        Kind::Expand => "[values](graph.md#mapping) by argument",
        Kind::ExpandKwargs => "[values](graph.md#mapping)",
        Kind::RetryPolicy => "list of rules",
        Kind::ExitCodes => "whole number, or list",
        Kind::Callbacks => "[callback](callbacks.md), or a list",
        Kind::Deadlines => "[deadline](callbacks.md#deadlines), or a list",
        Kind::Emails => "address, or a list",
        Kind::Texts => "text, or a list",
        Kind::OwnerLinks => "mapping from owners to addresses",
    }
}
