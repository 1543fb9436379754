//! Where template files are looked for, and reading them.
//!
//! A file is looked for in the folder of the DAG file and then in the folders of `template_searchpath`, in their order
//! (Airflow 3: the same). All of them are within the folder of DAG files, where links are followed. It is read when a try begins, so what a task does
//! with it follows the file and not the version of the DAG.

use std::io;
use std::path::{Path, PathBuf};

use crate::dag::Dag;
use crate::dag::template::{FileText, NamedFile, leads_away};
use crate::operator::DagFile;
use crate::paths::normalize;

/// A text that is longer was not written by hand.
const TEXT_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Why a template file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateFileError {
    /// Its name leads out of the folders.
    #[error("{0}")]
    LeadsAway(String),
    /// It is in none of the folders.
    #[error(
        "there is no file `{}` in {}; a text that ends in `{}` is the name of a file, unless a space is behind it or it is a \
         template: `{{{{ '{}' }}}}`",
        .file.name, shown(.folders), .file.ending, .file.name
    )]
    Missing {
        /// What is looked for.
        file: NamedFile,
        /// Where.
        folders: Vec<PathBuf>,
    },
    /// Nobody wrote so much.
    #[error("`{name}` has {length} bytes, and may have {max}", max = TEXT_BYTES_MAX)]
    TooLong {
        /// Its name.
        name: String,
        /// Its length.
        length: u64,
    },
    /// It is there, and cannot be read.
    #[error("`{name}` cannot be read")]
    Unreadable {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A folder of `template_searchpath` is none of those that may be there.
    #[error("`template_searchpath` names `{folder}`, which is outside of the folder of DAG files, `{}`", .root.display())]
    Outside {
        /// As it is written.
        folder: String,
        /// The folder of DAG files.
        root: PathBuf,
    },
}

fn shown(folders: &[PathBuf]) -> String {
    folders.iter().map(|folder| format!("`{}`", folder.display())).collect::<Vec<_>>().join(" or ")
}

/// The folders in which the template files of a DAG are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchPath(Vec<PathBuf>);

impl SearchPath {
    /// Those of a DAG with that file.
    pub fn of(dag: &Dag, file: &DagFile) -> Result<SearchPath, TemplateFileError> {
        let mut folders = vec![file.folder.clone()];
        let root = normalize(&file.root);
        for written in &dag.template_searchpath {
            let folder = normalize(&file.folder.join(written));
            if !folder.starts_with(&root) {
                return Err(TemplateFileError::Outside { folder: written.clone(), root: file.root.clone() });
            }
            folders.push(folder);
        }
        Ok(SearchPath(folders))
    }

    /// The text of the file of that name, if there is one.
    pub fn find(&self, name: &str) -> Result<Option<String>, TemplateFileError> {
        if let Some(problem) = leads_away(name) {
            return Err(TemplateFileError::LeadsAway(problem));
        }
        // As in Airflow, a name that begins at the root begins at each of the folders.
        let below = name.trim_start_matches('/');
        for path in self.0.iter().map(|folder| folder.join(below)) {
            match std::fs::metadata(&path) {
                Ok(found) if found.is_file() => return read(&path, found.len(), name).map(Some),
                Ok(_) => (),
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => (),
                Err(source) => return Err(TemplateFileError::Unreadable { name: name.to_owned(), source }),
            }
        }
        Ok(None)
    }

    /// The text of a file that an argument names.
    pub fn read(&self, file: &NamedFile) -> Result<String, TemplateFileError> {
        let missing = || TemplateFileError::Missing { file: file.clone(), folders: self.0.clone() };
        self.find(&file.name)?.ok_or_else(missing)
    }

    /// The texts of the files, in their order.
    pub fn read_all(&self, files: Vec<NamedFile>) -> Result<Vec<FileText>, TemplateFileError> {
        files.into_iter().map(|file| self.read(&file).map(|text| FileText { file, text })).collect()
    }
}

fn read(path: &Path, length: u64, name: &str) -> Result<String, TemplateFileError> {
    if length > TEXT_BYTES_MAX {
        return Err(TemplateFileError::TooLong { name: name.to_owned(), length });
    }
    std::fs::read_to_string(path).map_err(|source| TemplateFileError::Unreadable { name: name.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dag(searchpath: &str) -> Dag {
        let source = crate::dag::spec::SourceFile::new("team/a.yaml", format!("{searchpath}\ntasks: []\n"));
        let mut loaded = crate::dag::spec::load(&source, &crate::operator::Registry::default());
        assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
        std::sync::Arc::unwrap_or_clone(loaded.dags.remove(0).dag)
    }

    fn named(name: &str) -> NamedFile {
        NamedFile { pointer: "/sql".to_owned(), name: name.to_owned(), ending: ".sql" }
    }

    /// §11: `template_searchpath`.
    #[test]
    fn files_are_looked_for_beside_the_dag_file_and_then_in_the_search_path() {
        let root = tempfile::tempdir().unwrap();
        for (file, text) in [("team/a.sql", "own"), ("sql/a.sql", "shared"), ("sql/deep/b.sql", "deep")] {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        // As a folder is given on the command line.
        let file = DagFile { root: root.path().join("sql/.."), folder: root.path().join("sql/../team") };
        let absolute = format!("template_searchpath: [{}]", root.path().join("sql").display());
        for searchpath in ["template_searchpath: ../sql", absolute.as_str()] {
            let path = SearchPath::of(&dag(searchpath), &file).unwrap();
            assert_eq!(path.read(&named("a.sql")).unwrap(), "own");
            assert_eq!(path.read(&named("./deep/b.sql")).unwrap(), "deep");
            assert_eq!(path.read(&named("/deep/b.sql")).unwrap(), "deep");
            let missing = path.read(&named("c.sql")).unwrap_err().to_string();
            let (own, sql) = (file.folder.clone(), root.path().join("sql"));
            let places = format!("there is no file `c.sql` in `{}` or `{}`", own.display(), sql.display());
            assert!(missing.starts_with(&places) && missing.contains("unless a space is behind it"), "{missing}");
            assert!(missing.ends_with("a template: `{{ 'c.sql' }}`"), "{missing}");
            assert!(path.read(&named("../sql/a.sql")).unwrap_err().to_string().contains("leads away"));
        }
    }

    #[test]
    fn the_search_path_stays_within_the_folder_of_dag_files() {
        let file = DagFile { root: "/dags".into(), folder: "/dags/team".into() };
        for outside in ["../../sql", "/opt/sql", "/dags/../sql", "../../../../sql"] {
            let problem = SearchPath::of(&dag(&format!("template_searchpath: [{outside}]")), &file).unwrap_err();
            assert!(problem.to_string().contains(&format!("`{outside}`, which is outside")), "{problem}");
        }
    }
}
