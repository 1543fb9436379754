//! Writing: what was decided becomes durable, and only then takes effect.
//!
//! There is one commit at a time, in the order of the decisions. What follows from a commit waits for it; what is decided
//! beside it goes into the next.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::coordinator::Coordinator;
use super::executor::Order;
use super::failures::{Failing, pause_after_failures};
use super::pending::Pending;
use crate::events::Change;
use crate::store::runs::{self, Batch};
use crate::store::{Db, StoreError, commit};

/// The wait before a failed transaction is tried again; doubles up to the maximum.
const COMMIT_RETRY: Duration = Duration::from_millis(50);
const COMMIT_RETRY_MAX: Duration = Duration::from_secs(2);

/// So many tries are made ready beside the commit; more would hold it up.
const PREPARED_MAX: usize = 8;

/// What one commit makes durable.
struct Portion {
    batch: Batch,
    /// DAGs that the commit may have to pause.
    failing: Vec<Failing>,
    decided_at: DateTime<Utc>,
    /// What was decided: its effects come after the commit.
    decided: Pending,
}

/// What a commit came to: DAGs that it paused.
type Written = Result<Vec<String>, StoreError>;

/// A commit that goes on beside what is decided next.
pub(super) struct Writing(JoinHandle<(Portion, Written)>);

impl Coordinator {
    /// Makes everything that changed durable, then lets the world know.
    pub(super) async fn write(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let decided = std::mem::take(&mut self.pending);
        let portion = self.portion(decided);
        self.prepare(&portion.decided);
        let written = self.try_write(&portion).await;
        self.finish(portion, written).await;
    }

    /// Has what begins with the commit made ready beside it.
    fn prepare(&mut self, decided: &Pending) {
        // A further try of a task instance waits for the end of one that is to stop, which must be told first.
        if !decided.cancels.is_empty() {
            return;
        }
        let new = decided.orders.iter().filter(|order| !self.executor.makes(order.try_id));
        let new: Vec<&Order> = new.take(PREPARED_MAX + 1).collect();
        if new.len() <= PREPARED_MAX {
            for order in new {
                self.executor.prepare(order);
            }
        }
    }

    /// Begins to make durable the runs that are over, after the portion before; there is nothing more to decide about them.
    /// Whatever is written next waits for [`Self::end_writing`].
    pub(super) async fn begin_writing_what_is_over(&mut self, before: Option<Writing>) -> Option<Writing> {
        self.end_writing(before).await;
        if self.is_fenced {
            return None;
        }
        let decided = self.pending.split_off_over(&self.runs)?;
        let portion = self.portion(decided);
        let (db, lease) = (self.settings.db.clone(), self.lease());
        let writing = tokio::spawn(async move {
            let written = portion.write(&db, lease).await;
            (portion, written)
        });
        // What a task spawns waits for it on its thread, where no other looks for work.
        tokio::task::yield_now().await;
        Some(Writing(writing))
    }

    /// Waits until that is durable, and lets the world know.
    pub(super) async fn end_writing(&mut self, writing: Option<Writing>) {
        let Some(Writing(writing)) = writing else { return };
        match writing.await {
            Ok((portion, written)) => self.finish(portion, written).await,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Nobody aborts it; so the runtime ends, and this with it.
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// The rows of what was decided.
    fn portion(&mut self, mut decided: Pending) -> Portion {
        let decided_at = self.settings.clock.now();
        let batch = decided.batch(&mut self.runs, &self.place, decided_at);
        let failing = self.failing(&batch);
        Portion { batch, failing, decided_at, decided }
    }

    async fn try_write(&mut self, portion: &Portion) -> Written {
        let lease = self.lease();
        if runs::write_at_once(&mut self.express, lease, &portion.batch).await? {
            return Ok(Vec::new());
        }
        portion.write(&self.settings.db, lease).await
    }

    /// Goes on until it is written, unless somebody else leads by now.
    async fn finish(&mut self, mut portion: Portion, mut written: Written) {
        let mut wait = COMMIT_RETRY;
        let paused = loop {
            match written {
                Ok(paused) => break paused,
                Err(StoreError::Fenced) => {
                    self.is_fenced = true;
                    return;
                }
                Err(problem) => {
                    self.outage.met("what happened cannot be written", &problem, self.settings.clock.now());
                    portion.batch.is_repeated = true;
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(COMMIT_RETRY_MAX);
                    written = self.try_write(&portion).await;
                }
            }
        };
        self.outage.over(self.settings.clock.now());
        self.paused(paused);
        self.follow_up(&portion.batch);
        self.take_effect(&portion.decided);
    }

    /// Wakes whoever waits for something that was written.
    fn follow_up(&mut self, batch: &Batch) {
        if !batch.callbacks.is_empty() {
            self.callbacks.wake();
        }
        self.tell_workers(&batch.tries);
        self.todo.withdrawals |= !(batch.withdrawn.is_empty() && batch.vanished.is_empty());
        if !batch.asset_events.is_empty() {
            self.todo.assets = true;
            self.settings.changes.send(Change::assets());
        }
    }

    /// What may happen only now that it is durable.
    fn take_effect(&mut self, done: &Pending) {
        // First, because a further try of the same task instance waits for the end of one that is to stop.
        for &try_id in &done.cancels {
            self.executor.cancel(try_id);
        }
        for order in &done.orders {
            self.executor.start(order);
        }
        // Some begin only now, and what has happened since their order does not want them.
        for &try_id in &done.cancels {
            self.executor.cancel(try_id);
        }
        done.announce(&self.runs, &self.settings.changes);
        for id in done.runs() {
            let Some(active) = self.runs.get(&id) else { continue };
            if active.run.dag.depends_on_past() {
                self.todo.past.insert(active.row.dag_id.clone());
            }
            if active.run.state.is_finished() {
                self.forget(id);
            }
        }
    }
}

impl Portion {
    /// Writes the batch and what follows from it.
    async fn write(&self, db: &Db, lease: Uuid) -> Written {
        let txn = db.begin_engine().await?;
        runs::write(&txn, lease, &self.batch, self.decided_at).await?;
        let paused = pause_after_failures(&txn, &self.failing, self.decided_at).await?;
        commit(txn).await?;
        Ok(paused)
    }
}
