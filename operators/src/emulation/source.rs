//! Where rows come from.
//!
//! A source is looked through before anything is landed, so that a bad one costs nothing of what is there already; then it
//! sends each table's rows, packed into objects, to whichever sink there is.

use anyhow::Context;
use scheduler::operator::TaskError;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::batch::{Batch, Packer};
use super::jsonl::JsonLines;
use super::sample::Sample;
use super::table::Table;

/// Where rows come from.
pub(super) enum Source {
    /// The built-in generator.
    Sample(Sample),
    /// Files of JSON Lines.
    Lines(JsonLines),
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

impl Source {
    /// Looks through a table.
    pub(super) async fn inspect(&self, table: Table, stop: &CancellationToken) -> Result<Inspection, TaskError> {
        match self {
            Source::Sample(sample) => Ok(Inspection { rows: sample.rows(), ..Inspection::default() }),
            Source::Lines(lines) => lines.inspect(table, stop).await,
        }
    }

    /// Sends a table's rows to `sender` until they end, the receiver is gone, or `stop` fires.
    pub(super) async fn send(
        &self,
        table: Table,
        packer: Packer,
        sender: mpsc::Sender<Batch>,
        stop: &CancellationToken,
    ) -> Result<(), TaskError> {
        match self {
            Source::Sample(sample) => {
                let (sample, stop) = (sample.clone(), stop.clone());
                let made = tokio::task::spawn_blocking(move || generate(&sample, table, packer, &sender, &stop));
                made.await.context("the generator of rows ended unexpectedly")??;
                Ok(())
            }
            Source::Lines(lines) => lines.send(table, packer, sender, stop).await,
        }
    }
}

fn generate(
    sample: &Sample,
    table: Table,
    mut packer: Packer,
    sender: &mpsc::Sender<Batch>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    for row in sample.rows_of(table) {
        let full = packer.push(&row?);
        // A receiver that is gone has a better reason than we could give.
        if stop.is_cancelled() || full.is_some_and(|batch| sender.blocking_send(batch).is_err()) {
            return Ok(());
        }
    }
    if let Some(batch) = packer.finish() {
        let _ = sender.blocking_send(batch);
    }
    Ok(())
}
