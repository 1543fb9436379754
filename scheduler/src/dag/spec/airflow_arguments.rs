//! The arguments of an Airflow class, read as those of the operator that does its work.

use std::sync::Arc;

use serde_json::Value;

use super::collect::Problems;
use super::node::{Entry, Mapping, Node, Yaml};
use super::problem::{Code, Problem};
use super::source::Place;
use crate::operator::{AirflowClass, Reading};

/// The keys under which arguments stand that differ between the instances of a mapped task.
const MAPPED: [&str; 2] = ["expand", "expand_kwargs"];

/// A task with the arguments that its operator has, each where it was written. What is not served is a problem.
pub(super) fn of_task(class: &AirflowClass, task: &Mapping, within: &str, problems: &mut Problems) -> Mapping {
    let mut read = translated(class, task, within, problems);
    for entry in &mut read.entries {
        if MAPPED.contains(&entry.key.as_str()) {
            entry.value = of_instances(class, &entry.value, within, problems);
        }
    }
    read
}

/// What `default_args` hold for a task of that class. They are for many operators, so what this one does not serve is no
/// mistake in them.
pub(super) fn of_defaults(class: &AirflowClass, defaults: &Mapping) -> Mapping {
    translated(class, defaults, "", &mut Problems::default())
}

/// What a task of that class has without writing it.
pub(super) fn given(class: &AirflowClass, place: Place) -> Mapping {
    let entry = |(name, value): &(&'static str, Value)| Entry {
        key: (*name).to_owned(),
        key_place: place,
        value: Arc::new(Node::from_json(place, value)),
    };
    Mapping { entries: class.given.iter().map(entry).collect() }
}

/// The arguments of instances: a mapping from arguments to values, or a list of mappings.
fn of_instances(class: &AirflowClass, node: &Arc<Node>, within: &str, problems: &mut Problems) -> Arc<Node> {
    let value = match &node.value {
        Yaml::Map(mapping) => Yaml::Map(translated(class, mapping, within, problems)),
        Yaml::List(items) => Yaml::List(items.iter().map(|item| of_instances(class, item, within, problems)).collect()),
        _ => return Arc::clone(node),
    };
    Arc::new(Node::new(node.place, value))
}

fn translated(class: &AirflowClass, mapping: &Mapping, within: &str, problems: &mut Problems) -> Mapping {
    let mut read = Mapping::default();
    for entry in &mapping.entries {
        match class.reading(&entry.key) {
            None => read.entries.push(entry.clone()),
            Some(Reading::Refused(help)) if asks_for_something(&entry.value) => {
                let message = format!("`{}` of {} is not served by Updraft", entry.key, class.name());
                problems.push(Problem::new(Code::Unsupported, message, entry.key_place, "not served").help(help));
            }
            Some(Reading::Unneeded | Reading::Refused(_)) => (),
            Some(Reading::As(ours)) => {
                let others = mapping.entries.iter().take_while(|other| other.key_place != entry.key_place);
                let same =
                    |other: &&Entry| matches!(class.reading(&other.key), Some(Reading::As(name)) if name == ours);
                if let Some(other) = mapping.get(ours).or_else(|| others.into_iter().find(same)) {
                    let message = format!("{within} has both `{}` and `{}`, which mean the same", other.key, entry.key);
                    let problem = Problem::new(Code::DuplicateKey, message, entry.key_place, "either this");
                    problems.push(problem.also(other.key_place, "or this"));
                    continue;
                }
                read.entries.push(Entry { key: ours.to_owned(), ..entry.clone() });
            }
        }
    }
    read
}

/// Whether a value is more than false, or nothing.
fn asks_for_something(node: &Node) -> bool {
    match &node.value {
        Yaml::Null | Yaml::Bool(false) => false,
        Yaml::Text(text) => !text.is_empty(),
        Yaml::List(items) => !items.is_empty(),
        Yaml::Map(mapping) => !mapping.entries.is_empty(),
        Yaml::Bool(true) | Yaml::Number(_) => true,
    }
}
