//! `task_groups`: which groups there are, which is in which, and what their tasks have in common.

use std::collections::HashMap;

use super::collect::{Problems, Subject, names, wrong_type};
use super::keys::GROUP_KEYS;
use super::node::{Entry, Mapping, Node, Yaml};
use super::problem::{Code, Problem};
use super::read_mapping::{self, ReadMapping};
use super::refused::{REFUSED_IN_GROUPS, find_refused};
use super::source::Place;
use super::suggest::did_you_mean;
use super::values;
use crate::dag::TaskGroup;

/// Groups within groups; nobody finds their way in more.
const LEVELS_MAX: usize = 32;

/// A group as it was read.
#[derive(Debug)]
pub(super) struct ReadGroup {
    pub id: String,
    /// As it is written, without the ids of the groups around it.
    pub name: String,
    pub name_place: Place,
    /// The group around it, which stands before it in [`Groups::list`].
    pub parent: Option<usize>,
    prefixes: bool,
    display_name: Option<String>,
    tooltip: Option<String>,
    pub dependencies: Vec<(String, Place)>,
    pub default_args: Mapping,
    pub mapping: Option<ReadMapping>,
}

/// The groups of a DAG, outer ones before inner ones.
#[derive(Debug, Default)]
pub(super) struct Groups {
    pub list: Vec<ReadGroup>,
}

impl Groups {
    /// The id of something in a group (Airflow 3: `child_id`).
    pub fn id_within(&self, group: Option<usize>, name: &str) -> String {
        match group.map(|group| &self.list[group]) {
            Some(group) if group.prefixes => format!("{}.{name}", group.id),
            _ => name.to_owned(),
        }
    }

    /// The group that goes by an id or by a name.
    pub fn find(&self, name: &str, subject: Subject<'_>, place: Place) -> Result<usize, Problem> {
        if let Some(found) = self.list.iter().position(|group| group.id == name) {
            return Ok(found);
        }
        let named: Vec<usize> = (0..self.list.len()).filter(|group| self.list[*group].name == name).collect();
        match named.as_slice() {
            [only] => Ok(*only),
            [] => Err(unknown(name, subject, place, self.list.iter().map(|group| group.id.as_str()))),
            several => {
                let ids: Vec<String> = several.iter().map(|group| format!("`{}`", self.list[*group].id)).collect();
                let message = format!("{subject} is `{name}`, and there are several groups of that name");
                Err(Problem::new(Code::UnknownDependency, message, place, "which one?")
                    .help(format!("write the id of one: {}", ids.join(", "))))
            }
        }
    }

    /// Whether `inner` is `outer`, or lies in it.
    pub fn is_within(&self, inner: Option<usize>, outer: usize) -> bool {
        self.around(inner).any(|group| group == outer)
    }

    /// A group and those around it, from the inside out.
    pub fn around(&self, innermost: Option<usize>) -> impl Iterator<Item = usize> {
        std::iter::successors(innermost, |group| self.list[*group].parent)
    }

    /// The groups as the DAG has them.
    pub fn into_model(self) -> Vec<TaskGroup> {
        let ids: Vec<String> = self.list.iter().map(|group| group.id.clone()).collect();
        let model = |group: ReadGroup| TaskGroup {
            group_id: group.id,
            display_name: group.display_name,
            parent: group.parent.map(|parent| ids[parent].clone()),
            tooltip: group.tooltip,
            mapping: group.mapping.map(|read| read.mapping),
        };
        self.list.into_iter().map(model).collect()
    }
}

/// Reads the groups in either spelling: a list with `group_name`, or a mapping by name.
pub(super) fn read(dag: &Mapping, problems: &mut Problems) -> Groups {
    let Some(entry) = dag.get("task_groups") else { return Groups::default() };
    let read = match &entry.value.value {
        Yaml::Null => Vec::new(),
        Yaml::List(items) => items.iter().filter_map(|item| listed_group(item, problems)).collect(),
        Yaml::Map(mapping) => mapping.entries.iter().filter_map(|entry| named_group(entry, problems)).collect(),
        _ => {
            let subject = Subject { key: "task_groups", within: "" };
            problems.push(wrong_type(subject, &entry.value, "a list of groups, or a mapping from names to groups"));
            Vec::new()
        }
    };
    nested(read, problems)
}

/// A group whose place among the others is not known yet.
struct Loose {
    group: ReadGroup,
    parent: Option<(String, Place)>,
}

fn listed_group(item: &Node, problems: &mut Problems) -> Option<Loose> {
    let Some(mapping) = item.as_map() else {
        problems.push(wrong_type(Subject { key: "a group", within: "" }, item, "a mapping with `group_name`"));
        return None;
    };
    let Some(name) = mapping.get("group_name") else {
        let place = mapping.entries.first().map_or(item.place, |entry| entry.key_place);
        problems.push(
            Problem::new(Code::MissingKey, "a group has no `group_name`", place, "this group")
                .help("in a list every group names itself: `group_name: load`"),
        );
        return None;
    };
    let text = problems.keep(values::text(Subject { key: "group_name", within: "" }, &name.value))?;
    Some(group(&text, name.value.place, mapping, problems))
}

fn named_group(entry: &Entry, problems: &mut Problems) -> Option<Loose> {
    let nothing = Mapping::default();
    let mapping = match &entry.value.value {
        Yaml::Null => &nothing,
        Yaml::Map(mapping) => mapping,
        _ => {
            let within = "`task_groups`";
            problems.push(wrong_type(
                Subject { key: &entry.key, within },
                &entry.value,
                "a mapping with keys of a group",
            ));
            return None;
        }
    };
    if let Some(name) = mapping.get("group_name")
        && name.value.as_text() != Some(&entry.key)
    {
        let message = format!("group `{}` names itself otherwise", entry.key);
        let problem = Problem::new(Code::InvalidValue, message, name.value.place, "another name");
        problems.push(problem.also(entry.key_place, "the name is this key").help("take `group_name` away"));
    }
    Some(group(&entry.key, entry.key_place, mapping, problems))
}

/// What reads a text.
type Read = fn(Subject<'_>, &Node) -> Result<String, Problem>;

fn group(name: &str, name_place: Place, mapping: &Mapping, problems: &mut Problems) -> Loose {
    problems.keep(values::check_id("group", name, name_place));
    let within = format!("group `{name}`");
    unknown_keys(mapping, &within, problems);
    let mut text = |key: &str, read: Read| {
        let entry = mapping.get(key).filter(|entry| !matches!(entry.value.value, Yaml::Null))?;
        let text = problems.keep(read(Subject { key, within: &within }, &entry.value))?;
        Some((text, entry.value.place))
    };
    let display_name = text("group_display_name", values::display_name).map(|(text, _)| text);
    let tooltip = text("tooltip", values::text).map(|(text, _)| text);
    let parent = text("parent_group_name", values::text);
    let prefixes = match mapping.get("prefix_group_id").filter(|entry| !matches!(entry.value.value, Yaml::Null)) {
        Some(entry) => {
            let subject = Subject { key: "prefix_group_id", within: &within };
            problems.keep(values::boolean(subject, &entry.value)).unwrap_or(true)
        }
        None => true,
    };
    let group = ReadGroup {
        id: name.to_owned(),
        name: name.to_owned(),
        name_place,
        parent: None,
        prefixes,
        display_name,
        tooltip,
        dependencies: values::ids("dependencies", mapping, &within, problems),
        default_args: default_args(mapping, &within, problems),
        mapping: read_mapping::read(mapping, &within, problems),
    };
    Loose { group, parent }
}

fn unknown_keys(mapping: &Mapping, within: &str, problems: &mut Problems) {
    for entry in &mapping.entries {
        if names(GROUP_KEYS).any(|known| known == entry.key) {
            continue;
        }
        match find_refused(REFUSED_IN_GROUPS, &entry.key) {
            Some(refused) => problems.refuse(entry, refused),
            None => problems.unknown_key(entry, format!("{within} has no key `{}`", entry.key), names(GROUP_KEYS)),
        }
    }
}

fn default_args(mapping: &Mapping, within: &str, problems: &mut Problems) -> Mapping {
    match mapping.get("default_args").map(|entry| &entry.value) {
        None => Mapping::default(),
        Some(node) => match &node.value {
            Yaml::Null => Mapping::default(),
            Yaml::Map(mapping) => mapping.clone(),
            _ => {
                problems.push(wrong_type(Subject { key: "default_args", within }, node, "a mapping"));
                Mapping::default()
            }
        },
    }
}

/// Puts groups into the groups around them, level by level.
fn nested(read: Vec<Loose>, problems: &mut Problems) -> Groups {
    let mut named: HashMap<String, usize> = HashMap::new();
    for loose in &read {
        *named.entry(loose.group.name.clone()).or_default() += 1;
    }
    let known: Vec<String> = read.iter().map(|loose| loose.group.name.clone()).collect();
    let mut groups = Groups::default();
    let mut placed: HashMap<String, usize> = HashMap::new();
    let mut open = read;
    for _ in 0..LEVELS_MAX {
        // A name that only one group has will do; of several, only the id.
        let parent_of = |loose: &Loose, placed: &HashMap<String, usize>| match &loose.parent {
            None => Some(None),
            Some((name, _)) => placed.get(name).copied().map(Some),
        };
        let (now, later): (Vec<Loose>, Vec<Loose>) =
            open.into_iter().partition(|loose| parent_of(loose, &placed).is_some());
        let is_done = now.is_empty();
        let mut level = Vec::new();
        for loose in now {
            let parent = parent_of(&loose, &placed).flatten();
            let id = groups.id_within(parent, &loose.group.name);
            if id != loose.group.name {
                problems.keep(values::check_id("group", &id, loose.group.name_place));
            }
            level.push(groups.list.len());
            groups.list.push(ReadGroup { id, parent, ..loose.group });
        }
        for group in level {
            let ReadGroup { id, name, .. } = &groups.list[group];
            if named.get(name) == Some(&1) {
                placed.insert(name.clone(), group);
            }
            placed.insert(id.clone(), group);
        }
        open = later;
        if is_done {
            break;
        }
    }
    misplaced(&open, &known, problems);
    groups
}

/// The groups around which there is no group, or only themselves.
fn misplaced(open: &[Loose], known: &[String], problems: &mut Problems) {
    for loose in open {
        let Some((parent, place)) = &loose.parent else { continue };
        let name = &loose.group.name;
        let within = format!("group `{name}`");
        let subject = Subject { key: "parent_group_name", within: &within };
        let homonyms = known.iter().filter(|known| *known == parent).count();
        problems.push(match homonyms {
            0 => unknown(parent, subject, *place, known.iter().map(String::as_str)),
            1 => Problem::new(
                Code::Cycle,
                format!("group `{name}` lies within itself, or too deep"),
                *place,
                "this group",
            )
            .help(format!("a group is in at most {LEVELS_MAX} others, and not in any that is in it")),
            _ => Problem::new(
                Code::UnknownDependency,
                format!("{subject} is `{parent}`, and there are several groups of that name"),
                *place,
                "which one?",
            )
            .help("write the id of one, with the ids of the groups around it: `outer.inner`"),
        });
    }
}

fn unknown<'a>(name: &str, subject: Subject<'_>, place: Place, known: impl IntoIterator<Item = &'a str>) -> Problem {
    let message = format!("{subject} is `{name}`, which is not a group of this DAG");
    Problem::new(Code::UnknownDependency, message, place, "no such group")
        .help("the groups of a DAG are named in `task_groups`")
        .maybe_help(did_you_mean(name, known))
}
