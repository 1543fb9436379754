//! Makes the runs that schedules ask for.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;
use tracing::info;
use uuid::Uuid;

use super::adoption::{ADOPT_MAX, last_interval};
use super::coordinator::Coordinator;
use super::schedules::ScheduledDag;
use crate::dag::timetable::NextRun;
use crate::store::asset_queue::{self, QueuedAsset};
use crate::store::entity::{dag, dag_run};
use crate::store::partition_queue::{self, QueuedUpdate};
use crate::store::{StoreError, commit, dags, leases, runs, schedules, versions};

/// Runs made in one transaction.
const DUE_MAX: usize = 500;

impl Coordinator {
    /// Makes the runs whose time has come and those that assets ask for, as far as `max_active_runs` allows (Airflow 3: run creation).
    pub(super) async fn make_due_runs(&mut self) -> Result<(), StoreError> {
        // DAGs of which no run could be made; they are looked at again when something changes.
        let mut held_back: HashSet<String> = HashSet::new();
        loop {
            let now = self.settings.clock.now();
            let due = self.due_dags(&held_back, now);
            if due.is_empty() {
                self.todo.due = false;
                return Ok(());
            }
            let made = self.make_runs(&due, now).await?;
            held_back.extend(due.into_iter().filter(|dag_id| !made.contains(dag_id)));
            while self.adopt().await? >= ADOPT_MAX {}
        }
    }

    /// DAGs with a run to make, in the order of their ids.
    fn due_dags(&mut self, held_back: &HashSet<String>, now: DateTime<Utc>) -> Vec<String> {
        if !self.settings.makes_due_runs {
            return Vec::new();
        }
        for dag in self.dags.values_mut() {
            dag.look(now);
        }
        let mut due: Vec<String> = self
            .dags
            .values()
            .filter(|dag| !held_back.contains(&dag.row.dag_id))
            .filter(|dag| self.active_runs(&dag.row.dag_id) < dag.max_active_runs())
            .filter(|dag| dag.due(now).is_some() || self.is_asked_for(dag))
            .map(|dag| dag.row.dag_id.clone())
            .take(DUE_MAX)
            .collect();
        due.sort_unstable();
        due
    }

    /// Makes one run of each of these DAGs, unless other schedulers did, or somebody paused it. Answers with those of which
    /// one was made.
    async fn make_runs(&mut self, due: &[String], now: DateTime<Utc>) -> Result<HashSet<String>, StoreError> {
        let txn = self.settings.db.begin_write().await?;
        leases::assert_held(&txn, self.lease()).await?;
        schedules::lock(&txn, due).await?;
        let standings = schedules::standings(&txn, Some(due)).await?;
        let active = schedules::active_runs(&txn, due).await?;
        let mut queue = self.lock_asset_queue(&txn, due).await?;
        let mut parts = self.held_partition_queue(&txn, due).await?;
        let mut wanted = Vec::new();
        for dag_id in due {
            let Some(dag) = self.dags.get_mut(dag_id) else { continue };
            let Some(standing) = standings.get(dag_id).filter(|dag| !dag.is_paused && !dag.is_stale) else { continue };
            if let Some(last) = last_interval(standing) {
                dag.learn_of(last, now);
            }
            if active.get(dag_id).copied().unwrap_or(0) >= dag.max_active_runs() {
                continue;
            }
            let queued = queue.get(dag_id).map(Vec::as_slice).unwrap_or_default();
            match dag.due(now) {
                Some(next) => wanted.push((dag_id, Cause::Time(next, dag.after(&next, now)))),
                None if dag.is_asked_for(queued) => {
                    wanted.push((dag_id, Cause::Assets(queue.remove(dag_id).unwrap_or_default())));
                }
                None => {
                    if let Some(taken) = parts.get_mut(dag_id).and_then(|queued| dag.take_partition(queued)) {
                        wanted.push((dag_id, Cause::Partition(taken)));
                    }
                }
            }
        }
        let wanted: Vec<Wanted> =
            wanted.into_iter().map(|(dag_id, cause)| Wanted { dag: &self.dags[dag_id], cause }).collect();
        make(&txn, &wanted, now).await?;
        let made: Vec<(String, Option<Timed>)> = wanted.into_iter().map(Wanted::made).collect();
        commit(txn).await?;
        // Only now: had the commit failed, the runs would have to be made again.
        self.refresh_asset_queue(due, queue);
        self.refresh_partition_queue(due, parts);
        for (dag_id, timed) in &made {
            if let (Some(dag), Some((run, following))) = (self.dags.get_mut(dag_id), timed) {
                dag.made(run, *following);
            }
            self.announce_dag(dag_id);
        }
        Ok(made.into_iter().map(|(dag_id, _)| dag_id).collect())
    }

    /// Queued and running runs of a DAG, which together must not reach `max_active_runs` for another to be made. Backfills
    /// have a limit of their own (Airflow 3).
    fn active_runs(&self, dag_id: &str) -> usize {
        let queued = self.queued.get(dag_id).into_iter().flatten();
        let queued = queued.filter(|(_, id)| self.backfill_of(*id).is_none()).count();
        queued + self.running_by_schedule_or_hand(dag_id)
    }
}

/// A run whose time has come, and what follows it.
type Timed = (NextRun, Option<NextRun>);

/// Why a run is made.
enum Cause {
    /// Its time has come; and what follows it.
    Time(NextRun, Option<NextRun>),
    /// Assets ask for it: all that is queued of them.
    Assets(Vec<QueuedAsset>),
    /// Parts of assets ask for it: all that is queued of them with one key.
    Partition(Vec<QueuedUpdate>),
}

/// A run to make.
struct Wanted<'a> {
    dag: &'a ScheduledDag,
    cause: Cause,
}

impl Wanted<'_> {
    /// Of which DAG it was made, and for which time.
    fn made(self) -> (String, Option<Timed>) {
        let timed = match self.cause {
            Cause::Time(run, following) => Some((run, following)),
            Cause::Assets(_) | Cause::Partition(_) => None,
        };
        (self.dag.row.dag_id.clone(), timed)
    }
}

/// Makes runs of DAGs that are locked, in few statements however many they are.
async fn make(txn: &DatabaseTransaction, wanted: &[Wanted<'_>], now: DateTime<Utc>) -> Result<(), StoreError> {
    let dags: Vec<&dag::Model> = wanted.iter().map(|wanted| &wanted.dag.row).collect();
    let versions = versions::current_of_locked(txn, &dags, now).await?;
    let (mut timed, mut following) = (Vec::new(), Vec::new());
    for (Wanted { dag, cause }, version) in wanted.iter().zip(versions) {
        match cause {
            Cause::Time(run, follows) => {
                timed.push(dag.run_row(run, version, now));
                following.push((dag.row.dag_id.clone(), dag.shown(*follows)));
            }
            Cause::Assets(queued) => make_for_assets(txn, dag, queued, version, now).await?,
            Cause::Partition(taken) => make_for_partition(txn, dag, taken, version, now).await?,
        }
    }
    let count = timed.len() as u64;
    let stored = runs::insert_new(txn, timed).await?;
    if stored < count {
        info!("{} scheduled runs are there already", count - stored);
    }
    dags::set_next_dagruns(txn, &following).await
}

/// Makes the run that assets ask for, and gives it everything that is queued: it may start when the last of them was
/// queued (Airflow 3: `run_after` of `asset_triggered` runs).
async fn make_for_assets(
    txn: &DatabaseTransaction,
    dag: &ScheduledDag,
    queued: &[QueuedAsset],
    version: Uuid,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let run_after = queued.iter().map(|queued| queued.created_at).max().unwrap_or(now);
    let row = dag.asset_run_row(run_after, version, now);
    let run = row.id;
    runs::insert(txn, row).await?;
    let only_since_subscribed = !dag.definition.runs.catchup.is_on();
    asset_queue::give(txn, &dag.row.dag_id, run, queued, only_since_subscribed).await
}

/// Makes the run that parts of assets with one key ask for. It may start when the last of them was updated.
async fn make_for_partition(
    txn: &DatabaseTransaction,
    dag: &ScheduledDag,
    taken: &[QueuedUpdate],
    version: Uuid,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let run_after = taken.iter().map(|update| update.timestamp).max().unwrap_or(now);
    let row = dag_run::Model {
        partition_key: taken.first().map(|update| update.partition_key.clone()),
        partition_date: agreed_date(taken),
        ..dag.asset_run_row(run_after, version, now)
    };
    let run = row.id;
    runs::insert(txn, row).await?;
    partition_queue::give(txn, run, taken).await
}

/// The instant that a partition stands for, unless those who updated its parts disagree (Airflow 3).
fn agreed_date(taken: &[QueuedUpdate]) -> Option<DateTime<Utc>> {
    let mut dates = taken.iter().filter_map(|update| update.partition_date);
    let first = dates.next()?;
    dates.all(|date| date == first).then_some(first)
}
