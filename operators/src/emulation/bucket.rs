//! The layout of Kafka Connect's S3 sink in a bucket.
//!
//! An object is seen whole or not at all, and the new ones have the names of the old ones. So they are simply put, and
//! those that earlier runs put beyond them are deleted at the end.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::anyhow;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, future, stream};
use object_store::path::Path as ObjectPath;
use object_store::{Error, ObjectStore, ObjectStoreExt};
use scheduler::operator::TaskError;
use tokio_util::sync::CancellationToken;

use super::batch::{Batch, Object};
use super::sink::Landed;
use super::table::{PARTITION, Table, object_name};
use crate::location::{Location, Opened, cause};

/// So many objects are under way at a time.
const PUTS: usize = 64;

/// A bucket that topics are landed in.
pub(super) struct Bucket {
    topics: Location,
    opened: Opened,
    user_id: String,
    flush_size: u64,
    /// How many objects have been put so far.
    puts: AtomicU64,
}

impl Bucket {
    /// `topics` is the prefix above the topics'; `opened` is the same.
    pub(super) fn new(topics: Location, opened: Opened, user_id: String, flush_size: u64) -> Bucket {
        Bucket { topics, opened, user_id, flush_size, puts: AtomicU64::new(0) }
    }

    /// Finds out whether there is such a bucket, and whether we may use it.
    pub(super) async fn start(&self, stop: &CancellationToken) -> Result<(), TaskError> {
        let mut objects = self.opened.store.list(Some(&self.opened.prefix));
        tokio::select! {
            first = objects.try_next() => first.map(drop).map_err(|error| explain(&error, &self.topics)),
            () = stop.cancelled() => Err(TaskError::cancelled()),
        }
    }

    pub(super) fn land<'a>(
        &'a self,
        table: Table,
        batches: BoxStream<'a, Batch>,
        stop: &'a CancellationToken,
    ) -> BoxStream<'a, Result<Landed, TaskError>> {
        batches
            .flat_map(stream::iter)
            .map(move |object| async move {
                tokio::select! {
                    done = self.put(table, object) => done,
                    () = stop.cancelled() => Err(TaskError::cancelled()),
                }
            })
            .buffer_unordered(PUTS)
            .boxed()
    }

    async fn put(&self, table: Table, object: Object) -> Result<Landed, TaskError> {
        let topic = table.topic(&self.user_id);
        let path = self.partition(table).join(object_name(&topic, object.offset));
        let landed = Landed { rows: object.records, objects: 1 };
        match self.opened.store.put(&path, object.content.into()).await {
            Ok(_) => {
                self.puts.fetch_add(1, Ordering::Relaxed);
                Ok(landed)
            }
            Err(error) => Err(explain(&error, &self.topics)),
        }
    }

    /// Deletes what earlier runs put and this one did not put anew.
    pub(super) async fn commit(&self, landed: &[(Table, Landed)], stop: &CancellationToken) -> Result<(), TaskError> {
        for &(table, landed) in landed {
            let topic = table.topic(&self.user_id);
            let prefix = self.opened.prefix.clone().join(topic.as_str());
            let fresh =
                Fresh { partition: self.partition(table), topic, rows: landed.rows, flush_size: self.flush_size };
            let stale = self.opened.store.list(Some(&prefix)).try_filter_map(move |found| {
                let fresh = fresh.holds(&found.location);
                future::ready(Ok((!fresh).then_some(found.location)))
            });
            let deleted = self.opened.store.delete_stream(stale.boxed()).try_for_each(|_| future::ready(Ok(())));
            tokio::select! {
                deleted = deleted => deleted.map_err(|error| explain(&error, &self.topics))?,
                () = stop.cancelled() => return Err(TaskError::cancelled()),
            }
        }
        Ok(())
    }

    /// What stays behind when the landing is given up: S3 has no way back.
    pub(super) fn left_behind(&self) -> Option<String> {
        let puts = self.puts.load(Ordering::Relaxed);
        (puts > 0).then(|| format!("{puts} objects were put in {} and stay; the next try puts them again", self.topics))
    }

    fn partition(&self, table: Table) -> ObjectPath {
        self.opened.prefix.clone().join(table.topic(&self.user_id)).join(PARTITION)
    }
}

/// The objects that this run has put for a table.
struct Fresh {
    partition: ObjectPath,
    topic: String,
    rows: u64,
    flush_size: u64,
}

impl Fresh {
    /// Whether `path` is one of them: names say where objects begin.
    fn holds(&self, path: &ObjectPath) -> bool {
        let offset = path
            .filename()
            .and_then(|name| name.strip_prefix(self.topic.as_str())?.strip_prefix("+0+")?.strip_suffix(".json"))
            .and_then(|digits| digits.parse().ok());
        let Some(offset) = offset else { return false };
        offset < self.rows
            && offset % self.flush_size == 0
            && *path == self.partition.clone().join(object_name(&self.topic, offset))
    }
}

/// What an answer of S3 means to whoever wrote `location`.
pub(super) fn explain(error: &Error, location: &Location) -> TaskError {
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
            topic: "u.pin".to_owned(),
            rows: 25,
            flush_size: 10,
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
