//! Where rows come from.
//!
//! A source is looked through before anything is sent, so that a bad one costs nothing of what is there already; then it
//! gives each table's rows to whichever sink there is.

mod lines;
mod sample;
mod sheets;
mod sql;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use scheduler::operator::TaskError;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::table::Table;
pub(super) use lines::JsonLines;
pub(super) use sample::Sample;
pub(super) use sheets::Sheets;
pub(super) use sql::Sql;

/// So many chunks of rows wait to be taken: both sides are busy, and a stop is soon felt.
const CHUNKS_WAITING: usize = 4;

/// Rows in their order, in chunks.
pub(super) type RowStream = BoxStream<'static, Result<Vec<Bytes>, TaskError>>;

/// Where rows come from.
#[async_trait]
pub(super) trait Source: Send + Sync {
    /// For people.
    fn shown(&self) -> String;

    /// Looks through a table.
    async fn inspect(&self, table: Table, stop: &CancellationToken) -> Result<Inspection, TaskError>;

    /// The rows of a table from the row number `from` on, at most `limit` of them.
    async fn rows(&self, table: Table, from: u64, limit: u64, stop: &CancellationToken)
    -> Result<RowStream, TaskError>;
}

/// What a look through one table of a source found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Inspection {
    /// Rows, broken ones included; blank lines are none.
    pub rows: u64,
    /// Rows that are not JSON.
    pub broken: u64,
    /// The numbers of the first broken lines, from 1.
    pub broken_lines: Vec<u64>,
}

/// What a producer of rows sends.
type Sender = mpsc::Sender<Result<Vec<Bytes>, TaskError>>;

/// A channel whose end is a stream of rows.
fn channel() -> (Sender, RowStream) {
    let (sender, receiver) = mpsc::channel(CHUNKS_WAITING);
    let rows = stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
    (sender, rows.boxed())
}
