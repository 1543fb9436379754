//! Empty folders for commands to run in.
//!
//! Most commands leave theirs as they found it, and nobody in it. It is used again then: making a folder and removing it is a good
//! part of what a short command costs, and file systems without a journal look through all that was removed lately to make one.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind, PipeReader, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::OFlags;

use crate::scratch::Scratch;
use crate::spawn::Command;

/// So many are kept for the next commands. Few more are in use at a time.
const KEPT_MAX: usize = 64;

/// Others may list the folder for temporary files.
const FOR_THE_OWNER_ALONE: u32 = 0o700;

/// The folders of a process. They go with this value, or after the process was killed.
#[derive(Clone, Default)]
pub(crate) struct WorkFolders(Arc<Mutex<Folders>>);

#[derive(Default)]
struct Folders {
    /// What they are in. It is made with the first of them.
    place: Option<Arc<Scratch>>,
    /// Those that nobody is in.
    free: Vec<Arc<Folder>>,
    /// How many were made.
    count: u64,
}

/// A folder, as it was when it was made.
struct Folder {
    path: PathBuf,
    stamp: Stamp,
    _place: Arc<Scratch>,
}

/// What changes when anything is made in a folder or removed from it, and when others are let into it.
#[derive(PartialEq, Eq)]
struct Stamp {
    inode: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl Stamp {
    fn of(path: &Path) -> io::Result<Stamp> {
        let metadata = fs::symlink_metadata(path)?;
        Ok(Stamp { inode: metadata.ino(), seconds: metadata.ctime(), nanoseconds: metadata.ctime_nsec() })
    }
}

impl Folder {
    /// Whether nothing has been done to it.
    fn is_untouched(&self) -> bool {
        Stamp::of(&self.path).is_ok_and(|stamp| stamp == self.stamp)
    }

    /// What was done in the moment in which it was made shows in no stamp.
    fn is_empty(&self) -> bool {
        fs::read_dir(&self.path).is_ok_and(|mut entries| entries.next().is_none())
    }
}

impl Folders {
    fn make(&mut self) -> io::Result<Folder> {
        let place = match &self.place {
            Some(place) => Arc::clone(place),
            None => Arc::clone(self.place.insert(Arc::new(Scratch::begin()?))),
        };
        self.count += 1;
        let path = place.path().join(self.count.to_string());
        DirBuilder::new().mode(FOR_THE_OWNER_ALONE).create(&path)?;
        Ok(Folder { stamp: Stamp::of(&path)?, path, _place: place })
    }
}

impl WorkFolders {
    /// An empty folder, for as long as the answer is held.
    pub(crate) fn enter(&self) -> io::Result<WorkFolder> {
        let mut folders = self.folders();
        while let Some(folder) = folders.free.pop() {
            if folder.is_untouched() {
                return Ok(WorkFolder { folder, folders: self.clone(), held: None });
            }
            remove(&folder.path);
        }
        let made = match folders.make() {
            // Somebody tidied up the folder for temporary files.
            Err(error) if error.kind() == ErrorKind::NotFound && folders.place.take().is_some() => folders.make(),
            made => made,
        };
        Ok(WorkFolder { folder: Arc::new(made?), folders: self.clone(), held: None })
    }

    fn folders(&self) -> MutexGuard<'_, Folders> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What cannot be removed goes with the folder that it is in.
fn remove(path: &Path) {
    let _ = fs::remove_dir_all(path);
}

/// An empty folder that somebody runs in.
pub(crate) struct WorkFolder {
    folder: Arc<Folder>,
    folders: WorkFolders,
    /// Ends when nobody is there any more who was started in it.
    held: Option<PipeReader>,
}

impl WorkFolder {
    /// Lets a command run in it.
    pub(crate) fn let_in(&mut self, command: &mut Command) -> io::Result<()> {
        let (held, end) = io::pipe()?;
        rustix::fs::fcntl_setfl(&held, OFlags::NONBLOCK)?;
        self.held = Some(held);
        command.current_dir(self.path()).hold(end);
        Ok(())
    }

    /// Whether somebody has stayed whom a command started (`setsid`). Who has closed all files that it was given is not seen; such
    /// programs go to another folder, as a rule.
    fn is_left(&mut self) -> bool {
        self.held.as_mut().is_none_or(|held| matches!(held.read(&mut [0]), Ok(0)))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.folder.path
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        if self.is_left() && self.folder.is_untouched() && self.folder.is_empty() {
            let mut folders = self.folders.folders();
            if folders.free.len() < KEPT_MAX {
                return folders.free.push(Arc::clone(&self.folder));
            }
        }
        remove(&self.folder.path);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::spawn::Started;

    #[test]
    fn what_was_left_untouched_is_entered_again_and_nothing_else_is() {
        let folders = WorkFolders::default();
        let (one, other) = (folders.enter().unwrap(), folders.enter().unwrap());
        let (first, second) = (one.path().to_owned(), other.path().to_owned());
        assert!(first != second && first.is_dir() && second.is_dir());
        assert_eq!(fs::metadata(&first).unwrap().permissions().mode() & 0o777, FOR_THE_OWNER_ALONE);

        drop(one);
        let again = folders.enter().unwrap();
        assert_eq!(again.path(), first);

        // Whoever finds one that has been used would find what is in it.
        fs::write(again.path().join("left"), "behind").unwrap();
        drop(again);
        assert!(!first.exists());
        fs::set_permissions(&second, fs::Permissions::from_mode(0o777)).unwrap();
        drop(other);
        assert!(!second.exists());

        // Nor may anything be put into it while nobody is in it.
        let third = folders.enter().unwrap().path().to_owned();
        fs::write(third.join("late"), "").unwrap();
        let next = folders.enter().unwrap();
        assert!(next.path() != third && !third.exists());

        let place = next.path().parent().unwrap().to_owned();
        drop(next);
        assert!(place.is_dir());
        drop(folders);
        assert!(!place.exists(), "they go with their owner");
    }

    #[test]
    fn a_place_that_was_tidied_up_is_made_anew() {
        let folders = WorkFolders::default();
        let place = folders.enter().unwrap().path().parent().unwrap().to_owned();
        fs::remove_dir_all(place).unwrap();
        assert!(folders.enter().unwrap().path().is_dir());
    }

    #[tokio::test]
    async fn a_folder_in_which_somebody_has_stayed_is_nobody_elses() {
        let folders = WorkFolders::default();
        let mut paths = Vec::new();
        for script in ["true", "setsid sleep 60 >/dev/null 2>&1 & echo $!", "true"] {
            let mut folder = folders.enter().unwrap();
            let mut command = Command::new("bash");
            command.args(["-c", script]);
            folder.let_in(&mut command).unwrap();
            let Started { mut child, mut stdout, .. } = command.spawn().unwrap();
            drop(command);
            let mut said = String::new();
            tokio::io::AsyncReadExt::read_to_string(&mut stdout, &mut said).await.unwrap();
            child.wait().await.unwrap();
            paths.push((folder.path().to_owned(), said.trim().parse::<i32>().ok()));
        }
        assert_eq!(paths[0].0, paths[1].0);
        assert_ne!(paths[1].0, paths[2].0);
        assert!(!paths[1].0.exists());
        let stayed = rustix::process::Pid::from_raw(paths[1].1.unwrap()).unwrap();
        rustix::process::kill_process(stayed, rustix::process::Signal::KILL).unwrap();
    }
}
