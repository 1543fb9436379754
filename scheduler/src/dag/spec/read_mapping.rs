//! `expand`, `expand_kwargs` and `partial`: what several instances of a task, or of a group, are made of.

use super::arguments;
use super::collect::{Problems, Subject, wrong_type};
use super::node::{self, Entry, Node, Yaml};
use super::problem::{Code, Problem};
use super::read_task::TaskReader;
use super::source::Place;
use crate::dag::{MAP_LENGTH_MAX, MappedValues, Mapping};
use crate::operator::ErasedOperator;

/// The key of what an operator answers.
const RETURN_VALUE: &str = "return_value";

const VALUES: &str = "a list, a mapping, or what a task leaves, as in `files.output`";

/// What is mapped over, as it was read. The tasks in it go by the names that were written.
#[derive(Clone, Debug)]
pub(super) struct ReadMapping {
    pub mapping: Mapping,
    /// Where each task is named that leaves what is mapped over, in the order of [`Mapping::values`].
    pub sources: Vec<(String, Place)>,
    /// The key.
    pub place: Place,
}

/// Whether a task says that it is mapped, however wrongly.
pub(super) fn is_mapped(task: &node::Mapping) -> bool {
    ["expand", "expand_kwargs"]
        .iter()
        .any(|key| task.get(key).is_some_and(|entry| !matches!(entry.value.value, Yaml::Null)))
}

/// What a task or a group is mapped over, if it is.
pub(super) fn read(mapping: &node::Mapping, within: &str, problems: &mut Problems) -> Option<ReadMapping> {
    let given = |key: &str| mapping.get(key).filter(|entry| !matches!(entry.value.value, Yaml::Null));
    match (given("expand"), given("expand_kwargs")) {
        (None, None) => None,
        (Some(entry), None) => expand(entry, within, problems),
        (None, Some(entry)) => expand_kwargs(entry, within, problems),
        (Some(entry), Some(other)) => {
            let message = format!("{within} has both `expand` and `expand_kwargs`");
            let problem = Problem::new(Code::InvalidValue, message, entry.key_place, "either this");
            problems.push(problem.also(other.key_place, "or this"));
            None
        }
    }
}

fn expand(entry: &Entry, within: &str, problems: &mut Problems) -> Option<ReadMapping> {
    let subject = Subject { key: "expand", within };
    let Some(entries) = arguments_of(&entry.value) else {
        problems.push(wrong_type(subject, &entry.value, "a mapping from arguments to values"));
        return None;
    };
    if entries.is_empty() {
        let message = format!("{subject} names no argument");
        problems.push(Problem::new(Code::InvalidValue, message, entry.value.place, "nothing to map over"));
        return None;
    }
    let mut read = ReadMapping { mapping: Mapping::Product(Vec::new()), sources: Vec::new(), place: entry.key_place };
    let mut product: Vec<(String, MappedValues)> = Vec::new();
    for argument in entries {
        if product.iter().any(|(name, _)| *name == argument.key) {
            let message = format!("{subject} names `{}` twice", argument.key);
            problems.push(Problem::new(Code::DuplicateKey, message, argument.key_place, "again here"));
        }
        let subject = Subject { key: &argument.key, within: &subject.to_string() };
        let values = problems.keep(values(subject, &argument.value, &mut read.sources))?;
        product.push((argument.key.clone(), values));
    }
    read.mapping = Mapping::Product(product);
    Some(read)
}

/// The arguments of `expand`: a mapping, or a list of mappings with one key each, which keeps their order through any
/// JSON.
fn arguments_of(node: &Node) -> Option<Vec<&Entry>> {
    match &node.value {
        Yaml::Map(mapping) => Some(mapping.entries.iter().collect()),
        Yaml::List(items) => items
            .iter()
            .map(|item| {
                item.as_map().and_then(|mapping| mapping.entries.first().filter(|_| mapping.entries.len() == 1))
            })
            .collect(),
        _ => None,
    }
}

fn expand_kwargs(entry: &Entry, within: &str, problems: &mut Problems) -> Option<ReadMapping> {
    let subject = Subject { key: "expand_kwargs", within };
    if let Yaml::Map(_) = &entry.value.value {
        problems.push(wrong_type(
            subject,
            &entry.value,
            "a list of mappings, or what a task leaves, as in `files.output`",
        ));
        return None;
    }
    let mut sources = Vec::new();
    let values = problems.keep(values(subject, &entry.value, &mut sources))?;
    if let Yaml::List(items) = &entry.value.value {
        for item in items.iter().filter(|item| item.as_map().is_none()) {
            problems.push(wrong_type(
                Subject { key: "an item", within: "`expand_kwargs`" },
                item,
                "a mapping of arguments",
            ));
        }
    }
    Some(ReadMapping { mapping: Mapping::Kwargs(values), sources, place: entry.key_place })
}

fn values(subject: Subject<'_>, node: &Node, sources: &mut Vec<(String, Place)>) -> Result<MappedValues, Problem> {
    let items: Vec<serde_json::Value> = match &node.value {
        Yaml::List(items) => items.iter().map(|item| item.to_json()).collect(),
        Yaml::Map(mapping) => mapping
            .entries
            .iter()
            .map(|entry| serde_json::Value::Array(vec![entry.key.as_str().into(), entry.value.to_json()]))
            .collect(),
        Yaml::Text(text) => {
            let Some((task_id, key)) = reference(text) else {
                return Err(wrong_type(subject, node, VALUES).help(
                    "write `task.output`, `task.output['key']`, `XcomArg(task)` or `+task` for what a task leaves",
                ));
            };
            sources.push((task_id.to_owned(), node.place));
            return Ok(MappedValues::Output { task_id: task_id.to_owned(), key: key.to_owned() });
        }
        _ => return Err(wrong_type(subject, node, VALUES)),
    };
    if items.len() > MAP_LENGTH_MAX as usize {
        let message = format!("{subject} has {} values; at most {MAP_LENGTH_MAX} are mapped over", items.len());
        return Err(Problem::new(Code::InvalidValue, message, node.place, "too many")
            .help("give each instance more to do, or split the task"));
    }
    Ok(MappedValues::Literal(items))
}

/// The task and the key that a text names: `task.output`, `task.output['key']`, `XcomArg(task)`, `+task`, `+task['key']`.
fn reference(text: &str) -> Option<(&str, &str)> {
    let text = text.trim();
    let (text, key) = match text.strip_suffix(']').and_then(|rest| rest.rsplit_once('[')) {
        Some((before, quoted)) => {
            let unquoted = ['\'', '"'].iter().find_map(|quote| quoted.strip_prefix(*quote)?.strip_suffix(*quote));
            (before, unquoted.filter(|key| !key.is_empty())?)
        }
        None => (text, RETURN_VALUE),
    };
    let call = || ["XcomArg(", "XComArg("].iter().find_map(|call| text.strip_prefix(call)?.strip_suffix(')'));
    let task_id = text.strip_prefix('+').or_else(|| text.strip_suffix(".output")).or_else(call)?.trim();
    let is_id = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    (!task_id.is_empty() && task_id.chars().all(is_id)).then_some((task_id, key))
}

/// How [`values`] are written again.
pub(in crate::dag) fn written(values: &MappedValues) -> serde_json::Value {
    match values {
        MappedValues::Literal(items) => items.clone().into(),
        MappedValues::Output { task_id, key } if key == RETURN_VALUE => format!("{task_id}.output").into(),
        MappedValues::Output { task_id, key } => {
            let quote = if key.contains('\'') { '"' } else { '\'' };
            format!("{task_id}.output[{quote}{key}{quote}]").into()
        }
    }
}

/// The keys of a task with those of `partial` among them.
pub(super) fn with_partial(mapping: &node::Mapping, within: &str, problems: &mut Problems) -> node::Mapping {
    let mut whole = mapping.clone();
    let Some(entry) = mapping.get("partial").filter(|entry| !matches!(entry.value.value, Yaml::Null)) else {
        return whole;
    };
    let Some(constants) = entry.value.as_map() else {
        problems.push(wrong_type(Subject { key: "partial", within }, &entry.value, "a mapping of arguments"));
        return whole;
    };
    if !mapping.has("expand") && !mapping.has("expand_kwargs") {
        let message = format!("{within} has `partial`, and nothing that it is mapped over");
        problems.push(
            Problem::new(Code::InvalidValue, message, entry.key_place, "not here")
                .help("say with `expand` what it is mapped over, or write the arguments beside `operator`"),
        );
    }
    for constant in &constants.entries {
        match mapping.get(&constant.key) {
            Some(other) => given_twice(&constant.key, within, other.key_place, constant.key_place, problems),
            None => whole.entries.push(constant.clone()),
        }
    }
    whole
}

fn given_twice(key: &str, within: &str, first: Place, again: Place, problems: &mut Problems) {
    let message = format!("{within} is given `{key}` twice");
    problems.push(Problem::new(Code::DuplicateKey, message, again, "again here").also(first, "first here"));
}

/// Checks the arguments of a mapped task: `own` are those that all instances have. What a task leaves is not known yet, and
/// a template stands for it.
pub(super) fn check(
    reader: &mut TaskReader<'_>,
    operator: &ErasedOperator,
    operator_place: Place,
    own: &node::Mapping,
    task: &node::Mapping,
    within: &str,
    problems: &mut Problems,
) {
    let given = |entry: &&Entry| !matches!(entry.value.value, Yaml::Null);
    let mapped = |key: &str| task.get(key).filter(given).map(|entry| &entry.value);
    let instances = match (mapped("expand"), mapped("expand_kwargs")) {
        (Some(expand), _) => {
            let entries = arguments_of(expand).unwrap_or_default();
            for entry in &entries {
                if let Some(other) = own.get(&entry.key) {
                    given_twice(&entry.key, within, other.key_place, entry.key_place, problems);
                }
            }
            combinations(&entries)
        }
        (None, Some(kwargs)) => match &kwargs.value {
            Yaml::List(items) => items.iter().filter_map(|item| item.as_map().cloned()).collect(),
            _ => vec![anything(reader, operator, own, kwargs.place)],
        },
        (None, None) => Vec::new(),
    };
    for instance in instances {
        if problems.is_full() {
            return;
        }
        let mut found = Problems::default();
        arguments::check(reader, operator, operator_place, &instance.laid_over(own), &mut found);
        for problem in found.list {
            // What all instances have alike would be told for each of them.
            if !problems.list.contains(&problem) {
                problems.push(problem);
            }
        }
    }
}

/// The arguments that `expand` names.
pub(super) fn names_of(expand: &Node) -> Vec<&str> {
    arguments_of(expand).unwrap_or_default().into_iter().map(|entry| entry.key.as_str()).collect()
}

/// Instances that show every value at least once; not every combination of them.
fn combinations(entries: &[&Entry]) -> Vec<node::Mapping> {
    let length = entries.iter().map(|entry| listed(&entry.value).len()).max().unwrap_or(0).max(1);
    let instance = |index: usize| {
        let entries = entries.iter().map(|entry| {
            let values = listed(&entry.value);
            let value = values.get(index.min(values.len().saturating_sub(1))).cloned();
            Entry { value: value.unwrap_or_else(|| unknown(entry.value.place)), ..(*entry).clone() }
        });
        node::Mapping { entries: entries.collect() }
    };
    (0..length).map(instance).collect()
}

/// The values of a list, or of a mapping as pairs.
fn listed(node: &Node) -> Vec<std::sync::Arc<Node>> {
    match &node.value {
        Yaml::List(items) => items.clone(),
        Yaml::Map(mapping) => mapping
            .entries
            .iter()
            .map(|entry| {
                let key = Node::new(entry.key_place, Yaml::Text(entry.key.clone()));
                let pair = Yaml::List(vec![key.into(), std::sync::Arc::clone(&entry.value)]);
                Node::new(entry.value.place, pair).into()
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// Every argument that is not given yet, each with a value that is not known yet.
fn anything(
    reader: &mut TaskReader<'_>,
    operator: &ErasedOperator,
    own: &node::Mapping,
    place: Place,
) -> node::Mapping {
    let schema = reader.schemas.of(operator);
    let missing = schema.names().filter(|name| !own.has(name));
    let entry = |name: &str| Entry { key: name.to_owned(), key_place: place, value: unknown(place) };
    node::Mapping { entries: missing.map(entry).collect() }
}

fn unknown(place: Place) -> std::sync::Arc<Node> {
    Node::new(place, Yaml::Text(arguments::UNKNOWN.to_owned())).into()
}
