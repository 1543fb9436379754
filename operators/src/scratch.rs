//! Folders for what is needed only meanwhile, within the one for temporary files (`TMPDIR`).
//!
//! Such a folder goes away with its value; but a process that is killed removes nothing. So each is locked for as long as its
//! process is there, and a process that begins its first one removes those that nobody holds any more.

use std::fs::{File, Permissions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Once;

use tempfile::TempDir;

/// How their names begin.
const PREFIX: &str = "updraft-scratch-";

/// Data is in them, and others may list the folder for temporary files.
const FOR_THE_OWNER_ALONE: u32 = 0o700;

/// A folder that is removed with the value, or after its process was killed.
#[derive(Debug)]
pub struct Scratch {
    folder: TempDir,
    /// Holds the lock, and lets go of it when the folder is gone.
    _lock: File,
}

impl Scratch {
    /// Makes a folder.
    pub fn begin() -> io::Result<Scratch> {
        static IS_SWEPT: Once = Once::new();
        let parent = tempfile::env::temp_dir();
        let begun = Scratch::begin_in(&parent);
        // Once: there may be thousands of folders a second. Beside the work: what is removed may be large.
        IS_SWEPT.call_once(|| {
            std::thread::spawn(move || remove_left_behind(&parent));
        });
        begun
    }

    fn begin_in(parent: &Path) -> io::Result<Scratch> {
        loop {
            let permissions = Permissions::from_mode(FOR_THE_OWNER_ALONE);
            let folder = tempfile::Builder::new().prefix(PREFIX).permissions(permissions).tempdir_in(parent)?;
            let lock = match File::open(folder.path()) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                opened => opened?,
            };
            // Where there are no locks, nobody else gets one, and nothing is removed. Until it is locked, somebody may have
            // taken it for one that was left behind.
            let may_be_held = !matches!(lock.try_lock(), Err(TryLockError::WouldBlock));
            if may_be_held && folder.path().is_dir() {
                return Ok(Scratch { folder, _lock: lock });
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes the folders of processes that are gone. What cannot be opened or removed is somebody else's.
fn remove_left_behind(parent: &Path) {
    let Ok(entries) = std::fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let is_named_so = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        if !is_named_so || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        if let Ok(folder) = File::open(entry.path())
            && folder.try_lock().is_ok()
        {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_left_is_removed_and_what_is_held_is_not() {
        let parent = tempfile::tempdir().unwrap();
        let left = parent.path().join(format!("{PREFIX}of-the-dead"));
        std::fs::create_dir(&left).unwrap();
        std::fs::write(left.join("text"), "unpacked").unwrap();
        let of_others = parent.path().join("updraft-bash-1");
        std::fs::create_dir(&of_others).unwrap();

        let held = Scratch::begin_in(parent.path()).unwrap();
        let next = Scratch::begin_in(parent.path()).unwrap();
        remove_left_behind(parent.path());

        assert!(!left.exists(), "nobody holds it");
        assert!(held.path().is_dir() && next.path().is_dir() && of_others.is_dir());
        let path = held.path().to_owned();
        drop(held);
        assert!(!path.exists(), "it goes with its value");
    }
}
