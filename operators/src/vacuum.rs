//! Bounds the growth of Delta tables that are replaced again and again.
//!
//! A version that is replaced stays readable: its files are there, and whoever began to read it can end. After the
//! retention they are removed. A file goes only when every version that refers to it was replaced longer ago than that.
//!
//! What killed tries began and never committed goes after a day at the earliest, because a writer of somebody else may
//! still be about to commit it; and only what is named as writers of Delta tables name their files: whatever else lies in
//! the folder is none of our business.
//!
//! The log needs no care of ours: each hundredth commit writes a checkpoint, and removes what is older than
//! `delta.logRetentionDuration` (30 days).

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use chrono::TimeDelta;
use deltalake::operations::vacuum::VacuumMode;
use deltalake::table::config::TablePropertiesExt as _;
use deltalake::{DeltaResult, DeltaTable};
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path as ObjectPath;
use scheduler::log::TaskLog;

use crate::location::Location;
use crate::retention::Retention;

/// Files that no version knows are left alone for so long at least.
const UNKNOWN_FILES: Duration = Duration::from_hours(24);

/// Removes what nobody needs any more from a table that was just replaced. Without a `retention`, the table's own
/// `delta.deletedFileRetentionDuration` holds, and 7 days if it has none (Delta's defaults).
///
/// The rows are safe by then, so nothing that goes wrong here fails the task; the next one tries again.
pub async fn after_overwrite(table: &DeltaTable, location: &Location, retention: Option<Retention>, log: &TaskLog) {
    match remove_stale(table, location, retention).await {
        Ok(0) => {}
        Ok(1) => log.info(format_args!("Removed 1 file of replaced versions from {location}")),
        Ok(files) => log.info(format_args!("Removed {files} files of replaced versions from {location}")),
        Err(error) => log.warning(format_args!("Files of replaced versions stay in {location}: {error:#}")),
    }
}

async fn remove_stale(table: &DeltaTable, location: &Location, retention: Option<Retention>) -> anyhow::Result<usize> {
    let retention = match retention {
        Some(Retention::Forever) => return Ok(0),
        Some(Retention::For(retention)) => retention,
        None => table.snapshot()?.table_config().deleted_file_retention_duration(),
    };
    let mut stale = dry_run(table, VacuumMode::Lite, retention).await.context("cannot list them")?;
    let unknown =
        dry_run(table, VacuumMode::Full, retention.max(UNKNOWN_FILES)).await.context("cannot list the folder")?;
    stale.extend(unknown.into_iter().filter(is_data_file));
    // Names stay in the log long after their files are gone, so what is asked for may not be there.
    let store = table.log_store().object_store(None);
    let asked = futures::stream::iter(stale.into_iter().map(Ok)).boxed();
    let removed = store
        .delete_stream(asked)
        .filter_map(|outcome| async move {
            match outcome {
                Err(object_store::Error::NotFound { .. }) => None,
                outcome => Some(outcome),
            }
        })
        .try_fold(0, |files, _| async move { Ok(files + 1) })
        .await
        .context("cannot remove them")?;
    if let Location::Local(folder) = location {
        return Ok(removed + remove_unfinished(folder)?);
    }
    Ok(removed)
}

/// The files that a vacuum would remove. Carried out by itself, it would write two commits more each time.
async fn dry_run(table: &DeltaTable, mode: VacuumMode, retention: Duration) -> DeltaResult<BTreeSet<ObjectPath>> {
    let retention = TimeDelta::from_std(retention).unwrap_or(TimeDelta::MAX);
    let vacuum = table.clone().vacuum();
    let (_, found) = vacuum
        .with_mode(mode)
        .with_retention_period(retention)
        .with_enforce_retention_duration(false)
        .with_dry_run(true)
        .await?;
    let paths = found.files_deleted.iter().map(|path| ObjectPath::parse(path).unwrap_or_else(|_| path.as_str().into()));
    Ok(paths.collect())
}

/// Whether a file is named as writers of Delta tables name theirs.
fn is_data_file(path: &ObjectPath) -> bool {
    path.filename().is_some_and(|name| name.starts_with("part-") && name.ends_with(".parquet"))
}

/// Removes what a killed process was just writing in a local folder (`part-….parquet#1`), of which object stores do not
/// speak.
fn remove_unfinished(folder: &std::path::Path) -> anyhow::Result<usize> {
    let mut removed = 0;
    for entry in std::fs::read_dir(folder)?.filter_map(Result::ok) {
        let name = entry.file_name();
        let is_unfinished = name.to_str().is_some_and(|name| name.starts_with("part-") && name.contains(".parquet#"));
        let is_old = || {
            let written = entry.metadata().and_then(|metadata| metadata.modified());
            written.is_ok_and(|written| age(written) > UNKNOWN_FILES)
        };
        if is_unfinished && is_old() {
            std::fs::remove_file(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// By the clock of the file system, as the times in the log are.
fn age(written: SystemTime) -> Duration {
    SystemTime::now().duration_since(written).unwrap_or_default()
}
