//! Which files earlier runs of a task have read.
//!
//! The list lies beside the rows, in `_updraft/` in the folder of the table, where no reader of the table looks. A list is
//! written before the rows are committed, and never changed; the commit of the rows names it, by the number of its
//! application transaction (`txn`), which Delta keeps through checkpoints. So whatever dies when, the list that counts is the
//! one that belongs to the rows: a list without a commit is nobody's, and the next run does not see it.

use std::collections::BTreeMap;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use deltalake::DeltaTable;
use futures::TryStreamExt as _;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::listing::InputFile;
use crate::location::{Location, S3};

/// The folder in that of the table. Delta leaves alone what begins with `_`.
const FOLDER: &str = "_updraft";
/// Digits of a transaction's number that tell apart what begins in the same millisecond.
const RANDOM_BITS: u32 = 20;

/// What a file was like when it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    size: u64,
    stamp: String,
}

/// The files that were read for a table.
pub struct Ledger {
    /// Whose list it is, among those who write to the table.
    pub app_id: String,
    table: Location,
    number: i64,
    seen: BTreeMap<String, Seen>,
}

/// Files, sorted by what is known of them.
#[derive(Default)]
pub struct Sorted {
    /// Never read.
    pub new: Vec<InputFile>,
    /// Read, but they were otherwise then.
    pub changed: Vec<InputFile>,
    /// Read as they are.
    pub known: Vec<InputFile>,
}

impl Ledger {
    /// The list that belongs to the newest version of the table.
    pub async fn load(
        app_id: String,
        location: &Location,
        table: Option<&DeltaTable>,
        s3: &S3,
    ) -> anyhow::Result<Ledger> {
        let mut ledger = Ledger { app_id, table: location.clone(), number: 0, seen: BTreeMap::new() };
        let number = match table {
            Some(table) => table.snapshot()?.transaction_version(table.log_store().as_ref(), &ledger.app_id).await?,
            None => None,
        };
        let Some(number) = number else { return Ok(ledger) };
        ledger.number = number;
        let (store, path) = ledger.place(number, s3)?;
        let text = store.get(&path).await.with_context(|| {
            format!(
                "the list of the files that earlier runs read is gone (`{location}/{FOLDER}`); a run with `mode: overwrite` \
                 and without `incremental` reads all and begins a new list"
            )
        })?;
        ledger.seen = serde_json::from_slice(&text.bytes().await?)
            .with_context(|| format!("the list of the files that earlier runs read is broken (`{path}`)"))?;
        Ok(ledger)
    }

    /// Whether an earlier run has left a list.
    pub async fn exists(app_id: &str, table: &DeltaTable) -> anyhow::Result<bool> {
        Ok(table.snapshot()?.transaction_version(table.log_store().as_ref(), app_id).await?.is_some())
    }

    /// An empty list, which takes the place of one that may be there.
    pub fn anew(app_id: String, location: &Location) -> Ledger {
        Ledger { app_id, table: location.clone(), number: 0, seen: BTreeMap::new() }
    }

    /// Sorts files by what is known of them.
    pub fn sort(&self, files: Vec<InputFile>) -> Sorted {
        let mut sorted = Sorted::default();
        for file in files {
            match self.seen.get(&file.location.to_string()) {
                None => sorted.new.push(file),
                Some(seen) if seen.size == file.size_bytes && seen.stamp == file.stamp => sorted.known.push(file),
                Some(_) => sorted.changed.push(file),
            }
        }
        sorted
    }

    /// Writes the list with more files on it. It counts when rows are committed with the transaction that is answered.
    pub async fn write(mut self, read: &[InputFile], now: DateTime<Utc>, s3: &S3) -> anyhow::Result<Written> {
        for file in read {
            let seen = Seen { size: file.size_bytes, stamp: file.stamp.clone() };
            self.seen.insert(file.location.to_string(), seen);
        }
        let random = i64::from(Uuid::new_v4().as_fields().0 & ((1 << RANDOM_BITS) - 1));
        let number = ((now.timestamp_millis() << RANDOM_BITS) | random).max(self.number + 1);
        let (store, path) = self.place(number, s3)?;
        let writing = || format!("the list of the files that were read cannot be written to `{}`", self.table);
        store.put(&path, serde_json::to_vec(&self.seen)?.into()).await.with_context(writing)?;
        Ok(Written { app_id: self.app_id.clone(), number, before: self.number, ledger: self })
    }

    fn place(
        &self,
        number: i64,
        s3: &S3,
    ) -> anyhow::Result<(std::sync::Arc<dyn object_store::ObjectStore>, ObjectPath)> {
        let opened = self.table.open(s3)?;
        let folder = opened.prefix.clone().join(FOLDER).join(self.app_id.as_str());
        Ok((opened.store, folder.join(format!("{number}.json"))))
    }
}

/// A list that was written, and that counts when its number is committed.
pub struct Written {
    /// Whose number it is.
    pub app_id: String,
    /// The number.
    pub number: i64,
    before: i64,
    ledger: Ledger,
}

impl Written {
    /// After the commit: removes the lists before the last two, which nobody needs. What cannot be removed stays.
    pub async fn tidy(self, s3: &S3) {
        let Ok((store, path)) = self.ledger.place(self.number, s3) else { return };
        let Ok(found) = store.list(Some(&folder_of(&path))).try_collect::<Vec<_>>().await else { return };
        for object in found {
            let number = object.location.filename().and_then(|name| name.strip_suffix(".json")?.parse::<i64>().ok());
            if number.is_some_and(|number| number < self.before) {
                let _ = store.delete(&object.location).await;
            }
        }
    }
}

/// The folder of a path.
fn folder_of(path: &ObjectPath) -> ObjectPath {
    let parts: Vec<_> = path.parts().collect();
    parts.into_iter().rev().skip(1).collect::<Vec<_>>().into_iter().rev().collect()
}
