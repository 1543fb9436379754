//! YAML as a tree in which every key and every value knows its place.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Number, Value};

use super::source::Place;

/// A value with its place in the text. Aliases share the node of their anchor.
#[derive(Debug)]
pub(super) struct Node {
    pub place: Place,
    pub value: Yaml,
    /// How many values there are in it, itself included and aliases written out.
    pub weight: usize,
    /// How many levels there are in it, itself included.
    pub depth: usize,
}

/// A value of YAML's core schema; numbers that JSON cannot hold are text.
#[derive(Debug)]
pub(super) enum Yaml {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Arc<Node>>),
    Map(Mapping),
}

/// A mapping in the order of the text, each key once.
#[derive(Clone, Debug, Default)]
pub(super) struct Mapping {
    pub entries: Vec<Entry>,
}

/// A key, its place, and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub key: String,
    pub key_place: Place,
    pub value: Arc<Node>,
}

impl Mapping {
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub fn to_json(&self) -> Map<String, Value> {
        self.entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect()
    }

    /// This mapping with the entries of `under` that it does not have itself.
    pub fn laid_over(&self, under: &Mapping) -> Mapping {
        let missing = under.entries.iter().filter(|entry| !self.has(&entry.key)).cloned();
        Mapping { entries: self.entries.iter().cloned().chain(missing).collect() }
    }

    /// This mapping with `default` laid under it: mappings merge key by key, anything else only fills what is absent, and
    /// so do callbacks and deadlines.
    pub fn over(&self, default: &Mapping) -> Mapping {
        let mut merged = self.clone();
        let index: HashMap<&str, usize> =
            self.entries.iter().enumerate().map(|(position, entry)| (entry.key.as_str(), position)).collect();
        for under in &default.entries {
            match index.get(under.key.as_str()) {
                None => merged.entries.push(under.clone()),
                // A callback is one thing, not a mapping of several: half of one and half of another is neither.
                Some(_) if under.key.ends_with("_callback") || under.key == "deadline" => (),
                Some(&position) => {
                    let own = &mut merged.entries[position];
                    if let (Yaml::Map(mine), Yaml::Map(theirs)) = (&own.value.value, &under.value.value) {
                        own.value = Arc::new(Node::new(own.value.place, Yaml::Map(mine.over(theirs))));
                    }
                }
            }
        }
        merged
    }
}

impl Node {
    pub fn new(place: Place, value: Yaml) -> Node {
        let (weight, depth) = match &value {
            Yaml::List(items) => measure(items.iter()),
            Yaml::Map(mapping) => measure(mapping.entries.iter().map(|entry| &entry.value)),
            Yaml::Null | Yaml::Bool(_) | Yaml::Number(_) | Yaml::Text(_) => (1, 1),
        };
        Node { place, value, weight, depth }
    }

    /// What it is, as people say it.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Yaml::Null => "nothing",
            Yaml::Bool(_) => "true or false",
            Yaml::Number(number) if number.is_f64() => "a number",
            Yaml::Number(_) => "a whole number",
            Yaml::Text(_) => "text",
            Yaml::List(_) => "a list",
            Yaml::Map(_) => "a mapping",
        }
    }

    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Yaml::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_map(&self) -> Option<&Mapping> {
        match &self.value {
            Yaml::Map(mapping) => Some(mapping),
            _ => None,
        }
    }

    /// A value that nobody wrote, at the place that it comes from.
    pub fn from_json(place: Place, value: &Value) -> Node {
        let inner = |value: &Value| Arc::new(Node::from_json(place, value));
        let value = match value {
            Value::Null => Yaml::Null,
            Value::Bool(value) => Yaml::Bool(*value),
            Value::Number(number) => Yaml::Number(number.clone()),
            Value::String(text) => Yaml::Text(text.clone()),
            Value::Array(items) => Yaml::List(items.iter().map(inner).collect()),
            Value::Object(entries) => {
                let entry =
                    |(key, value): (&String, &Value)| Entry { key: key.clone(), key_place: place, value: inner(value) };
                Yaml::Map(Mapping { entries: entries.iter().map(entry).collect() })
            }
        };
        Node::new(place, value)
    }

    pub fn to_json(&self) -> Value {
        match &self.value {
            Yaml::Null => Value::Null,
            Yaml::Bool(value) => Value::Bool(*value),
            Yaml::Number(number) => Value::Number(number.clone()),
            Yaml::Text(text) => Value::String(text.clone()),
            Yaml::List(items) => Value::Array(items.iter().map(|item| item.to_json()).collect()),
            Yaml::Map(mapping) => Value::Object(mapping.to_json()),
        }
    }
}

/// The place in a mapping that a JSON pointer names, or of the closest thing above it; the flag tells to point at the key.
pub(super) fn place_at(mapping: &Mapping, pointer: &str, at_key: bool) -> Option<Place> {
    let mut parts = pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~"));
    let first = mapping.get(&parts.next()?)?;
    let (mut key_place, mut node) = (first.key_place, &first.value);
    for part in parts {
        match &node.value {
            Yaml::Map(inner) => match inner.get(&part) {
                Some(entry) => (key_place, node) = (entry.key_place, &entry.value),
                None => break,
            },
            Yaml::List(items) => match part.parse::<usize>().ok().and_then(|index| items.get(index)) {
                Some(item) => (key_place, node) = (item.place, item),
                None => break,
            },
            Yaml::Null | Yaml::Bool(_) | Yaml::Number(_) | Yaml::Text(_) => break,
        }
    }
    Some(if at_key || node.place.start == node.place.end { key_place } else { node.place })
}

fn measure<'a>(children: impl Iterator<Item = &'a Arc<Node>>) -> (usize, usize) {
    children.fold((1, 1), |(weight, depth), child| {
        (usize::saturating_add(weight, child.weight), depth.max(child.depth.saturating_add(1)))
    })
}
