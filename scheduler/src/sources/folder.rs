//! A folder of DAG files, kept in step with the database.
//!
//! A file is read when it or the defaults under it changed, and only that file. What is wrong with it becomes an import error; its DAGs keep
//! their last good definition. A file that is gone makes its DAGs stale. Nothing that one file holds touches another's
//! DAGs.
//!
//! The folder may be the copy of a [`Remote`] origin; then the copy is brought in step first, and what keeps it from that is an
//! import error under the origin's name.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use notify::{RecursiveMode, Watcher};
use sea_orm::DatabaseTransaction;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::defaults::DefaultsTexts;
use super::owners::{Draft, Owners};
use super::read::{ReadFile, differs, read_file};
use super::remote::Remote;
use super::scan::{self, Difference, Found};
use crate::catalog::Catalog;
use crate::chain::Chain;
use crate::clock::Clock;
use crate::dag::Dag;
use crate::dag::spec::Loader;
use crate::engine::wake::{Wake, Waker};
use crate::events::{Change, Changes};
use crate::operator::DagFile;
use crate::store::entity::dag;
use crate::store::{Db, StoreError, assets, commit, dags};

/// What Airflow calls the bundle of the DAGs folder.
pub const BUNDLE_NAME: &str = "dags-folder";

/// Editors write a file in several steps; they are taken together.
const SETTLE: Duration = Duration::from_millis(25);

/// Changes that the operating system does not report (a network share) are found by then.
const RESCAN_EVERY: Duration = Duration::from_secs(5);

/// A start waits no longer for DAG files that are kept elsewhere: the API must answer, and runs must go on.
const FIRST_PATIENCE: Duration = Duration::from_secs(15);

/// Why the folder could not be brought in step.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The folder cannot be read.
    #[error("the DAGs folder `{}` cannot be read", .folder.display())]
    Unreadable {
        /// Which.
        folder: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The database refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the files ask of the database.
struct Update {
    /// DAGs that are new or changed, with their tags.
    rows: Vec<(dag::Model, BTreeSet<String>)>,
    /// DAGs whose file has mistakes that leave them out.
    broken: Vec<String>,
    /// DAGs that no file defines any more.
    stale: Vec<String>,
}

impl Update {
    async fn write(&self, txn: &DatabaseTransaction, now: DateTime<Utc>) -> Result<(), StoreError> {
        dags::upsert(txn, &self.rows).await?;
        if !self.stale.is_empty() {
            dags::mark_stale(txn, &self.stale, now).await?;
        }
        dags::mark_broken(txn, &self.broken, true).await
    }

    /// The DAGs that are not as they were.
    fn touched(self) -> BTreeSet<String> {
        let changed = self.rows.into_iter().map(|(row, _)| row.dag_id);
        changed.chain(self.broken).chain(self.stale).collect()
    }
}

/// A folder of DAG files.
pub struct DagFolder {
    folder: PathBuf,
    db: Db,
    catalog: Catalog,
    clock: Clock,
    changes: Changes,
    waker: Waker,
    are_paused_at_creation: bool,
    /// What the folder is a copy of.
    remote: Option<Remote>,
    /// Where the files are that the folder has copies of, if their tasks are to look around there.
    originals: Option<DagFile>,
    /// What was told of the last attempt to bring the copy in step: nothing yet, that it went well, or why not.
    told: Option<Result<(), String>>,
    files: BTreeMap<String, Found>,
    owners: Owners,
    /// Files with a DAG that other files define, and those others.
    doubles: BTreeMap<String, BTreeSet<String>>,
}

impl DagFolder {
    /// A folder whose files were not read yet. New DAGs start paused when `are_paused_at_creation` and they do not say
    /// otherwise (Airflow 3: `dags_are_paused_at_creation`).
    pub fn new(
        folder: PathBuf,
        db: Db,
        catalog: Catalog,
        clock: Clock,
        changes: Changes,
        waker: Waker,
        are_paused_at_creation: bool,
    ) -> DagFolder {
        DagFolder {
            folder,
            db,
            catalog,
            clock,
            changes,
            waker,
            are_paused_at_creation,
            remote: None,
            originals: None,
            told: None,
            files: BTreeMap::new(),
            owners: Owners::default(),
            doubles: BTreeMap::new(),
        }
    }

    /// The same for a folder that is the copy of an origin elsewhere.
    pub fn copied_from(mut self, remote: Remote) -> DagFolder {
        self.remote = Some(remote);
        self
    }

    /// The same for a folder with copies of files from elsewhere: what their tasks name is looked for beside the originals.
    pub fn with_originals(mut self, originals: DagFile) -> DagFolder {
        self.originals = Some(originals);
        self
    }

    /// Brings the database in step with the files, reading those that changed since the last time.
    pub async fn sync(&mut self) -> Result<(), FolderError> {
        let fetched = self.fetch().await;
        self.follow(fetched).await
    }

    /// Brings a copy in step with its origin, or says why not; none for a folder that is no copy. It may be given up.
    async fn fetch(&mut self) -> Option<Result<(), String>> {
        let is_first = self.told.is_none();
        let remote = self.remote.as_mut()?;
        let fetched = if is_first {
            let too_late = || anyhow::anyhow!("it is not read within {} seconds", FIRST_PATIENCE.as_secs());
            tokio::time::timeout(FIRST_PATIENCE, remote.fetch()).await.unwrap_or_else(|_| Err(too_late()))
        } else {
            remote.fetch().await
        };
        Some(fetched.map_err(|error| format!("{error:#}")))
    }

    /// Brings the database in step with the folder, now that its copy is as far as it can be.
    async fn follow(&mut self, fetched: Option<Result<(), String>>) -> Result<(), FolderError> {
        if let Some(fetched) = fetched {
            self.tell(fetched).await?;
        }
        // Without any state nobody knows which DAGs there are; those that the database knows stay.
        if self.remote.as_ref().is_none_or(Remote::is_there) { self.look().await } else { Ok(()) }
    }

    /// Says what became of bringing the copy in step, when that is something new.
    async fn tell(&mut self, fetched: Result<(), String>) -> Result<(), FolderError> {
        let Some(remote) = self.remote.as_ref().filter(|_| self.told.as_ref() != Some(&fetched)) else {
            return Ok(());
        };
        let name = remote.name();
        let problem = fetched.as_ref().err().map(|reason| {
            let goes_on = if remote.is_there() {
                "the DAGs go on as they were last read"
            } else {
                "no state of it is known here"
            };
            format!("{name} cannot be read: {reason}; {goes_on}, and it is tried again")
        });
        let txn = self.db.begin_write().await?;
        dags::set_import_error(&txn, BUNDLE_NAME, name, problem.as_deref(), self.clock.now()).await?;
        commit(txn).await?;
        match &problem {
            Some(problem) => warn!("{problem}"),
            None if self.told.is_some() => info!("{name} can be read again"),
            None => {}
        }
        self.changes.send(Change::import_errors());
        self.told = Some(fetched);
        Ok(())
    }

    /// Looks at the whole folder.
    async fn look(&mut self) -> Result<(), FolderError> {
        let folder = self.folder.clone();
        let found = tokio::task::spawn_blocking(move || scan::scan(&folder))
            .await
            .unwrap_or_else(|panic| Err(std::io::Error::other(panic)))
            .map_err(|source| FolderError::Unreadable { folder: self.folder.clone(), source })?;
        self.take_in(Difference::between(&self.files, found)).await
    }

    /// The same, when it is known which files changed.
    async fn sync_files(&mut self, names: &BTreeSet<String>) -> Result<(), FolderError> {
        match scan::look_again(&self.folder, &self.files, names) {
            Some(difference) => self.take_in(difference).await,
            None => self.look().await,
        }
    }

    async fn take_in(&mut self, mut difference: Difference) -> Result<(), FolderError> {
        let is_first = self.files.is_empty();
        if difference.is_empty() && !is_first {
            return Ok(());
        }
        for name in self.doubles_of(&difference) {
            if let Some(file) = self.files.get(&name) {
                difference.changed.entry(name).or_insert_with(|| file.clone());
            }
        }
        let read = self.read(&difference.changed).await;
        // If nothing was written, the next time starts from what was known before.
        self.apply(read, &difference, is_first).await?;
        for name in &difference.gone {
            self.files.remove(name);
        }
        self.files.extend(difference.changed);
        Ok(())
    }

    /// Files with a DAG that may be theirs from now on, because the file that defined it is not as it was.
    fn doubles_of(&self, difference: &Difference) -> Vec<String> {
        let is_other = |file: &String| difference.changed.contains_key(file) || difference.gone.contains(file);
        let doubles = self.doubles.iter().filter(|(_, others)| others.iter().any(is_other));
        doubles.map(|(name, _)| name.clone()).filter(|name| !difference.gone.contains(name)).collect()
    }

    async fn read(&self, files: &BTreeMap<String, Found>) -> Vec<ReadFile> {
        let folder = self.folder.clone();
        let files: Vec<(String, Found)> = files.iter().map(|(name, file)| (name.clone(), file.clone())).collect();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let share = files.len().div_ceil(threads).max(1);
        let shares = files.chunks(share).map(|files| {
            let (folder, catalog, files) = (folder.clone(), self.catalog.clone(), files.to_vec());
            tokio::task::spawn_blocking(move || {
                let (mut texts, mut loader) = (DefaultsTexts::default(), Loader::new(catalog.registry()));
                let read = |(name, found)| read_file(&folder, (&catalog, &mut loader), (name, &found), &mut texts);
                files.into_iter().map(read).collect::<Vec<ReadFile>>()
            })
        });
        let mut read = Vec::new();
        for share in shares.collect::<Vec<_>>() {
            read.extend(share.await.unwrap_or_else(|panic| {
                warn!(%panic, "DAG files could not be read");
                Vec::new()
            }));
        }
        read
    }

    async fn apply(
        &mut self,
        mut read: Vec<ReadFile>,
        difference: &Difference,
        is_first: bool,
    ) -> Result<(), FolderError> {
        let now = self.clock.now();
        let txn = self.db.begin_write().await?;
        let rows = if is_first {
            dags::list_all(&txn).await?
        } else {
            dags::find_all(&txn, &self.concerned(&read, &difference.gone)).await?
        };
        let known: HashMap<String, dag::Model> = rows.into_iter().map(|row| (row.dag_id.clone(), row)).collect();
        if is_first {
            self.owners = owners_after_a_start(&known, &difference.changed);
        }
        let mut owners = self.owners.draft();
        let broken = self.release(&read, &difference.gone, &mut owners);
        let doubles = refuse_doubles(&mut read, &owners);
        let read_names: BTreeSet<String> = read.iter().map(|file| file.name.clone()).collect();
        let update = self.update(&read, &known, broken, &mut owners, now);

        let errors = dags::list_import_errors(&txn, BUNDLE_NAME).await?;
        let wrong: HashMap<String, String> =
            errors.into_iter().map(|error| (error.filename, error.stack_trace)).collect();
        for file in read.iter().filter(|file| file.problems.as_ref() != wrong.get(&file.name)) {
            dags::set_import_error(&txn, BUNDLE_NAME, &file.name, file.problems.as_deref(), now).await?;
        }
        let origin = self.remote.as_ref().map(Remote::name);
        let is_there = |name: &String| {
            let was_there = self.files.contains_key(name) && !difference.gone.contains(name);
            was_there || difference.changed.contains_key(name)
        };
        for name in wrong.keys().filter(|name| !is_there(name) && Some(name.as_str()) != origin) {
            dags::set_import_error(&txn, BUNDLE_NAME, name, None, now).await?;
        }
        update.write(&txn, now).await?;
        let loaded: Vec<&Dag> = read.iter().flat_map(|file| &file.dags).map(|loaded| &*loaded.dag).collect();
        assets::set_references(&txn, &loaded, now).await?;
        commit(txn).await?;

        let changes = owners.into_changes();
        self.owners.change(changes);
        self.doubles.retain(|name, _| !read_names.contains(name) && !difference.gone.contains(name));
        self.doubles.extend(doubles);
        self.report(&read, &difference.gone, update.touched());
        Ok(())
    }

    /// The DAGs that these files define, or did until now.
    fn concerned(&self, read: &[ReadFile], gone: &BTreeSet<String>) -> Vec<String> {
        let until_now = self.owners.dags_of(read.iter().map(|file| &file.name).chain(gone));
        let now = read.iter().flat_map(|file| &file.dags).map(|loaded| loaded.dag.dag_id.clone());
        let concerned: BTreeSet<String> = until_now.into_values().flatten().chain(now).collect();
        concerned.into_iter().collect()
    }

    /// DAGs that a file does not define any more, or that is gone, may be another's. Those of a file with mistakes are answered
    /// with: nobody knows whether they are gone or only broken, so they keep their last good definition.
    fn release(&self, read: &[ReadFile], gone: &BTreeSet<String>, owners: &mut Draft<'_>) -> Vec<String> {
        let (mut broken, mut gone_dags) = (Vec::new(), Vec::new());
        let mut until_now = self.owners.dags_of(read.iter().map(|file| &file.name).chain(gone));
        for file in read {
            let mut absent = until_now.remove(&file.name).unwrap_or_default();
            for loaded in &file.dags {
                absent.remove(&loaded.dag.dag_id);
            }
            if file.problems.is_some() {
                broken.extend(absent);
            } else {
                gone_dags.extend(absent);
            }
        }
        for dag_id in gone_dags.into_iter().chain(until_now.into_values().flatten()) {
            owners.remove(dag_id);
        }
        broken
    }

    /// What follows for the DAGs from the files that were read, and from those that are gone.
    fn update(
        &self,
        read: &[ReadFile],
        known: &HashMap<String, dag::Model>,
        broken: Vec<String>,
        owners: &mut Draft<'_>,
        now: DateTime<Utc>,
    ) -> Update {
        let mut rows = Vec::new();
        for file in read {
            for loaded in &file.dags {
                let row = file.row(loaded, &self.file_of(&file.name), self.are_paused_at_creation, now);
                owners.set(&row.dag_id, &file.name);
                if known.get(&row.dag_id).is_none_or(|old| differs(old, &row)) {
                    rows.push((row, loaded.dag.tags.clone()));
                }
            }
        }
        let is_stale = |row: &&dag::Model| !row.is_stale && owners.of(&row.dag_id).is_none();
        let stale = known.values().filter(is_stale).map(|row| row.dag_id.clone()).collect();
        Update { rows, broken, stale }
    }

    /// Where a file is, and how it is called below the folder of DAG files.
    fn file_of(&self, name: &str) -> (PathBuf, String) {
        let path = scan::path_of(&self.folder, name);
        match (&self.originals, path.file_name()) {
            (Some(originals), Some(file)) => {
                let path = originals.folder.join(file);
                let below =
                    path.strip_prefix(&originals.root).unwrap_or(Path::new(file)).to_string_lossy().into_owned();
                (path, below)
            }
            _ => (path, name.to_owned()),
        }
    }

    fn report(&self, read: &[ReadFile], gone: &BTreeSet<String>, touched: BTreeSet<String>) {
        for file in read {
            match &file.problems {
                Some(problems) => warn!(file = %file.name, "the DAG file has mistakes:\n{problems}"),
                None => info!(file = %file.name, dags = file.dags.len(), "read a DAG file"),
            }
        }
        for name in gone {
            info!(file = %name, "a DAG file is gone");
        }
        for dag_id in &touched {
            self.changes.send(Change::dag(dag_id));
        }
        self.changes.send(Change::import_errors());
        if !touched.is_empty() {
            self.changes.send(Change::assets());
            self.waker.wake(Wake::Dags(touched.into_iter().collect()));
        }
    }

    /// Keeps the database in step until told to stop.
    pub async fn watch(mut self, stop: CancellationToken) {
        let hints = Arc::new(Hints::default());
        let every = self.remote.as_ref().map_or(RESCAN_EVERY, Remote::every);
        let mut watcher = self.watcher(&hints);
        let mut told: Option<String> = None;
        if matches!(self.told, Some(Err(_))) {
            hints.look_everywhere();
        }
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = hints.wait() => tokio::time::sleep(SETTLE).await,
                () = tokio::time::sleep(every) => hints.look_everywhere(),
            }
            // What arrives from here on needs another look; what arrived while the file settled does not.
            let synced = match hints.take() {
                Hint::Files(names) => self.sync_files(&names).await,
                Hint::Everywhere => {
                    let fetched = tokio::select! {
                        () = stop.cancelled() => return,
                        fetched = self.fetch() => fetched,
                    };
                    self.follow(fetched).await
                }
            };
            match synced {
                Ok(()) if told.take().is_some() => {
                    info!("the DAGs folder is in step again");
                    // The folder may be another one by now.
                    watcher = self.watcher(&hints);
                }
                Ok(()) => {}
                Err(error) => {
                    let problem = Chain(&error).to_string();
                    if told.as_ref() != Some(&problem) {
                        warn!("{problem}; the DAGs go on as they were last read");
                        told = Some(problem);
                    }
                }
            }
            let _ = &watcher;
        }
    }

    /// Asks the operating system to tell of changes; without it, the regular look finds them.
    fn watcher(&self, hints: &Arc<Hints>) -> Option<notify::RecommendedWatcher> {
        if self.remote.is_some() {
            // Nobody but us changes a copy.
            return None;
        }
        let (folder, hints) = (self.folder.clone(), Arc::clone(hints));
        let hint = move |event: notify::Result<notify::Event>| match event {
            Ok(event) if event.kind.is_access() => {}
            Ok(event) => {
                let names: Option<BTreeSet<String>> =
                    event.paths.iter().map(|path| scan::name_of_dag_file(&folder, path)).collect();
                let names = names.filter(|names| !names.is_empty());
                hints.give(names.map_or(Hint::Everywhere, Hint::Files));
            }
            Err(_) => hints.look_everywhere(),
        };
        let watching = notify::recommended_watcher(hint).and_then(|mut watcher| {
            watcher.watch(&self.folder, RecursiveMode::Recursive)?;
            Ok(watcher)
        });
        match watching {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                warn!(%error, "changes of DAG files are not reported; looking every {RESCAN_EVERY:?} instead");
                None
            }
        }
    }
}

/// After a start: which file defines which DAG is what the database says, as far as the files are there.
fn owners_after_a_start(known: &HashMap<String, dag::Model>, files: &BTreeMap<String, Found>) -> Owners {
    let defined = known.values().filter(|row| !row.is_stale && files.contains_key(&row.relative_fileloc));
    Owners::new(defined.map(|row| (row.dag_id.clone(), row.relative_fileloc.clone())).collect())
}

/// A DAG that another file defines is that file's; here it is an error (Airflow silently takes the last). Answers with the
/// files that have such, and whose they are.
fn refuse_doubles(read: &mut [ReadFile], owners: &Draft<'_>) -> BTreeMap<String, BTreeSet<String>> {
    let mut with_doubles: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut new: HashMap<String, String> = HashMap::new();
    for file in read {
        let mut doubles = Vec::new();
        file.dags.retain(|loaded| {
            let dag_id = &loaded.dag.dag_id;
            let owner = owners.of(dag_id).or_else(|| new.get(dag_id).map(String::as_str)).unwrap_or(&file.name);
            let is_ours = owner == file.name;
            if is_ours {
                new.insert(dag_id.clone(), file.name.clone());
            } else {
                with_doubles.entry(file.name.clone()).or_default().insert(owner.to_owned());
                doubles.push(format!(
                    "DAG `{dag_id}` is defined in `{owner}` already; give it another dag_id, or remove one of them"
                ));
            }
            is_ours
        });
        if !doubles.is_empty() {
            let before = file.problems.take().map(|text| text + "\n").unwrap_or_default();
            file.problems = Some(format!("{before}{}: {}", file.name, doubles.join("\n")));
        }
    }
    with_doubles
}

/// Where something changed.
enum Hint {
    /// In these files, as far as they were known.
    Files(BTreeSet<String>),
    /// Anywhere.
    Everywhere,
}

/// What the operating system has told of changes, and nobody has looked at yet.
#[derive(Default)]
struct Hints {
    hint: Mutex<Option<Hint>>,
    given: Notify,
}

impl Hints {
    fn give(&self, new: Hint) {
        let mut hint = self.hint.lock().unwrap_or_else(PoisonError::into_inner);
        *hint = Some(match (hint.take(), new) {
            (None, new) => new,
            (Some(Hint::Files(mut names)), Hint::Files(more)) => {
                names.extend(more);
                Hint::Files(names)
            }
            _ => Hint::Everywhere,
        });
        self.given.notify_one();
    }

    fn look_everywhere(&self) {
        self.give(Hint::Everywhere);
    }

    async fn wait(&self) {
        self.given.notified().await;
    }

    fn take(&self) -> Hint {
        let hint = self.hint.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A wake-up without anything new is answered by looking at no file.
        hint.unwrap_or_else(|| Hint::Files(BTreeSet::new()))
    }
}
