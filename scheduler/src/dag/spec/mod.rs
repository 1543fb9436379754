//! DAG files: from YAML text to DAGs, or to every mistake in it at once.
//!
//! One grammar, two spellings: a single DAG at the top of the file, or several keyed by their ids with an optional
//! `default:` block that is laid under each of them (the format of dag-factory). A broken DAG does not take its
//! neighbours with it; a file that is not YAML takes them all.
//!
//! ```text
//!   text ──compose──> nodes with places ──merge default──> one mapping for each DAG ──read──> Dag
//!                │                                                │
//!                └────────────────── problems ────────────────────┘
//! ```
//!
//! The tree with places is built from the events of `granit-parser`, the parser that serde-saphyr stands on and
//! re-exports: through serde, a duplicate key ends the reading, a collection has no end, and quotes and tags are gone
//! before anybody could complain about them.

mod airflow_arguments;
mod argument_table;
mod arguments;
mod callback_schema;
mod collect;
mod compose;
mod defaults;
mod graph;
mod key_schema;
mod keys;
mod links;
mod load;
mod node;
mod objects;
mod operator_schema;
mod problem;
pub(in crate::dag) mod read_callbacks;
mod read_dag;
mod read_dates;
mod read_deadlines;
mod read_groups;
pub(in crate::dag) mod read_mapping;
mod read_params;
mod read_retry;
mod read_task;
mod reference;
mod refused;
mod render;
mod rules;
mod scalar;
mod schedule;
mod schema;
mod source;
pub(in crate::dag) mod suggest;
mod template_files;
mod values;

use std::sync::Arc;

use serde_json::Value;

use crate::dag::Dag;
use template_files::FileMention;

pub use argument_table::argument_table;
pub use load::{Loader, load};
pub use problem::{Code, Label, Problem};
pub use reference::{Table, argument_names, dag_keys, inner_keys, reference_table, task_keys};
pub use render::render;
pub use schema::schema_for_dag_files;
pub use source::{Place, SourceFile};

/// What a DAG file holds.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The DAGs without mistakes, in the order of the file.
    pub dags: Vec<LoadedDag>,
    /// Every mistake, in the order of the file.
    pub problems: Vec<Problem>,
}

/// A DAG as it was read.
#[derive(Clone, Debug)]
pub struct LoadedDag {
    /// The DAG.
    pub dag: Arc<Dag>,
    /// Two DAGs with the same hash mean the same (see [`crate::dag::version`]).
    pub hash: String,
    /// The DAG with everything written out; itself a DAG file that means the same.
    pub document: Value,
    /// The template files that its tasks name.
    files: Vec<FileMention>,
    /// Where it says in which folders else they are looked for.
    search_path: Option<Place>,
}
