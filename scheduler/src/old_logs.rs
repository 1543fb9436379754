//! The logs of runs that are no longer there.
//!
//! The folder of logs is laid out as [`crate::log::path`] says: a folder for each DAG, in it one for each run.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The folder with the logs of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunLogs {
    /// The run's name.
    pub run_id: String,
    /// Where its logs are.
    pub path: PathBuf,
}

/// Where the logs of a run are.
pub fn folder_of(logs: &Path, dag_id: &str, run_id: &str) -> PathBuf {
    logs.join(format!("dag_id={dag_id}")).join(format!("run_id={run_id}"))
}

/// The DAGs that have logs; none when there are no logs at all.
pub fn dags(logs: &Path) -> io::Result<Vec<String>> {
    Ok(named(logs, "dag_id=")?.into_iter().map(|(dag_id, _)| dag_id).collect())
}

/// The runs of a DAG whose logs were begun before `before`.
pub fn runs(logs: &Path, dag_id: &str, before: SystemTime) -> io::Result<Vec<RunLogs>> {
    let found = named(&logs.join(format!("dag_id={dag_id}")), "run_id=")?;
    let is_old = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).is_ok_and(|time| time < before);
    Ok(found.into_iter().filter(|(_, path)| is_old(path)).map(|(run_id, path)| RunLogs { run_id, path }).collect())
}

/// Removes the logs of a run, and the folder of its DAG when nothing else is in it. True when there were any.
pub fn remove(path: &Path) -> io::Result<bool> {
    match fs::remove_dir_all(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    }
    if let Some(dag) = path.parent() {
        // It is not empty, as a rule, and then stays.
        let _ = fs::remove_dir(dag);
    }
    Ok(true)
}

/// The folders in `folder` whose names begin with `prefix`, by the rest of their names.
fn named(folder: &Path, prefix: &str) -> io::Result<Vec<(String, PathBuf)>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        if let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(prefix)) {
            found.push((rest.to_owned(), entry.path()));
        }
    }
    found.sort();
    Ok(found)
}
