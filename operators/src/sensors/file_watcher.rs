//! `file_watcher`: waits until there are new files, here or in S3, and says which.
//!
//! ```yaml
//! arrivals:
//!   schedule: "@continuous"
//!   tasks:
//!     - {task_id: watch, operator: file_watcher, path: "s3://bucket/in/*.csv", outlets: ["s3://bucket/in"]}
//! ```
//!
//! A DAG that runs continuously, with this one task, watches an asset: each run ends with what is new, and updates the
//! outlets with it (Airflow 3: asset watchers).
//!
//! What was seen is remembered before the run ends, together with what the run is to tell; so a try that is lost in between
//! tells the same, and what a run did not come to tell is told by the next one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, anyhow};
use scheduler::operator::{ArgumentProblem, Operator, Outcome, TaskContext, TaskError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use super::arguments::Patience;
use super::telling::Telling;
use super::wait::{Rhythm, Sight, Watch};
use crate::checkpoint;
use crate::listing::{InputFile, list_files};
use crate::location::{Location, S3};
use crate::shapes::With;

/// Files that are watched at most: all that are there are remembered.
const WATCHED_MAX: usize = 20_000;

/// Names in the `extra` of an event at most.
const NAMED_MAX: usize = 1_000;

/// The `file_watcher` operator.
pub struct FileWatcher {
    s3: S3,
    looks: Arc<Semaphore>,
}

impl FileWatcher {
    /// Reaching buckets through `s3`, with as many looks at a time as `looks` allows.
    pub fn new(s3: S3, looks: Arc<Semaphore>) -> FileWatcher {
        FileWatcher { s3, looks }
    }
}

/// Arguments of the `file_watcher` operator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileWatcherArgs {
    /// A folder, with what is below it, or a pattern (`*`, `?`, `[…]`). Relative paths begin at `UPDRAFT_HOME`;
    /// `s3://bucket/prefix` is looked at in S3. Names that begin with `_` or `.` are not looked at.
    #[schemars(length(min = 1))]
    path: String,
    /// Whether files that are there when it looks for the first time are new.
    #[serde(default)]
    existing: bool,
}

/// What is remembered from run to run.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Memory {
    /// The files that were there, each with what changes with its content.
    known: BTreeMap<String, String>,
    /// What a run is to tell.
    #[serde(default)]
    telling: Option<Telling<String>>,
}

impl Operator for FileWatcher {
    const NAME: &'static str = "file_watcher";
    const SUMMARY: &'static str = "Waits until there are new files, here or in S3, and says which.";
    type Args = With<Patience, FileWatcherArgs>;

    async fn execute(&self, args: Self::Args, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let With { own, common: patience } = args;
        let place = Location::parse(&own.path, &ctx.home).map_err(TaskError::fail)?;
        let memory: Option<Memory> = checkpoint::recall(ctx).await?;
        let untold = match memory.as_ref().and_then(|memory| memory.telling.clone()) {
            Some(telling) => telling.untold(ctx).await?,
            None => Vec::new(),
        };
        let state = Mutex::new(Seen { memory, untold, unsettled: BTreeMap::new(), new: Vec::new() });
        let watch = Watch {
            patience: &patience,
            ctx,
            awaited: format!("new files in {place}"),
            rhythm: Rhythm::Intervals(Arc::clone(&self.looks)),
        };
        let outcome = watch.until(|| self.look(&place, own.existing, &state, ctx)).await?;
        let new = state.into_inner().unwrap_or_else(PoisonError::into_inner).new;
        if !matches!(outcome, Outcome::Success { .. }) {
            return Ok(outcome);
        }
        tell(&new, ctx);
        Ok(Outcome::value(json!(new)))
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        Patience::check(args)
    }
}

/// What was seen so far.
struct Seen {
    memory: Option<Memory>,
    /// What an earlier run, or an earlier process, was to tell and did not.
    untold: Vec<String>,
    /// Files that may still be written to.
    unsettled: BTreeMap<String, String>,
    /// What is told.
    new: Vec<String>,
}

impl FileWatcher {
    async fn look(
        &self,
        place: &Location,
        existing: bool,
        seen: &Mutex<Seen>,
        ctx: &TaskContext,
    ) -> Result<Sight, TaskError> {
        let (listed, s3) = (place.clone(), self.s3.clone());
        // Folders may be large, and network file systems slow.
        let handle = tokio::runtime::Handle::current();
        let files = tokio::task::spawn_blocking(move || handle.block_on(list_files(&listed, &s3)));
        let files = files.await.context("looking for files broke down")??;
        if files.len() > WATCHED_MAX {
            return Err(TaskError::fail(anyhow!(
                "there are {} files, and at most {WATCHED_MAX} can be watched; move away what was worked on",
                files.len()
            )));
        }
        let memory = seen.lock().unwrap_or_else(PoisonError::into_inner).compare(&files, existing, &ctx.key.run_id);
        let Some(memory) = memory else { return Ok(Sight::NotYet) };
        checkpoint::remember(&memory, ctx).await?;
        let is_there = memory.telling.is_some();
        seen.lock().unwrap_or_else(PoisonError::into_inner).keep(memory);
        Ok(Sight::of(is_there))
    }
}

impl Seen {
    /// What is to be remembered, if that is anything else than before.
    fn compare(&mut self, files: &[InputFile], existing: bool, run_id: &str) -> Option<Memory> {
        let mut known = BTreeMap::new();
        let mut new = self.untold.clone();
        let mut unsettled = BTreeMap::new();
        let before = self.memory.as_ref().map(|memory| &memory.known);
        for file in files {
            let (name, stamp) = (file.location.to_string(), format!("{}:{}", file.size_bytes, file.stamp));
            let is_known = match before {
                Some(before) => before.get(&name) == Some(&stamp),
                None => !existing,
            };
            // What is in a bucket is whole; here somebody may still be writing.
            let is_settled = file.location.local_path().is_none() || self.unsettled.get(&name) == Some(&stamp);
            if is_known || is_settled {
                if !is_known {
                    new.push(name.clone());
                }
                known.insert(name, stamp);
            } else {
                if let Some(old) = before.and_then(|before| before.get(&name)) {
                    known.insert(name.clone(), old.clone());
                }
                unsettled.insert(name, stamp);
            }
        }
        self.unsettled = unsettled;
        new.sort();
        new.dedup();
        let is_first = self.memory.is_none();
        let telling = (!new.is_empty()).then(|| Telling::of(run_id, new));
        if telling.is_none() && !is_first && before == Some(&known) {
            return None;
        }
        Some(Memory { known, telling })
    }

    /// That is remembered; until it is, the next look finds the same again.
    fn keep(&mut self, memory: Memory) {
        self.new = memory.telling.as_ref().map(|telling| telling.news.clone()).unwrap_or_default();
        self.untold.clear();
        self.memory = Some(memory);
    }
}

/// Says of each outlet what is new.
fn tell(new: &[String], ctx: &TaskContext) {
    let named = &new[..new.len().min(NAMED_MAX)];
    let extra = json!({ "files": named, "count": new.len() });
    let extra = extra.as_object().cloned().unwrap_or_default();
    ctx.outlets.tell_of_each(&extra);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(written: &[(&str, &str)]) -> Vec<InputFile> {
        let location = |name: &str| match name.strip_prefix("s3:") {
            Some(key) => Location::S3 { bucket: "b".to_owned(), key: key.to_owned() },
            None => Location::Local(name.into()),
        };
        let file = |(name, stamp): &(&str, &str)| InputFile {
            location: location(name),
            size_bytes: 1,
            stamp: (*stamp).to_owned(),
        };
        written.iter().map(file).collect()
    }

    fn seen(memory: Option<Memory>) -> Seen {
        Seen { memory, untold: Vec::new(), unsettled: BTreeMap::new(), new: Vec::new() }
    }

    fn told(memory: Option<Memory>) -> Vec<String> {
        memory.and_then(|memory| memory.telling).map(|telling| telling.news).unwrap_or_default()
    }

    #[test]
    fn what_is_there_at_first_is_not_new_unless_it_is_wanted() {
        let there = files(&[("s3:a", "1")]);
        assert!(told(seen(None).compare(&there, false, "one")).is_empty());
        assert_eq!(told(seen(None).compare(&there, true, "one")), ["s3://b/a"]);
    }

    #[test]
    fn new_and_changed_files_are_told_once_and_what_is_gone_is_forgotten() {
        let mut seen = seen(None);
        let first = seen.compare(&files(&[("s3:a", "1"), ("s3:b", "1")]), false, "one").unwrap();
        seen.keep(first);
        assert!(seen.compare(&files(&[("s3:a", "1"), ("s3:b", "1")]), false, "one").is_none(), "nothing is otherwise");

        let memory = seen.compare(&files(&[("s3:b", "2"), ("s3:c", "1")]), false, "one").unwrap();

        assert_eq!(told(Some(memory.clone())), ["s3://b/b", "s3://b/c"]);
        let mut next = Seen { memory: Some(memory), ..self::seen(None) };
        let memory = next.compare(&files(&[("s3:a", "1"), ("s3:b", "2"), ("s3:c", "1")]), false, "two");
        assert_eq!(told(memory), ["s3://b/a"], "it is new again");
    }

    #[test]
    fn what_could_not_be_remembered_is_new_at_the_next_look() {
        let there = files(&[("s3:b", "1")]);
        let mut seen = Seen { untold: vec!["s3://b/a".to_owned()], ..seen(Some(Memory::default())) };
        seen.compare(&there, false, "two");
        let memory = seen.compare(&there, false, "two").unwrap();
        assert_eq!(told(Some(memory.clone())), ["s3://b/a", "s3://b/b"]);
        seen.keep(memory);
        assert!(seen.compare(&there, false, "two").is_none());
        assert_eq!(seen.new, ["s3://b/a", "s3://b/b"]);
    }

    #[test]
    fn a_file_that_is_still_written_to_is_told_when_it_is_whole() {
        let mut seen = seen(Some(Memory::default()));
        assert!(told(seen.compare(&files(&[("/in/a", "1")]), false, "one")).is_empty());
        assert!(told(seen.compare(&files(&[("/in/a", "2")]), false, "one")).is_empty());
        assert_eq!(told(seen.compare(&files(&[("/in/a", "2")]), false, "one")), ["/in/a"]);
    }

    #[test]
    fn what_was_not_told_goes_with_what_is_new() {
        let untold = vec!["s3://b/a".to_owned()];
        let mut seen = Seen { untold, ..seen(Some(Memory::default())) };
        assert_eq!(told(seen.compare(&files(&[("s3:b", "1")]), false, "two")), ["s3://b/a", "s3://b/b"]);
    }
}
