//! The service that delivers callbacks and watches deadlines.
//!
//! It sleeps until something is due, and is woken when something new was committed. What is due follows from the
//! database each time, so a wake-up that is lost costs time, never a callback.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;
use serde_json::json;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use uuid::Uuid;

use super::backoff::next_attempt;
use super::delivery::{self, Attempt, Ended, Tools};
use super::firing::as_json;
use crate::chain::Chain;
use crate::dag::template::{CallbackFacts, DeadlineFacts};
use crate::engine::EngineSettings;
use crate::events::Change;
use crate::log::Level;
use crate::operator::CallbackKind;
use crate::store::audit::{self, Deed, DeedTask};
use crate::store::callbacks::CallbackState;
use crate::store::entity::{callback_request, dag_run, deadline};
use crate::store::{StoreError, callbacks, commit, deadlines, runs};

/// Deliveries that are under way at the same time.
const IN_FLIGHT_MAX: usize = 32;

/// Deadlines that are looked after in one transaction.
const DEADLINES_MAX: u64 = 200;

/// The clock on the wall may be set, so no sleep is longer.
const SLEEP_MAX: Duration = Duration::from_secs(30);

/// The wait after the database refused.
const STORE_RETRY: Duration = Duration::from_secs(1);

/// At a shutdown, what is due is still delivered as far as it goes in this time; the rest waits for the next start.
const DRAIN: Duration = Duration::from_secs(5);

/// The running service.
pub(in crate::engine) struct CallbackService {
    woken: Arc<Notify>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl CallbackService {
    /// Starts it under a lease.
    pub(in crate::engine) fn start(settings: &EngineSettings, lease: Uuid) -> CallbackService {
        let tools = Tools {
            db: settings.db.clone(),
            catalog: settings.catalog.clone(),
            clock: settings.clock.clone(),
            logs: settings.logs.clone(),
            base_url: settings.base_url.clone(),
            secrets: settings.secrets.clone(),
            changes: settings.changes.clone(),
        };
        let (woken, stop) = (Arc::new(Notify::new()), CancellationToken::new());
        let worker = Worker::new(tools, lease, Arc::clone(&woken));
        let task = tokio::spawn(worker.run(stop.clone()));
        CallbackService { woken, stop, task }
    }

    /// There may be something new to deliver, or a new deadline.
    pub(in crate::engine) fn wake(&self) {
        self.woken.notify_one();
    }

    /// Delivers what is due, as far as it goes, and stops. To be called before the lease is given back.
    pub(in crate::engine) async fn stop(self) {
        self.stop.cancel();
        // A panic has been reported by then; what it had claimed is free again with the lease.
        let _ = self.task.await;
    }
}

struct Worker {
    tools: Tools,
    lease: Uuid,
    woken: Arc<Notify>,
    in_flight: JoinSet<Attempt>,
    /// Attempts whose end is not written down yet.
    ended: Vec<Attempt>,
    /// Whether callbacks may be claimed of which we do not know, because the answer to the commit that claimed them was lost.
    is_unsure: bool,
}

impl Worker {
    fn new(tools: Tools, lease: Uuid, woken: Arc<Notify>) -> Worker {
        Worker { tools, lease, woken, in_flight: JoinSet::new(), ended: Vec::new(), is_unsure: false }
    }

    async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let sleep = self.turn().await.unwrap_or_else(|problem| {
                warn!(error = %Chain(&problem), "callbacks wait for the database");
                STORE_RETRY
            });
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.woken.notified() => {}
                Some(joined) = self.in_flight.join_next() => self.gather(joined),
                () = tokio::time::sleep(sleep) => {}
            }
        }
        if tokio::time::timeout(DRAIN, self.drain()).await.is_err() {
            warn!("{} callbacks are not delivered yet; the next start delivers them", self.in_flight.len());
        }
    }

    /// Does everything that is due; answers with how long there is nothing more.
    async fn turn(&mut self) -> Result<Duration, StoreError> {
        self.write_ended().await?;
        let next_deadline = self.call_missed_deadlines().await?;
        let next_delivery = self.start_due().await?;
        let next = [next_deadline, next_delivery].into_iter().flatten().min();
        let now = self.tools.clock.now();
        Ok(next.map_or(SLEEP_MAX, |next| (next - now).to_std().unwrap_or(Duration::ZERO).min(SLEEP_MAX)))
    }

    /// Ends what is under way, and makes one attempt at everything that is due.
    async fn drain(&mut self) {
        loop {
            if let Err(problem) = self.turn().await {
                warn!(error = %Chain(&problem), "callbacks wait for the database");
                tokio::time::sleep(STORE_RETRY).await;
            }
            match self.in_flight.join_next().await {
                Some(joined) => self.gather(joined),
                None if self.ended.is_empty() => return,
                None => {}
            }
        }
    }

    /// Takes the end of an attempt, and of all that have ended meanwhile.
    fn gather(&mut self, joined: Result<Attempt, tokio::task::JoinError>) {
        let mut next = Some(joined);
        while let Some(joined) = next {
            match joined {
                Ok(attempt) => self.ended.push(attempt),
                Err(panic) => warn!(%panic, "a delivery broke down; it is made again after the next start"),
            }
            next = self.in_flight.try_join_next();
        }
    }

    /// Calls the callbacks of deadlines that have passed; answers with when the next one is.
    async fn call_missed_deadlines(&mut self) -> Result<Option<DateTime<Utc>>, StoreError> {
        loop {
            let next = deadlines::next(self.tools.db.read()).await?;
            let now = self.tools.clock.now();
            if next.is_none_or(|next| next > now) {
                return Ok(next);
            }
            let txn = self.tools.db.begin_write().await?;
            let missed = deadlines::take_missed(&txn, now, DEADLINES_MAX).await?;
            let mut calls = Vec::new();
            for deadline in &missed {
                if let Some(run) = runs::find_by_key(&txn, deadline.dag_run_id).await? {
                    calls.push(call_of(deadline, &run, now));
                }
            }
            callbacks::insert(&txn, &calls).await?;
            commit(txn).await?;
            if missed.is_empty() {
                // Another process is at them.
                return Ok(None);
            }
        }
    }

    /// Starts as many deliveries as there is room for; answers with when the next one is due.
    async fn start_due(&mut self) -> Result<Option<DateTime<Utc>>, StoreError> {
        loop {
            let room = IN_FLIGHT_MAX.saturating_sub(self.in_flight.len());
            if room == 0 || self.is_unsure && !self.in_flight.is_empty() {
                // The end of a delivery brings the next look.
                return Ok(None);
            }
            if self.is_unsure {
                let txn = self.tools.db.begin_write().await?;
                callbacks::give_back(&txn, self.lease).await?;
                commit(txn).await?;
                self.is_unsure = false;
            }
            let next = callbacks::next_due(self.tools.db.read()).await?;
            let now = self.tools.clock.now();
            if next.is_none_or(|next| next > now) {
                return Ok(next);
            }
            let lease = self.lease;
            let txn = self.tools.db.begin_write().await?;
            let claimed = callbacks::claim(&txn, lease, now, room as u64).await?;
            self.is_unsure = true;
            commit(txn).await?;
            self.is_unsure = false;
            if claimed.is_empty() {
                // Another process is at them.
                return Ok(None);
            }
            for request in claimed {
                let tools = self.tools.clone();
                self.in_flight.spawn(async move { delivery::attempt(&tools, request).await });
            }
        }
    }

    /// Writes down how attempts ended. What fails stays to be written.
    async fn write_ended(&mut self) -> Result<(), StoreError> {
        if self.ended.is_empty() {
            return Ok(());
        }
        let now = self.tools.clock.now();
        let lease = self.lease;
        let txn = self.tools.db.begin_write().await?;
        let mut said = Vec::new();
        for attempt in &self.ended {
            let request = &attempt.request;
            let (fate, level, event) = fate(attempt, now);
            let attempted = attempt.as_stored();
            match fate {
                Fate::Over => callbacks::end(&txn, &attempted, CallbackState::Delivered, now).await?,
                Fate::Again(due_at) => callbacks::put_off(&txn, lease, &attempted, due_at).await?,
                Fate::GivenUp => {
                    callbacks::end(&txn, &attempted, CallbackState::Failed, now).await?;
                    record_failure(&txn, request, &event, now).await?;
                }
            }
            said.push((level, event));
        }
        commit(txn).await?;
        for (attempt, (level, event)) in self.ended.drain(..).zip(said) {
            delivery::write_down(&self.tools, &attempt.request, level, &event);
            self.tools.changes.send(Change::callbacks(&attempt.request.dag_id, &attempt.request.run_id));
        }
        Ok(())
    }
}

/// What becomes of a callback after an attempt.
enum Fate {
    /// It was delivered.
    Over,
    /// There is another attempt then.
    Again(DateTime<Utc>),
    /// Nobody will be told.
    GivenUp,
}

/// What becomes of a callback after an attempt, and what people read of it.
fn fate(attempt: &Attempt, now: DateTime<Utc>) -> (Fate, Level, String) {
    let Attempt { request, notifier, ended, .. } = attempt;
    let through = notifier.map(|name| format!(" through `{name}`")).unwrap_or_default();
    let what = format!("{}{through}", request.kind);
    let Ended::Failed { error, may_retry, not_before } = ended else {
        return (Fate::Over, Level::Info, format!("delivered {what}"));
    };
    let attempts = u32::try_from(request.attempts).unwrap_or(0) + 1;
    let again = next_attempt(request.id, request.retried_at.unwrap_or(request.created_at), attempts, *not_before, now);
    match again.filter(|_| *may_retry) {
        Some(due_at) => {
            let then = due_at.format("%Y-%m-%dT%H:%M:%SZ");
            let event = format!("{what} was not delivered, trying again at {then}: {error}");
            (Fate::Again(due_at), Level::Warning, event)
        }
        None => (Fate::GivenUp, Level::Error, format!("callback failed: {what}, attempt {attempts}: {error}")),
    }
}

async fn record_failure(
    txn: &DatabaseTransaction,
    request: &callback_request::Model,
    event: &str,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let deed = Deed {
        event: "callback_failed",
        dag_id: Some(&request.dag_id),
        run_id: Some(&request.run_id),
        task: DeedTask::of_callback(request),
        owner: Some("scheduler"),
        extra: Some(json!({ "callback": request.kind, "position": request.position, "message": event })),
    };
    audit::record(txn, deed, now).await
}

/// The callback of a deadline that passed.
fn call_of(deadline: &deadline::Model, run: &dag_run::Model, now: DateTime<Utc>) -> callback_request::Model {
    let facts = CallbackFacts {
        run_state: run.state.clone(),
        run_start: run.start_date,
        run_end: run.end_date,
        deadline: Some(DeadlineFacts { name: deadline.name.clone(), deadline_time: deadline.deadline_time }),
        ..CallbackFacts::default()
    };
    callbacks::called(run, CallbackKind::Deadline.word(), deadline.position, as_json(&facts), now)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::catalog::Catalog;
    use crate::clock::Clock;
    use crate::events::Changes;
    use crate::log::Logs;
    use crate::operator::Registry;
    use crate::secrets::Secrets;
    use crate::store::leases::{self, Holder, Offer};
    use crate::testing::TestDb;

    fn a_run(now: DateTime<Utc>) -> dag_run::Model {
        dag_run::Model {
            id: Uuid::now_v7(),
            dag_id: "a".to_owned(),
            run_id: "one".to_owned(),
            run_type: "manual".to_owned(),
            state: "success".to_owned(),
            logical_date: None,
            data_interval_start: None,
            data_interval_end: None,
            partition_key: None,
            partition_date: None,
            run_after: now,
            queued_at: Some(now),
            start_date: Some(now),
            end_date: Some(now),
            last_scheduling_decision: None,
            triggered_by: None,
            triggering_user_name: None,
            conf: json!({}),
            note: None,
            dag_version_id: Uuid::now_v7(),
            backfill_id: None,
            sort_ordinal: None,
            decided_state: None,
            clear_number: 0,
            owner: None,
            reason: None,
            updated_at: now,
        }
    }

    #[tokio::test]
    async fn a_callback_is_delivered_also_when_the_answer_that_it_was_claimed_is_lost() {
        let db = TestDb::sqlite().await;
        let now: DateTime<Utc> = "2026-11-21T12:00:00Z".parse().unwrap();
        let txn = db.begin_write().await.unwrap();
        let offer = Offer { queues: Vec::new(), concurrency: 1 };
        let lease = leases::register(&txn, &Holder::alone("home", "here"), &offer, now).await.unwrap();
        // As after a commit that the database carried out, and of which the connection broke before it said so.
        let run = a_run(now);
        runs::insert(&txn, run.clone()).await.unwrap();
        let called = callbacks::called(&run, CallbackKind::OnSuccess.word(), 0, json!({}), now);
        let claimed = callback_request::Model { claimed_by: Some(lease), ..called };
        callbacks::insert(&txn, &[claimed]).await.unwrap();
        commit(txn).await.unwrap();
        let tools = Tools {
            db: (*db).clone(),
            catalog: Catalog::new(Arc::new(Registry::default())),
            clock: Clock::manual(now),
            logs: Logs::Folder(PathBuf::new()),
            base_url: None,
            secrets: Secrets::new(Vec::new(), (*db).clone(), Arc::default()),
            changes: Changes::default(),
        };
        let mut worker = Worker::new(tools, lease, Arc::default());
        worker.is_unsure = true;

        worker.start_due().await.unwrap();

        assert_eq!(worker.in_flight.len(), 1);
        assert!(!worker.is_unsure);
    }
}
