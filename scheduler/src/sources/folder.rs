//! A folder of DAG files, kept in step with the database.
//!
//! A file is read when it changed, and only that file. What is wrong with it becomes an import error; its DAGs keep
//! their last good definition. A file that is gone makes its DAGs stale. Nothing that one file holds touches another's
//! DAGs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use notify::{RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::scan::{self, Stamp};
use crate::catalog::Catalog;
use crate::chain::Chain;
use crate::clock::Clock;
use crate::dag::spec::{self, LoadedDag, SourceFile};
use crate::dag::timetable::Timetable;
use crate::engine::wake::{Wake, Waker};
use crate::events::{Change, Changes};
use crate::store::entity::dag;
use crate::store::{Db, StoreError, commit, dags};

/// What Airflow calls the bundle of the DAGs folder.
pub const BUNDLE_NAME: &str = "dags-folder";

/// Editors write a file in several steps; they are taken together.
const SETTLE: Duration = Duration::from_millis(80);

/// Changes that the operating system does not report (a network share) are found by then.
const RESCAN_EVERY: Duration = Duration::from_secs(5);

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

/// A folder of DAG files.
pub struct DagFolder {
    folder: PathBuf,
    db: Db,
    catalog: Catalog,
    clock: Clock,
    changes: Changes,
    waker: Waker,
    are_paused_at_creation: bool,
    stamps: BTreeMap<String, Stamp>,
    /// Which file defines which DAG.
    defined_in: HashMap<String, String>,
}

/// One file that changed.
struct ReadFile {
    name: String,
    text: String,
    dags: Vec<LoadedDag>,
    /// What is wrong with it, as text with positions; none when nothing is.
    problems: Option<String>,
    took: Duration,
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
            stamps: BTreeMap::new(),
            defined_in: HashMap::new(),
        }
    }

    /// Brings the database in step with the files, reading those that changed since the last time.
    pub async fn sync(&mut self) -> Result<(), FolderError> {
        let folder = self.folder.clone();
        let found = tokio::task::spawn_blocking(move || scan::scan(&folder))
            .await
            .unwrap_or_else(|panic| Err(std::io::Error::other(panic)))
            .map_err(|source| FolderError::Unreadable { folder: self.folder.clone(), source })?;
        let is_first = self.stamps.is_empty();
        let changed: Vec<(String, Stamp)> = found
            .iter()
            .filter(|(name, stamp)| self.stamps.get(*name) != Some(stamp))
            .map(|(name, stamp)| (name.clone(), *stamp))
            .collect();
        let gone: Vec<String> = self.stamps.keys().filter(|name| !found.contains_key(*name)).cloned().collect();
        if changed.is_empty() && gone.is_empty() && !is_first {
            return Ok(());
        }
        let read = self.read(changed).await;
        self.apply(read, &gone, &found, is_first).await?;
        self.stamps = found;
        Ok(())
    }

    async fn read(&self, files: Vec<(String, Stamp)>) -> Vec<ReadFile> {
        let folder = self.folder.clone();
        let catalog = self.catalog.clone();
        let work = move || files.into_iter().map(|(name, stamp)| read_file(&folder, &catalog, name, stamp)).collect();
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|panic| {
            warn!(%panic, "the DAG files could not be read");
            Vec::new()
        })
    }

    async fn apply(
        &mut self,
        mut read: Vec<ReadFile>,
        gone: &[String],
        found: &BTreeMap<String, Stamp>,
        is_first: bool,
    ) -> Result<(), FolderError> {
        let now = self.clock.now();
        let txn = self.db.begin_write().await?;
        let known: HashMap<String, dag::Model> =
            dags::list_all(&txn).await?.into_iter().map(|row| (row.dag_id.clone(), row)).collect();
        if is_first {
            self.defined_in = known
                .values()
                .filter(|row| !row.is_stale && found.contains_key(&row.relative_fileloc))
                .map(|row| (row.dag_id.clone(), row.relative_fileloc.clone()))
                .collect();
        }
        self.defined_in.retain(|_, file| !gone.contains(file));
        self.refuse_doubles(&mut read);

        let mut rows = Vec::new();
        let mut broken: Vec<String> = Vec::new();
        let mut touched: BTreeSet<String> = BTreeSet::new();
        for file in &read {
            dags::set_import_error(&txn, BUNDLE_NAME, &file.name, file.problems.as_deref(), now).await?;
            let loaded: BTreeSet<&str> = file.dags.iter().map(|loaded| loaded.dag.dag_id.as_str()).collect();
            for loaded in &file.dags {
                let row = self.row(loaded, file, now);
                if known.get(&row.dag_id).is_none_or(|old| differs(old, &row)) {
                    touched.insert(row.dag_id.clone());
                    rows.push((row, loaded.dag.tags.clone()));
                }
                self.defined_in.insert(loaded.dag.dag_id.clone(), file.name.clone());
            }
            let absent = self
                .defined_in
                .iter()
                .filter(|(dag_id, defined)| **defined == file.name && !loaded.contains(dag_id.as_str()));
            let absent: Vec<String> = absent.map(|(dag_id, _)| dag_id.clone()).collect();
            if file.problems.is_some() {
                broken.extend(absent);
            } else {
                for dag_id in absent {
                    self.defined_in.remove(&dag_id);
                }
            }
        }
        for name in gone {
            dags::set_import_error(&txn, BUNDLE_NAME, name, None, now).await?;
        }
        if is_first {
            for error in dags::list_import_errors(&txn, BUNDLE_NAME).await? {
                if !found.contains_key(&error.filename) {
                    dags::set_import_error(&txn, BUNDLE_NAME, &error.filename, None, now).await?;
                }
            }
        }
        dags::upsert(&txn, &rows).await?;
        let stale: Vec<String> = known
            .values()
            .filter(|row| !row.is_stale && !self.defined_in.contains_key(&row.dag_id))
            .map(|row| row.dag_id.clone())
            .collect();
        if !stale.is_empty() {
            dags::mark_stale(&txn, &stale, now).await?;
        }
        dags::mark_broken(&txn, &broken, true).await?;
        commit(txn).await?;

        touched.extend(broken);
        touched.extend(stale);
        self.report(&read, gone, touched);
        Ok(())
    }

    /// A DAG that another file defines is that file's; here it is an error (Airflow silently takes the last).
    fn refuse_doubles(&self, read: &mut [ReadFile]) {
        let mut owners: HashMap<String, String> = self.defined_in.clone();
        for file in read {
            let mut doubles = Vec::new();
            file.dags.retain(|loaded| {
                let owner = owners.entry(loaded.dag.dag_id.clone()).or_insert_with(|| file.name.clone());
                let is_ours = *owner == file.name;
                if !is_ours {
                    doubles.push(format!(
                        "DAG `{}` is defined in `{owner}` already; give it another dag_id, or remove one of them",
                        loaded.dag.dag_id
                    ));
                }
                is_ours
            });
            if !doubles.is_empty() {
                let before = file.problems.take().map(|text| text + "\n").unwrap_or_default();
                file.problems = Some(format!("{before}{}: {}", file.name, doubles.join("\n")));
            }
        }
    }

    fn row(&self, loaded: &LoadedDag, file: &ReadFile, now: chrono::DateTime<chrono::Utc>) -> dag::Model {
        let dag = &loaded.dag;
        let timetable = Timetable::new(&dag.schedule, dag.timezone).ok();
        let summary = timetable.as_ref().and_then(Timetable::summary);
        let description = timetable.as_ref().map(Timetable::describe);
        dag::Model {
            dag_id: dag.dag_id.clone(),
            is_paused: dag.runs.is_paused_upon_creation.unwrap_or(self.are_paused_at_creation),
            is_stale: false,
            has_import_errors: false,
            fileloc: scan::path_of(&self.folder, &file.name).to_string_lossy().into_owned(),
            relative_fileloc: file.name.clone(),
            bundle_name: BUNDLE_NAME.to_owned(),
            last_parsed_time: Some(now),
            last_parse_duration_ms: i32::try_from(file.took.as_millis()).ok(),
            description: dag.description.clone(),
            owners: dag.owner.clone(),
            timetable_summary: summary,
            timetable_description: description,
            timezone: dag.timezone.name().to_owned(),
            max_active_runs: i32::try_from(dag.runs.max_active_runs).unwrap_or(i32::MAX),
            max_active_tasks: i32::try_from(dag.runs.max_active_tasks).unwrap_or(i32::MAX),
            next_dagrun_logical_date: None,
            next_dagrun_data_interval_start: None,
            next_dagrun_data_interval_end: None,
            next_dagrun_run_after: None,
            version_hash: loaded.hash.clone(),
            source: file.text.clone(),
            updated_at: now,
        }
    }

    fn report(&self, read: &[ReadFile], gone: &[String], touched: BTreeSet<String>) {
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
            self.waker.wake(Wake::Dags(touched.into_iter().collect()));
        }
    }

    /// Keeps the database in step until told to stop.
    pub async fn watch(mut self, stop: CancellationToken) {
        let (sender, mut hints) = mpsc::channel(1);
        let mut watcher = self.watcher(sender);
        let mut is_readable = true;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some(()) = hints.recv() => tokio::time::sleep(SETTLE).await,
                () = tokio::time::sleep(RESCAN_EVERY) => {}
            }
            // What arrives from here on needs another look; what arrived while the file settled does not.
            while hints.try_recv().is_ok() {}
            match self.sync().await {
                Ok(()) if !is_readable => {
                    is_readable = true;
                    info!("the DAGs folder can be read again");
                    let (sender, fresh) = mpsc::channel(1);
                    (watcher, hints) = (self.watcher(sender), fresh);
                }
                Ok(()) => {}
                Err(error) => {
                    if is_readable {
                        warn!(error = %Chain(&error), "the DAGs go on as they were last read");
                    }
                    is_readable = !matches!(error, FolderError::Unreadable { .. });
                }
            }
            let _ = &watcher;
        }
    }

    /// Asks the operating system to tell of changes; without it, the regular look finds them.
    fn watcher(&self, sender: mpsc::Sender<()>) -> Option<notify::RecommendedWatcher> {
        let hint = move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !event.kind.is_access()) {
                // A full channel means that a look is due already.
                let _ = sender.try_send(());
            }
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

fn read_file(folder: &Path, catalog: &Catalog, name: String, stamp: Stamp) -> ReadFile {
    let began = Instant::now();
    let text = if stamp.is_too_large() {
        Err(format!("{name}: the file is larger than {} MiB, more than a DAG file may be", scan::FILE_BYTES_MAX >> 20))
    } else {
        std::fs::read(scan::path_of(folder, &name))
            .map_err(|error| format!("{name}: the file cannot be read: {error}"))
            .and_then(|bytes| String::from_utf8(bytes).map_err(|_| format!("{name}: the file is not UTF-8 text")))
    };
    match text {
        Ok(text) => {
            let source = SourceFile::new(name.clone(), text);
            let loaded = spec::load(&source, catalog.registry());
            for dag in &loaded.dags {
                catalog.remember(dag);
            }
            let problems = (!loaded.problems.is_empty()).then(|| spec::render(&source, &loaded.problems, false));
            ReadFile { name, text: source.text, dags: loaded.dags, problems, took: began.elapsed() }
        }
        Err(problem) => {
            ReadFile { name, text: String::new(), dags: Vec::new(), problems: Some(problem), took: began.elapsed() }
        }
    }
}

/// Whether a DAG's row must be written again. When it was read does not count.
fn differs(old: &dag::Model, new: &dag::Model) -> bool {
    old.is_stale
        || old.has_import_errors
        || old.source != new.source
        || old.version_hash != new.version_hash
        || old.fileloc != new.fileloc
        || old.relative_fileloc != new.relative_fileloc
        || old.timetable_description != new.timetable_description
}
