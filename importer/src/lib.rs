//! DAG files of Airflow, which are Python, as DAG files of Updraft, which are YAML.
//!
//! Nothing is run. The text is parsed, and what it says of DAGs without needing anything from outside is followed: names
//! and their values, loops over lists that are written there, functions of the file, operators and the arrows between
//! them. Whatever only a running Python could tell is left out, with a [`Remark`] that says so and where.
//!
//! ```text
//!   Python ──python──> syntax tree ──interpreter──> draft of DAGs, tasks, arrows ──write──> YAML
//!                                        └── expression, call, airflow ──┘└── remarks
//! ```
//!
//! It is all a function of the text: no file is read, no clock is asked. Loops, calls and texts are bounded, so that no
//! file keeps it busy for ever or fills the memory.

mod airflow;
mod arguments;
mod call;
mod date;
mod draft;
mod encoding;
mod expression;
mod interpreter;
mod keys;
mod python;
mod records;
mod remark;
mod sequence;
mod text;
mod timetable;
mod value;
mod write;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

pub use encoding::decode;
pub use remark::{Remark, Weight};

/// What Updraft knows, as far as the import needs it.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    /// The short names of operators by Airflow's classes, without their modules.
    pub operators: BTreeMap<String, String>,
    /// The arguments of operators, by their short names.
    pub arguments: BTreeMap<String, BTreeSet<String>>,
    /// The keys that every DAG may have.
    pub dag_keys: BTreeSet<String>,
    /// The keys that every task may have.
    pub task_keys: BTreeSet<String>,
}

/// What became of a Python file.
#[derive(Clone, Debug, Default)]
pub struct Imported {
    /// The DAG file; none when the Python file defines no DAG.
    pub yaml: Option<String>,
    /// The ids of the DAGs in it.
    pub dag_ids: Vec<String>,
    /// What could not be converted, and what to look at, in the order of the Python file.
    pub remarks: Vec<Remark>,
    /// Which stretch of the YAML comes from which stretch of the Python file, both in bytes.
    places: Vec<(Range<usize>, Range<usize>)>,
    /// The stretches of the YAML with tasks that are not converted.
    lost: Vec<Range<usize>>,
}

impl Imported {
    /// Whether the byte at `offset` of the YAML belongs to a task that is not converted, of which a remark tells.
    pub fn is_lost(&self, offset: usize) -> bool {
        self.lost.iter().any(|range| range.contains(&offset))
    }

    /// Where in the Python file the byte at `offset` of the YAML comes from.
    pub fn origin(&self, offset: usize) -> Range<usize> {
        let around = self.places.iter().filter(|(yaml, _)| yaml.contains(&offset));
        around.min_by_key(|(yaml, _)| yaml.len()).map_or(0..0, |(_, python)| python.clone())
    }
}

/// Converts a Python file. `name` is the file's without its ending.
pub fn import(name: &str, text: &str, vocabulary: &Vocabulary) -> Imported {
    let tree = match python::parse(text) {
        Ok(tree) => tree,
        Err(remark) => return Imported { remarks: vec![remark], ..Imported::default() },
    };
    let mut interpreter = interpreter::Interpreter::new(name, text, vocabulary);
    interpreter.run(tree.root_node());
    let (draft, mut remarks) = interpreter.end();
    let mut imported = write::write(draft, vocabulary, &mut remarks);
    remarks.sort_by_key(|remark| (remark.place.start, remark.place.end));
    remarks.dedup();
    imported.remarks = remarks;
    imported
}

#[cfg(test)]
mod tests;
