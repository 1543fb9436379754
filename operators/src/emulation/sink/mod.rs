//! Where rows go.
//!
//! ```text
//!   start ──> land all batches ──> commit     folders and buckets: what earlier runs landed is replaced, or goes on
//!                   │
//!                   └────────────> abandon    as if nothing had happened, as far as the sink can
//! ```

mod bucket;
mod folder;
mod kafka;
mod kafka_rest;
mod kinesis;
mod layout;
mod posting;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use scheduler::operator::TaskError;
use tokio_util::sync::CancellationToken;

use super::ledger::Ledger;
use super::parcel::{Batch, Parcel, Sizes};
use super::progress::Progress;
use super::table::{PerTable, Table};
pub(super) use bucket::{Bucket, explain};
pub(super) use folder::Folder;
pub(super) use kafka::Kafka;
pub(super) use kafka_rest::KafkaRest;
pub(super) use kinesis::KinesisStreams;
pub(super) use layout::Layout;
pub(super) use posting::{Posting, Terms};

/// How a sink takes rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// How large parcels are.
    pub sizes: Sizes,
    /// Whether it takes JSON only.
    pub json_only: bool,
    /// Whether what a try landed before it failed stays, so that the next one goes on after it.
    pub keeps: bool,
    /// Whether a row that comes twice is there once.
    pub rewrites: bool,
    /// What it calls its parcels.
    pub parcels: &'static str,
}

/// Where rows go.
#[async_trait]
pub(super) trait Sink: Send + Sync {
    /// For people.
    fn shown(&self) -> String;

    /// How it takes rows.
    fn manner(&self) -> Manner;

    /// Removes what a killed try left behind, and makes ready. Answers with the offset of each table's first row; it is
    /// what an earlier try of the same emulation had, if there was one.
    async fn start(&self, earlier: Option<[u64; 3]>, stop: &CancellationToken) -> Result<[u64; 3], TaskError>;

    /// Takes batches; they need not be seen yet. Rows are reserved in the ledger before they can be seen.
    fn land<'a>(
        &'a self,
        batches: BoxStream<'a, Batch>,
        ledger: &'a Ledger,
        stop: &'a CancellationToken,
    ) -> BoxStream<'a, Result<Vec<Landed>, TaskError>>;

    /// Makes what was landed seen. The rows of each table end before `until`.
    async fn commit(&self, until: PerTable<u64>, stop: &CancellationToken) -> Result<(), TaskError>;

    /// Takes back what was landed, as far as possible; says what stays behind.
    async fn abandon(&self) -> Option<String>;
}

/// A parcel that has landed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Landed {
    /// Whose rows they are.
    pub table: Table,
    /// The number of the first row.
    pub start: u64,
    /// The number after the last one.
    pub until: u64,
    /// How many rows.
    pub rows: u64,
    /// How many rows had to be sent again, each time counted.
    pub sent_again: u64,
    /// How many of them may have been taken before, each time counted.
    pub unsure: u64,
}

impl Landed {
    /// All of a parcel, at the first go.
    pub(super) fn of(parcel: &Parcel) -> Landed {
        let Parcel { table, start, until, ref rows } = *parcel;
        Landed { table, start, until, rows: rows.len() as u64, sent_again: 0, unsure: 0 }
    }
}

/// What has landed of one table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Rows.
    pub rows: u64,
    /// Objects, or requests.
    pub parcels: u64,
    /// Rows that had to be sent again.
    pub sent_again: u64,
    /// Rows that may be there twice.
    pub unsure: u64,
}

/// Lands all batches. The first failure stops the feed and all writers.
pub(super) async fn land_all(
    sink: &dyn Sink,
    batches: BoxStream<'_, Batch>,
    ledger: &Ledger,
    progress: &mut Progress,
    stop: &CancellationToken,
) -> Result<PerTable<Tally>, TaskError> {
    let mut done = sink.land(batches, ledger, stop);
    let mut tallies = PerTable::<Tally>::default();
    let mut failure = None;
    // Writers that have begun are waited for, so that nobody writes any more once we say how it ended.
    while let Some(result) = done.next().await {
        match result {
            Ok(parcels) => {
                for landed in parcels {
                    ledger.taken(landed.table, landed.start, landed.until);
                    let tally = &mut tallies[landed.table];
                    tally.rows += landed.rows;
                    tally.parcels += 1;
                    tally.sent_again += landed.sent_again;
                    tally.unsure += landed.unsure;
                    progress.add(landed.table, landed.rows);
                }
            }
            Err(error) => {
                failure.get_or_insert(error);
                stop.cancel();
            }
        }
    }
    failure.map_or(Ok(tallies), Err)
}
