//! DAG files that are kept elsewhere, and the files beside them that their tasks name, copied into a folder of this machine.
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
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::scan::{FILE_BYTES_MAX, is_dag_file};

/// What tasks may name beside their DAG file, by the ends of such files: SQL, programs, data, texts.
const BESIDE: [&str; 25] = [
    "avsc", "bash", "cfg", "csv", "env", "hql", "html", "ini", "ipynb", "j2", "jinja", "jinja2", "json", "json-tpl",
    "jsonl", "md", "py", "r", "sh", "sql", "toml", "tpl", "tsv", "txt", "xml",
];

/// A larger file beside DAG files is not copied: data belong elsewhere.
const BESIDE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Files that are fetched at the same time.
const FETCHES_MAX: usize = 16;

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
    /// All DAG files that are there now with those beside them, and perhaps others, which are passed over.
    async fn list(&mut self) -> anyhow::Result<Listing>;

    /// What a file of the last listing holds; an error when it is another one by now.
    async fn read(&self, path: &str, file: &RemoteFile) -> anyhow::Result<Vec<u8>>;
}

/// Whether a path of an origin is that of a DAG file, of defaults, or of what may stand beside them: not hidden, and a place
/// below the folder.
pub fn is_wanted(path: &str) -> bool {
    let is_name = |part: Component<'_>| match part {
        Component::Normal(name) => !name.to_string_lossy().starts_with('.'),
        _ => false,
    };
    let is_plain = !path.split('/').any(str::is_empty) && !path.contains(['\0', '\\']);
    let path = Path::new(path);
    is_plain && (is_dag_file(path) || is_beside(path)) && path.components().all(is_name)
}

/// Whether tasks may name that file beside their DAG file.
fn is_beside(path: &Path) -> bool {
    path.extension().and_then(|end| end.to_str()).is_some_and(|end| BESIDE.contains(&end.to_ascii_lowercase().as_str()))
}

/// Whether a file is too large to stand beside DAG files.
fn is_too_much((path, file): (&String, &RemoteFile)) -> bool {
    file.size_bytes > BESIDE_BYTES_MAX && !is_dag_file(Path::new(path))
}

/// What is copied of a file: of a DAG file that is too large only a sign of that.
fn copied_bytes((path, file): (&String, &RemoteFile)) -> u64 {
    if is_dag_file(Path::new(path)) { file.size_bytes.min(FILE_BYTES_MAX) } else { file.size_bytes }
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
        let (too_much, files): (Listing, Listing) =
            listed.into_iter().filter(|(path, _)| is_wanted(path)).partition(|(path, file)| is_too_much((path, file)));
        ensure!(
            files.len() <= FILES_MAX,
            "it has {} DAG files and files beside them; {FILES_MAX} is the limit",
            files.len()
        );
        let total: u64 = files.iter().map(copied_bytes).sum();
        ensure!(
            total <= TOTAL_BYTES_MAX,
            "its DAG files and those beside them are larger than {} MiB together",
            TOTAL_BYTES_MAX >> 20
        );
        let before = Remote::folder_in(&self.cache);
        let known = manifest(&before);
        if known.as_ref() == Some(&files) {
            return Ok(());
        }
        let known = known.unwrap_or_default();
        for path in too_much.keys() {
            warn!("`{path}` of {} is not copied: it is larger than {} MiB", self.name, BESIDE_BYTES_MAX >> 20);
        }
        let next = self.next_state()?;
        let made = self.fill(&next, &files, (&before, &known)).await.and_then(|()| self.switch(&next, &files));
        if made.is_err() {
            // It was never seen by anybody; the next attempt clears away what cannot be removed now.
            let _ = fs::remove_dir_all(&next);
        }
        made
    }

    /// Writes all files of a state, several at a time. What is under way when one fails is given up.
    async fn fill(&self, folder: &Path, files: &Listing, (before, known): (&Path, &Listing)) -> anyhow::Result<()> {
        let mut fetches = Vec::new();
        for (path, file) in files {
            let target = folder.join(path);
            let around = target.parent().unwrap_or(folder);
            fs::create_dir_all(around).with_context(|| format!("cannot make the folder `{}`", around.display()))?;
            let is_kept = known.get(path) == Some(file) && fs::hard_link(before.join(path), &target).is_ok();
            if !is_kept {
                fetches.push(self.fill_one(path, file, target));
            }
        }
        stream::iter(fetches).buffer_unordered(FETCHES_MAX).try_collect().await
    }

    async fn fill_one(&self, path: &str, file: &RemoteFile, target: PathBuf) -> anyhow::Result<()> {
        let written = if is_dag_file(Path::new(path)) && file.size_bytes > FILE_BYTES_MAX {
            // Too large to be read; a file of holes says so in its place, as one in a folder would.
            fs::File::create(&target).and_then(|file| file.set_len(FILE_BYTES_MAX + 1))
        } else {
            let bytes = self.origin.read(path, file).await.with_context(|| format!("cannot read `{path}`"))?;
            ensure!(bytes.len() as u64 == file.size_bytes, "`{path}` is of another size than it was listed");
            fs::write(&target, bytes)
        };
        written.with_context(|| format!("cannot write `{}`", target.display()))
    }

    /// Makes a finished state the one that counts, and clears away those before the last.
    fn switch(&self, next: &Path, files: &Listing) -> anyhow::Result<()> {
        let switch = || -> io::Result<()> {
            fs::write(next.join(MANIFEST), serde_json::to_vec(files)?)?;
            let beside = next.with_extension("link");
            let name = next.file_name().unwrap_or_default();
            // A link that an earlier attempt could not move would be in the way of all later ones.
            let _ = fs::remove_file(&beside);
            std::os::unix::fs::symlink(name, &beside)?;
            let before = fs::read_link(Remote::folder_in(&self.cache)).ok();
            fs::rename(&beside, Remote::folder_in(&self.cache))?;
            // From here on the state counts: what cannot be cleared away must not take it along.
            for (_, state) in states(&self.cache).unwrap_or_default() {
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
        memory.reads.lock().unwrap().sort();
        assert_eq!(*memory.reads.lock().unwrap(), ["a.yaml", "b.yaml"]);

        memory.put("d.yaml", "new");
        memory.reads.lock().unwrap().clear();
        remote.fetch().await.unwrap();
        assert_eq!(*memory.reads.lock().unwrap(), ["d.yaml"], "what did not change is not read again");
        assert!(states(cache.path()).unwrap().len() <= 2, "old states are cleared away");
    }

    #[tokio::test]
    async fn a_link_that_was_left_is_not_in_the_way() {
        let (memory, cache) = (Memory::default(), tempfile::tempdir().unwrap());
        memory.put("a.yaml", "one");
        std::os::unix::fs::symlink("state-1", cache.path().join("state-1.link")).unwrap();
        remote(&memory, cache.path()).fetch().await.unwrap();
        assert_eq!(read(cache.path(), "a.yaml").as_deref(), Some("one"));
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

    #[tokio::test]
    async fn what_tasks_name_beside_their_dag_files_comes_along_as_far_as_it_is_no_data() {
        let (memory, cache) = (Memory::default(), tempfile::tempdir().unwrap());
        memory.put("a.yaml", "one");
        memory.put("team/load.sql", "SELECT 1");
        memory.put("team/big.csv", &"x".repeat(usize::try_from(BESIDE_BYTES_MAX).unwrap() + 1));
        remote(&memory, cache.path()).fetch().await.unwrap();
        assert_eq!(read(cache.path(), "team/load.sql").as_deref(), Some("SELECT 1"));
        assert_eq!(read(cache.path(), "team/big.csv"), None);
    }

    /// An origin that answers only when several files are asked for at the same time.
    struct Crowd {
        barrier: tokio::sync::Barrier,
        asked: std::sync::atomic::AtomicUsize,
    }

    #[async_trait]
    impl Origin for Crowd {
        async fn list(&mut self) -> anyhow::Result<Listing> {
            let file = |number: usize| (format!("{number}.yaml"), RemoteFile { tag: "a".to_owned(), size_bytes: 1 });
            Ok((0..2 * FETCHES_MAX).map(file).collect())
        }

        async fn read(&self, _: &str, _: &RemoteFile) -> anyhow::Result<Vec<u8>> {
            let under_way = self.asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
            assert!(under_way <= FETCHES_MAX, "{under_way} at the same time");
            self.barrier.wait().await;
            self.asked.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
            Ok(b"x".to_vec())
        }
    }

    #[tokio::test]
    async fn files_are_fetched_several_at_a_time() {
        let cache = tempfile::tempdir().unwrap();
        let crowd = Crowd { barrier: tokio::sync::Barrier::new(FETCHES_MAX), asked: 0.into() };
        let mut remote = Remote::new("crowd", cache.path().to_owned(), Duration::from_secs(1), Box::new(crowd));
        remote.fetch().await.unwrap();
        assert!(read(cache.path(), "31.yaml").is_some());
    }

    #[test]
    fn only_plain_paths_of_dag_files_and_what_stands_beside_them_are_wanted() {
        for path in ["a.yaml", "team/a.yml", "team/defaults.yaml", "a.py", "team/lib/__init__.py", "load.SQL", "x.sh"] {
            assert!(is_wanted(path), "{path}");
        }
        for path in [
            "",
            "a.parquet",
            "a",
            ".a.sql",
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
