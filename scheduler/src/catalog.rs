//! DAG definitions by version: the parsed form of what the database keeps as text.
//!
//! Whoever needs a definition (the engine, the API) asks here with the text that a row holds. The same version is parsed
//! once for each process.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

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

/// Definitions by DAG and hash.
type Parsed = HashMap<(String, String), Arc<Dag>>;

/// DAG definitions by version. Cheap to clone.
#[derive(Clone)]
pub struct Catalog {
    registry: Arc<Registry>,
    parsed: Arc<RwLock<Parsed>>,
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
        let key = (loaded.dag.dag_id.clone(), loaded.hash.clone());
        self.parsed.write().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&loaded.dag));
    }

    /// The definition of `dag_id` with that hash, from the text of its file.
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
        let key = (dag_id.to_owned(), hash.to_owned());
        if let Some(dag) = self.parsed.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Arc::clone(dag));
        }
        let file = SourceFile::new(relative_fileloc, source);
        let loaded = spec::load(&file, &self.registry);
        let Some(found) = loaded.dags.iter().find(|loaded| loaded.dag.dag_id == dag_id) else {
            let detail = spec::render(&file, &loaded.problems, false);
            return Err(UnreadableDefinition { dag_id: dag_id.to_owned(), detail });
        };
        self.parsed.write().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&found.dag));
        Ok(Arc::clone(&found.dag))
    }
}
