//! Landing in a local folder: write beside, then exchange the folders in one step.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use scheduler::operator::TaskError;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::landing::{Object, PARTITION_FOLDER};

/// Opening and closing small files waits more than it computes.
const THREADS: usize = 4;

/// Up to so many files each one is synced to disk before the folder appears; beyond, that would take minutes, and a
/// machine that loses power in the seconds after it loses what the next run lands again.
const SYNCED_OBJECTS_MAX: usize = 256;

/// A topic that is being written beside its place. Dropped before [`FolderLanding::publish`], it leaves nothing behind.
pub struct FolderLanding {
    staging: PathBuf,
    target: PathBuf,
}

impl FolderLanding {
    /// Begins a partition that will be at `target`, and clears away what killed tries left of it.
    pub fn begin(target: &Path, try_id: Uuid) -> anyhow::Result<FolderLanding> {
        let topic = target.parent().context("a partition's folder is never the root")?;
        let writing = || format!("the folder `{}` cannot be written", topic.display());
        fs::create_dir_all(topic).with_context(writing)?;
        let leftover = format!(".{PARTITION_FOLDER}.");
        for entry in fs::read_dir(topic).with_context(writing)? {
            let entry = entry.with_context(writing)?;
            if entry.file_name().to_str().is_some_and(|name| name.starts_with(&leftover)) {
                fs::remove_dir_all(entry.path()).with_context(writing)?;
            }
        }
        let staging = topic.join(format!(".{PARTITION_FOLDER}.{try_id}"));
        fs::create_dir(&staging).with_context(writing)?;
        Ok(FolderLanding { staging, target: target.to_owned() })
    }

    /// Writes objects, on several threads.
    pub fn write(&self, block: &[Object], cancelled: &CancellationToken) -> Result<(), TaskError> {
        let must_sync = block.len() <= SYNCED_OBJECTS_MAX;
        let share = block.len().div_ceil(THREADS).max(1);
        let written = std::thread::scope(|scope| {
            let threads: Vec<_> = block
                .chunks(share)
                .map(|objects| scope.spawn(move || self.write_objects(objects, must_sync, cancelled)))
                .collect();
            let results = threads.into_iter().map(|thread| {
                thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread that writes files panicked")))
            });
            results.collect::<io::Result<()>>()
        });
        if cancelled.is_cancelled() {
            return Err(TaskError::cancelled());
        }
        let writing = || format!("the folder `{}` cannot be written", self.target.display());
        Ok(written.with_context(writing)?)
    }

    fn write_objects(&self, objects: &[Object], must_sync: bool, cancelled: &CancellationToken) -> io::Result<()> {
        for object in objects {
            if cancelled.is_cancelled() {
                return Ok(());
            }
            let mut file = File::create_new(self.staging.join(&object.name))?;
            file.write_all(&object.bytes)?;
            if must_sync {
                file.sync_all()?;
            }
        }
        Ok(())
    }

    /// Puts the partition in its place; an older one disappears in the same step.
    pub fn publish(self) -> anyhow::Result<()> {
        let writing = || format!("the folder `{}` cannot be put in place", self.target.display());
        File::open(&self.staging).and_then(|folder| folder.sync_all()).with_context(writing)?;
        if self.target.exists() {
            exchange(&self.staging, &self.target).with_context(writing)?;
        } else {
            fs::rename(&self.staging, &self.target).with_context(writing)?;
        }
        let topic = self.target.parent().with_context(writing)?;
        File::open(topic).and_then(|folder| folder.sync_all()).with_context(writing)?;
        // Dropping removes what is now at the staging place: the older partition.
        Ok(())
    }
}

impl Drop for FolderLanding {
    fn drop(&mut self) {
        // What cannot be removed is hidden, and the next run tries again.
        let _ = fs::remove_dir_all(&self.staging);
    }
}

/// Exchanges two folders: on Linux in one step, elsewhere in three, of which the first two are a moment apart.
fn exchange(new: &Path, old: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        match renameat_with(CWD, new, CWD, old, RenameFlags::EXCHANGE) {
            Ok(()) => return Ok(()),
            // Some file systems cannot.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => (),
            Err(error) => return Err(error.into()),
        }
    }
    let mut aside = new.as_os_str().to_owned();
    aside.push(".old");
    fs::rename(old, &aside)?;
    fs::rename(new, old)?;
    fs::rename(&aside, new)
}
