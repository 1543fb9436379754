//! Which files of defaults lie under a DAG file: `defaults.yml` in its folder, and in those around it up to the DAGs folder.
//!
//! What they say is [`crate::dag::spec`]'s business.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use super::scan::FILE_BYTES_MAX;
use crate::dag::spec::SourceFile;

/// What a file of defaults is called. Of two in one folder the first counts, as with dag-factory.
pub const NAMES: [&str; 2] = ["defaults.yml", "defaults.yaml"];

/// Whether a file holds defaults, and no DAGs.
pub fn is_defaults_file(path: &Path) -> bool {
    path.file_name().is_some_and(|name| NAMES.iter().any(|known| name == *known))
}

/// The file of defaults in `folder`, if `exists` says that there is one.
pub(super) fn in_folder(folder: &Path, exists: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    NAMES.iter().map(|name| folder.join(name)).find(|path| exists(path))
}

/// Reads the text of a DAG file or of a file of defaults. The error says what is wrong with the file.
pub(super) fn read_text(path: &Path, size_bytes: u64) -> Result<String, String> {
    if size_bytes > FILE_BYTES_MAX {
        let limit = FILE_BYTES_MAX >> 20;
        return Err(format!("the file is larger than {limit} MiB, more than a DAG file may be"));
    }
    let bytes = std::fs::read(path).map_err(|error| format!("the file cannot be read: {error}"))?;
    String::from_utf8(bytes).map_err(|_| "the file is not UTF-8 text".to_owned())
}

/// The texts of files of defaults that were read already: many DAG files share them.
#[derive(Debug, Default)]
pub(super) struct DefaultsTexts(HashMap<String, Result<String, String>>);

impl DefaultsTexts {
    /// The texts of these files of `folder`, or what is wrong with one of them.
    pub(super) fn of<'a>(
        &'a mut self,
        folder: &Path,
        files: &'a [(String, u64)],
    ) -> Result<Vec<(&'a str, &'a str)>, String> {
        for (name, size_bytes) in files {
            self.0.entry(name.clone()).or_insert_with(|| read_text(&folder.join(name), *size_bytes));
        }
        let text_of = |(name, _): &'a (String, u64)| match &self.0[name] {
            Ok(text) => Ok((name.as_str(), text.as_str())),
            Err(problem) => Err(format!("{name}: {problem}")),
        };
        files.iter().map(text_of).collect()
    }
}

/// The files of defaults under a DAG file, the nearest first: those up to the folder `around`, and of a DAG file that lies
/// elsewhere only the one beside it.
pub fn under(path: &Path, around: &Path) -> io::Result<Vec<PathBuf>> {
    let whole = std::path::absolute(path)?;
    let is_inside = whole.starts_with(around);
    // The same folders twice: as they were named, and from the root on.
    let folders = path.ancestors().zip(whole.ancestors()).skip(1);
    let near = folders.take_while(|(_, whole)| whole.starts_with(around));
    let near: Vec<&Path> = near.map(|(folder, _)| folder).collect();
    let beside = path.parent().filter(|_| !is_inside);
    Ok(near.into_iter().chain(beside).filter_map(|folder| in_folder(folder, Path::is_file)).collect())
}

/// Reads a DAG file with the defaults [`under`] it.
///
/// # Errors
/// When one of the files cannot be read, with its path.
pub fn read_source(path: &Path, around: &Path) -> Result<SourceFile, (PathBuf, io::Error)> {
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|error| (path.to_owned(), error));
    let text = read(path)?;
    let mut defaults = Vec::new();
    for found in under(path, around).map_err(|error| (path.to_owned(), error))? {
        defaults.push((found.display().to_string(), read(&found)?));
    }
    let texts = defaults.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    Ok(SourceFile::with_defaults(path.display().to_string(), text, texts))
}
