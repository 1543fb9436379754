//! Rows, round by round, at their pace: from a source to the parcels of a sink.
//!
//! A round has one row of each table, as long as the table has rows.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use scheduler::operator::TaskError;
use serde::de::IgnoredAny;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::pacing::{Pace, Pacing, Turn, wait_until};
use super::parcel::{Batch, Packer};
use super::source::{RowStream, Source};
use super::table::{PerTable, Table};
use super::twister::Twister;

/// What is fed, and how fast.
pub(super) struct Plan {
    /// Rows that each table is picked from by chance; without it they are taken in their order.
    pub draw_from: Option<u64>,
    /// At most so many rounds.
    pub rounds: Option<u64>,
    /// Ends after that long.
    pub duration: Option<Duration>,
    /// When rounds are due.
    pub pace: Pace,
    /// Decides what chance does.
    pub seed: u64,
    /// The first row of each table that is sent.
    pub from: PerTable<u64>,
    /// Whether rows that are not JSON are left out.
    pub json_only: bool,
}

/// What was fed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fed {
    /// The number after each table's last row.
    pub until: PerTable<u64>,
    /// Rows that were left out by this try, as they are not JSON.
    pub left_out: PerTable<u64>,
    /// Whether the time was over before the rows were.
    pub is_timed_out: bool,
}

/// Feeds the rows that `plan` says into `sender`, until they end, the receiver is gone, or `stop` fires.
pub(super) async fn feed(
    source: &dyn Source,
    plan: &Plan,
    mut packer: Packer,
    sender: mpsc::Sender<Batch>,
    stop: &CancellationToken,
) -> Result<Fed, TaskError> {
    let mut fed = Fed { until: plan.from, ..Fed::default() };
    let mut twister = Twister::new(plan.seed);
    let first = plan.from.0.into_iter().min().unwrap_or_default();
    let mut rows = Rows::open(source, plan, first, stop).await?;
    let mut pacing = Pacing::new(plan.pace, plan.duration, Instant::now());
    for _ in 0..first {
        pacing.pass(&mut twister);
        rows.pass(&mut twister);
    }
    for round in first..plan.rounds.unwrap_or(u64::MAX) {
        match pacing.turn(Instant::now(), &mut twister) {
            Turn::Now => (),
            Turn::Over => {
                fed.is_timed_out = true;
                break;
            }
            Turn::At(due) => {
                if let Some(batch) = packer.take()
                    && sender.send(batch).await.is_err()
                {
                    return Ok(fed);
                }
                wait_until(due, stop).await?;
            }
        }
        let row = rows.next(&mut twister).await?;
        if row.0.iter().all(Option::is_none) {
            break;
        }
        for (table, row) in row.iter() {
            let Some(row) = row else { continue };
            if round < plan.from[table] {
                continue;
            }
            fed.until[table] = round + 1;
            if plan.json_only && !is_json(row) {
                fed.left_out[table] += 1;
                packer.skip(table);
            } else if let Some(batch) = packer.push(table, row.clone()) {
                // A receiver that is gone has a better reason than we could give.
                if sender.send(batch).await.is_err() {
                    return Ok(fed);
                }
            }
        }
        if stop.is_cancelled() {
            return Err(TaskError::cancelled());
        }
    }
    if let Some(batch) = packer.finish() {
        let _ = sender.send(batch).await;
    }
    Ok(fed)
}

/// The rows that rounds take.
enum Rows {
    /// Each table from a row on.
    Scan(PerTable<Cursor>),
    /// Any of each table.
    Draw { pools: PerTable<Vec<Bytes>>, bound: u32 },
}

impl Rows {
    async fn open(source: &dyn Source, plan: &Plan, first: u64, stop: &CancellationToken) -> Result<Rows, TaskError> {
        let mut cursors = Vec::new();
        for table in Table::ALL {
            let (from, limit) = match (plan.draw_from, plan.rounds) {
                (Some(bound), _) => (0, bound),
                (None, Some(rounds)) => (first, rounds.saturating_sub(first)),
                (None, None) => (first, u64::MAX),
            };
            cursors.push(Cursor::new(source.rows(table, from, limit, stop).await?));
        }
        let cursors: Result<[Cursor; 3], _> = cursors.try_into();
        let Ok(cursors) = cursors.map(PerTable) else { return Err(TaskError::cancelled()) };
        if plan.draw_from.is_none() {
            return Ok(Rows::Scan(cursors));
        }
        let mut pools = PerTable::from_fn(|_| Vec::new());
        for (table, mut cursor) in Table::ALL.into_iter().zip(cursors.0) {
            while let Some(row) = cursor.next().await? {
                pools[table].push(row);
            }
        }
        let least = pools.0.iter().map(Vec::len).min().unwrap_or_default();
        let bound = u32::try_from(least).unwrap_or(u32::MAX);
        if bound == 0 {
            return Err(TaskError::fail(anyhow::anyhow!("the source has no rows to pick from")));
        }
        Ok(Rows::Draw { pools, bound })
    }

    async fn next(&mut self, twister: &mut Twister) -> Result<PerTable<Option<Bytes>>, TaskError> {
        match self {
            Rows::Scan(cursors) => {
                let mut rows = PerTable::default();
                for table in Table::ALL {
                    rows[table] = cursors[table].next().await?;
                }
                Ok(rows)
            }
            Rows::Draw { pools, bound } => {
                let drawn = twister.below(*bound) as usize;
                Ok(PerTable::from_fn(|table| pools[table].get(drawn).cloned()))
            }
        }
    }

    /// Draws what a round takes that has been sent already.
    fn pass(&self, twister: &mut Twister) {
        if let Rows::Draw { bound, .. } = self {
            twister.below(*bound);
        }
    }
}

/// A table, row by row.
struct Cursor {
    chunks: BoxStream<'static, Result<Vec<Bytes>, TaskError>>,
    chunk: std::vec::IntoIter<Bytes>,
    is_ended: bool,
}

impl Cursor {
    fn new(chunks: RowStream) -> Cursor {
        Cursor { chunks, chunk: Vec::new().into_iter(), is_ended: false }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, TaskError> {
        loop {
            if let Some(row) = self.chunk.next() {
                return Ok(Some(row));
            }
            if self.is_ended {
                return Ok(None);
            }
            match self.chunks.next().await {
                Some(chunk) => self.chunk = chunk?.into_iter(),
                None => self.is_ended = true,
            }
        }
    }
}

/// Whether a row is a JSON document. The parser passes over the letters within strings, hence the second look.
pub(super) fn is_json(row: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(row).is_ok() && std::str::from_utf8(row).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_is_what_no_json_parser_takes() {
        for (line, json) in [
            (&b"{}"[..], true),
            (b" {\"a\": 1}\r", true),
            (b"[1]", true),
            (b"5", true),
            (b"{\"a\": ", false),
            (b"not json at all", false),
            (b"\xef\xbb\xbf{}", false),
            (b"\"\xff\"", false),
            (b"{} {}", false),
        ] {
            assert_eq!(is_json(line), json, "{}", line.escape_ascii());
        }
    }
}
