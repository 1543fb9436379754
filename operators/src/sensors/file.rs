//! `file_sensor`: waits until there is a file, here or in S3.
//!
//! ```yaml
//! - task_id: arrived
//!   operator: file_sensor
//!   filepath: "/data/in/*.csv"      # or a folder: then any file in it will do; or s3://bucket/in/*.csv
//!   poke_interval: 30s
//! ```

use std::future::ready;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use futures::TryStreamExt as _;
use glob::{MatchOptions, Pattern};
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use scheduler::operator::{ArgumentProblem, Operator, Outcome, TaskContext, TaskError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use super::arguments::Patience;
use super::wait::{Rhythm, Sight, Watch};
use crate::folder_marks::has_files;
use crate::listing::is_pattern;
use crate::location::{Location, S3, cause};
use crate::shapes::With;

/// The `file_sensor` operator.
pub struct FileSensor {
    s3: S3,
    looks: Arc<Semaphore>,
}

impl FileSensor {
    /// Reaching buckets through `s3`, with as many looks at a time as `looks` allows.
    pub fn new(s3: S3, looks: Arc<Semaphore>) -> FileSensor {
        FileSensor { s3, looks }
    }
}

/// Arguments of the `file_sensor` operator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileArgs {
    /// A file, a folder or a pattern (`*`, `?`, `[…]`); of a folder, any file in it or below it will do. Relative paths begin
    /// at `UPDRAFT_HOME`; `s3://bucket/key` is looked for in S3.
    #[schemars(length(min = 1))]
    filepath: String,
    /// Whether `**` in a pattern matches any number of folders.
    #[serde(default)]
    recursive: bool,
    /// Airflow's connection to a file system; there is only this one.
    #[serde(default)]
    #[expect(dead_code, reason = "it can have one value only")]
    fs_conn_id: FileSystem,
    /// Airflow's choice of waiting from the beginning without a worker. Every sensor looks once, and waits so.
    #[serde(default)]
    #[expect(dead_code, reason = "every sensor waits so")]
    start_from_trigger: bool,
    /// Airflow's arguments for that. There is no such thing here.
    #[serde(default)]
    #[expect(dead_code, reason = "there are no triggers")]
    trigger_kwargs: Option<Map<String, Value>>,
}

/// The file systems that there are.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum FileSystem {
    #[default]
    FsDefault,
}

impl Operator for FileSensor {
    const NAME: &'static str = "file_sensor";
    const AIRFLOW_CLASSES: &'static [&'static str] = &["FileSensor"];
    const SUMMARY: &'static str = "Waits until there is a file, here or in S3.";
    type Args = With<Patience, FileArgs>;

    async fn execute(&self, args: Self::Args, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let With { own, common: patience } = args;
        // Without `recursive` two stars are no more than one, as in Python.
        let written = if own.recursive { own.filepath } else { own.filepath.replace("**", "*") };
        let place = Location::parse(&written, &ctx.home).map_err(TaskError::fail)?;
        let place = Arc::new(place);
        let watch = Watch {
            patience: &patience,
            ctx,
            awaited: format!("file {place}"),
            rhythm: Rhythm::Intervals(Arc::clone(&self.looks)),
        };
        watch.until(|| self.look(Arc::clone(&place))).await
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        Patience::check(args)
    }
}

impl FileSensor {
    async fn look(&self, place: Arc<Location>) -> Result<Sight, TaskError> {
        let is_there = match &*place {
            Location::S3 { bucket, key } => self.is_in_bucket(bucket, key).await?,
            Location::Local(_) => {
                // Folders may be large, and network file systems slow.
                let looked = tokio::task::spawn_blocking(move || match &*place {
                    Location::Local(path) => is_local(path),
                    Location::S3 { .. } => Ok(false),
                });
                looked.await.context("looking for the file broke down")??
            }
        };
        Ok(Sight::of(is_there))
    }

    async fn is_in_bucket(&self, bucket: &str, key: &str) -> anyhow::Result<bool> {
        let store = self.s3.bucket(bucket).with_context(|| format!("the bucket `{bucket}` cannot be reached"))?;
        let failed = |error: object_store::Error| anyhow!("cannot look for s3://{bucket}/{key}: {}", cause(&error));
        let place = |key: &str| ObjectPath::parse(key).map_err(|error| failed(error.into()));
        if !is_pattern(key) {
            let place = place(key)?;
            match store.head(&place).await {
                Ok(_) => return Ok(true),
                Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(failed(error)),
            }
            return has_files(store.list(Some(&place)), &store).await.map_err(failed);
        }
        let pattern = pattern(key)?;
        let fixed: Vec<&str> = key.split('/').take_while(|part| !is_pattern(part)).collect();
        let objects = store.list(Some(&place(&fixed.join("/"))?));
        let matching = objects.try_filter(|object| ready(pattern.matches_with(object.location.as_ref(), MATCHING)));
        has_files(matching, &store).await.map_err(failed)
    }
}

/// As Python's `glob` has it: a star stays within a folder, and what begins with a dot is hidden.
const MATCHING: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

fn pattern(text: &str) -> anyhow::Result<Pattern> {
    Pattern::new(text).with_context(|| format!("`{text}` is no pattern of file names"))
}

/// Whether there is a file under that path; in a folder, any file will do (Airflow 3: `FileSensor.poke`).
fn is_local(path: &Path) -> anyhow::Result<bool> {
    if let Ok(found) = std::fs::metadata(path) {
        return Ok(found.is_file() || holds_file(path));
    }
    let text = path.to_str().with_context(|| format!("`{}` is not UTF-8", path.display()))?;
    if !is_pattern(text) {
        return Ok(false);
    }
    let found = glob::glob_with(text, MATCHING).with_context(|| format!("`{text}` is no pattern of file names"))?;
    // What may not be read is not there for this process.
    Ok(found.flatten().any(|path| path.is_file() || holds_file(&path)))
}

/// Whether there is a file in a folder or below it. What may not be read is passed over.
fn holds_file(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let (folders, others): (Vec<_>, Vec<_>) =
        entries.partition(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    !others.is_empty() || folders.iter().any(|entry| holds_file(&entry.path()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_a_folder_with_files_and_a_pattern_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("empty/inner")).unwrap();
        std::fs::create_dir_all(at("full/inner")).unwrap();
        std::fs::write(at("full/inner/a.csv"), "").unwrap();
        std::fs::write(at("full/.b.csv"), "").unwrap();

        let there = ["full/inner/a.csv", "full", "full/*", "full/*/a.csv", "**/a.csv", "full/inner/[a-c].csv"];
        let not_there = ["nothing", "empty", "full/*.csv", "*/a.csv", "empty/*"];
        for name in there {
            assert!(is_local(&at(name)).unwrap(), "{name}");
        }
        for name in not_there {
            assert!(!is_local(&at(name)).unwrap(), "{name}");
        }
    }
}
