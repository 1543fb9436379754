//! What has been posted, and may have been: the checkpoint of an emulation.
//!
//! ```text
//!   rows      0 ─────────────── done ─────────────── reserved ───────────
//!               taken for sure         may be taken            never sent
//! ```
//!
//! No row is sent before a checkpoint says that it may be: so after a crash the next try knows exactly which rows it might
//! send twice. How far ahead rows are reserved depends on how fast they go: a slow emulation is exact to the request, a fast
//! one writes a checkpoint a second.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use scheduler::operator::{Checkpoint, TaskError};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex as AsyncMutex, MutexGuard as AsyncMutexGuard};
use tokio::time::Instant;

use super::table::{PerTable, Table};

/// When checkpoints follow each other faster than this, more is reserved at a time.
const SAVE_EVERY_MIN: Duration = Duration::from_secs(1);

/// When they are further apart than this, less is.
const SAVE_EVERY_MAX: Duration = Duration::from_secs(4);

/// At most so many rows of a table are reserved at a time.
const RESERVED_MAX: u64 = 100_000;

/// What is kept between tries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    /// What was to be done; another emulation starts afresh.
    what: String,
    /// Whether it came to its end.
    ended: bool,
    /// How long it has gone on.
    spent_ms: u64,
    /// The offset of the first row of each table, where offsets are ours to give.
    bases: Option<[u64; 3]>,
    /// All rows before this one are taken.
    done: [u64; 3],
    /// No row from this one on has been sent.
    reserved: [u64; 3],
}

impl Kept {
    /// Where an emulation begins of which this is known.
    fn start(&self) -> Start {
        if self.ended {
            return Start { is_again: true, bases: self.bases, was: PerTable(self.done), ..Start::default() };
        }
        let unsure = |table: Table| self.reserved[table as usize].saturating_sub(self.done[table as usize]);
        Start {
            from: PerTable(self.done),
            unsure: PerTable::from_fn(unsure),
            spent: Duration::from_millis(self.spent_ms),
            bases: self.bases,
            ..Start::default()
        }
    }
}

/// Where an emulation begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Start {
    /// The first row to send.
    pub from: PerTable<u64>,
    /// The rows from there on that an earlier try may have sent.
    pub unsure: PerTable<u64>,
    /// How long earlier tries have gone on.
    pub spent: Duration,
    /// The offsets that an earlier try gave to the first rows.
    pub bases: Option<[u64; 3]>,
    /// Whether an earlier try had come to its end.
    pub is_again: bool,
    /// The rows that it had landed then.
    pub was: PerTable<u64>,
}

/// Keeps account.
pub(super) struct Ledger {
    checkpoint: Arc<dyn Checkpoint>,
    /// Never held while something is waited for: whoever hears that rows are taken also drives those who reserve them.
    state: Mutex<State>,
    /// Held while a checkpoint is written.
    saving: AsyncMutex<()>,
}

struct State {
    /// As it is in the checkpoint, but for what is taken since.
    kept: Kept,
    /// Stretches of rows that are taken beyond the first that is not.
    ahead: PerTable<BTreeMap<u64, u64>>,
    /// No row from this one on has been sent by this try.
    sent: PerTable<u64>,
    /// How many rows are reserved at a time.
    step: u64,
    saved: Instant,
    began: Instant,
    spent_before: Duration,
}

impl Ledger {
    /// Goes on with what earlier tries left if they did the same, described by `what`.
    pub(super) async fn open(checkpoint: Arc<dyn Checkpoint>, what: String) -> Result<(Ledger, Start), TaskError> {
        let found = checkpoint.load().await.context("cannot read the checkpoint")?;
        let found = found.and_then(|value| serde_json::from_value::<Kept>(value).ok()).filter(|kept| kept.what == what);
        let start = found.as_ref().map(Kept::start).unwrap_or_default();
        let fresh = Kept { what, ended: false, spent_ms: 0, bases: None, done: [0; 3], reserved: [0; 3] };
        let kept = found.filter(|kept| !kept.ended).unwrap_or(fresh);
        let now = Instant::now();
        let state = State {
            sent: PerTable(kept.reserved),
            kept,
            ahead: PerTable::default(),
            step: 1,
            saved: now,
            began: now,
            spent_before: start.spent,
        };
        Ok((Ledger { checkpoint, state: Mutex::new(state), saving: AsyncMutex::new(()) }, start))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what earlier tries did: this one does all of it.
    pub(super) fn begin_anew(&self) {
        let mut state = self.state();
        state.kept.done = [0; 3];
        state.kept.reserved = [0; 3];
        state.sent = PerTable::default();
    }

    /// Remembers the offsets of the first rows, before anything has them.
    pub(super) async fn set_bases(&self, bases: [u64; 3]) -> Result<(), TaskError> {
        self.save(|kept, _| kept.bases = Some(bases)).await
    }

    /// Rows of a table up to `until` are about to be sent.
    pub(super) async fn reserve(&self, table: Table, until: u64) -> Result<(), TaskError> {
        if self.state().is_reserved(table, until) {
            return Ok(());
        }
        let guard = self.saving.lock().await;
        // Whoever wrote the checkpoint before us may have reserved these rows, too.
        let reserved = {
            let mut state = self.state();
            if state.is_reserved(table, until) { None } else { Some(state.next_reserved(table, until)) }
        };
        match reserved {
            Some(reserved) => self.save_under(&guard, |kept, _| kept.reserved = reserved).await,
            None => Ok(()),
        }
    }

    /// Rows of a table are taken.
    pub(super) fn taken(&self, table: Table, start: u64, until: u64) {
        let mut state = self.state();
        let state = &mut *state;
        let (ahead, done) = (&mut state.ahead[table], &mut state.kept.done[table as usize]);
        ahead.insert(start, until);
        while let Some(until) = ahead.remove(done) {
            *done = until;
        }
    }

    /// The try ends before the emulation does, and sends nothing more.
    pub(super) async fn pause(&self) -> Result<(), TaskError> {
        self.save(|kept, sent| kept.reserved = sent.0).await
    }

    /// The emulation came to its end.
    pub(super) async fn end(&self) -> Result<(), TaskError> {
        self.save(|kept, _| kept.ended = true).await
    }

    async fn save(&self, change: impl FnOnce(&mut Kept, &PerTable<u64>)) -> Result<(), TaskError> {
        let guard = self.saving.lock().await;
        self.save_under(&guard, change).await
    }

    /// Writes a checkpoint with a change, which holds once it is written.
    async fn save_under(
        &self,
        _guard: &AsyncMutexGuard<'_, ()>,
        change: impl FnOnce(&mut Kept, &PerTable<u64>),
    ) -> Result<(), TaskError> {
        let changed = {
            let state = self.state();
            let mut kept = state.kept.clone();
            let spent = state.spent_before + state.began.elapsed();
            kept.spent_ms = u64::try_from(spent.as_millis()).unwrap_or(u64::MAX);
            change(&mut kept, &state.sent);
            kept
        };
        let value = serde_json::to_value(&changed).context("cannot write the checkpoint")?;
        self.checkpoint.save(value).await.context("cannot write the checkpoint")?;
        let mut state = self.state();
        let done = state.kept.done;
        state.kept = Kept { done, ..changed };
        state.saved = Instant::now();
        Ok(())
    }
}

impl State {
    /// Notes that rows up to `until` are about to be sent; says whether they may be.
    fn is_reserved(&mut self, table: Table, until: u64) -> bool {
        self.sent[table] = self.sent[table].max(until);
        until <= self.kept.reserved[table as usize]
    }

    /// What to reserve, so that rows of `table` up to `until` may be sent.
    fn next_reserved(&mut self, table: Table, until: u64) -> [u64; 3] {
        let since = self.saved.elapsed();
        if since < SAVE_EVERY_MIN {
            self.step = (self.step * 2).min(RESERVED_MAX);
        } else if since > SAVE_EVERY_MAX {
            self.step = (self.step / 4).max(1);
        }
        let ahead = until + self.step - 1;
        // The tables go side by side: when rows are fast, one checkpoint serves all three.
        let serves_all = self.step > 1;
        let mut reserved = self.kept.reserved;
        for (other, reserved) in Table::ALL.into_iter().zip(&mut reserved) {
            if serves_all || other == table {
                *reserved = (*reserved).max(ahead);
            }
        }
        reserved
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use serde_json::Value;

    use super::*;

    #[derive(Default)]
    struct Memory(Mutex<(Option<Value>, u64)>);

    #[async_trait]
    impl Checkpoint for Memory {
        async fn load(&self) -> anyhow::Result<Option<Value>> {
            Ok(self.0.lock().unwrap().0.clone())
        }

        async fn save(&self, value: Value) -> anyhow::Result<()> {
            tokio::task::yield_now().await;
            let mut kept = self.0.lock().unwrap();
            *kept = (Some(value), kept.1 + 1);
            Ok(())
        }
    }

    async fn open(memory: &Arc<Memory>, what: &str) -> (Ledger, Start) {
        let checkpoint: Arc<dyn Checkpoint> = memory.clone();
        Ledger::open(checkpoint, what.to_owned()).await.unwrap()
    }

    #[tokio::test]
    async fn after_a_crash_it_is_known_what_may_have_been_sent() {
        let memory = Arc::new(Memory::default());
        let (ledger, start) = open(&memory, "a").await;
        assert_eq!(start, Start::default());
        for row in 0..100 {
            ledger.reserve(Table::Pin, row + 1).await.unwrap();
            if row != 40 {
                ledger.taken(Table::Pin, row, row + 1);
            }
        }
        drop(ledger);
        let saves = memory.0.lock().unwrap().1;
        assert!(saves < 12, "{saves} checkpoints for 100 rows in no time");
        let (_, start) = open(&memory, "a").await;
        assert!(start.from[Table::Pin] <= 40, "row 40 was never taken: {start:?}");
        assert!(start.from[Table::Pin] + start.unsure[Table::Pin] >= 100, "100 rows were sent: {start:?}");
        let (_, other) = open(&memory, "b").await;
        assert_eq!(other, Start::default());
    }

    #[tokio::test]
    async fn an_orderly_end_is_exact() {
        let memory = Arc::new(Memory::default());
        let (ledger, _) = open(&memory, "a").await;
        ledger.reserve(Table::Geo, 1).await.unwrap();
        ledger.taken(Table::Geo, 0, 1);
        ledger.pause().await.unwrap();
        let (ledger, start) = open(&memory, "a").await;
        assert_eq!((start.from, start.unsure), (PerTable([0, 1, 0]), PerTable([0, 0, 0])));
        ledger.end().await.unwrap();
        let (_, start) = open(&memory, "a").await;
        assert_eq!(start, Start { is_again: true, was: PerTable([0, 1, 0]), ..Start::default() });
    }
}
