//! What the coordinator fetches from the database: DAGs, runs to take over, requests, runs that are due.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use tracing::{error, info, warn};
use uuid::Uuid;

use super::active_run::ActiveRun;
use super::callbacks::Cause;
use super::coordinator::Coordinator;
use super::schedules::{ScheduledDag, shown};
use crate::events::Change;
use crate::run::{Event, RunState, TaskState, TryEnd};
use crate::store::entity::{dag_run, dag_version};
use crate::store::requests::{self, Request};
use crate::store::{StoreError, commit, dags, leases, runs};

/// Runs taken over in one go.
const ADOPT_MAX: u64 = 1000;

/// Scheduled runs made in one transaction.
const DUE_MAX: usize = 500;

impl Coordinator {
    /// Does what wake-ups asked for. What fails stays to be done.
    pub(super) async fn do_what_was_asked(&mut self) -> Result<(), StoreError> {
        if self.todo.look_around {
            self.look_around().await?;
            self.todo.look_around = false;
        }
        if !self.todo.dags.is_empty() {
            self.reload_dags().await?;
        }
        if self.todo.due {
            self.make_due_runs().await?;
            self.arm().await;
        }
        while self.todo.adopt {
            self.todo.adopt = self.adopt().await? >= ADOPT_MAX;
        }
        if self.todo.requests {
            self.carry_out_requests().await?;
            self.todo.requests = false;
        }
        Ok(())
    }

    /// The regular look: leases that lapsed, wake-ups that were lost, a clock that was set.
    async fn look_around(&mut self) -> Result<(), StoreError> {
        let txn = self.settings.db.begin_write().await?;
        let now = self.settings.clock.now();
        let taken_over = leases::lapse_dead(&txn, self.lease, &self.settings.holder.instance, now).await?;
        commit(txn).await?;
        if taken_over > 0 {
            info!("took over the runs of {taken_over} schedulers that are gone");
        }
        for row in dags::list_states(self.settings.db.read()).await? {
            let known = self.dags.get(&row.dag_id).map(|dag| &dag.row);
            if known.is_none_or(|known| known.is_paused != row.is_paused || known.version_hash != row.version_hash) {
                self.todo.dags.insert(row.dag_id);
            }
        }
        self.todo.adopt = true;
        self.todo.requests = true;
        self.todo.due = true;
        self.callbacks.wake();
        Ok(())
    }

    pub(super) async fn load_all_dags(&mut self) -> Result<(), StoreError> {
        let rows = dags::list_all(self.settings.db.read()).await?;
        let last: HashMap<String, DateTime<Utc>> =
            dags::last_scheduled(self.settings.db.read()).await?.into_iter().collect();
        let now = self.settings.clock.now();
        for row in rows {
            let last = last.get(&row.dag_id).copied();
            self.know(row, last, now);
        }
        Ok(())
    }

    fn know(&mut self, row: crate::store::entity::dag::Model, last: Option<DateTime<Utc>>, now: DateTime<Utc>) {
        let dag_id = row.dag_id.clone();
        match ScheduledDag::new(row, &self.settings.catalog, last, now) {
            Ok(dag) => {
                for obstacle in self.settings.catalog.obstacles(&dag.definition) {
                    warn!(dag = %dag_id, "{obstacle}");
                }
                self.dags.insert(dag_id, dag);
            }
            Err(problem) => {
                warn!(dag = %dag_id, "its stored definition cannot be scheduled: {problem}");
                self.dags.remove(&dag_id);
            }
        }
    }

    /// Reads DAGs that changed: their definition, or whether they are paused.
    async fn reload_dags(&mut self) -> Result<(), StoreError> {
        let now = self.settings.clock.now();
        let last = self.last_scheduled_of_strangers().await?;
        let changed: Vec<String> = self.todo.dags.iter().cloned().collect();
        for dag_id in changed {
            let known = self.dags.get(&dag_id).and_then(ScheduledDag::last_logical_date);
            match dags::find(self.settings.db.read(), &dag_id).await? {
                Some(row) => self.know(row, known.or_else(|| last.get(&dag_id).copied()), now),
                None => {
                    self.dags.remove(&dag_id);
                }
            }
            if let Some(dag) = self.dags.get(&dag_id) {
                let next = shown(dag.next);
                let txn = self.settings.db.begin_write().await?;
                dags::set_next_dagrun(&txn, &dag_id, &next).await?;
                commit(txn).await?;
            }
            self.todo.dags.remove(&dag_id);
            self.announce_dag(&dag_id);
        }
        self.todo.due = true;
        Ok(())
    }

    /// When DAGs were last scheduled, where one that changed is new to us.
    async fn last_scheduled_of_strangers(&self) -> Result<HashMap<String, DateTime<Utc>>, StoreError> {
        if self.todo.dags.iter().all(|dag_id| self.dags.contains_key(dag_id)) {
            return Ok(HashMap::new());
        }
        Ok(dags::last_scheduled(self.settings.db.read()).await?.into_iter().collect())
    }

    /// Makes the scheduled runs whose time has come, as far as `max_active_runs` allows (Airflow 3: run creation).
    async fn make_due_runs(&mut self) -> Result<(), StoreError> {
        loop {
            let now = self.settings.clock.now();
            let mut due: Vec<String> = self
                .dags
                .values()
                .filter(|dag| dag.due(now).is_some() && self.active_runs(&dag.row.dag_id) < dag.max_active_runs())
                .map(|dag| dag.row.dag_id.clone())
                .take(DUE_MAX)
                .collect();
            due.sort_unstable();
            if due.is_empty() {
                self.todo.due = false;
                return Ok(());
            }
            self.make_runs(&due, now).await?;
            while self.adopt().await? >= ADOPT_MAX {}
        }
    }

    async fn make_runs(&mut self, due: &[String], now: DateTime<Utc>) -> Result<(), StoreError> {
        let txn = self.settings.db.begin_write().await?;
        leases::assert_held(&txn, self.lease).await?;
        let mut made = Vec::new();
        for dag_id in due {
            let Some(dag) = self.dags.get(dag_id) else { continue };
            let Some(next) = dag.due(now) else { continue };
            let version = dags::version_of(&txn, &dag.row, now).await?;
            let row = dag.run_row(&next, version, now);
            if !runs::insert_if_new(&txn, row).await? {
                info!(dag = %dag_id, "the run for {} is there already", next.run_after);
            }
            let following = dag.after(&next, now);
            dags::set_next_dagrun(&txn, dag_id, &shown(following)).await?;
            made.push((dag_id, next, following));
        }
        commit(txn).await?;
        // Only now: had the commit failed, the runs would have to be made again.
        for (dag_id, next, following) in made {
            if let Some(dag) = self.dags.get_mut(dag_id) {
                dag.made(&next, following);
            }
            self.announce_dag(dag_id);
        }
        Ok(())
    }

    /// Queued and running runs of a DAG, which together must not exceed `max_active_runs` for another to be made.
    fn active_runs(&self, dag_id: &str) -> usize {
        self.queued.get(dag_id).map_or(0, BTreeSet::len) + self.running.get(dag_id).map_or(0, HashSet::len)
    }

    /// Takes over runs that nobody owns; answers with how many.
    async fn adopt(&mut self) -> Result<u64, StoreError> {
        let txn = self.settings.db.begin_write().await?;
        leases::assert_held(&txn, self.lease).await?;
        let rows = runs::adopt(&txn, self.lease, ADOPT_MAX).await?;
        commit(txn).await?;
        let count = rows.len() as u64;
        self.todo.take_over.extend(rows);
        // Oldest first, as they were adopted.
        while let Some(row) = self.todo.take_over.first().cloned() {
            match self.take_over(row.clone()).await {
                Ok(()) => {}
                Err(problem @ StoreError::Corrupt { .. }) => self.give_up(row, &problem.to_string()).await?,
                Err(problem) => {
                    // They are ours and nobody else's now, so they must not be forgotten.
                    self.todo.adopt = true;
                    return Err(problem);
                }
            }
            self.todo.take_over.remove(0);
        }
        Ok(count)
    }

    async fn take_over(&mut self, row: dag_run::Model) -> Result<(), StoreError> {
        let version = dags::find_version(self.settings.db.read(), row.dag_version_id).await?;
        let definition = match &version {
            Some(version) => self.definition(version),
            None => Err("the version of the DAG that it is pinned to is gone".to_owned()),
        };
        let definition = match definition {
            Ok(definition) => definition,
            Err(problem) => return self.give_up(row, &problem).await,
        };
        let instances = runs::instances(self.settings.db.read(), row.id).await?;
        let (id, dag_id, run_id) = (row.id, row.dag_id.clone(), row.run_id.clone());
        self.runs.insert(id, ActiveRun::restore(row, definition, instances)?);
        self.settings.changes.send(Change::dag_run(&dag_id, &run_id, self.runs[&id].run.state.word()));
        self.set_deadlines(id).await?;
        self.file(id);
        self.revive(id);
        Ok(())
    }

    fn definition(&self, version: &dag_version::Model) -> Result<Arc<crate::dag::Dag>, String> {
        self.settings
            .catalog
            .definition(&version.dag_id, &version.hash, &version.relative_fileloc, &version.source)
            .map_err(|problem| problem.to_string())
    }

    /// Brings a run that was taken over up to date: tries whose process is gone are lost, and whatever follows from the
    /// states follows now.
    fn revive(&mut self, id: Uuid) {
        let now = self.settings.clock.now();
        let Some(active) = self.runs.get_mut(&id) else { return };
        let lost: Vec<_> = active
            .run
            .instances()
            .filter(|(_, instance)| instance.state.is_held())
            .map(|(task, instance)| (task, instance.try_id))
            .collect();
        let retries: Vec<_> = active
            .run
            .instances()
            .filter(|(_, instance)| matches!(instance.state, TaskState::UpForRetry | TaskState::Scheduled))
            .map(|(task, _)| task)
            .collect();
        let before = active.run.state;
        let mut changed = active.run.settle_all(now);
        changed.extend(retries);
        self.settled(id, before, changed);
        self.tell(id, before, Cause::Other);
        for (task, try_id) in lost {
            self.step(id, Event::TryEnded { task, try_id, end: TryEnd::Lost });
        }
    }

    /// A run whose definition cannot be read any more can only fail, and must say why.
    async fn give_up(&self, mut row: dag_run::Model, problem: &str) -> Result<(), StoreError> {
        error!(dag = %row.dag_id, run = %row.run_id, "the run cannot go on: {problem}");
        let now = self.settings.clock.now();
        row.state = RunState::Failed.word().to_owned();
        row.end_date = Some(now);
        row.owner = None;
        row.updated_at = now;
        let txn = self.settings.db.begin_write().await?;
        runs::set_note(&txn, row.id, Some(problem), now).await?;
        let batch = runs::Batch { runs: vec![row], ..runs::Batch::default() };
        runs::write(&txn, self.lease, &batch, now).await?;
        commit(txn).await
    }

    /// Does what people asked of our runs; the requests go in the transaction of their effect.
    async fn carry_out_requests(&mut self) -> Result<(), StoreError> {
        for (number, run, request) in requests::pending(self.settings.db.read(), self.lease).await? {
            if !self.runs.contains_key(&run) {
                // It was taken over, but is not in memory yet; the request waits for it.
                continue;
            }
            match request {
                Request::Mark { state } => {
                    if let Ok(state) = state.parse() {
                        self.step(run, Event::Marked { state });
                    }
                }
            }
            self.pending.requests_done.push(number);
        }
        Ok(())
    }
}
