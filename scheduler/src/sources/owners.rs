//! Which file of a folder defines which DAG.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The file of each DAG.
#[derive(Default)]
pub(super) struct Owners(HashMap<String, String>);

impl Owners {
    pub(super) fn new(files: HashMap<String, String>) -> Owners {
        Owners(files)
    }

    /// The DAGs that these files define, by file; files without any are left out.
    pub(super) fn dags_of<'a>(&self, files: impl Iterator<Item = &'a String>) -> BTreeMap<String, BTreeSet<String>> {
        let files: BTreeSet<&String> = files.collect();
        let mut dags: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (dag_id, file) in self.0.iter().filter(|(_, file)| files.contains(file)) {
            dags.entry(file.clone()).or_default().insert(dag_id.clone());
        }
        dags
    }

    /// What it will be, as long as nothing of that is durable.
    pub(super) fn draft(&self) -> Draft<'_> {
        Draft { now: self, changes: HashMap::new() }
    }

    /// Takes over what was drafted.
    pub(super) fn change(&mut self, changes: Changes) {
        for (dag_id, file) in changes.0 {
            match file {
                Some(file) => self.0.insert(dag_id, file),
                None => self.0.remove(&dag_id),
            };
        }
    }
}

/// [`Owners`] with changes, which are dropped with it.
pub(super) struct Draft<'a> {
    now: &'a Owners,
    changes: HashMap<String, Option<String>>,
}

/// The changes of a [`Draft`].
pub(super) struct Changes(HashMap<String, Option<String>>);

impl Draft<'_> {
    /// The file that defines a DAG; none if no file does.
    pub(super) fn of(&self, dag_id: &str) -> Option<&str> {
        match self.changes.get(dag_id) {
            Some(file) => file.as_deref(),
            None => self.now.0.get(dag_id).map(String::as_str),
        }
    }

    pub(super) fn set(&mut self, dag_id: &str, file: &str) {
        if self.of(dag_id) != Some(file) {
            self.changes.insert(dag_id.to_owned(), Some(file.to_owned()));
        }
    }

    pub(super) fn remove(&mut self, dag_id: String) {
        self.changes.insert(dag_id, None);
    }

    pub(super) fn into_changes(self) -> Changes {
        Changes(self.changes)
    }
}
