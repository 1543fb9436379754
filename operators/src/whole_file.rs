//! A file that appears whole, here or in S3, or not at all.
//!
//! It grows beside its place, hidden (or in the folder for temporary files, when its place is in S3), and is moved there when
//! it is complete: a reader sees the old file or the new one.

use std::fs::File;
use std::path::Path;

use anyhow::Context as _;
use object_store::path::Path as ObjectPath;
use tempfile::NamedTempFile;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::location::{Location, S3};
use crate::scratch::Scratch;
use crate::upload::Upload;

/// A file that grows. Dropped before [`WholeFile::publish`], it leaves nothing behind.
pub(crate) struct WholeFile {
    location: Location,
    temporary: NamedTempFile,
    /// The folder of one whose place is in S3.
    folder: Option<Scratch>,
}

impl WholeFile {
    /// Begins a file that will be at `location`. What a killed try left of the same file is removed.
    pub(crate) fn begin(location: &Location, try_id: Uuid) -> anyhow::Result<WholeFile> {
        let writing = || format!("`{location}` cannot be written");
        let mut folder = None;
        let temporary = match location {
            Location::Local(path) => {
                let beside = path.parent().with_context(writing)?;
                std::fs::create_dir_all(beside).with_context(writing)?;
                remove_leftovers(beside, location.file_name());
                let prefix = format!(".{}.{try_id}.", location.file_name());
                tempfile::Builder::new().prefix(&prefix).tempfile_in(beside)
            }
            Location::S3 { .. } => NamedTempFile::new_in(folder.insert(Scratch::begin().with_context(writing)?).path()),
        };
        Ok(WholeFile { location: location.clone(), temporary: temporary.with_context(writing)?, folder })
    }

    /// The file to write into, from its beginning.
    pub(crate) fn file(&self) -> anyhow::Result<File> {
        self.temporary.reopen().with_context(|| format!("`{}` cannot be written", self.location))
    }

    /// Puts the file in its place; whatever was written into it must have been flushed.
    pub(crate) async fn publish(self, s3: &S3, stop: &CancellationToken) -> anyhow::Result<()> {
        let WholeFile { location, temporary, folder: _until_then } = self;
        let writing = || format!("`{location}` cannot be written");
        temporary.as_file().sync_all().with_context(writing)?;
        match &location {
            Location::Local(path) => {
                let kept = temporary.persist(path).map_err(|error| error.error).with_context(writing)?;
                make_readable(&kept).with_context(writing)?;
            }
            Location::S3 { bucket, key } => {
                let store = s3.bucket(bucket).with_context(writing)?;
                let upload = Upload::to(store, ObjectPath::parse(key).with_context(writing)?);
                upload.file(temporary.path(), stop).await.with_context(writing)?;
            }
        }
        Ok(())
    }
}

/// Temporary files are for their owner alone; a result is for whoever may read the folder.
#[cfg(unix)]
fn make_readable(file: &File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn make_readable(_file: &File) -> std::io::Result<()> {
    Ok(())
}

/// Removes what a killed try began for the same file.
fn remove_leftovers(folder: &Path, name: &str) {
    let prefix = format!(".{name}.");
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    // Of `a`, not of its neighbour `a.b`.
    let is_leftover = |entry: &str| {
        let id = entry.strip_prefix(&prefix).and_then(|rest| rest.split('.').next());
        id.is_some_and(|id| Uuid::try_parse(id).is_ok())
    };
    for entry in entries.flatten() {
        if entry.file_name().to_str().is_some_and(is_leftover) {
            // Whoever cannot remove it finds it hidden, and no reader takes it for data.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
