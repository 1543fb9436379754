//! What the coordinator fetches from the database: DAGs, runs to take over, requests.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use tracing::{error, warn};
use uuid::Uuid;

use super::active_run::ActiveRun;
use super::callbacks::Cause;
use super::coordinator::Coordinator;
use super::schedules::{ScheduledDag, held_back_by};
use crate::dag::timetable::DataInterval;
use crate::events::Change;
use crate::run::{Event, RunState, Step, TaskState, TryEnd, past};
use crate::store::entity::{dag, dag_run, dag_version, task_instance};
use crate::store::requests;
use crate::store::schedules::{self, Standing};
use crate::store::{StoreError, commit, dags, leases, pools, runs, versions};

/// Runs taken over in one go.
pub(super) const ADOPT_MAX: u64 = 1000;

/// Runs whose task instances are read in one go.
const TAKE_OVER_MAX: usize = 100;

impl Coordinator {
    /// Does what wake-ups asked for. What fails stays to be done.
    pub(super) async fn do_what_was_asked(&mut self) -> Result<(), StoreError> {
        if self.todo.look_around {
            self.look_around().await?;
            self.todo.look_around = false;
        }
        if !self.todo.dead.is_empty() {
            self.take_over_from_dead().await?;
        }
        if self.todo.pools {
            self.load_pools().await?;
        }
        if !self.todo.dags.is_empty() {
            self.reload_dags().await?;
        }
        if self.todo.assets {
            self.load_asset_queue().await?;
        }
        if self.todo.due {
            self.make_due_runs().await?;
            self.arm().await;
        }
        if self.todo.backfills {
            self.look_at_backfills().await?;
            self.todo.backfills = false;
        }
        while self.todo.adopt {
            self.todo.adopt = self.adopt().await? >= ADOPT_MAX;
        }
        // After runs were taken up: nobody else will hear of their tries.
        if self.todo.tries {
            self.hear_of_tries().await?;
        }
        if self.todo.requests {
            self.carry_out_requests().await?;
            self.todo.requests = false;
        }
        if self.todo.withdrawals {
            self.look_at_withdrawals().await?;
            self.todo.withdrawals = false;
        }
        while let Some(dag_id) = self.todo.past.first().cloned() {
            self.look_at_past(&dag_id).await?;
            self.todo.past.remove(&dag_id);
        }
        Ok(())
    }

    /// The regular look: wake-ups that were lost, a clock that was set.
    async fn look_around(&mut self) -> Result<(), StoreError> {
        self.explain_queued().await?;
        let states = dags::list_states(self.settings.db.read()).await?;
        let with_file: HashSet<&str> = states.iter().map(|row| row.dag_id.as_str()).collect();
        let gone = self.dags.values().filter(|dag| !dag.row.is_stale && !with_file.contains(dag.row.dag_id.as_str()));
        self.todo.dags.extend(gone.map(|dag| dag.row.dag_id.clone()));
        for row in states {
            let known = self.dags.get(&row.dag_id).map(|dag| &dag.row);
            let is_the_same = known.is_some_and(|known| {
                !known.is_stale && known.is_paused == row.is_paused && known.version_hash == row.version_hash
            });
            if !is_the_same {
                self.todo.dags.insert(row.dag_id);
            }
        }
        let is_well = |active: &ActiveRun| active.run.blocked_by_past().is_some_and(BTreeMap::is_empty);
        // A run of ours is heard of whenever it is written.
        let is_heard_of = |active: &ActiveRun| active.before.is_some_and(|before| self.runs.contains_key(&before));
        let running = self.running.values().flatten().filter_map(|id| self.runs.get(id));
        let waiting =
            running.filter(|active| !is_well(active) && !is_heard_of(active) && active.run.dag.depends_on_past());
        self.todo.past.extend(waiting.map(|active| active.row.dag_id.clone()));
        self.todo.adopt = true;
        self.todo.requests = true;
        self.todo.pools = true;
        self.todo.assets = true;
        self.todo.due = true;
        self.todo.backfills = true;
        self.todo.tries = true;
        self.todo.withdrawals = true;
        self.callbacks.wake();
        Ok(())
    }

    /// Reads the pools, and lets whatever waits be told anew what for.
    pub(super) async fn load_pools(&mut self) -> Result<(), StoreError> {
        self.admission.set_pools(&pools::list(self.settings.db.read()).await?);
        self.todo.pools = false;
        self.todo.explain = true;
        Ok(())
    }

    pub(super) async fn load_all_dags(&mut self) -> Result<(), StoreError> {
        let rows = dags::list_all(self.settings.db.read()).await?;
        let standings = schedules::standings(self.settings.db.read(), None).await?;
        let now = self.settings.clock.now();
        for row in rows {
            let last = standings.get(&row.dag_id).and_then(last_interval);
            self.know(row, last, now);
        }
        Ok(())
    }

    fn know(&mut self, row: dag::Model, last: Option<DataInterval>, now: DateTime<Utc>) {
        let dag_id = row.dag_id.clone();
        self.admission.hold_back(&dag_id, held_back_by(&row));
        let known = self.dags.remove(&dag_id);
        match ScheduledDag::new(row, &self.settings.catalog, last, known.as_ref(), now) {
            Ok(dag) => {
                for obstacle in self.settings.catalog.obstacles(&dag.definition) {
                    warn!(dag = %dag_id, "{obstacle}");
                }
                self.dags.insert(dag_id, dag);
            }
            Err(problem) => warn!(dag = %dag_id, "its stored definition cannot be scheduled: {problem}"),
        }
    }

    /// Reads DAGs that changed: their definition, or whether they are paused.
    async fn reload_dags(&mut self) -> Result<(), StoreError> {
        let now = self.settings.clock.now();
        let changed: Vec<String> = self.todo.dags.iter().cloned().collect();
        let strangers: Vec<String> =
            changed.iter().filter(|dag_id| !self.dags.contains_key(*dag_id)).cloned().collect();
        let standings = match strangers.as_slice() {
            [] => HashMap::new(),
            strangers => schedules::standings(self.settings.db.read(), Some(strangers)).await?,
        };
        let rows = dags::find_all(self.settings.db.read(), &changed).await?;
        let mut rows: HashMap<String, dag::Model> = rows.into_iter().map(|row| (row.dag_id.clone(), row)).collect();
        let mut next = Vec::with_capacity(changed.len());
        for dag_id in &changed {
            let known = self.dags.get(dag_id).and_then(ScheduledDag::last);
            let last = known.or_else(|| standings.get(dag_id).and_then(last_interval));
            match rows.remove(dag_id) {
                Some(row) => self.know(row, last, now),
                None => {
                    self.dags.remove(dag_id);
                }
            }
            if let Some(dag) = self.dags.get(dag_id) {
                if dag.definition.depends_on_past() {
                    self.todo.past.insert(dag_id.clone());
                }
                // Nothing is due of a DAG whose file is gone, and nothing will have been missed when it is back.
                next.push((dag_id.clone(), dag.shown(dag.next.filter(|_| !dag.row.is_stale))));
            }
        }
        let txn = self.settings.db.begin_write().await?;
        dags::set_next_dagruns(&txn, &next).await?;
        commit(txn).await?;
        for dag_id in changed {
            self.todo.dags.remove(&dag_id);
            self.announce_dag(&dag_id);
        }
        self.todo.assets = true;
        self.todo.due = true;
        self.todo.explain = true;
        Ok(())
    }

    /// Takes over runs that nobody owns; answers with how many.
    pub(super) async fn adopt(&mut self) -> Result<u64, StoreError> {
        let txn = self.settings.db.begin_write().await?;
        leases::assert_held(&txn, self.lease()).await?;
        let mut rows = runs::adopt(&txn, self.lease(), ADOPT_MAX).await?;
        let count = rows.len() as u64;
        if self.todo.is_unsure {
            rows = self.unknown(runs::owned_by(&txn, self.lease()).await?);
        }
        self.todo.is_unsure = true;
        if let Err(problem) = commit(txn).await {
            // Some may be ours, and nobody else's.
            self.todo.adopt = true;
            return Err(problem);
        }
        self.todo.is_unsure = false;
        // A run may come with something that was asked of it, and one that is over comes only for that.
        self.todo.requests |= !rows.is_empty();
        self.todo.take_over.extend(rows);
        // Oldest first, as they were adopted.
        while !self.todo.take_over.is_empty() {
            let some = self.todo.take_over.iter().take(TAKE_OVER_MAX).cloned().collect();
            if let Err(problem) = self.take_over(some).await {
                // They are ours and nobody else's now, so they must not be forgotten.
                self.todo.adopt = true;
                return Err(problem);
            }
        }
        Ok(count)
    }

    /// Of runs that are ours, those that are neither in memory nor about to be.
    fn unknown(&self, owned: Vec<dag_run::Model>) -> Vec<dag_run::Model> {
        let coming: HashSet<Uuid> = self.todo.take_over.iter().map(|row| row.id).collect();
        owned.into_iter().filter(|row| !self.runs.contains_key(&row.id) && !coming.contains(&row.id)).collect()
    }

    /// Takes up the runs at the head of `todo.take_over`.
    async fn take_over(&mut self, rows: Vec<dag_run::Model>) -> Result<(), StoreError> {
        let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
        let db = self.settings.db.read();
        let versions = versions::find_all(db, rows.iter().map(|row| row.dag_version_id)).await?;
        let mut instances = runs::instances_of(db, &ids).await?;
        let has_begun: Vec<Uuid> = instances.keys().copied().collect();
        self.note_handed_out(&has_begun).await?;
        for row in rows {
            let instances = instances.remove(&row.id).unwrap_or_default();
            match self.restore(&row, versions.get(&row.dag_version_id), instances) {
                Ok(active) => self.take_up(active).await?,
                Err(problem) => self.give_up(row, &problem).await?,
            }
            self.todo.take_over.pop_front();
        }
        Ok(())
    }

    fn restore(
        &self,
        row: &dag_run::Model,
        version: Option<&dag_version::Model>,
        instances: Vec<task_instance::Model>,
    ) -> Result<ActiveRun, String> {
        let version = version.ok_or("the version of the DAG that it is pinned to is gone")?;
        let definition = self.definition(version)?;
        ActiveRun::restore(row.clone(), definition, instances).map_err(|problem| problem.to_string())
    }

    async fn take_up(&mut self, active: ActiveRun) -> Result<(), StoreError> {
        let (id, dag_id) = (active.row.id, active.row.dag_id.clone());
        // First, because it can fail: what is in memory starts, and would be taken for lost when the run is taken up again.
        if !active.run.state.is_finished() {
            self.set_deadlines(&active).await?;
        }
        self.settings.changes.send(Change::dag_run(&dag_id, &active.row.run_id, active.run.state.word()));
        self.todo.backfills |= active.row.backfill_id.is_some_and(|backfill| !self.backfills.contains_key(&backfill));
        self.take_in(id, active);
        self.file(id);
        if self.runs[&id].run.dag.depends_on_past() {
            self.todo.past.insert(dag_id);
        }
        self.revive(id);
        Ok(())
    }

    /// Keeps a run in memory, in place of what was known of it.
    fn take_in(&mut self, id: Uuid, mut active: ActiveRun) {
        active.run.map_length_max = self.settings.max_map_length;
        self.admission.forget(id);
        self.admission.enter(id, Arc::clone(&active.run.dag), active.date());
        for (at, instance) in active.run.instances() {
            self.admission.file(id, at, Some(instance.state));
        }
        self.runs.insert(id, active);
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
            .filter(|(_, instance)| instance.state.is_held() && !self.handed_out.contains(&instance.try_id))
            .map(|(at, instance)| (at, instance.try_id))
            .collect();
        let retries: Vec<_> = active
            .run
            .instances()
            .filter(|(_, instance)| matches!(instance.state, TaskState::UpForRetry | TaskState::Scheduled))
            .map(|(at, _)| at)
            .collect();
        let before = active.run.state;
        let mut step = active.run.settle_all(now);
        step.changed.extend(retries);
        self.settled(id, before, &step, now);
        self.tell(id, before, Cause::Other, now);
        for (at, try_id) in lost {
            self.step(id, Event::TryEnded { at, try_id, end: TryEnd::Lost });
        }
    }

    /// A run whose definition cannot be read any more can only fail, and must say why.
    async fn give_up(&self, mut row: dag_run::Model, problem: &str) -> Result<(), StoreError> {
        error!(dag = %row.dag_id, run = %row.run_id, "the run cannot go on: {problem}");
        let now = self.settings.clock.now();
        row.state = RunState::Failed.word().to_owned();
        row.end_date = Some(now);
        row.owner = None;
        row.reason = None;
        row.updated_at = now;
        let txn = self.settings.db.begin_write().await?;
        runs::set_note(&txn, row.id, Some(problem), now).await?;
        let batch = runs::Batch { runs: vec![row], ..runs::Batch::default() };
        runs::write(&txn, self.lease(), &batch, now).await?;
        commit(txn).await
    }

    /// Lets a run go on with another version of its DAG: what both have keeps its state, what is gone is stopped, and what was
    /// gone and is there again begins anew.
    async fn go_on_with(&mut self, id: Uuid, version: Uuid) -> Result<(), StoreError> {
        let Some(active) = self.runs.get(&id).filter(|active| active.row.dag_version_id != version) else {
            return Ok(());
        };
        let before = Arc::clone(&active.run.dag);
        let Some(found) = versions::find(self.settings.db.read(), version).await? else { return Ok(()) };
        let Ok(definition) = self.definition(&found) else { return Ok(()) };
        // What an earlier version took away is not in memory, but its tries were made, and count.
        let stored = runs::instances(self.settings.db.read(), id).await?;
        let is_back = |row: &task_instance::Model| before.find(&row.task_id).is_none();
        let Some(active) = self.runs.get(&id) else { return Ok(()) };
        let gone = active.run.instances().filter(|(at, instance)| {
            instance.state.is_held() && definition.find(&before.task(at.task).task_id).is_none()
        });
        let gone: Vec<Uuid> = gone.map(|(_, instance)| instance.try_id).collect();
        let now = self.settings.clock.now();
        let mut rows = active.rows(self.place(), now);
        rows.extend(stored.into_iter().filter(is_back));
        let row = dag_run::Model { dag_version_id: version, ..active.row.clone() };
        let mut active = ActiveRun::restore(row, definition, rows)?;
        for try_id in gone {
            self.stop_try(try_id);
        }
        let superseded = active.run.bring_back(&before, now).superseded;
        // Of two changes in one turn the last one counts.
        self.pending.vanished.retain(|(run, _)| *run != id);
        self.pending.vanished.push(active.vanished());
        self.pending.touch_run(id);
        let changed = active.run.instances().map(|(at, _)| at).collect();
        let step = Step { changed, superseded, ..Step::default() };
        let state = active.run.state;
        self.take_in(id, active);
        // It may have another `dagrun_timeout`.
        self.file(id);
        self.settled(id, state, &step, now);
        Ok(())
    }

    /// Tells the running runs of a DAG how the runs before them stand, as far as tasks wait for that. Those that are queued are
    /// told when they begin: there may be thousands of them.
    async fn look_at_past(&mut self, dag_id: &str) -> Result<(), StoreError> {
        let running: Vec<Uuid> = self.running.get(dag_id).into_iter().flatten().copied().collect();
        for id in running {
            let Some(active) = self.runs.get(&id).filter(|active| active.run.dag.depends_on_past()) else { continue };
            let without_manual = active.run.dag.runs.catchup.is_on();
            let dag = Arc::clone(&active.run.dag);
            // The first run of a backfill begins anew, whatever became of what was before it (Airflow 3).
            let begins_backfill = active.row.backfill_id.is_some() && active.row.sort_ordinal == Some(1);
            let before = match active.run.logical_date.filter(|_| !begins_backfill) {
                Some(date) => self.run_before(id, &dag, date, without_manual).await?,
                None => None,
            };
            let blocked = past::blocked(&dag, before.as_ref());
            if self.runs[&id].run.blocked_by_past() != Some(&blocked) {
                self.step(id, Event::PastSeen { blocked });
            }
        }
        Ok(())
    }

    async fn run_before(
        &mut self,
        id: Uuid,
        dag: &crate::dag::Dag,
        date: DateTime<Utc>,
        without_manual: bool,
    ) -> Result<Option<past::RunBefore>, StoreError> {
        let db = self.settings.db.read();
        let Some(before) = runs::before(db, &dag.dag_id, date, without_manual).await? else { return Ok(None) };
        let rows = runs::instances(db, before.id).await?;
        let mut states = past::StatesByTask::new();
        if rows.is_empty() {
            // It has not begun: its task instances are still to be written.
            states.extend(dag.tasks().map(|(_, task)| (task.task_id.clone(), vec![TaskState::None])));
        }
        for row in rows {
            let state = TaskState::from_word(row.state.as_deref()).unwrap_or(TaskState::None);
            states.entry(row.task_id).or_default().push(state);
        }
        let maybe_new = past::maybe_new(dag, &states);
        let Some(active) = self.runs.get_mut(&id) else { return Ok(None) };
        active.before = Some(before.id);
        let known = &mut active.had_before;
        let asked: Vec<&str> = maybe_new.iter().copied().filter(|task_id| !known.contains_key(*task_id)).collect();
        let had = runs::had_before(db, &dag.dag_id, date, &asked).await?;
        known.extend(asked.into_iter().map(|task_id| (task_id.to_owned(), had.contains(task_id))));
        let had_earlier = maybe_new.into_iter().filter(|task_id| known[*task_id]).map(str::to_owned).collect();
        Ok(Some(past::RunBefore { logical_date: before.logical_date, states, had_earlier }))
    }

    /// Does what people asked of our runs; the requests go in the transaction of their effect.
    async fn carry_out_requests(&mut self) -> Result<(), StoreError> {
        for (number, run, request) in requests::pending(self.settings.db.read(), self.lease()).await? {
            if !self.runs.contains_key(&run) {
                // It was taken over, but is not in memory yet; the request waits for it.
                continue;
            }
            if let Some(version) = request.version() {
                self.go_on_with(run, version).await?;
            }
            if let Some(event) = self.runs[&run].event_of(&request) {
                self.do_as_asked(run, event).await?;
            }
            self.pending.requests_done.push(number);
            // A run that is over was taken up for this alone, and is let go of when it is written.
            self.pending.touch_run(run);
        }
        Ok(())
    }

    /// What is cleared counts, and counts as queued anew, also while its run runs (Airflow 3: clear).
    async fn do_as_asked(&mut self, id: Uuid, event: Event) -> Result<(), StoreError> {
        let now = self.settings.clock.now();
        let Some(active) = self.runs.get_mut(&id) else { return Ok(()) };
        let was_over = active.run.state.is_finished();
        let is_mark = matches!(event, Event::Marked { .. });
        let clears = matches!(&event, Event::Cleared { instances, reopens: true } if !instances.is_empty());
        if clears || matches!(event, Event::Marked { state } if !state.is_finished()) {
            active.row.queued_at = Some(now);
            // First, because it can fail, and may be done again.
            self.set_deadlines(&self.runs[&id]).await?;
        }
        self.step(id, event);
        if let Some(active) = self.runs.get_mut(&id) {
            let begins_again = was_over && active.run.state == RunState::Queued;
            active.row.clear_number += i32::from(clears || (begins_again && !is_mark));
            if begins_again {
                active.row.queued_at = Some(now);
            }
        }
        Ok(())
    }
}

/// The data interval of the newest scheduled run of a DAG, as it was stored.
pub(super) fn last_interval(standing: &Standing) -> Option<DataInterval> {
    standing.last().map(|(start, end)| DataInterval { start, end })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use schemars::JsonSchema;
    use sea_orm::ConnectionTrait as _;
    use serde::Deserialize;
    use tempfile::TempDir;

    use super::*;
    use crate::catalog::Catalog;
    use crate::clock::Clock;
    use crate::control::{Control, Trigger, TriggeredBy};
    use crate::engine::leash::Leash;
    use crate::engine::wake::Waker;
    use crate::engine::{EngineSettings, Execution, lease};
    use crate::events::Changes;
    use crate::log::Logs;
    use crate::operator::{DeliveryError, Notice, Notifier, Operator, Outcome, Registry, TaskContext, TaskError};
    use crate::secrets::Secrets;
    use crate::sources::folder::DagFolder;
    use crate::store::leases::Holder;
    use crate::testing::TestDb;

    const LATE: &str = "\
deadline: [{reference: DAGRUN_QUEUED_AT, interval: 1h, callback: {quiet: {}}}]
tasks: [{task_id: a, operator: empty}]
";

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct NoArgs {}

    struct Empty;

    impl Operator for Empty {
        const NAME: &'static str = "empty";
        const SUMMARY: &'static str = "Does nothing.";
        type Args = NoArgs;

        async fn execute(&self, _: NoArgs, _: &TaskContext) -> Result<Outcome, TaskError> {
            Ok(Outcome::done())
        }
    }

    struct Quiet;

    impl Notifier for Quiet {
        const NAME: &'static str = "quiet";
        const SUMMARY: &'static str = "Tells nobody.";
        type Args = NoArgs;

        async fn deliver(&self, _: NoArgs, _: &Notice) -> Result<(), DeliveryError> {
            Ok(())
        }
    }

    /// A coordinator that has not looked yet, and a run that belongs to nobody.
    async fn coordinator_and_run(db: &TestDb, folder: &TempDir) -> (Coordinator, Uuid) {
        let mut registry = Registry::default();
        registry.register(Empty).unwrap();
        registry.register_notifier(Quiet).unwrap();
        let (catalog, changes) = (Catalog::new(Arc::new(registry)), Changes::default());
        let clock = Clock::manual("2026-11-21T12:00:00Z".parse().unwrap());
        let (waker, wakes) = Waker::new();
        let control = Control::new((**db).clone(), catalog.clone(), clock.clone(), changes.clone(), waker.clone());
        let dags = folder.path().join("dags");
        std::fs::create_dir(&dags).unwrap();
        std::fs::write(dags.join("late.yaml"), LATE).unwrap();
        let (files_db, files_clock) = ((**db).clone(), clock.clone());
        DagFolder::new(dags, files_db, catalog.clone(), files_clock, changes.clone(), waker.clone(), false)
            .sync()
            .await
            .unwrap();
        let trigger = Trigger {
            run_id: Some("one".to_owned()),
            logical_date: None,
            data_interval: None,
            partition_key: None,
            run_after: None,
            conf: serde_json::Map::new(),
            note: None,
            triggered_by: TriggeredBy::Test,
            user: None,
        };
        let run = control.trigger("late", trigger).await.unwrap();
        let (holder, leash) = (Holder::alone("home", "here"), Arc::new(Leash::endless()));
        let lease = lease::lead(db, &holder, &[], &leash, &clock).await.unwrap().unwrap();
        let settings = EngineSettings {
            db: (**db).clone(),
            catalog,
            clock,
            changes,
            home: folder.path().to_owned(),
            logs: Logs::Folder(folder.path().join("logs")),
            parallelism: 1,
            max_map_length: 1,
            holder,
            base_url: None,
            grace: Duration::ZERO,
            execution: Execution::Here,
            bus: None,
            leash,
            secrets: Secrets::new(Vec::new(), (**db).clone(), Arc::default()),
            run_maker: Arc::new(control),
            makes_due_runs: true,
        };
        (Coordinator::start(settings, lease, waker, wakes).await.unwrap(), run.id)
    }

    #[tokio::test]
    async fn a_run_is_taken_up_also_when_the_answer_that_it_was_adopted_is_lost() {
        let (db, folder) = (TestDb::sqlite().await, TempDir::new().unwrap());
        let (mut coordinator, run) = coordinator_and_run(&db, &folder).await;
        // As after a commit that Postgres carried out, and of which the connection broke before it said so.
        let txn = db.begin_write().await.unwrap();
        runs::adopt(&txn, coordinator.lease(), ADOPT_MAX).await.unwrap();
        commit(txn).await.unwrap();
        coordinator.todo.is_unsure = true;

        coordinator.adopt().await.unwrap();

        assert!(coordinator.runs.contains_key(&run));
        assert!(!coordinator.todo.is_unsure);
    }

    /// What is in memory can start; what is taken up again afterwards would find its own tries, and take them for lost.
    #[tokio::test]
    async fn a_run_that_cannot_be_taken_up_yet_starts_nothing() {
        let (db, folder) = (TestDb::sqlite().await, TempDir::new().unwrap());
        let (mut coordinator, run) = coordinator_and_run(&db, &folder).await;
        let rename = |from: &str, to: &str| format!("ALTER TABLE {from} RENAME TO {to}");
        let txn = db.begin_write().await.unwrap();
        txn.execute_unprepared(&rename("deadline", "away")).await.unwrap();
        commit(txn).await.unwrap();

        coordinator.adopt().await.unwrap_err();
        assert!(coordinator.runs.is_empty());

        let txn = db.begin_write().await.unwrap();
        txn.execute_unprepared(&rename("away", "deadline")).await.unwrap();
        commit(txn).await.unwrap();
        coordinator.adopt().await.unwrap();
        assert!(coordinator.runs.contains_key(&run), "it waits to be taken up");
    }
}
