//! Which DAG files a folder holds, and which of them changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::defaults::{in_folder, is_defaults_file};

/// Larger files are not read: nobody writes so much YAML by hand, and a mistake must not fill the memory.
pub(super) const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Folders within folders are followed so far; a link that leads back up must end somewhere.
const DEPTH_MAX: usize = 16;

/// A DAG file, by what it is known to have changed: it, or the defaults under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The file's own stamp.
    pub(super) stamp: Stamp,
    /// The files of defaults under it, the nearest first.
    pub(super) defaults: Vec<(String, Stamp)>,
}

/// By what a changed file is known without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    modified: Option<SystemTime>,
    size_bytes: u64,
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Stamp {
        Stamp { modified: metadata.modified().ok(), size_bytes: metadata.len() }
    }

    /// How large the file is.
    pub(super) fn size_bytes(self) -> u64 {
        self.size_bytes
    }
}

/// The DAG files below `folder`, by their path within it, with the defaults under each. Hidden files and folders are left
/// out.
///
/// # Errors
/// When the folder itself cannot be read; one that lies deeper is passed over, its files seem gone.
pub(super) fn scan(folder: &Path) -> io::Result<BTreeMap<String, Found>> {
    let mut found = BTreeMap::new();
    let mut defaults = BTreeMap::new();
    let mut folders = vec![(folder.to_owned(), 0)];
    while let Some((here, depth)) = folders.pop() {
        let entries = match fs::read_dir(&here) {
            Ok(entries) => entries,
            Err(error) if depth == 0 => return Err(error),
            Err(_) => continue,
        };
        for entry in entries.filter_map(Result::ok) {
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            let path = entry.path();
            let Ok(metadata) = fs::metadata(&path) else { continue };
            if metadata.is_dir() && depth < DEPTH_MAX {
                folders.push((path, depth + 1));
            } else if metadata.is_file() && is_dag_file(&path) {
                let stamp = Stamp::of(&metadata);
                let files = if is_defaults_file(&path) { &mut defaults } else { &mut found };
                files.insert(name_within(folder, &path), stamp);
            }
        }
    }
    let with_defaults = |(name, stamp): (String, Stamp)| {
        let defaults = under(&name, &defaults);
        (name, Found { stamp, defaults })
    };
    Ok(found.into_iter().map(with_defaults).collect())
}

/// What of a folder is not as it was known.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// Files that are new or changed.
    pub(super) changed: BTreeMap<String, Found>,
    /// Files that are no longer there.
    pub(super) gone: BTreeSet<String>,
}

impl Difference {
    /// What `found` has and `known` has not, and the other way round.
    pub(super) fn between(known: &BTreeMap<String, Found>, found: BTreeMap<String, Found>) -> Difference {
        let gone = known.keys().filter(|name| !found.contains_key(*name)).cloned().collect();
        let changed = found.into_iter().filter(|(name, file)| known.get(name) != Some(file)).collect();
        Difference { changed, gone }
    }

    /// Whether everything is as it was.
    pub(super) fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.gone.is_empty()
    }
}

/// What of these files alone is not as `known`. None when one of them is new or gone, which takes a look at the whole
/// folder.
pub(super) fn look_again(
    folder: &Path,
    known: &BTreeMap<String, Found>,
    names: &BTreeSet<String>,
) -> Option<Difference> {
    let mut changed = BTreeMap::new();
    for name in names {
        let known = known.get(name)?;
        let metadata = fs::metadata(path_of(folder, name)).ok().filter(fs::Metadata::is_file)?;
        let stamp = Stamp::of(&metadata);
        if stamp != known.stamp {
            changed.insert(name.clone(), Found { stamp, defaults: known.defaults.clone() });
        }
    }
    Some(Difference { changed, gone: BTreeSet::new() })
}

/// How [`scan`] names the file at this path; none for whatever is not plainly a DAG file, and may concern more than one.
pub(super) fn name_of_dag_file(folder: &Path, path: &Path) -> Option<String> {
    (is_dag_file(path) && !is_defaults_file(path)).then(|| name_within(folder, path))
}

/// The files of defaults under a DAG file, the nearest first.
fn under(name: &str, defaults: &BTreeMap<String, Stamp>) -> Vec<(String, Stamp)> {
    if defaults.is_empty() {
        return Vec::new();
    }
    let known = |path: &Path| path.to_str().is_some_and(|name| defaults.contains_key(name));
    let nearest_first = Path::new(name).ancestors().skip(1);
    nearest_first
        .filter_map(|folder| in_folder(folder, known)?.to_str().map(str::to_owned))
        .map(|name| {
            let stamp = defaults[&name];
            (name, stamp)
        })
        .collect()
}

pub(super) fn is_dag_file(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

fn name_within(folder: &Path, path: &Path) -> String {
    path.strip_prefix(folder).unwrap_or(path).to_string_lossy().into_owned()
}

/// The path of a file that [`scan`] named.
pub(super) fn path_of(folder: &Path, name: &str) -> PathBuf {
    folder.join(name)
}
