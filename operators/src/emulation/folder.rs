//! The layout of Kafka Connect's S3 sink in a local folder.
//!
//! ```text
//!   topics/
//!   ├── .0a3db223d459.pin.landing-<try>/     being written; hidden from readers, and from `topics/*`
//!   └── 0a3db223d459.pin/partition=0/        complete, always: it comes and goes by rename
//! ```
//!
//! A try that is cancelled removes what it has written; after one that was killed, the next one does.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use futures::StreamExt;
use futures::stream::BoxStream;
use rustix::fs::{CWD, Mode, OFlags, RenameFlags, openat, renameat_with};
use rustix::io::Errno;
use scheduler::operator::TaskError;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::batch::Batch;
use super::sink::Landed;
use super::table::{PARTITION, Table, object_name};

/// So many threads write at a time: the time goes into the kernel, which has room for a few.
const WRITERS_MAX: usize = 8;

/// A folder that topics are landed in. Cheap to clone.
#[derive(Clone)]
pub(super) struct Folder(Arc<Inner>);

struct Inner {
    topics: PathBuf,
    user_id: String,
    try_id: Uuid,
}

/// The folders of one topic.
struct Places {
    /// What readers see.
    seen: PathBuf,
    /// What this try writes.
    landing: PathBuf,
    /// Where the earlier one waits on file systems that cannot exchange two folders.
    aside: PathBuf,
}

impl Folder {
    /// `topics` is the folder above the topics'.
    pub(super) fn new(topics: PathBuf, user_id: String, try_id: Uuid) -> Folder {
        Folder(Arc::new(Inner { topics, user_id, try_id }))
    }

    pub(super) async fn start(&self) -> Result<(), TaskError> {
        self.blocking(|folder| {
            folder.sweep()?;
            for table in Table::ALL {
                let partition = folder.places(table).landing.join(PARTITION);
                fs::create_dir_all(&partition).with_context(|| cannot("make the folder", &partition))?;
            }
            Ok(())
        })
        .await
    }

    pub(super) fn land<'a>(
        &'a self,
        table: Table,
        batches: BoxStream<'a, Batch>,
        stop: &'a CancellationToken,
    ) -> BoxStream<'a, Result<Landed, TaskError>> {
        let writers = std::thread::available_parallelism().map_or(2, NonZero::get).clamp(2, WRITERS_MAX);
        batches
            .map(move |batch| {
                let stop = stop.clone();
                self.blocking(move |folder| folder.write(table, &batch, &stop))
            })
            .buffer_unordered(writers)
            .boxed()
    }

    pub(super) async fn commit(&self) -> Result<(), TaskError> {
        self.blocking(|folder| {
            for table in Table::ALL {
                // The names of the files, not their content, are made durable: 33,000 times fsync takes minutes, and
                // what a power cut may empty can be landed again by the next run, which is cheaper than that.
                let partition = folder.places(table).landing.join(PARTITION);
                sync_folder(&partition)?;
            }
            for table in Table::ALL {
                folder.swap(table)?;
            }
            sync_folder(&folder.topics)?;
            folder.sweep()
        })
        .await
    }

    pub(super) async fn abandon(&self) -> Option<String> {
        let swept = self.blocking(|folder| {
            for table in Table::ALL {
                remove(&folder.places(table).landing)?;
            }
            Ok(())
        });
        swept.await.err().map(|error| format!("{error}; the next try removes it"))
    }

    /// The disk is slow, and the engine must not wait for it.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> anyhow::Result<T> + Send + 'static,
    ) -> Result<T, TaskError> {
        let inner = self.0.clone();
        let done = tokio::task::spawn_blocking(move || work(&inner)).await;
        Ok(done.context("a writer of files ended unexpectedly")??)
    }
}

impl Inner {
    fn places(&self, table: Table) -> Places {
        let topic = table.topic(&self.user_id);
        Places {
            seen: self.topics.join(&topic),
            landing: self.topics.join(format!(".{topic}.landing-{}", self.try_id)),
            aside: self.topics.join(format!(".{topic}.aside")),
        }
    }

    fn write(&self, table: Table, batch: &Batch, stop: &CancellationToken) -> anyhow::Result<Landed> {
        let topic = table.topic(&self.user_id);
        let path = self.places(table).landing.join(PARTITION);
        // Relative to the open folder, so that the kernel walks the long path once a batch instead of once a file.
        let folder = File::open(&path).with_context(|| cannot("open", &path))?;
        let mut landed = Landed::default();
        for object in batch {
            if stop.is_cancelled() {
                break;
            }
            let name = object_name(&topic, object.offset);
            write_new(&folder, &name, &object.content).with_context(|| cannot("write", &path.join(&name)))?;
            landed.rows += object.records;
            landed.objects += 1;
        }
        Ok(landed)
    }

    /// Puts the new folder in the place of the one before, at once where the file system can.
    fn swap(&self, table: Table) -> anyhow::Result<()> {
        let Places { seen, landing, aside } = self.places(table);
        let context = || format!("cannot move {} to {}", landing.display(), seen.display());
        if !seen.try_exists().with_context(context)? {
            return fs::rename(&landing, &seen).with_context(context);
        }
        match renameat_with(CWD, &landing, CWD, &seen, RenameFlags::EXCHANGE) {
            Ok(()) => return Ok(()),
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            Err(error) => return Err(anyhow!(error)).with_context(context),
        }
        // There is an instant without any; a try that is killed in it is mended by the next one's sweep.
        fs::rename(&seen, &aside).with_context(context)?;
        fs::rename(&landing, &seen).with_context(context)
    }

    /// Removes what landings of these topics left behind, and puts back what a killed one had put aside.
    fn sweep(&self) -> anyhow::Result<()> {
        let context = || cannot("look into", &self.topics);
        fs::create_dir_all(&self.topics).with_context(|| cannot("make the folder", &self.topics))?;
        for table in Table::ALL {
            let Places { seen, aside, .. } = self.places(table);
            if aside.try_exists().with_context(context)? && !seen.try_exists().with_context(context)? {
                fs::rename(&aside, &seen).with_context(|| cannot("put back", &aside))?;
            }
        }
        let prefixes = Table::ALL.map(|table| format!(".{}.", table.topic(&self.user_id)));
        for entry in fs::read_dir(&self.topics).with_context(context)? {
            let entry = entry.with_context(context)?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let left = |prefix: &String| {
                name.strip_prefix(prefix.as_str()).is_some_and(|kind| kind == "aside" || kind.starts_with("landing-"))
            };
            if prefixes.iter().any(left) {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }
}

fn cannot(what: &str, path: &Path) -> String {
    format!("cannot {what} {}", path.display())
}

fn write_new(folder: &File, name: &str, content: &[u8]) -> io::Result<()> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    let mut file = File::from(openat(folder, name, flags, Mode::from_raw_mode(0o666))?);
    file.write_all(content)
}

fn sync_folder(path: &Path) -> anyhow::Result<()> {
    File::open(path).and_then(|folder| folder.sync_all()).with_context(|| cannot("make durable", path))
}

fn remove(path: &Path) -> anyhow::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    removed.or_else(absent_is_fine).with_context(|| cannot("remove", path))
}

fn absent_is_fine(error: io::Error) -> io::Result<()> {
    if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) }
}
