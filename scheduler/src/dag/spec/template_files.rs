//! The template files that tasks name, and what is wrong with them where somebody can look.

use super::LoadedDag;
use super::problem::{Code, Problem};
use super::source::{Place, SourceFile};
use crate::dag::template::NamedFile;

/// Where a task names a template file.
#[derive(Clone, Debug)]
pub(super) struct FileMention {
    pub place: Place,
    /// The argument that names it, as it is spoken of.
    pub subject: String,
    pub file: NamedFile,
}

impl LoadedDag {
    /// What is wrong with the files that tasks of the DAG name, which was loaded from `source`; `look` says it of each. Reading
    /// a DAG file reads no others, so this is for those who want to know before a task runs.
    pub fn file_problems(&self, source: &SourceFile, look: impl Fn(&NamedFile) -> Vec<String>) -> Vec<Problem> {
        let told = |mention: &FileMention| {
            let problem = |message: String| {
                let message = format!("{}: {message}", mention.subject);
                let problem = Problem::new(Code::InvalidArgument, message, mention.place, "this file");
                Problem { dag_id: Some(self.dag.dag_id.clone()), ..problem }.located(source)
            };
            look(&mention.file).into_iter().map(problem).collect::<Vec<_>>()
        };
        self.files.iter().flat_map(told).collect()
    }

    /// What is wrong with the folders in which they are looked for, told where the DAG names those.
    pub fn search_path_problem(&self, source: &SourceFile, message: String) -> Problem {
        let place = self.search_path.unwrap_or_default();
        let problem = Problem::new(Code::InvalidValue, message, place, "this path");
        Problem { dag_id: Some(self.dag.dag_id.clone()), ..problem }.located(source)
    }
}
