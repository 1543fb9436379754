//! Cleaning up: history that is older than somebody wants to keep.
//!
//! It is taken in many short transactions, so that a server beside it goes on; one that is broken off has removed whole
//! runs, and the next takes the rest. Rows go before the logs: a run without logs is an annoyance, logs without a run are
//! found by the next clean-up.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use super::{Control, ControlError};
use crate::old_logs::{self, RunLogs};
use crate::store::audit::{self, Deed};
use crate::store::history::{self, OldRun, Rows};
use crate::store::{StoreError, commit};

/// Runs that are looked at together.
const RUNS_MAX: u64 = 200;

/// Task instances that are deleted in one transaction, unless a single run has more.
const INSTANCES_MAX: u64 = 5_000;

/// Rows of other tables in one transaction.
const ROWS_MAX: u64 = 5_000;

/// What is to be kept.
#[derive(Clone, Debug)]
pub struct Retention {
    /// What was over before goes.
    pub before: DateTime<Utc>,
    /// Where DAG files are: the import error of a file that is still there is not history.
    pub dags_folder: PathBuf,
    /// Where the logs of tries are.
    pub log_folder: PathBuf,
}

/// What went, or would go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removal {
    /// Rows by table.
    pub rows: Rows,
    /// Runs whose logs go.
    pub logs: u64,
    /// Logs that could not be removed, and why.
    pub left: Vec<String>,
}

impl Removal {
    fn add(&mut self, rows: Rows) {
        for (table, count) in rows {
            *self.rows.entry(table).or_default() += count;
        }
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.logs == 0 && self.rows.values().all(|count| *count == 0)
    }
}

impl Control {
    /// Says what a clean-up would remove.
    pub async fn plan_clean(&self, retention: &Retention) -> Result<Removal, ControlError> {
        self.check_before(retention)?;
        let db = self.db.read();
        let mut removal = Removal::default();
        let mut pinned: BTreeMap<Uuid, u64> = BTreeMap::new();
        let mut given: BTreeMap<i64, u64> = BTreeMap::new();
        let kept = history::kept(db).await?;
        let mut after = Uuid::nil();
        loop {
            let page = history::over(db, retention.before, after, RUNS_MAX).await?;
            let Some(last) = page.last() else { break };
            after = last.id;
            let old: Vec<OldRun> = page.into_iter().filter(|run| !kept.contains(&run.id)).collect();
            for run in &old {
                *pinned.entry(run.dag_version_id).or_default() += 1;
            }
            for (event, runs) in history::given_asset_events(db, &keys(&old)).await? {
                *given.entry(event).or_default() += runs;
            }
            removal.add(history::count_runs(db, &keys(&old)).await?);
            let folders = folders(&retention.log_folder, &old);
            removal.logs += files(move || Ok(folders.iter().filter(|path| path.exists()).count() as u64)).await?;
        }
        removal.logs += self.orphaned_logs(retention).await?.len() as u64;
        removal.add(Rows::from([
            ("event_log", history::count_events(db, retention.before).await?),
            ("import_error", self.old_import_errors(retention).await?.len() as u64),
            ("dag_version", history::unused_versions(db, retention.before, &pinned).await?),
            ("asset_event", history::unused_asset_events(db, retention.before, &given).await?),
        ]));
        Ok(removal)
    }

    /// Removes runs that were over before, with everything that is stored of them and their logs; the audit log, import
    /// errors of files that are gone, versions of DAGs that no run uses any more, and events of assets that nobody needs
    /// (Airflow 3: `db clean`).
    ///
    /// `progress` is told after each transaction what has gone so far. Unfinished runs stay, and those that the next ones
    /// of their DAG hang on.
    pub async fn clean(
        &self,
        retention: &Retention,
        user: Option<&str>,
        mut progress: impl FnMut(&Removal),
    ) -> Result<Removal, ControlError> {
        self.check_before(retention)?;
        let mut removal = Removal::default();
        self.clean_runs(retention, &mut removal, &mut progress).await?;
        let orphans = self.orphaned_logs(retention).await?;
        remove_logs(orphans.into_iter().map(|logs| logs.path).collect(), &mut removal).await?;
        self.clean_tables(retention, &mut removal, &mut progress).await?;
        let txn = self.db.begin_write().await?;
        let extra = json!({ "before": retention.before, "rows": removal.rows, "logs": removal.logs });
        let deed = Deed { event: "db_clean", owner: user, extra: Some(extra), ..Deed::default() };
        audit::record(&txn, deed, self.clock.now()).await?;
        commit(txn).await?;
        Ok(removal)
    }

    fn check_before(&self, retention: &Retention) -> Result<(), ControlError> {
        if retention.before > self.clock.now() {
            return Err(ControlError::Invalid(format!(
                "{} has not come yet; history can be removed up to now",
                retention.before.format("%Y-%m-%dT%H:%M:%SZ")
            )));
        }
        Ok(())
    }

    async fn clean_runs(
        &self,
        retention: &Retention,
        removal: &mut Removal,
        progress: &mut impl FnMut(&Removal),
    ) -> Result<(), ControlError> {
        // Newer runs that are made meanwhile take nothing away from these.
        let kept = history::kept(self.db.read()).await?;
        let mut after = Uuid::nil();
        loop {
            let txn = self.db.begin_write().await?;
            let page = history::over_locked(&txn, retention.before, after, RUNS_MAX).await?;
            let counts = history::instance_counts(&txn, &keys(&page)).await?;
            let page = within_bounds(page, &counts);
            let Some(last) = page.last() else { break };
            after = last.id;
            let old: Vec<OldRun> = page.into_iter().filter(|run| !kept.contains(&run.id)).collect();
            removal.add(history::delete_runs(&txn, &keys(&old)).await?);
            commit(txn).await?;
            remove_logs(folders(&retention.log_folder, &old), removal).await?;
            progress(removal);
        }
        Ok(())
    }

    async fn clean_tables(
        &self,
        retention: &Retention,
        removal: &mut Removal,
        progress: &mut impl FnMut(&Removal),
    ) -> Result<(), ControlError> {
        loop {
            let txn = self.db.begin_write().await?;
            let events = history::delete_events(&txn, retention.before, ROWS_MAX).await?;
            let versions = history::delete_unused_versions(&txn, retention.before, ROWS_MAX).await?;
            let asset_events = history::delete_unused_asset_events(&txn, retention.before, ROWS_MAX).await?;
            commit(txn).await?;
            removal.add(Rows::from([("event_log", events), ("dag_version", versions), ("asset_event", asset_events)]));
            progress(removal);
            if events == 0 && versions == 0 && asset_events == 0 {
                break;
            }
        }
        let ids = self.old_import_errors(retention).await?;
        removal.add(Rows::from([("import_error", 0)]));
        for ids in ids.chunks(500) {
            let txn = self.db.begin_write().await?;
            let errors = history::delete_import_errors(&txn, ids).await?;
            commit(txn).await?;
            removal.add(Rows::from([("import_error", errors)]));
        }
        Ok(())
    }

    /// Import errors of files that are gone. One of a file that is there stays: the file is still wrong.
    async fn old_import_errors(&self, retention: &Retention) -> Result<Vec<i64>, StoreError> {
        let errors = history::old_import_errors(self.db.read(), retention.before).await?;
        let is_gone = |file: &str| !retention.dags_folder.join(file).exists();
        Ok(errors.into_iter().filter(|(_, file)| is_gone(file)).map(|(id, _)| id).collect())
    }

    /// Older logs of runs that are not there any more.
    async fn orphaned_logs(&self, retention: &Retention) -> Result<Vec<RunLogs>, ControlError> {
        let logs = retention.log_folder.clone();
        let mut orphans = Vec::new();
        for dag_id in files(move || old_logs::dags(&logs)).await? {
            let (logs, dag, before) = (retention.log_folder.clone(), dag_id.clone(), retention.before.into());
            let found = files(move || old_logs::runs(&logs, &dag, before)).await?;
            for some in found.chunks(500) {
                // Logs are begun after their run is stored, so one that is not stored now is gone.
                let names: Vec<String> = some.iter().map(|logs| logs.run_id.clone()).collect();
                let existing: HashSet<String> = history::existing(self.db.read(), &dag_id, &names).await?;
                orphans.extend(some.iter().filter(|logs| !existing.contains(&logs.run_id)).cloned());
            }
        }
        Ok(orphans)
    }
}

fn keys(runs: &[OldRun]) -> Vec<Uuid> {
    runs.iter().map(|run| run.id).collect()
}

fn folders(logs: &Path, runs: &[OldRun]) -> Vec<PathBuf> {
    runs.iter().map(|run| old_logs::folder_of(logs, &run.dag_id, &run.run_id)).collect()
}

/// As many of the first runs as one transaction may take; one at least.
fn within_bounds(mut runs: Vec<OldRun>, instances: &BTreeMap<Uuid, u64>) -> Vec<OldRun> {
    let mut sum = 0;
    let fitting = runs.iter().take_while(|run| {
        sum += instances.get(&run.id).copied().unwrap_or(0);
        sum <= INSTANCES_MAX
    });
    let fitting = fitting.count().max(1);
    runs.truncate(fitting);
    runs
}

async fn remove_logs(paths: Vec<PathBuf>, removal: &mut Removal) -> Result<(), ControlError> {
    let (removed, left) = files(move || {
        let (mut removed, mut left) = (0, Vec::new());
        for path in paths {
            match old_logs::remove(&path) {
                Ok(had_logs) => removed += u64::from(had_logs),
                Err(error) => left.push(format!("`{}`: {error}", path.display())),
            }
        }
        Ok((removed, left))
    })
    .await?;
    removal.logs += removed;
    removal.left.extend(left);
    Ok(())
}

/// Works on files, away from the threads that wait for the network.
async fn files<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, ControlError> {
    let done = tokio::task::spawn_blocking(work).await.unwrap_or_else(|panic| Err(std::io::Error::other(panic)));
    done.map_err(ControlError::Logs)
}
