//! The layout of Kafka Connect's S3 sink in a local folder.
//!
//! ```text
//!   topics/
//!   ├── .0a3db223d459.pin.landing-<try>/     being written; hidden from readers, and from `topics/*`
//!   └── 0a3db223d459.pin/partition=0/        complete, always: it comes and goes by rename
//! ```
//!
//! A try that is cancelled removes what it has written; after one that was killed, the next one does. Where offsets go on
//! after those of earlier runs, files are moved one by one into the folder that is there: each is whole, and one that is
//! moved a second time has the same name.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use rustix::fs::{CWD, Mode, OFlags, RenameFlags, openat, renameat_with};
use rustix::io::Errno;
use scheduler::operator::TaskError;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::layout::{Bases, Layout, PARTITION, content, records_of};
use super::{Landed, Manner, Sink};
use crate::emulation::ledger::Ledger;
use crate::emulation::parcel::{Batch, Sizes};
use crate::emulation::table::{PerTable, Table};
use crate::location::Location;

/// So many threads write at a time: the time goes into the kernel, which has room for a few.
const WRITERS_MAX: usize = 8;

/// Files that travel together: enough to make the hand-over cheap, few enough to stop soon.
const BATCH_FILES: usize = 256;

/// A folder that topics are landed in. Cheap to clone.
#[derive(Clone)]
pub(in crate::emulation) struct Folder(Arc<Inner>);

struct Inner {
    lake: Location,
    topics: PathBuf,
    layout: Layout,
    try_id: Uuid,
    writers: usize,
    bases: Bases,
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
    pub(in crate::emulation) fn new(
        lake: Location,
        topics: PathBuf,
        layout: Layout,
        try_id: Uuid,
        writers: Option<usize>,
    ) -> Folder {
        let cores = || std::thread::available_parallelism().map_or(2, NonZero::get).clamp(2, WRITERS_MAX);
        let writers = writers.unwrap_or_else(cores);
        Folder(Arc::new(Inner { lake, topics, layout, try_id, writers, bases: Bases::new() }))
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

#[async_trait]
impl Sink for Folder {
    fn shown(&self) -> String {
        self.0.lake.to_string()
    }

    fn manner(&self) -> Manner {
        let rows = usize::try_from(self.0.layout.flush_size).unwrap_or(usize::MAX);
        Manner {
            sizes: Sizes { rows, bytes: usize::MAX, parcels: BATCH_FILES },
            json_only: false,
            keeps: false,
            rewrites: true,
            parcels: "objects",
        }
    }

    async fn start(&self, earlier: Option<[u64; 3]>, _stop: &CancellationToken) -> Result<[u64; 3], TaskError> {
        self.blocking(move |folder| {
            folder.sweep()?;
            let mut bases = earlier.unwrap_or_default();
            for table in Table::ALL {
                if folder.layout.continues && earlier.is_none() {
                    bases[table as usize] = folder.next_offset(table)?;
                }
                let partition = folder.places(table).landing.join(PARTITION);
                fs::create_dir_all(&partition).with_context(|| cannot("make the folder", &partition))?;
            }
            Ok(folder.bases.get_or_init(|| PerTable(bases)).0)
        })
        .await
    }

    fn land<'a>(
        &'a self,
        batches: BoxStream<'a, Batch>,
        _ledger: &'a Ledger,
        stop: &'a CancellationToken,
    ) -> BoxStream<'a, Result<Vec<Landed>, TaskError>> {
        batches
            .map(move |batch| {
                let stop = stop.clone();
                self.blocking(move |folder| folder.write(&batch, &stop))
            })
            .buffer_unordered(self.0.writers)
            .boxed()
    }

    async fn commit(&self, _until: PerTable<u64>, _stop: &CancellationToken) -> Result<(), TaskError> {
        self.blocking(|folder| {
            for table in Table::ALL {
                // The names of the files, not their content, are made durable: 33,000 times fsync takes minutes, and
                // what a power cut may empty can be landed again by the next run, which is cheaper than that.
                let partition = folder.places(table).landing.join(PARTITION);
                sync_folder(&partition)?;
            }
            for table in Table::ALL {
                if folder.layout.continues { folder.append(table)? } else { folder.swap(table)? }
            }
            sync_folder(&folder.topics)?;
            folder.sweep()
        })
        .await
    }

    async fn abandon(&self) -> Option<String> {
        let swept = self.blocking(|folder| {
            for table in Table::ALL {
                remove(&folder.places(table).landing)?;
            }
            Ok(())
        });
        swept.await.err().map(|error| format!("{error}; the next try removes it"))
    }
}

impl Inner {
    fn places(&self, table: Table) -> Places {
        let topic = self.layout.topic(table);
        Places {
            seen: self.topics.join(&topic),
            landing: self.topics.join(format!(".{topic}.landing-{}", self.try_id)),
            aside: self.topics.join(format!(".{topic}.aside")),
        }
    }

    fn write(&self, batch: &Batch, stop: &CancellationToken) -> anyhow::Result<Vec<Landed>> {
        // Relative to the open folder, so that the kernel walks the long path once a batch instead of once a file.
        let mut folders = PerTable::<Option<(PathBuf, File)>>::default();
        let mut all = Vec::with_capacity(batch.len());
        let mut text = Vec::new();
        for parcel in batch {
            if stop.is_cancelled() {
                break;
            }
            let (path, folder) = match &mut folders[parcel.table] {
                Some(open) => open,
                closed => {
                    let path = self.places(parcel.table).landing.join(PARTITION);
                    let folder = File::open(&path).with_context(|| cannot("open", &path))?;
                    closed.insert((path, folder))
                }
            };
            let base = self.bases.get().map_or(0, |bases| bases[parcel.table]);
            let name = self.layout.object_name(parcel.table, base + parcel.start);
            text.clear();
            content(parcel).for_each(|piece| text.extend_from_slice(&piece));
            write_new(folder, &name, &text).with_context(|| cannot("write", &path.join(&name)))?;
            all.push(Landed::of(parcel));
        }
        Ok(all)
    }

    /// The offset after the last record that is there.
    fn next_offset(&self, table: Table) -> anyhow::Result<u64> {
        let partition = self.places(table).seen.join(PARTITION);
        let context = || cannot("look into", &partition);
        let entries = match fs::read_dir(&partition) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(error).with_context(context),
        };
        let mut last = None;
        for entry in entries {
            let name = entry.with_context(context)?.file_name();
            last = last.max(name.to_str().and_then(|name| self.layout.offset_of(table, name)));
        }
        let Some(last) = last else { return Ok(0) };
        let path = partition.join(self.layout.object_name(table, last));
        let content = fs::read(&path).with_context(|| cannot("read", &path))?;
        Ok(last + records_of(&content))
    }

    /// Moves the new files to those of earlier runs.
    fn append(&self, table: Table) -> anyhow::Result<()> {
        let Places { seen, landing, .. } = self.places(table);
        let (from, to) = (landing.join(PARTITION), seen.join(PARTITION));
        fs::create_dir_all(&to).with_context(|| cannot("make the folder", &to))?;
        for entry in fs::read_dir(&from).with_context(|| cannot("look into", &from))? {
            let name = entry.with_context(|| cannot("look into", &from))?.file_name();
            fs::rename(from.join(&name), to.join(&name)).with_context(|| cannot("move to", &to.join(&name)))?;
        }
        sync_folder(&to)?;
        remove(&landing)
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
        let prefixes = Table::ALL.map(|table| format!(".{}.", self.layout.topic(table)));
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
