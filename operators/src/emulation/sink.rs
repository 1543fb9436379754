//! Where rows go.
//!
//! ```text
//!   start ──> land each table ──> commit     what earlier runs landed is replaced
//!                   │
//!                   └───────────> abandon    as if nothing had happened, as far as the sink can
//! ```

use futures::StreamExt;
use futures::stream::BoxStream;
use scheduler::operator::TaskError;
use tokio_util::sync::CancellationToken;

use super::batch::Batch;
use super::bucket::Bucket;
use super::folder::Folder;
use super::progress::Progress;
use super::table::Table;

/// Where rows go.
pub(super) enum Sink {
    /// The layout of Kafka Connect's S3 sink, in a folder.
    Folder(Folder),
    /// The same in a bucket.
    Bucket(Box<Bucket>),
}

/// What has landed of one table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Landed {
    /// Records.
    pub rows: u64,
    /// Objects, or files.
    pub objects: u64,
}

impl Sink {
    /// Removes what a killed try left behind, and makes ready.
    pub(super) async fn start(&self, stop: &CancellationToken) -> Result<(), TaskError> {
        match self {
            Sink::Folder(folder) => folder.start().await,
            Sink::Bucket(bucket) => bucket.start(stop).await,
        }
    }

    /// Writes the objects of a table; they need not be seen yet.
    pub(super) async fn land(
        &self,
        table: Table,
        batches: BoxStream<'_, Batch>,
        progress: &mut Progress,
        stop: &CancellationToken,
    ) -> Result<Landed, TaskError> {
        let mut done = match self {
            Sink::Folder(folder) => folder.land(table, batches, stop),
            Sink::Bucket(bucket) => bucket.land(table, batches, stop),
        };
        let mut landed = Landed::default();
        let mut failure = None;
        // Writers that have begun are waited for, so that nobody writes any more once we say how it ended.
        while let Some(result) = done.next().await {
            match result {
                Ok(some) => {
                    landed.rows += some.rows;
                    landed.objects += some.objects;
                    progress.add(table, some.rows);
                }
                Err(error) => {
                    failure.get_or_insert(error);
                    stop.cancel();
                }
            }
        }
        failure.map_or(Ok(landed), Err)
    }

    /// Lets what was landed take the place of what earlier runs landed.
    pub(super) async fn commit(&self, landed: &[(Table, Landed)], stop: &CancellationToken) -> Result<(), TaskError> {
        match self {
            Sink::Folder(folder) => folder.commit().await,
            Sink::Bucket(bucket) => bucket.commit(landed, stop).await,
        }
    }

    /// Takes back what was landed, as far as possible; says what stays behind.
    pub(super) async fn abandon(&self) -> Option<String> {
        match self {
            Sink::Folder(folder) => folder.abandon().await,
            Sink::Bucket(bucket) => bucket.left_behind(),
        }
    }
}
