//! The layout of Kafka Connect's S3 sink in a bucket.
//!
//! An object is seen whole or not at all, and the new ones have the names of the old ones. So they are simply put, and
//! those that earlier runs put beyond them are deleted at the end, unless offsets go on after them.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::anyhow;
use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, future, stream};
use object_store::path::Path as ObjectPath;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutPayload};
use scheduler::operator::TaskError;
use tokio_util::sync::CancellationToken;

use super::layout::{Bases, Layout, PARTITION, content, records_of};
use super::{Landed, Manner, Sink};
use crate::emulation::ledger::Ledger;
use crate::emulation::parcel::{Batch, Parcel, Sizes};
use crate::emulation::table::{PerTable, Table};
use crate::location::{Location, Opened, cause};

/// So many objects are under way at a time, unless a person says otherwise.
const PUTS: usize = 64;

/// Objects that travel together: enough to make the hand-over cheap, few enough to stop soon.
const BATCH_OBJECTS: usize = 256;

/// A bucket that topics are landed in.
pub(in crate::emulation) struct Bucket {
    lake: Location,
    topics: Location,
    opened: Opened,
    layout: Layout,
    puts_at_once: usize,
    bases: Bases,
    /// How many objects have been put so far.
    puts: AtomicU64,
}

impl Bucket {
    /// `topics` is the prefix above the topics'; `opened` is the same.
    pub(in crate::emulation) fn new(
        lake: Location,
        topics: Location,
        opened: Opened,
        layout: Layout,
        puts_at_once: Option<usize>,
    ) -> Bucket {
        let puts_at_once = puts_at_once.unwrap_or(PUTS);
        Bucket { lake, topics, opened, layout, puts_at_once, bases: Bases::new(), puts: AtomicU64::new(0) }
    }

    fn base(&self, table: Table) -> u64 {
        self.bases.get().map_or(0, |bases| bases[table])
    }

    fn partition(&self, table: Table) -> ObjectPath {
        self.opened.prefix.clone().join(self.layout.topic(table)).join(PARTITION)
    }

    /// The offset after the last record that is there.
    async fn next_offset(&self, table: Table) -> Result<u64, Error> {
        let mut objects = self.opened.store.list(Some(&self.partition(table)));
        let mut last = None;
        while let Some(object) = objects.try_next().await? {
            let offset = object.location.filename().and_then(|name| self.layout.offset_of(table, name));
            last = last.max(offset);
        }
        let Some(last) = last else { return Ok(0) };
        let path = self.partition(table).join(self.layout.object_name(table, last));
        let object = self.opened.store.get(&path).await?.bytes().await?;
        Ok(last + records_of(&object))
    }

    async fn put(&self, parcel: Parcel) -> Result<Vec<Landed>, TaskError> {
        let offset = self.base(parcel.table) + parcel.start;
        let path = self.partition(parcel.table).join(self.layout.object_name(parcel.table, offset));
        let payload: PutPayload = content(&parcel).collect();
        match self.opened.store.put(&path, payload).await {
            Ok(_) => {
                self.puts.fetch_add(1, Ordering::Relaxed);
                Ok(vec![Landed::of(&parcel)])
            }
            Err(error) => Err(explain(&error, &self.topics)),
        }
    }

    /// Deletes what earlier runs put and this one did not put anew.
    async fn sweep(&self, until: PerTable<u64>) -> Result<(), Error> {
        for (table, &rows) in until.iter() {
            let prefix = self.opened.prefix.clone().join(self.layout.topic(table));
            let fresh = Fresh { partition: self.partition(table), table, rows, layout: self.layout.clone() };
            let stale = self.opened.store.list(Some(&prefix)).try_filter_map(move |found| {
                let fresh = fresh.holds(&found.location);
                future::ready(Ok((!fresh).then_some(found.location)))
            });
            self.opened.store.delete_stream(stale.boxed()).try_for_each(|_| future::ready(Ok(()))).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Sink for Bucket {
    fn shown(&self) -> String {
        self.lake.to_string()
    }

    fn manner(&self) -> Manner {
        let rows = usize::try_from(self.layout.flush_size).unwrap_or(usize::MAX);
        Manner {
            sizes: Sizes { rows, bytes: usize::MAX, parcels: BATCH_OBJECTS },
            json_only: false,
            keeps: true,
            rewrites: true,
            parcels: "objects",
        }
    }

    /// Finds out whether there is such a bucket, and whether we may use it.
    async fn start(&self, earlier: Option<[u64; 3]>, stop: &CancellationToken) -> Result<[u64; 3], TaskError> {
        let looking = async {
            self.opened.store.list(Some(&self.opened.prefix)).try_next().await?;
            let mut bases = earlier.unwrap_or_default();
            if self.layout.continues && earlier.is_none() {
                for table in Table::ALL {
                    bases[table as usize] = self.next_offset(table).await?;
                }
            }
            Ok(bases)
        };
        let bases = tokio::select! {
            bases = looking => bases.map_err(|error| explain(&error, &self.topics))?,
            () = stop.cancelled() => return Err(TaskError::cancelled()),
        };
        Ok(self.bases.get_or_init(|| PerTable(bases)).0)
    }

    fn land<'a>(
        &'a self,
        batches: BoxStream<'a, Batch>,
        _ledger: &'a Ledger,
        stop: &'a CancellationToken,
    ) -> BoxStream<'a, Result<Vec<Landed>, TaskError>> {
        batches
            .flat_map(stream::iter)
            .map(move |parcel| async move {
                tokio::select! {
                    done = self.put(parcel) => done,
                    () = stop.cancelled() => Err(TaskError::cancelled()),
                }
            })
            .buffer_unordered(self.puts_at_once)
            .boxed()
    }

    async fn commit(&self, until: PerTable<u64>, stop: &CancellationToken) -> Result<(), TaskError> {
        if self.layout.continues {
            return Ok(());
        }
        tokio::select! {
            swept = self.sweep(until) => swept.map_err(|error| explain(&error, &self.topics)),
            () = stop.cancelled() => Err(TaskError::cancelled()),
        }
    }

    /// S3 has no way back.
    async fn abandon(&self) -> Option<String> {
        let puts = self.puts.load(Ordering::Relaxed);
        (puts > 0)
            .then(|| format!("{puts} objects were put in {} and stay; the next try goes on from there", self.topics))
    }
}

/// The objects that this emulation has put for a table.
struct Fresh {
    partition: ObjectPath,
    table: Table,
    rows: u64,
    layout: Layout,
}

impl Fresh {
    /// Whether `path` is one of them: names say where objects begin.
    fn holds(&self, path: &ObjectPath) -> bool {
        let offset = path.filename().and_then(|name| self.layout.offset_of(self.table, name));
        let Some(offset) = offset else { return false };
        offset < self.rows
            && offset % self.layout.flush_size == 0
            && *path == self.partition.clone().join(self.layout.object_name(self.table, offset))
    }
}

/// What an answer of S3 means to whoever wrote `location`.
pub(in crate::emulation) fn explain(error: &Error, location: &Location) -> TaskError {
    let text = error.to_string();
    if text.contains("NoSuchBucket") {
        return TaskError::fail(anyhow!("the bucket of {location} does not exist"));
    }
    let cause = cause(error);
    match error {
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
            TaskError::fail(anyhow!("S3 refuses access to {location}; look at the AWS_* variables: {cause}"))
        }
        _ => TaskError::retry(anyhow!("cannot reach {location}: {cause}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_this_run_put_are_fresh() {
        let fresh = Fresh {
            partition: ObjectPath::from("topics/u.pin/partition=0"),
            table: Table::Pin,
            rows: 25,
            layout: Layout { user_id: "u".to_owned(), flush_size: 10, continues: false },
        };
        for (name, held) in [
            ("topics/u.pin/partition=0/u.pin+0+0000000000.json", true),
            ("topics/u.pin/partition=0/u.pin+0+0000000020.json", true),
            ("topics/u.pin/partition=0/u.pin+0+0000000030.json", false),
            ("topics/u.pin/partition=0/u.pin+0+0000000005.json", false),
            ("topics/u.pin/partition=0/u.pin+0+20.json", false),
            ("topics/u.pin/partition=1/u.pin+0+0000000020.json", false),
            ("topics/u.pin/partition=0/u.pin+1+0000000020.json", false),
            ("topics/u.pin/_SUCCESS", false),
        ] {
            assert_eq!(fresh.holds(&ObjectPath::from(name)), held, "{name}");
        }
    }
}
