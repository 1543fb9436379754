//! dag-factory's notation for Python objects among the arguments of an operator: what is plain data is read as such.
//!
//! A length of time is a number of seconds, a date its text, and a `Param` its JSON Schema. Whatever else stands there is
//! refused where arguments are checked.

use std::sync::Arc;

use chrono::SecondsFormat;
use chrono_tz::Tz;

use super::collect::{Problems, Subject};
use super::node::{Entry, Mapping, Node, Yaml};
use super::read_params::PARAM_CLASSES;
use super::values::{self, OBJECT_KEY};

/// Arguments without the objects that are plain data. One that is written wrong is a problem.
pub(super) fn plain(arguments: &Mapping, timezone: Tz, within: &str, problems: &mut Problems) -> Mapping {
    let entry = |entry: &Entry| {
        let subject = Subject { key: &entry.key, within };
        Entry { value: of_node(&entry.value, timezone, subject, problems), ..entry.clone() }
    };
    Mapping { entries: arguments.entries.iter().map(entry).collect() }
}

fn of_node(node: &Arc<Node>, timezone: Tz, subject: Subject<'_>, problems: &mut Problems) -> Arc<Node> {
    let value = match &node.value {
        Yaml::List(items) if items.iter().any(|item| has_object(item)) => {
            Yaml::List(items.iter().map(|item| of_node(item, timezone, subject, problems)).collect())
        }
        Yaml::Map(mapping) if has_object(node) => match of_object(node, mapping, timezone, subject, problems) {
            Some(value) => value,
            None => Yaml::Map(plain(mapping, timezone, subject.within, problems)),
        },
        _ => return Arc::clone(node),
    };
    Arc::new(Node::new(node.place, value))
}

/// What an object is as plain data; none for a mapping that is no such object.
fn of_object(
    node: &Node,
    mapping: &Mapping,
    timezone: Tz,
    subject: Subject<'_>,
    problems: &mut Problems,
) -> Option<Yaml> {
    let class = mapping.get(OBJECT_KEY)?.value.as_text()?;
    if class == values::TIMEDELTA {
        return Some(problems.keep(values::timedelta_seconds(subject, node)).map_or(Yaml::Null, Yaml::Number));
    }
    if values::DATE_CLASSES.contains(&class) {
        let instant = problems.keep(values::datetime_object(subject, node, timezone));
        let text = |instant: chrono::DateTime<chrono::Utc>| instant.to_rfc3339_opts(SecondsFormat::Secs, true);
        return Some(instant.map_or(Yaml::Null, |instant| Yaml::Text(text(instant))));
    }
    if PARAM_CLASSES.contains(&class) {
        let words = mapping.entries.iter().filter(|entry| entry.key != OBJECT_KEY);
        return Some(Yaml::Map(Mapping { entries: words.cloned().collect() }));
    }
    None
}

fn has_object(node: &Node) -> bool {
    match &node.value {
        Yaml::List(items) => items.iter().any(|item| has_object(item)),
        Yaml::Map(mapping) => mapping.has(OBJECT_KEY) || mapping.entries.iter().any(|entry| has_object(&entry.value)),
        Yaml::Null | Yaml::Bool(_) | Yaml::Number(_) | Yaml::Text(_) => false,
    }
}
