//! DAG files that are kept elsewhere, copied into a folder of this machine.
//!
//! A copy is a whole state of its origin, in a folder of its own; the link `current` leads to the last one that is
//! complete, and is moved in one step. So whoever reads the folder sees one state or the next, never half of either, also
//! after a `kill -9`, and the last good state is there when the origin cannot be reached.
//!
//! ```text
//!   <cache>/current ──> <cache>/state-17/   team/load.yaml, …, .files.json
//!           <cache>/state-16/               the one before, for whoever still reads it
//! ```
//!
//! Files that did not change are hard links to those of the state before: they cost nothing, and nobody reads them again.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::scan::{FILE_BYTES_MAX, is_dag_file};

/// More files than this are a mistake: somebody named a bucket in the place of a folder in it.
pub const FILES_MAX: usize = 20_000;

/// The same for their sizes together.
const TOTAL_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// The link to the state that counts.
const CURRENT: &str = "current";

/// What the folders of states are called, before their numbers.
const STATE: &str = "state-";

/// What a state is made of, by the tags that the origin gave its files.
const MANIFEST: &str = ".files.json";

/// A file of an origin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteFile {
    /// Changes with its content (S3: the ETag; git: the hash).
    pub tag: String,
    /// How large it is.
    pub size_bytes: u64,
}

/// The files of an origin, by their paths below it with `/` between the parts.
pub type Listing = BTreeMap<String, RemoteFile>;

/// Where DAG files are kept.
#[async_trait]
pub trait Origin: Send + Sync {
    /// All DAG files that are there now, and perhaps others, which are passed over.
    async fn list(&mut self) -> anyhow::Result<Listing>;

    /// What a file of the last listing holds; an error when it is another one by now.
    async fn read(&self, path: &str, file: &RemoteFile) -> anyhow::Result<Vec<u8>>;
}

/// Whether a path of an origin is that of a DAG file or of defaults: not hidden, and a place below the folder.
pub fn is_wanted(path: &str) -> bool {
    let is_name = |part: Component<'_>| match part {
        Component::Normal(name) => !name.to_string_lossy().starts_with('.'),
        _ => false,
    };
    let is_plain = !path.split('/').any(str::is_empty) && !path.contains(['\0', '\\']);
    is_plain && is_dag_file(Path::new(path)) && Path::new(path).components().all(is_name)
}

/// A copy of an origin that is kept in step with it.
pub struct Remote {
    name: String,
    cache: PathBuf,
    every: Duration,
    origin: Box<dyn Origin>,
}

impl Remote {
    /// Keeps a copy of `origin` in the folder `cache`, and looks for changes every so often. `name` is how people know it.
    pub fn new(name: impl Into<String>, cache: PathBuf, every: Duration, origin: Box<dyn Origin>) -> Remote {
        Remote { name: name.into(), cache, every, origin }
    }

    /// How people know it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How often it is looked at.
    pub(super) fn every(&self) -> Duration {
        self.every
    }

    /// Where the files of a copy in the folder `cache` are.
    pub fn folder_in(cache: &Path) -> PathBuf {
        cache.join(CURRENT)
    }

    /// Whether there is a state to go by, however old.
    pub(super) fn is_there(&self) -> bool {
        Remote::folder_in(&self.cache).is_dir()
    }

    /// Brings the copy in step. On an error it stays as it was.
    pub(super) async fn fetch(&mut self) -> anyhow::Result<()> {
        let listed = self.origin.list().await?;
        let files: Listing = listed.into_iter().filter(|(path, _)| is_wanted(path)).collect();
        ensure!(files.len() <= FILES_MAX, "it has {} DAG files; {FILES_MAX} is the limit", files.len());
        let total: u64 = files.values().map(|file| file.size_bytes.min(FILE_BYTES_MAX)).sum();
        ensure!(total <= TOTAL_BYTES_MAX, "its DAG files are larger than {} MiB together", TOTAL_BYTES_MAX >> 20);
        let before = Remote::folder_in(&self.cache);
        let known = manifest(&before);
        if known.as_ref() == Some(&files) {
            return Ok(());
        }
        let known = known.unwrap_or_default();
        let next = self.next_state()?;
        let made = self.fill(&next, &files, (&before, &known)).await.and_then(|()| self.switch(&next, &files));
        if made.is_err() {
            // It was never seen by anybody; the next attempt clears away what cannot be removed now.
            let _ = fs::remove_dir_all(&next);
        }
        made
    }

    /// Writes all files of a state.
    async fn fill(&self, folder: &Path, files: &Listing, (before, known): (&Path, &Listing)) -> anyhow::Result<()> {
        for (path, file) in files {
            let target = folder.join(path);
            let around = target.parent().unwrap_or(folder);
            fs::create_dir_all(around).with_context(|| format!("cannot make the folder `{}`", around.display()))?;
            let is_kept = known.get(path) == Some(file) && fs::hard_link(before.join(path), &target).is_ok();
            if is_kept {
                continue;
            }
            let written = if file.size_bytes > FILE_BYTES_MAX {
                // Too large to be read; a file of holes says so in its place, as one in a folder would.
                fs::File::create(&target).and_then(|file| file.set_len(FILE_BYTES_MAX + 1))
            } else {
                let bytes = self.origin.read(path, file).await.with_context(|| format!("cannot read `{path}`"))?;
                ensure!(bytes.len() as u64 <= FILE_BYTES_MAX, "`{path}` is larger than it was listed");
                fs::write(&target, bytes)
            };
            written.with_context(|| format!("cannot write `{}`", target.display()))?;
        }
        Ok(())
    }

    /// Makes a finished state the one that counts, and clears away those before the last.
    fn switch(&self, next: &Path, files: &Listing) -> anyhow::Result<()> {
        let switch = || -> io::Result<()> {
            fs::write(next.join(MANIFEST), serde_json::to_vec(files)?)?;
            let beside = next.with_extension("link");
            let name = next.file_name().unwrap_or_default();
            std::os::unix::fs::symlink(name, &beside)?;
            let before = fs::read_link(Remote::folder_in(&self.cache)).ok();
            fs::rename(&beside, Remote::folder_in(&self.cache))?;
            for (_, state) in states(&self.cache)? {
                let is_in_use = state == next || before.as_deref().is_some_and(|before| state.ends_with(before));
                if !is_in_use {
                    // Whatever is in the way now is tried again at the next change.
                    let _ = fs::remove_dir_all(&state);
                }
            }
            Ok(())
        };
        switch().with_context(|| format!("cannot write the copy in `{}`", self.cache.display()))
    }

    /// A new, empty folder for a state.
    fn next_state(&self) -> anyhow::Result<PathBuf> {
        let make = || -> io::Result<PathBuf> {
            fs::create_dir_all(&self.cache)?;
            let mut number = states(&self.cache)?.last().map_or(0, |(number, _)| *number) + 1;
            loop {
                let folder = self.cache.join(format!("{STATE}{number}"));
                match fs::create_dir(&folder) {
                    // Another process that works in this home was faster.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                    made => return made.map(|()| folder),
                }
            }
        };
        make().with_context(|| format!("cannot make a folder in `{}`", self.cache.display()))
    }
}

/// The states in a cache, by their numbers.
fn states(cache: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(cache)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(number) = name.strip_prefix(STATE).and_then(|number| number.parse().ok()) {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found)
}

/// What a state is made of; none when there is no state.
fn manifest(folder: &Path) -> Option<Listing> {
    serde_json::from_slice(&fs::read(folder.join(MANIFEST)).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use anyhow::bail;

    use super::*;

    /// An origin in memory: contents by path, and a path that cannot be read.
    #[derive(Clone, Default)]
    struct Memory {
        files: Arc<Mutex<BTreeMap<String, String>>>,
        broken: Arc<Mutex<Option<String>>>,
        reads: Arc<Mutex<Vec<String>>>,
    }

    #[async_trait]
    impl Origin for Memory {
        async fn list(&mut self) -> anyhow::Result<Listing> {
            let file = |text: &String| RemoteFile { tag: text.clone(), size_bytes: text.len() as u64 };
            Ok(self.files.lock().unwrap().iter().map(|(path, text)| (path.clone(), file(text))).collect())
        }

        async fn read(&self, path: &str, _: &RemoteFile) -> anyhow::Result<Vec<u8>> {
            if self.broken.lock().unwrap().as_deref() == Some(path) {
                bail!("it is broken");
            }
            self.reads.lock().unwrap().push(path.to_owned());
            Ok(self.files.lock().unwrap()[path].clone().into_bytes())
        }
    }

    impl Memory {
        fn put(&self, path: &str, text: &str) {
            self.files.lock().unwrap().insert(path.to_owned(), text.to_owned());
        }
    }

    fn remote(memory: &Memory, cache: &Path) -> Remote {
        Remote::new("memory", cache.to_owned(), Duration::from_secs(1), Box::new(memory.clone()))
    }

    fn read(cache: &Path, path: &str) -> Option<String> {
        fs::read_to_string(Remote::folder_in(cache).join(path)).ok()
    }

    #[tokio::test]
    async fn a_state_is_seen_whole_or_not_at_all() {
        let (memory, cache) = (Memory::default(), tempfile::tempdir().unwrap());
        memory.put("a.yaml", "one");
        memory.put("b.yaml", "one");
        memory.put("team/c.yaml", "one");
        let mut remote = remote(&memory, cache.path());
        assert!(!remote.is_there());
        remote.fetch().await.unwrap();
        assert_eq!(read(cache.path(), "team/c.yaml").as_deref(), Some("one"));

        memory.put("a.yaml", "two");
        memory.put("b.yaml", "two");
        *memory.broken.lock().unwrap() = Some("b.yaml".to_owned());
        let problem = format!("{:#}", remote.fetch().await.unwrap_err());
        assert_eq!(problem, "cannot read `b.yaml`: it is broken");
        assert_eq!(read(cache.path(), "a.yaml").as_deref(), Some("one"), "the last good state is kept whole");

        *memory.broken.lock().unwrap() = None;
        memory.files.lock().unwrap().remove("team/c.yaml");
        memory.reads.lock().unwrap().clear();
        remote.fetch().await.unwrap();
        assert_eq!(read(cache.path(), "b.yaml").as_deref(), Some("two"));
        assert_eq!(read(cache.path(), "team/c.yaml"), None);
        assert_eq!(*memory.reads.lock().unwrap(), ["a.yaml", "b.yaml"]);

        memory.put("d.yaml", "new");
        memory.reads.lock().unwrap().clear();
        remote.fetch().await.unwrap();
        assert_eq!(*memory.reads.lock().unwrap(), ["d.yaml"], "what did not change is not read again");
        assert!(states(cache.path()).unwrap().len() <= 2, "old states are cleared away");
    }

    #[tokio::test]
    async fn files_that_are_too_large_are_not_fetched() {
        let (memory, cache) = (Memory::default(), tempfile::tempdir().unwrap());
        memory.put("big.yaml", &"x".repeat(usize::try_from(FILE_BYTES_MAX).unwrap() + 10));
        remote(&memory, cache.path()).fetch().await.unwrap();
        let metadata = fs::metadata(Remote::folder_in(cache.path()).join("big.yaml")).unwrap();
        assert_eq!(metadata.len(), FILE_BYTES_MAX + 1, "the folder says that it is too large");
        assert!(memory.reads.lock().unwrap().is_empty());
    }

    #[test]
    fn only_plain_paths_of_dag_files_are_wanted() {
        for path in ["a.yaml", "team/a.yml", "team/defaults.yaml"] {
            assert!(is_wanted(path), "{path}");
        }
        for path in [
            "",
            "a.py",
            ".a.yaml",
            "x/.git/a.yaml",
            "../a.yaml",
            "/a.yaml",
            "a//b.yaml",
            "x/../a.yaml",
            "a\\b.yaml",
            "./a.yaml",
        ] {
            assert!(!is_wanted(path), "{path}");
        }
    }
}
