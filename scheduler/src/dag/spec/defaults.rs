//! Files of defaults: what lies under all DAGs of a folder and of the folders in it (dag-factory: `defaults.yml`).
//!
//! Such a file holds keys of a DAG. A nearer one wins over a farther one, the `default:` block of a DAG file over both, and
//! the DAG over all. dag-factory lets `defaults.yml` win over the block for keys of the DAG itself, against its own
//! documentation; here there is one order for everything.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::collect::Problems;
use super::compose::compose;
use super::node::{Entry, Mapping, Node, Yaml};
use super::problem::{Code, Problem};
use super::source::{Section, SourceFile};

/// What the files of defaults under a DAG file say together; empty when there are none.
pub(super) fn read(source: &SourceFile, problems: &mut Problems) -> Mapping {
    let mut together = Mapping::default();
    for section in source.defaults() {
        let farther = read_one(source, section, problems);
        let tags = both_tags(&together, &farther);
        together = together.over(&farther);
        if let (Some(tags), Some(entry)) = (tags, together.entries.iter_mut().find(|entry| entry.key == "tags")) {
            entry.value = Arc::new(tags);
        }
    }
    together
}

fn read_one(source: &SourceFile, section: &Section, problems: &mut Problems) -> Mapping {
    let (root, found) = compose(&source.text, section.range.clone());
    for problem in found {
        problems.push(problem);
    }
    let Some(root) = root else { return Mapping::default() };
    let mapping = match &root.value {
        Yaml::Map(mapping) => mapping,
        Yaml::Null => return Mapping::default(),
        _ => {
            let message = format!("a file of defaults is a mapping with keys of a DAG, and this is {}", root.kind());
            problems.push(Problem::new(Code::WrongType, message, root.place, root.kind()));
            return Mapping::default();
        }
    };
    if let Some(entry) = mapping.get("dag_id") {
        let message = "`dag_id` cannot have a default: each DAG has its own";
        problems.push(Problem::new(Code::UnknownKey, message, entry.key_place, "not here"));
    }
    let is_meant = |entry: &&Entry| entry.key != "dag_id" && !entry.key.starts_with("x-");
    Mapping { entries: mapping.entries.iter().filter(is_meant).cloned().collect() }
}

/// Tags of several files of defaults are united, in order (dag-factory).
fn both_tags(nearer: &Mapping, farther: &Mapping) -> Option<Node> {
    let nearer = nearer.get("tags")?;
    let (Yaml::List(near), Yaml::List(far)) = (&nearer.value.value, &farther.get("tags")?.value.value) else {
        return None;
    };
    let mut seen = BTreeSet::new();
    let mut tags: Vec<Arc<Node>> = Vec::new();
    for tag in near.iter().chain(far) {
        if tag.as_text().is_none_or(|text| seen.insert(text.to_owned())) {
            tags.push(Arc::clone(tag));
        }
    }
    tags.sort_by(|a, b| a.as_text().cmp(&b.as_text()));
    Some(Node::new(nearer.value.place, Yaml::List(tags)))
}
