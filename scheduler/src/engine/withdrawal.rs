//! Ends what tries started elsewhere and nobody wants any more.
//!
//! A try that is told to stop ends that itself. This is for the others: their process was killed before it had, or their task
//! was marked or cleared while no process ran. Their checkpoints are withdrawn in the database until the operator says that
//! nothing goes on there; so it is tried until it is done, by this process or the next. It is given up only when nobody can say any
//! more how it is ended, and then the audit log says what was left.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

use super::coordinator::Coordinator;
use super::executor::{Order, RunAround, Shared};
use crate::operator::TaskKey;
use crate::run::InstanceIndex;
use crate::store::audit::{self, Deed, DeedTask};
use crate::store::entity::dag_run;
use crate::store::entity::task_checkpoint::Model;
use crate::store::{StoreError, checkpoints, commit, runs, versions};

/// Checkpoints that are found in one look.
const LOOK_MAX: u64 = 1000;

/// Checkpoints that are looked after at the same time.
const AT_ONCE_MAX: usize = 16;

/// The wait after the first attempt that failed; it doubles with each one that follows.
const WAIT_FIRST: Duration = Duration::from_secs(1);

/// It never grows beyond this: what goes on there costs money.
const WAIT_MAX: Duration = Duration::from_mins(5);

/// A task instance: its run, its task, its map index.
type Place = (Uuid, String, i32);

/// What this process withdraws.
pub(super) struct Withdrawals {
    shared: Arc<Shared>,
    under_way: Arc<Mutex<HashSet<Place>>>,
    free: Arc<Semaphore>,
    stop: CancellationToken,
    /// Whether a try of this process is still to end by itself what it started.
    awaits_try: bool,
}

impl Withdrawals {
    /// Nothing, with what the tries of an executor share.
    pub(super) fn new(shared: Arc<Shared>) -> Withdrawals {
        Withdrawals {
            shared,
            under_way: Arc::default(),
            free: Arc::new(Semaphore::new(AT_ONCE_MAX)),
            stop: CancellationToken::new(),
            awaits_try: false,
        }
    }

    /// Whether there may be something to do when a try has ended.
    pub(super) fn awaits_try(&self) -> bool {
        self.awaits_try
    }

    /// Lets go of what is under way; whoever leads next goes on with it.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    fn begin(&self, left: Model) {
        let place = (left.dag_run_id, left.task_id.clone(), left.map_index);
        if !locked(&self.under_way).insert(place.clone()) {
            return;
        }
        let withdrawal = Withdrawal { shared: Arc::clone(&self.shared), left, stop: self.stop.clone() };
        let (under_way, free, stop) = (Arc::clone(&self.under_way), Arc::clone(&self.free), self.stop.clone());
        tokio::spawn(async move {
            stop.run_until_cancelled(withdrawal.until_done(&free)).await;
            locked(&under_way).remove(&place);
        });
    }
}

fn locked(places: &Mutex<HashSet<Place>>) -> MutexGuard<'_, HashSet<Place>> {
    places.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Coordinator {
    /// Has the withdrawn checkpoints looked after that no try minds any more.
    pub(super) async fn look_at_withdrawals(&mut self) -> Result<(), StoreError> {
        let mut awaits_try = false;
        for left in checkpoints::withdrawn(self.settings.db.read(), LOOK_MAX).await? {
            if self.executor.makes_try_of(left.dag_run_id, &left.task_id, left.map_index) {
                awaits_try = true;
            } else {
                self.withdrawals.begin(left);
            }
        }
        self.withdrawals.awaits_try = awaits_try;
        Ok(())
    }
}

/// The end of what one try started.
struct Withdrawal {
    shared: Arc<Shared>,
    left: Model,
    stop: CancellationToken,
}

impl Withdrawal {
    async fn until_done(&self, free: &Semaphore) {
        let mut wait = WAIT_FIRST;
        let mut has_failed = false;
        loop {
            let attempt = async {
                // It is never closed.
                let _place = free.acquire().await;
                self.attempt().await
            };
            let problem = match attempt.await {
                Ok(is_ended) => {
                    if has_failed && is_ended {
                        info!(
                            run.id = %self.left.dag_run_id, task = %self.left.task_id,
                            "nothing goes on elsewhere any more"
                        );
                    }
                    return;
                }
                Err(problem) => problem,
            };
            if !has_failed {
                warn!(
                    run.id = %self.left.dag_run_id, task = %self.left.task_id,
                    "what the task started elsewhere may go on, because it cannot be ended yet: {problem:#}; trying until it can"
                );
                has_failed = true;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(WAIT_MAX);
        }
    }

    /// Whether that has ended it; if not, it is no business of this withdrawal any more.
    async fn attempt(&self) -> anyhow::Result<bool> {
        let db = &self.shared.surroundings.db;
        if !checkpoints::is_withdrawn(db.read(), &self.left).await? {
            return Ok(false);
        }
        match self.prospect().await? {
            Prospect::Hope(order) => {
                let left = self.left.value.clone();
                self.shared.withdraw(&order, left, self.stop.child_token()).await.map_err(|error| error.error)?;
                let txn = db.begin_write().await?;
                checkpoints::ended(&txn, &self.left).await?;
                commit(txn).await?;
                Ok(true)
            }
            Prospect::Forgotten => Ok(false),
            Prospect::None { run, try_number, because } => {
                self.give_up(&run, try_number, because).await?;
                Ok(false)
            }
        }
    }

    /// Says for people to read what was left, and looks after it no more.
    async fn give_up(&self, run: &dag_run::Model, try_number: i32, because: &'static str) -> anyhow::Result<()> {
        let surroundings = &self.shared.surroundings;
        let Model { task_id, map_index, value, .. } = &self.left;
        let deed = Deed {
            event: "give_up_withdrawal",
            dag_id: Some(&run.dag_id),
            run_id: Some(&run.run_id),
            task: Some(DeedTask { task_id, map_index: *map_index, try_number }),
            owner: Some("scheduler"),
            extra: Some(json!({ "because": because, "left": value })),
        };
        let txn = surroundings.db.begin_write().await?;
        checkpoints::ended(&txn, &self.left).await?;
        audit::record(&txn, deed, surroundings.clock.now()).await?;
        commit(txn).await?;
        warn!(
            dag = %run.dag_id, run = %run.run_id, task = %task_id, left = %value,
            "what the task started elsewhere may go on, and cannot be ended: {because}; end it there"
        );
        Ok(())
    }

    /// What can be done: the try is looked for, as if it were to be made.
    async fn prospect(&self) -> anyhow::Result<Prospect> {
        let surroundings = &self.shared.surroundings;
        let db = surroundings.db.read();
        let Model { dag_run_id, task_id, map_index, .. } = &self.left;
        let Some(mut row) = runs::find_by_key(db, *dag_run_id).await? else { return Ok(Prospect::Forgotten) };
        let (try_id, try_number, start_date) = match runs::find_instance(db, *dag_run_id, task_id, *map_index).await? {
            Some(instance) => (instance.try_id, instance.try_number, instance.start_date),
            // It is gone when its task has become a mapped one in the version with which the run goes on. What it has left says
            // all that there is to be ended.
            None => match checkpoints::last_try(db, &self.left).await? {
                Some(earlier) => (earlier.try_id, earlier.try_number, earlier.start_date),
                None => (Uuid::nil(), 0, None),
            },
        };
        // The run may have gone on with another version, which has not this task, or has it elsewhere.
        row.dag_version_id = self.left.dag_version_id.unwrap_or(row.dag_version_id);
        let Some(version) = versions::find(db, row.dag_version_id).await? else {
            let because = "the version of the DAG is gone that it was started with";
            return Ok(Prospect::None { run: Box::new(row), try_number, because });
        };
        let dag = surroundings.catalog.definition(
            &version.dag_id,
            &version.hash,
            &version.relative_fileloc,
            &version.source,
        )?;
        let Some(task) = dag.find(task_id) else {
            let because = "the DAG does not have the task any more";
            return Ok(Prospect::None { run: Box::new(row), try_number, because });
        };
        let now = surroundings.clock.now();
        let started = row.start_date;
        Ok(Prospect::Hope(Box::new(Order {
            run: *dag_run_id,
            at: InstanceIndex { task, map_index: *map_index },
            try_id,
            try_number: u32::try_from(try_number).unwrap_or(0),
            key: Arc::new(TaskKey {
                dag_id: row.dag_id.clone(),
                run_id: row.run_id.clone(),
                task_id: task_id.clone(),
                map_index: *map_index,
            }),
            around: Arc::new(RunAround::new(dag, row, started)),
            started_at: start_date.unwrap_or(now),
            goes_on: false,
            ordered_at: now,
        })))
    }
}

/// What can be done about what a try started elsewhere.
enum Prospect {
    /// Its operator ends it, for this try.
    Hope(Box<Order>),
    /// The run was deleted, and the checkpoint with it.
    Forgotten,
    /// Nobody can say how it is ended.
    None { run: Box<dag_run::Model>, try_number: i32, because: &'static str },
}
