//! The draft as the text of a DAG file.

use std::ops::Range;

use serde_json::Value as Json;

use crate::draft::{Dag, Draft, End, Entry};
use crate::keys::DAG_ORDER;
use crate::remark::Remark;
use crate::{Imported, Vocabulary, yaml};

/// Writes the DAGs of a file: one at the top of the text, several under their ids.
pub(crate) fn write(mut draft: Draft, vocabulary: &Vocabulary, remarks: &mut Vec<Remark>) -> Imported {
    draft.settle();
    for task in draft.tasks.iter().filter(|task| task.dag.is_none()) {
        remarks.push(Remark::lost(format!("task `{}` belongs to no DAG", task.name), task.place.clone()));
    }
    let mut imported = Imported::default();
    if draft.dags.is_empty() {
        return imported;
    }
    let mut writer =
        Writer { draft: &draft, vocabulary, out: String::new(), places: Vec::new(), lost: Vec::new(), remarks };
    let single = draft.dags.len() == 1;
    for (index, dag) in draft.dags.iter().enumerate() {
        if imported.dag_ids.contains(&dag.dag_id) {
            let message = format!("the DAG `{}` is there twice", dag.dag_id);
            writer.remarks.push(Remark::lost(message, dag.place.clone()));
            continue;
        }
        if !single {
            if index > 0 {
                writer.out.push('\n');
            }
            writer.out.push_str(&yaml::scalar(&dag.dag_id, false));
            writer.out.push_str(":\n");
        }
        writer.dag(index, dag, if single { 0 } else { 2 }, single);
        imported.dag_ids.push(dag.dag_id.clone());
    }
    (imported.places, imported.lost) = (writer.places, writer.lost);
    imported.yaml = Some(writer.out);
    imported
}

struct Writer<'a> {
    draft: &'a Draft,
    vocabulary: &'a Vocabulary,
    out: String,
    places: Vec<(Range<usize>, Range<usize>)>,
    lost: Vec<Range<usize>>,
    remarks: &'a mut Vec<Remark>,
}

impl Writer<'_> {
    /// Remembers where what was written since `start` comes from.
    fn from(&mut self, start: usize, origin: &Range<usize>) {
        self.places.push((start..self.out.len(), origin.clone()));
    }

    fn dag(&mut self, index: usize, dag: &Dag, indent: usize, with_id: bool) {
        let start = self.out.len();
        if with_id {
            yaml::entry(&mut self.out, indent, "dag_id", &Json::from(dag.dag_id.as_str()));
        }
        let place_of = |entry: &Entry| DAG_ORDER.iter().position(|key| *key == entry.key).unwrap_or(DAG_ORDER.len());
        let mut entries: Vec<&Entry> = dag.entries.iter().collect();
        entries.sort_by_key(|entry| place_of(entry));
        for entry in entries {
            self.entry(indent, entry);
        }
        self.default_args(index, dag, indent);
        self.groups(index, indent);
        self.tasks(index, indent);
        self.from(start, &dag.place);
    }

    fn entry(&mut self, indent: usize, entry: &Entry) {
        let start = self.out.len();
        yaml::entry(&mut self.out, indent, &entry.key, &entry.value);
        self.from(start, &entry.place);
    }

    /// What all tasks have alike, as far as there is a task that takes it.
    fn default_args(&mut self, index: usize, dag: &Dag, indent: usize) {
        let tasks = || self.draft.tasks.iter().filter(|task| task.dag == Some(index));
        let is_taken = |key: &str| {
            let by_an_operator =
                |operator: &str| self.vocabulary.arguments.get(operator).is_some_and(|names| names.contains(key));
            self.vocabulary.task_keys.contains(key) || tasks().any(|task| by_an_operator(&task.operator))
        };
        let (taken, others): (Vec<&Entry>, Vec<&Entry>) =
            dag.default_args.iter().partition(|entry| is_taken(&entry.key));
        for entry in others {
            let message = format!("`{}` is left out of default_args: no task of this DAG takes it", entry.key);
            self.remarks.push(Remark::noted(message, entry.place.clone()));
        }
        if taken.is_empty() {
            return;
        }
        self.line(indent, "default_args:");
        for entry in taken {
            self.entry(indent + 2, entry);
        }
    }

    fn groups(&mut self, dag: usize, indent: usize) {
        let groups: Vec<usize> =
            (0..self.draft.groups.len()).filter(|group| self.draft.groups[*group].dag == Some(dag)).collect();
        if groups.is_empty() {
            return;
        }
        self.line(indent, "task_groups:");
        for index in groups {
            let group = &self.draft.groups[index];
            let own = |key: &str, value: Json| Entry { key: key.to_owned(), value, place: group.place.clone() };
            let mut entries = vec![own("group_name", Json::from(group.name.as_str()))];
            if let Some(parent) = group.parent {
                entries.push(own("parent_group_name", Json::from(self.draft.id(End::Group(parent)))));
            }
            if !group.prefixes {
                entries.push(own("prefix_group_id", Json::from(false)));
            }
            entries.extend(self.dependencies(End::Group(index), &group.place));
            entries.extend(group.entries.iter().cloned());
            self.item(indent + 2, &entries);
        }
    }

    fn tasks(&mut self, dag: usize, indent: usize) {
        let tasks: Vec<usize> =
            (0..self.draft.tasks.len()).filter(|task| self.draft.tasks[*task].dag == Some(dag)).collect();
        if tasks.is_empty() {
            self.line(indent, "tasks: []");
            return;
        }
        self.line(indent, "tasks:");
        let has_zone = self.draft.dags[dag].entries.iter().any(|entry| entry.key == "timezone");
        for index in tasks {
            let task = &self.draft.tasks[index];
            let own = |key: &str, value: Json| Entry { key: key.to_owned(), value, place: task.place.clone() };
            let mut entries = vec![
                own("task_id", Json::from(task.name.as_str())),
                own("operator", Json::from(task.operator.as_str())),
            ];
            if let Some(group) = task.group {
                entries.push(own("task_group_name", Json::from(self.draft.id(End::Group(group)))));
            }
            entries.extend(self.dependencies(End::Task(index), &task.place));
            entries.extend(task.entries.iter().map(|entry| if has_zone { in_utc(entry) } else { entry.clone() }));
            let Some(lost) = &task.lost else {
                self.item(indent + 2, &entries);
                continue;
            };
            self.line(indent + 2, &format!("# Not converted: {}", lost.replace(['\n', '\r'], " ")));
            let start = self.out.len();
            self.item(indent + 2, &entries);
            self.lost.push(start..self.out.len());
        }
    }

    /// A mapping in a list, with the origin of each of its keys.
    fn item(&mut self, indent: usize, entries: &[Entry]) {
        for (position, entry) in entries.iter().enumerate() {
            let start = self.out.len();
            yaml::item_entry(&mut self.out, indent, position == 0, &entry.key, &entry.value);
            self.from(start, &entry.place);
        }
    }

    fn dependencies(&self, end: End, place: &Range<usize>) -> Option<Entry> {
        let upstream = self.draft.upstream(end);
        let entry =
            || Entry { key: "dependencies".to_owned(), value: Json::from(upstream.clone()), place: place.clone() };
        (!upstream.is_empty()).then(entry)
    }

    fn line(&mut self, indent: usize, text: &str) {
        self.out.extend(std::iter::repeat_n(' ', indent));
        self.out.push_str(text);
        self.out.push('\n');
    }
}

/// A task's own date without a zone is one in UTC for Airflow. Here it would be one in the zone of its DAG.
fn in_utc(entry: &Entry) -> Entry {
    let written = entry.value.as_str().filter(|_| matches!(entry.key.as_str(), "start_date" | "end_date"));
    let value = match written {
        Some(date) if date.ends_with('Z') => return entry.clone(),
        Some(date) if date.contains('T') => format!("{date}Z"),
        Some(date) => format!("{date}T00:00:00Z"),
        None => return entry.clone(),
    };
    Entry { value: Json::from(value), ..entry.clone() }
}
