//! DAG definitions by version: the parsed form of what the database keeps as text.
//!
//! Whoever needs a definition (the engine, the API) asks here with the text that a row holds. A version is parsed once
//! for as long as somebody holds it, and the latest of each DAG is held here; so what is in memory grows with the DAGs and
//! the runs under way, not with how often files were saved.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock, Weak};

use crate::dag::Dag;
use crate::dag::callback::Callback;
use crate::dag::spec::{self, LoadedDag, SourceFile};
use crate::operator::Registry;

/// A stored definition that can no longer be read, by this version of Updraft at least.
#[derive(Debug, thiserror::Error)]
#[error("the stored definition of DAG `{dag_id}` cannot be read: {detail}")]
pub struct UnreadableDefinition {
    /// The DAG.
    pub dag_id: String,
    /// What is wrong with it.
    pub detail: String,
}

/// What is in memory of one DAG.
struct Versions {
    /// The version that was parsed last: nearly always the one that everybody asks for.
    latest: Version,
    /// Those that runs or answers under way may still hold.
    others: Vec<(String, Weak<Dag>)>,
}

/// A definition with its hash.
struct Version {
    hash: String,
    dag: Arc<Dag>,
}

impl Versions {
    fn find(&self, hash: &str) -> Option<Arc<Dag>> {
        if self.latest.hash == hash {
            return Some(Arc::clone(&self.latest.dag));
        }
        self.others.iter().find(|(other, _)| other == hash)?.1.upgrade()
    }

    /// Makes `version` the latest, and forgets those that nobody holds any more.
    fn put(&mut self, version: Version) {
        let before = std::mem::replace(&mut self.latest, version);
        self.others.push((before.hash, Arc::downgrade(&before.dag)));
        drop(before.dag);
        self.others.retain(|(hash, dag)| *hash != self.latest.hash && dag.strong_count() > 0);
    }
}

/// DAG definitions by version. Cheap to clone.
#[derive(Clone)]
pub struct Catalog {
    registry: Arc<Registry>,
    parsed: Arc<RwLock<HashMap<String, Versions>>>,
}

impl Catalog {
    /// An empty catalog for DAGs that use these operators.
    pub fn new(registry: Arc<Registry>) -> Catalog {
        Catalog { registry, parsed: Arc::default() }
    }

    /// The operators that DAGs may use.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Callbacks of a DAG that cannot be delivered as this installation is set up, and why.
    pub fn obstacles(&self, dag: &Dag) -> BTreeSet<String> {
        let obstacle = |callback: &Callback| {
            let why = self.registry.notifier(&callback.notifier)?.obstacle(&callback.args)?;
            Some(format!("callbacks of DAG `{}` through `{}` will fail: {why}", dag.dag_id, callback.notifier))
        };
        let of_tasks = dag.tasks().flat_map(|(_, task)| task.callbacks.iter());
        of_tasks.chain(dag.callbacks.iter()).filter_map(obstacle).collect()
    }

    /// Keeps a definition that was just loaded from its file.
    pub fn remember(&self, loaded: &LoadedDag) {
        self.keep(loaded.hash.clone(), &loaded.dag);
    }

    fn keep(&self, hash: String, dag: &Arc<Dag>) {
        let version = Version { hash, dag: Arc::clone(dag) };
        let mut parsed = self.parsed.write().unwrap_or_else(PoisonError::into_inner);
        match parsed.get_mut(&dag.dag_id) {
            Some(versions) => versions.put(version),
            None => {
                parsed.insert(dag.dag_id.clone(), Versions { latest: version, others: Vec::new() });
            }
        }
    }

    fn find(&self, dag_id: &str, hash: &str) -> Option<Arc<Dag>> {
        self.parsed.read().unwrap_or_else(PoisonError::into_inner).get(dag_id)?.find(hash)
    }

    /// The definition of `dag_id` with that hash, from the text of its file and of the defaults under it.
    ///
    /// # Errors
    /// When the text no longer holds that DAG without mistakes, for example after an operator changed its arguments.
    pub fn definition(
        &self,
        dag_id: &str,
        hash: &str,
        relative_fileloc: &str,
        source: &str,
    ) -> Result<Arc<Dag>, UnreadableDefinition> {
        if let Some(dag) = self.find(dag_id, hash) {
            return Ok(dag);
        }
        let file = SourceFile::stored(relative_fileloc, source);
        let loaded = spec::load(&file, &self.registry);
        let Some(found) = loaded.dags.iter().find(|loaded| loaded.dag.dag_id == dag_id) else {
            let detail = spec::render(&file, &loaded.problems, false);
            return Err(UnreadableDefinition { dag_id: dag_id.to_owned(), detail });
        };
        self.keep(hash.to_owned(), &found.dag);
        Ok(Arc::clone(&found.dag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "nightly.yaml";

    fn catalog() -> Catalog {
        Catalog::new(Arc::new(Registry::default()))
    }

    /// Asks for a version as its text; the hash is as good as any other name of it.
    fn ask(catalog: &Catalog, version: usize) -> Arc<Dag> {
        let text = format!("description: version {version}\ntasks: []\n");
        catalog.definition("nightly", &version.to_string(), FILE, &text).expect("the text holds the DAG")
    }

    fn in_memory(catalog: &Catalog) -> usize {
        let parsed = catalog.parsed.read().unwrap();
        parsed.values().map(|versions| 1 + versions.others.len()).sum()
    }

    #[test]
    fn a_version_is_parsed_once_while_it_is_held() {
        let catalog = catalog();

        let first = ask(&catalog, 1);
        let second = ask(&catalog, 2);

        assert!(Arc::ptr_eq(&first, &ask(&catalog, 1)), "a run holds it");
        assert!(Arc::ptr_eq(&second, &ask(&catalog, 2)));
        drop(second);
        assert_eq!(ask(&catalog, 2).description.as_deref(), Some("version 2"));
    }

    #[test]
    fn versions_that_nobody_holds_are_let_go() {
        let catalog = catalog();
        let held = ask(&catalog, 0);

        for version in 1..=100 {
            ask(&catalog, version);
        }

        assert_eq!(in_memory(&catalog), 2, "the latest, and the one that is held");
        assert!(Arc::ptr_eq(&held, &ask(&catalog, 0)));
    }
}
