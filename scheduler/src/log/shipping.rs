//! Brings the logs of tries into the database, for readers that share no folder with whoever makes the tries.
//!
//! A line goes into a file first, as ever: that costs no commit, and outlives a database that is away and a process that is
//! killed. A *shipper* sends what is new a few times a second, and removes the file once its log is closed and all of it is
//! sent. What a killed process had not sent is sent by the next one that starts in the same home.
//!
//! **Invariant:** a file is removed only when the database has all of it, or its run is gone.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use uuid::Uuid;

use super::{LogKey, TaskLog, path};
use crate::clock::Clock;
use crate::engine::outage::Outage;
use crate::store::try_logs::{self, LogOf, Piece};
use crate::store::{Db, StoreError, commit};

/// How long lines gather before they are sent. A try that ends waits for nothing.
const INTERVAL: Duration = Duration::from_millis(200);

/// The wait after the database refused.
const RETRY: Duration = Duration::from_secs(1);

/// Most bytes of one log in one commit; longer than any line.
const PIECE_BYTES_MAX: u64 = 1024 * 1024;

/// Most logs in one commit.
const PIECES_MAX: usize = 32;

/// At a shutdown, what is there is still sent as far as it goes in this time; the rest waits for the next start.
const DRAIN: Duration = Duration::from_secs(5);

/// The file that says that a folder belongs to a living process.
const LOCK: &str = "lock";

/// Where the logs of tries go.
#[derive(Clone)]
pub enum Logs {
    /// Into a folder that whoever reads them can read, too.
    Folder(PathBuf),
    /// Into the database.
    Database(Arc<Shipper>),
}

impl Logs {
    /// The log of a try.
    pub(crate) fn open(&self, key: &LogKey, clock: Clock) -> TaskLog {
        match self {
            Logs::Folder(folder) => TaskLog::at(path(folder, &key.task, key.try_number), clock),
            Logs::Database(shipper) => TaskLog::shipped(shipper.shipment(key), clock),
        }
    }

    /// Sends what is still to be sent, as far as it goes, when no more is written.
    pub async fn stop(&self) {
        if let Logs::Database(shipper) = self {
            shipper.stop.cancel();
            shipper.stopped.cancelled().await;
        }
    }
}

/// Sends logs to the database.
pub struct Shipper {
    db: Db,
    clock: Clock,
    /// The files of this process.
    folder: PathBuf,
    parcels: Mutex<Parcels>,
    /// Something is to be sent.
    news: Notify,
    /// Somebody waits for it.
    hurry: Notify,
    stop: CancellationToken,
    stopped: CancellationToken,
    /// Says that this process lives; the kernel lets go of it.
    _lock: File,
}

#[derive(Default)]
struct Parcels {
    known: HashMap<Uuid, Parcel>,
    /// Those with something to send or to put away, the oldest first.
    due: BTreeSet<Uuid>,
}

/// The log of one try, as far as this process wrote it.
struct Parcel {
    of: LogOf,
    path: PathBuf,
    /// How many bytes the database has; unknown of what an earlier process left, and after a commit without an answer.
    sent: Option<u64>,
    /// Whether nothing more is written.
    is_closed: bool,
    /// Who waits until the database has what is there now.
    waiting: Vec<oneshot::Sender<()>>,
}

impl Shipper {
    /// Starts sending what is written in `home`, and what earlier processes left there.
    pub fn start(home: &Path, db: Db, clock: Clock) -> io::Result<Arc<Shipper>> {
        let all = home.join("unsent_logs");
        let folder = all.join(Uuid::now_v7().to_string());
        fs::create_dir_all(&folder)?;
        let lock = File::create(folder.join(LOCK))?;
        lock.try_lock().map_err(io::Error::from)?;
        take_over(&all, &folder)?;
        let shipper = Arc::new(Shipper {
            db,
            clock,
            parcels: Mutex::new(left_in(&folder)?),
            folder,
            news: Notify::new(),
            hurry: Notify::new(),
            stop: CancellationToken::new(),
            stopped: CancellationToken::new(),
            _lock: lock,
        });
        if !shipper.lock().due.is_empty() {
            shipper.news.notify_one();
        }
        tokio::spawn(Arc::clone(&shipper).run());
        Ok(shipper)
    }

    /// A new file for a log.
    fn shipment(self: &Arc<Self>, key: &LogKey) -> Shipment {
        let of = LogOf::from(key);
        let source = Uuid::now_v7();
        let path = file_of(&self.folder, &of, source);
        Shipment { shipper: Arc::clone(self), of, path, source }
    }

    fn lock(&self) -> MutexGuard<'_, Parcels> {
        self.parcels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(self: Arc<Self>) {
        let mut outage = Outage::default();
        while !self.stop.is_cancelled() {
            tokio::select! {
                () = self.stop.cancelled() => break,
                () = self.news.notified() => {}
            }
            tokio::select! {
                () = self.stop.cancelled() => break,
                () = self.hurry.notified() => {}
                () = tokio::time::sleep(INTERVAL) => {}
            }
            let sent = self.stop.run_until_cancelled(self.send_all(&mut outage)).await;
            if sent.is_none() {
                // Whether the commit that was under way has come about is asked anew.
                self.forget_what_was_sent();
            }
        }
        if tokio::time::timeout(DRAIN, self.send_all(&mut outage)).await.is_err() {
            warn!(folder = %self.folder.display(), "not all logs were sent; the next start in this home sends them");
        } else if self.lock().known.is_empty() {
            // Left behind, the next start would remove it.
            let _ = fs::remove_dir_all(&self.folder);
        }
        self.stopped.cancel();
    }

    /// Sends until nothing is due.
    async fn send_all(&self, outage: &mut Outage) {
        while !self.lock().due.is_empty() {
            let taken = self.take();
            match self.send(&taken).await {
                Ok(loaded) => {
                    outage.over(self.clock.now());
                    self.settle(taken, &loaded);
                }
                Err(problem) => {
                    outage.met("logs cannot be sent to the database", &problem, self.clock.now());
                    self.put_back(taken, problem.is_passing());
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    fn take(&self) -> Vec<Taken> {
        let mut parcels = self.lock();
        let Parcels { known, due } = &mut *parcels;
        let mut taken = Vec::new();
        while taken.len() < PIECES_MAX {
            let Some(source) = due.pop_first() else { break };
            let Some(Parcel { of, path, sent, is_closed, waiting }) = known.get_mut(&source) else { continue };
            let (of, path, waiting) = (of.clone(), path.clone(), std::mem::take(waiting));
            taken.push(Taken { source, of, path, sent: *sent, is_closed: *is_closed, waiting });
        }
        taken
    }

    /// Sends a piece of each, in one commit.
    async fn send(&self, taken: &[Taken]) -> Result<Vec<Loaded>, StoreError> {
        let unknown: Vec<Uuid> = taken.iter().filter(|one| one.sent.is_none()).map(|one| one.source).collect();
        let known = if unknown.is_empty() { HashMap::new() } else { try_logs::sent(self.db.read(), &unknown).await? };
        let files: Vec<(PathBuf, u64, bool)> = taken
            .iter()
            .map(|one| {
                let sent = one.sent.unwrap_or_else(|| known.get(&one.source).copied().unwrap_or(0));
                (one.path.clone(), sent, one.is_closed)
            })
            .collect();
        let loading =
            move || files.into_iter().map(|(path, sent, is_closed)| Loaded::of(&path, sent, is_closed)).collect();
        let loaded: Vec<Loaded> = tokio::task::spawn_blocking(loading).await.unwrap_or_default();
        let pieces: Vec<Piece> = taken
            .iter()
            .zip(&loaded)
            .filter(|(_, loaded)| !loaded.bytes.is_empty())
            .map(|(one, loaded)| Piece { of: one.of.clone(), source: one.source, content: loaded.bytes.clone() })
            .collect();
        if !pieces.is_empty() {
            let txn = self.db.begin_write().await?;
            try_logs::append(&txn, pieces).await?;
            commit(txn).await?;
        }
        Ok(loaded)
    }

    /// Notes what was sent, tells those who waited for it, and puts away what is over.
    fn settle(&self, taken: Vec<Taken>, loaded: &[Loaded]) {
        let mut over = Vec::new();
        let mut parcels = self.lock();
        let Parcels { known, due } = &mut *parcels;
        for (one, loaded) in taken.into_iter().zip(loaded) {
            let Some(parcel) = known.get_mut(&one.source) else { continue };
            parcel.sent = Some(loaded.began_at + loaded.bytes.len() as u64);
            if loaded.has_more {
                parcel.waiting.extend(one.waiting);
                due.insert(one.source);
                continue;
            }
            for waiting in one.waiting {
                // It may have stopped waiting.
                let _ = waiting.send(());
            }
            if one.is_closed {
                known.remove(&one.source);
                over.push(one.path);
            }
        }
        drop(parcels);
        for path in over {
            if let Err(error) = fs::remove_file(&path).or_else(unless_missing) {
                warn!(path = %path.display(), %error, "a log that was sent cannot be removed");
            }
        }
    }

    /// Keeps what could not be sent. No try waits for that longer than the database is away: meanwhile its end could not be
    /// written either.
    fn put_back(&self, taken: Vec<Taken>, is_passing: bool) {
        let mut parcels = self.lock();
        let Parcels { known, due } = &mut *parcels;
        for one in taken {
            let Some(parcel) = known.get_mut(&one.source) else { continue };
            parcel.sent = None;
            due.insert(one.source);
            if is_passing {
                parcel.waiting.extend(one.waiting);
            }
        }
    }

    fn forget_what_was_sent(&self) {
        let mut parcels = self.lock();
        let Parcels { known, due } = &mut *parcels;
        for (source, parcel) in known {
            parcel.sent = None;
            due.insert(*source);
        }
    }
}

/// The file of one log, as its writer sees it. Once it is dropped, nothing more is written.
pub(super) struct Shipment {
    shipper: Arc<Shipper>,
    of: LogOf,
    pub(super) path: PathBuf,
    source: Uuid,
}

impl Shipment {
    /// Something was written.
    pub(super) fn note_news(&self) {
        let mut parcels = self.shipper.lock();
        let is_news = parcels.due.insert(self.source);
        parcels.known.entry(self.source).or_insert_with(|| Parcel {
            of: self.of.clone(),
            path: self.path.clone(),
            sent: Some(0),
            is_closed: false,
            waiting: Vec::new(),
        });
        drop(parcels);
        if is_news {
            self.shipper.news.notify_one();
        }
    }

    /// Completes when the database has all that was written so far; none when it has it already.
    pub(super) fn arrival(&self) -> Option<oneshot::Receiver<()>> {
        let mut parcels = self.shipper.lock();
        let parcel = parcels.known.get_mut(&self.source)?;
        let (sender, arrival) = oneshot::channel();
        parcel.waiting.push(sender);
        parcels.due.insert(self.source);
        drop(parcels);
        self.shipper.news.notify_one();
        self.shipper.hurry.notify_one();
        Some(arrival)
    }
}

impl Drop for Shipment {
    fn drop(&mut self) {
        let mut parcels = self.shipper.lock();
        if let Some(parcel) = parcels.known.get_mut(&self.source) {
            parcel.is_closed = true;
            parcels.due.insert(self.source);
            self.shipper.news.notify_one();
        }
    }
}

/// What is to be sent next of a parcel.
struct Taken {
    source: Uuid,
    of: LogOf,
    path: PathBuf,
    sent: Option<u64>,
    is_closed: bool,
    waiting: Vec<oneshot::Sender<()>>,
}

/// What a file holds beyond what was sent.
struct Loaded {
    began_at: u64,
    bytes: Vec<u8>,
    has_more: bool,
}

impl Loaded {
    fn of(path: &Path, began_at: u64, is_closed: bool) -> Loaded {
        let (bytes, has_more) = read_from(path, began_at, is_closed).unwrap_or_else(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                warn!(path = %path.display(), %error, "a log cannot be read, and is not sent");
            }
            (Vec::new(), false)
        });
        Loaded { began_at, bytes, has_more }
    }
}

/// Whole lines; what a killed process left of its last one is a line when nothing more comes.
fn read_from(path: &Path, offset: u64, is_closed: bool) -> io::Result<(Vec<u8>, bool)> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(PIECE_BYTES_MAX).read_to_end(&mut bytes)?;
    let is_full = bytes.len() as u64 == PIECE_BYTES_MAX;
    let lines_end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    if is_full && lines_end > 0 || !is_closed {
        bytes.truncate(lines_end);
    } else if !bytes.is_empty() && lines_end < bytes.len() {
        bytes.push(b'\n');
    }
    Ok((bytes, is_full))
}

/// Makes the files of processes that are gone ours.
fn take_over(all: &Path, ours: &Path) -> io::Result<()> {
    for left in folders(all)? {
        if left == ours {
            continue;
        }
        let lock = File::create(left.join(LOCK))?;
        if lock.try_lock().is_err() {
            continue;
        }
        for tasks in folders(&left)? {
            let Some(name) = tasks.file_name() else { continue };
            fs::create_dir_all(ours.join(name))?;
            for entry in fs::read_dir(&tasks)? {
                let entry = entry?;
                fs::rename(entry.path(), ours.join(name).join(entry.file_name()))?;
            }
        }
        fs::remove_dir_all(&left)?;
    }
    Ok(())
}

fn folders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// What is to be sent of the files in a folder.
fn left_in(folder: &Path) -> io::Result<Parcels> {
    let mut parcels = Parcels::default();
    for tasks in folders(folder)? {
        for entry in fs::read_dir(&tasks)? {
            let path = entry?.path();
            let Some((of, source)) = log_in(&path) else { continue };
            parcels.due.insert(source);
            parcels.known.insert(source, Parcel { of, path, sent: None, is_closed: true, waiting: Vec::new() });
        }
    }
    Ok(parcels)
}

/// Where the log is written until it is sent. Folders are by task, so that there are no more of them than tasks.
fn file_of(folder: &Path, of: &LogOf, source: Uuid) -> PathBuf {
    let LogOf { run, task_id, map_index, try_number } = of;
    folder.join(format!("task_id={task_id}")).join(format!("{run}.{map_index}.{try_number}.{source}.log"))
}

/// What [`file_of`] was made from.
fn log_in(path: &Path) -> Option<(LogOf, Uuid)> {
    let task_id = path.parent()?.file_name()?.to_str()?.strip_prefix("task_id=")?.to_owned();
    let mut parts = path.file_stem()?.to_str()?.split('.');
    let run = parts.next()?.parse().ok()?;
    let map_index = parts.next()?.parse().ok()?;
    let try_number = parts.next()?.parse().ok()?;
    let source = parts.next()?.parse().ok()?;
    Some((LogOf { run, task_id, map_index, try_number }, source))
}

fn unless_missing(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_file_says_whose_log_it_is() {
        let of = LogOf { run: Uuid::now_v7(), task_id: "group.load".to_owned(), map_index: -1, try_number: 3 };
        let source = Uuid::now_v7();

        assert_eq!(log_in(&file_of(Path::new("/home"), &of, source)), Some((of, source)));
        assert_eq!(log_in(Path::new("/home/task_id=a/notes.txt")), None);
    }

    #[test]
    fn lines_are_read_whole_and_the_rest_of_a_killed_process_as_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(&path, "one\ntwo\nth").unwrap();

        assert_eq!(read_from(&path, 4, false).unwrap(), (b"two\n".to_vec(), false));
        assert_eq!(read_from(&path, 4, true).unwrap(), (b"two\nth\n".to_vec(), false));
        assert_eq!(read_from(&path, 11, true).unwrap(), (Vec::new(), false));
    }
}
