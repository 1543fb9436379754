//! Two folders, or prefixes, made alike: what is missing or has changed is copied, and what is too much deleted if asked for.
//!
//! As the AWS tools have it, a file has changed when its size differs, or when its source is younger, in whole seconds, which
//! is how S3 keeps ages.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use chrono::{DateTime, Utc};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use scheduler::operator::TaskError;
use serde_json::{Value, json};

use super::listing::pages;
use super::objects::Objects;
use super::place::{ObjectPlace, Place};
use super::requests::Buckets;
use crate::folder_marks::without_marks;
use crate::upload::refusal;

/// So many files are under way at a time.
const AT_ONCE: usize = 8;

/// More entries than this are not held in memory.
const ENTRIES_MAX: usize = 1_000_000;

/// What is in a folder: sizes and ages by name.
type Entries = BTreeMap<String, Entry>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    size: u64,
    modified: DateTime<Utc>,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    copy: Vec<String>,
    delete: Vec<String>,
    unchanged: usize,
}

fn plan(source: &Entries, target: &Entries, delete_extra: bool) -> Plan {
    let has_changed = |(name, entry): &(&String, &Entry)| match target.get(*name) {
        Some(there) => there.size != entry.size || there.modified.timestamp() < entry.modified.timestamp(),
        None => true,
    };
    let copy: Vec<String> = source.iter().filter(has_changed).map(|(name, _)| name.clone()).collect();
    let is_extra = |name: &&String| delete_extra && !source.contains_key(*name);
    Plan { unchanged: source.len() - copy.len(), copy, delete: target.keys().filter(is_extra).cloned().collect() }
}

/// Makes `target` like `source`.
pub(super) async fn sync(
    objects: &Objects<'_>,
    buckets: &Buckets<'_>,
    source: &Place,
    target: &Place,
    delete_extra: bool,
) -> Result<Value, TaskError> {
    if let (Place::Local(_), Place::Local(_)) = (source, target) {
        return Err(TaskError::fail(anyhow!("neither `source` nor `target` is in S3")));
    }
    if is_within(source, target) || is_within(target, source) {
        return Err(TaskError::fail(anyhow!("one of {source} and {target} is within the other")));
    }
    let here = objects.unless_stopped(entries(objects, source, true)).await?;
    let there = objects.unless_stopped(entries(objects, target, false)).await?;
    if delete_extra && here.is_empty() && !there.is_empty() {
        let problem =
            anyhow!("{source} is empty, so all of {target} would be deleted; delete that with `action: delete`");
        return Err(TaskError::fail(problem));
    }
    let plan = plan(&here, &there, delete_extra);
    objects.ctx.log.info(format!(
        "{source} to {target}: {} to copy, {} to delete, {} unchanged",
        plan.copy.len(),
        plan.delete.len(),
        plan.unchanged
    ));
    let pairs: Vec<(Place, Place)> = plan.copy.iter().map(|name| (below(source, name), below(target, name))).collect();
    let copies = stream::iter(pairs).map(|(from, to)| copy(objects, buckets, from, to));
    let bytes: u64 = copies.buffer_unordered(AT_ONCE).try_fold(0, async |sum, bytes| Ok(sum + bytes)).await?;
    // What is new is there before what is old goes.
    let extra: Vec<Place> = plan.delete.iter().map(|name| below(target, name)).collect();
    let deletes = stream::iter(extra).map(|place| delete(objects, place));
    deletes.buffer_unordered(AT_ONCE).try_for_each(async |()| Ok(())).await?;
    objects.ctx.log.info(format!("Copied {bytes} bytes"));
    Ok(json!({
        "copied": plan.copy.len(),
        "deleted": plan.delete.len(),
        "unchanged": plan.unchanged,
        "bytes": bytes,
    }))
}

/// Whether one place is the other, or below it.
fn is_within(inner: &Place, outer: &Place) -> bool {
    match (inner, outer) {
        (Place::Object(inner), Place::Object(outer)) => {
            inner.bucket == outer.bucket && format!("{}/", inner.key).starts_with(&folder_prefix(&outer.key))
        }
        (Place::Local(inner), Place::Local(outer)) => inner.starts_with(outer),
        _ => false,
    }
}

/// The place of an entry.
fn below(folder: &Place, name: &str) -> Place {
    match folder {
        Place::Local(path) => Place::Local(path.join(name)),
        Place::Object(object) => {
            let key = format!("{}{name}", folder_prefix(&object.key));
            Place::Object(ObjectPlace { key, ..object.clone() })
        }
    }
}

/// What the keys of a folder begin with; nothing for the whole bucket.
fn folder_prefix(key: &str) -> String {
    let key = key.trim_matches('/');
    if key.is_empty() { String::new() } else { format!("{key}/") }
}

async fn copy(objects: &Objects<'_>, buckets: &Buckets<'_>, from: Place, to: Place) -> Result<u64, TaskError> {
    match (from, to) {
        (Place::Object(from), Place::Object(to)) => objects.copy(&from, &to, buckets).await,
        (Place::Object(from), Place::Local(to)) => objects.unless_stopped(objects.fetch(&from, &to)).await,
        (Place::Local(from), Place::Object(to)) => {
            let sent = objects.upload(&to, None)?.file(&from, &objects.ctx.cancelled).await;
            sent.map_err(|error| objects.stopped_or(error.context(format!("{to} cannot be written"))))
        }
        (Place::Local(_), Place::Local(_)) => Err(TaskError::fail(anyhow!("neither is in S3"))),
    }
}

async fn delete(objects: &Objects<'_>, place: Place) -> Result<(), TaskError> {
    match place {
        Place::Object(object) => objects.unless_stopped(objects.delete(&object)).await,
        Place::Local(path) => match tokio::fs::remove_file(&path).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                let error = anyhow::Error::new(error).context(format!("`{}` cannot be deleted", path.display()));
                Err(TaskError::retry(error))
            }
            _ => Ok(()),
        },
    }
}

/// What is in a place; a target need not be there yet.
async fn entries(objects: &Objects<'_>, place: &Place, must_exist: bool) -> anyhow::Result<Entries> {
    match place {
        Place::Local(path) if !path.exists() && !must_exist => Ok(Entries::new()),
        Place::Local(path) => {
            let path = path.clone();
            tokio::task::spawn_blocking(move || entries_of_folder(&path)).await.context("the listing broke down")?
        }
        Place::Object(object) => {
            let (store, prefix) = (objects.store(&object.bucket)?, folder_prefix(&object.key));
            let mut pages = pages(Arc::clone(&store), prefix.clone(), None);
            let mut entries = Entries::new();
            while let Some((page, _)) = pages.try_next().await.with_context(|| format!("{place}"))? {
                let found = without_marks(page, &store).await.map_err(|error| refusal(&error));
                for meta in found.with_context(|| format!("{place} cannot be looked at"))? {
                    // An object that is called as the folder is has no name below it.
                    let Some(name) = meta.location.as_ref().strip_prefix(&prefix) else { continue };
                    add(&mut entries, name.to_owned(), Entry { size: meta.size, modified: meta.last_modified })?;
                }
            }
            Ok(entries)
        }
    }
}

fn entries_of_folder(folder: &Path) -> anyhow::Result<Entries> {
    let mut entries = Entries::new();
    if !folder.is_dir() {
        bail!("`{}` is no folder; `put` sends a single file", folder.display());
    }
    walk(folder, "", &mut entries)?;
    Ok(entries)
}

/// Follows links to files, and none to folders, which might lead in a circle.
fn walk(folder: &Path, prefix: &str, entries: &mut Entries) -> anyhow::Result<()> {
    let reading = || format!("the folder `{}` cannot be read", folder.display());
    for entry in std::fs::read_dir(folder).with_context(reading)? {
        let entry = entry.with_context(reading)?;
        let path = entry.path();
        let Some(name) = entry.file_name().to_str().map(|name| format!("{prefix}{name}")) else {
            bail!("the name of `{}` is not UTF-8", path.display());
        };
        if entry.file_type().with_context(reading)?.is_dir() {
            walk(&path, &format!("{name}/"), entries)?;
            continue;
        }
        let metadata = std::fs::metadata(&path).with_context(|| format!("`{}` cannot be read", path.display()))?;
        if metadata.is_file() {
            let modified = metadata.modified().with_context(reading)?.into();
            add(entries, name, Entry { size: metadata.len(), modified })?;
        }
    }
    Ok(())
}

fn add(entries: &mut Entries, name: String, entry: Entry) -> anyhow::Result<()> {
    entries.insert(name, entry);
    if entries.len() > ENTRIES_MAX {
        bail!("there are more than {ENTRIES_MAX} files; take them in several tasks");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries_of(list: &[(&str, u64, i64)]) -> Entries {
        let entry = |(name, size, modified): &(&str, u64, i64)| {
            let modified = DateTime::from_timestamp(*modified, 0).unwrap();
            ((*name).to_owned(), Entry { size: *size, modified })
        };
        list.iter().map(entry).collect()
    }

    #[test]
    fn what_is_missing_larger_or_younger_is_copied() {
        let source = entries_of(&[("new", 1, 5), ("same", 1, 5), ("larger", 2, 5), ("younger", 1, 9)]);
        let target = entries_of(&[("same", 1, 5), ("larger", 1, 9), ("younger", 1, 8), ("extra", 1, 1)]);
        let planned = plan(&source, &target, true);
        assert_eq!(planned.copy, ["larger", "new", "younger"]);
        assert_eq!((planned.delete, planned.unchanged), (vec!["extra".to_owned()], 1));
        assert_eq!(plan(&source, &target, false).delete, [""; 0]);
    }

    #[test]
    fn a_folder_is_not_synchronised_into_itself() {
        let object =
            |bucket: &str, key: &str| Place::Object(ObjectPlace { bucket: bucket.to_owned(), key: key.to_owned() });
        assert!(is_within(&object("b", "a/c"), &object("b", "a")));
        assert!(is_within(&object("b", "a"), &object("b", "")));
        assert!(!is_within(&object("b", "ab"), &object("b", "a")));
        assert!(!is_within(&object("c", "a"), &object("b", "a")));
    }
}
