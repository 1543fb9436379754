//! What all sinks have in common that are asked over a network: so many requests at a time, each until its rows are taken.

use std::time::Duration;

use anyhow::anyhow;
use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use scheduler::log::TaskLog;
use scheduler::operator::TaskError;
use tokio_util::sync::CancellationToken;

use super::{Landed, Manner, Sink};
use crate::emulation::ledger::Ledger;
use crate::emulation::parcel::{Batch, Parcel, Row, Sizes};
use crate::emulation::table::{PerTable, Table};
use crate::requests::{Complaints, Patience, Trouble};

/// Asks the other side once.
#[async_trait]
pub(in crate::emulation) trait Post: Send + Sync {
    /// For people.
    fn shown(&self) -> String;

    /// The most rows and bytes that a request may have.
    fn limits(&self) -> (usize, usize);

    /// Whether it takes JSON only.
    fn json_only(&self) -> bool;

    /// Finds out whether rows can be posted at all.
    async fn start(&self) -> Result<(), Trouble> {
        Ok(())
    }

    /// Posts rows of a table, at least one. Answers with those that were not taken.
    async fn post(&self, table: Table, rows: &[Row]) -> Result<Vec<Refused>, Trouble>;
}

/// A row that was not taken, though its request was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::emulation) struct Refused {
    /// Its position within the request.
    pub index: usize,
    /// Why.
    pub why: String,
    /// Whether it may be taken later.
    pub may_retry: bool,
}

/// How rows are posted.
#[derive(Clone, Copy, Debug)]
pub(in crate::emulation) struct Terms {
    /// Requests at a time.
    pub concurrency: usize,
    /// Rows a request.
    pub batch: usize,
    /// How long a request is repeated.
    pub retry_for: Duration,
}

/// Posts rows to whatever `P` asks.
pub(in crate::emulation) struct Posting<P> {
    post: P,
    terms: Terms,
    complaints: Complaints,
}

impl<P: Post> Posting<P> {
    pub(in crate::emulation) fn new(post: P, terms: Terms, log: TaskLog) -> Posting<P> {
        Posting { post, terms, complaints: Complaints::new(log) }
    }

    /// Posts a parcel until all of it is taken.
    async fn deliver(&self, parcel: Parcel, ledger: &Ledger, stop: &CancellationToken) -> Result<Landed, TaskError> {
        if stop.is_cancelled() {
            return Err(TaskError::cancelled());
        }
        ledger.reserve(parcel.table, parcel.until).await?;
        let mut landed = Landed::of(&parcel);
        let mut patience = Patience::new(self.terms.retry_for, &self.complaints, stop);
        let (table, mut rows) = (parcel.table, parcel.rows);
        loop {
            let asked = tokio::select! {
                biased;
                () = stop.cancelled() => return Err(TaskError::cancelled()),
                asked = self.post.post(table, &rows) => asked,
            };
            let trouble = match asked {
                Ok(refused) if refused.is_empty() => return Ok(landed),
                Ok(refused) => {
                    if refused.len() < rows.len() {
                        patience.renew();
                    }
                    let trouble = trouble_of(&refused, table, parcel.start..parcel.until);
                    rows = refused.iter().filter_map(|refused| rows.get(refused.index).cloned()).collect();
                    trouble
                }
                Err(trouble) => {
                    if trouble.may_be_done && trouble.may_retry {
                        landed.unsure += rows.len() as u64;
                    }
                    trouble
                }
            };
            landed.sent_again += rows.len() as u64;
            patience.wait(trouble).await?;
        }
    }
}

/// What to say of rows that were not taken.
fn trouble_of(refused: &[Refused], table: Table, rows: std::ops::Range<u64>) -> Trouble {
    let worst = refused.iter().find(|refused| !refused.may_retry);
    let why = worst.or(refused.first()).map(|refused| refused.why.as_str()).unwrap_or_default();
    let error = anyhow!(
        "{} of the rows {} to {} of {table} were not taken: {why}",
        refused.len(),
        rows.start,
        rows.end.saturating_sub(1)
    );
    if worst.is_some() { Trouble::lasting(error) } else { Trouble::passing(error) }
}

#[async_trait]
impl<P: Post> Sink for Posting<P> {
    fn shown(&self) -> String {
        self.post.shown()
    }

    fn manner(&self) -> Manner {
        let (rows, bytes) = self.post.limits();
        Manner {
            sizes: Sizes { rows: self.terms.batch.min(rows), bytes, parcels: self.terms.concurrency },
            json_only: self.post.json_only(),
            keeps: true,
            rewrites: false,
            parcels: "requests",
        }
    }

    async fn start(&self, _earlier: Option<[u64; 3]>, stop: &CancellationToken) -> Result<[u64; 3], TaskError> {
        let mut patience = Patience::new(self.terms.retry_for, &self.complaints, stop);
        loop {
            let started = tokio::select! {
                started = self.post.start() => started,
                () = stop.cancelled() => return Err(TaskError::cancelled()),
            };
            match started {
                Ok(()) => return Ok([0; 3]),
                Err(trouble) => patience.wait(trouble).await?,
            }
        }
    }

    fn land<'a>(
        &'a self,
        batches: BoxStream<'a, Batch>,
        ledger: &'a Ledger,
        stop: &'a CancellationToken,
    ) -> BoxStream<'a, Result<Vec<Landed>, TaskError>> {
        batches
            .flat_map(stream::iter)
            .map(move |parcel| async move { Ok(vec![self.deliver(parcel, ledger, stop).await?]) })
            .buffer_unordered(self.terms.concurrency)
            .boxed()
    }

    async fn commit(&self, _until: PerTable<u64>, _stop: &CancellationToken) -> Result<(), TaskError> {
        Ok(())
    }

    /// What was posted stays; the ledger knows.
    async fn abandon(&self) -> Option<String> {
        None
    }
}
