//! Runs for dates in the past (Airflow 3: backfill).

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::affected::Affected;
use super::finished::named;
use super::{Control, ControlError, RunPatch, assert_allowed};
use crate::dag::timetable::{Catchup, CatchupMode, NextRun, Past, Restriction, Timetable};
use crate::dag::{Dag, PastDependency, params};
use crate::engine::wake::Wake;
use crate::events::Change;
use crate::run::{RunState, RunType};
use crate::run_id;
use crate::store::audit::{self, Deed};
use crate::store::entity::{backfill, dag, dag_run};
use crate::store::requests::Request;
use crate::store::{backfills, commit, dags, runs, versions};

/// A backfill makes at most so many runs.
const RUNS_MAX: usize = 10_000;

/// What happens to dates that have a run already (Airflow 3: ReprocessBehavior).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reprocess {
    /// It is left as it is.
    #[default]
    None,
    /// It runs again when it failed.
    Failed,
    /// It runs again when it is over, however it ended.
    Completed,
}

impl Reprocess {
    /// Airflow's words.
    pub const WORDS: [&'static str; 3] = ["none", "failed", "completed"];

    /// Airflow's word.
    pub fn word(self) -> &'static str {
        Reprocess::WORDS[self as usize]
    }

    /// What a word means.
    pub fn of_word(word: &str) -> Option<Reprocess> {
        [Reprocess::None, Reprocess::Failed, Reprocess::Completed].into_iter().find(|known| known.word() == word)
    }
}

/// What is to be run.
#[derive(Clone, Debug)]
pub struct NewBackfill {
    /// The DAG.
    pub dag_id: String,
    /// The first logical date, inclusive.
    pub from_date: DateTime<Utc>,
    /// The last logical date, inclusive.
    pub to_date: DateTime<Utc>,
    /// Whether the newest date goes first.
    pub run_backwards: bool,
    /// What is passed to its runs.
    pub conf: Map<String, Value>,
    /// What happens to dates that have a run.
    pub reprocess: Reprocess,
    /// Most of its runs at the same time.
    pub max_active_runs: u32,
    /// Whether runs that are reused go on with the newest version of the DAG; when absent they do, unless the DAG says
    /// otherwise (Airflow 3).
    pub run_on_latest_version: Option<bool>,
}

/// What became, or would become, of one date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackfillDate {
    /// The logical date.
    pub logical_date: Option<DateTime<Utc>>,
    /// What happens.
    pub fate: Fate,
}

/// What becomes of a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A run is made.
    New,
    /// The run that it has runs again.
    Again,
    /// Its run is left as it is, because `reprocess` says so.
    AlreadyExists,
    /// Its run has not ended.
    InFlight,
}

impl Fate {
    /// Whether a run comes of it.
    pub fn is_run(self) -> bool {
        matches!(self, Fate::New | Fate::Again)
    }

    /// In words.
    pub fn word(self) -> &'static str {
        match self {
            Fate::New => "new run",
            Fate::Again => "runs again",
            Fate::AlreadyExists => "already exists",
            Fate::InFlight => "in flight",
        }
    }
}

impl Control {
    /// What a backfill would do, date by date in its order.
    pub async fn plan_backfill(&self, new: &NewBackfill) -> Result<Vec<BackfillDate>, ControlError> {
        // It holds nothing still, because it promises nothing.
        let db = self.db.read();
        let dag = dags::get_live(db, &new.dag_id).await?;
        let due = self.due(&dag, new)?;
        let existing = runs::between(db, &new.dag_id, Some(new.from_date), Some(new.to_date)).await?;
        Ok(told(plan(due, &existing, new.reprocess)))
    }

    /// Makes a backfill with all its runs; they begin as far as its limit allows.
    ///
    /// # Errors
    /// [`ControlError::Conflict`] when the DAG has an active backfill; [`ControlError::Invalid`] when there is nothing to
    /// run, or it makes no sense.
    pub async fn create_backfill(
        &self,
        new: NewBackfill,
        user: Option<&str>,
    ) -> Result<(backfill::Model, Vec<BackfillDate>), ControlError> {
        let now = self.clock.now();
        let txn = self.db.begin_write().await?;
        // Locks the DAG, so that two backfills of it cannot be made at once.
        let dag = dags::get_live(&txn, &new.dag_id).await?;
        let version = versions::current(&txn, &dag, now).await?;
        let is_active = |other: &backfill::Model| other.dag_id == new.dag_id;
        if let Some(other) = backfills::active(&txn).await?.into_iter().find(is_active) {
            return Err(ControlError::Conflict(format!(
                "DAG `{}` has an active backfill already: {}",
                new.dag_id, other.id
            )));
        }
        let due = self.due(&dag, &new)?;
        let existing = runs::between_locked(&txn, &new.dag_id, Some(new.from_date), Some(new.to_date)).await?;
        let plan = plan(due, &existing, new.reprocess);
        if !plan.iter().any(|(_, fate, _)| fate.is_run()) {
            return Err(ControlError::Invalid(
                "no runs are to be made in this range: every date has one, and `reprocess_behavior` leaves them"
                    .to_owned(),
            ));
        }
        let mut row = row_of(&new, user, now);
        row.id = backfills::insert(&txn, row.clone()).await?;
        let reused_on = self.reuses_on_latest(&dag, &new)?.then_some(version);
        let mut ordinal = 0;
        for (next, fate, existing) in &plan {
            ordinal += i32::from(fate.is_run());
            match (fate, existing) {
                (Fate::New, _) => {
                    runs::insert(&txn, new_run(&new, &row, next, version, ordinal, now)).await?;
                }
                (Fate::Again, Some(run)) => self.run_again(&txn, run.clone(), &row, ordinal, reused_on).await?,
                _ => {}
            }
        }
        let deed = Deed {
            event: "create_backfill",
            dag_id: Some(&new.dag_id),
            owner: user,
            extra: Some(
                json!({ "backfill_id": row.id, "from_date": new.from_date, "to_date": new.to_date, "runs": ordinal }),
            ),
            ..Deed::default()
        };
        audit::record(&txn, deed, now).await?;
        commit(txn).await?;
        self.waker.wake(Wake::Backfills);
        self.waker.wake(Wake::Runs);
        self.changes.send(Change::dag(&new.dag_id));
        Ok((row, told(plan)))
    }

    /// The dates of the range, in the order of the backfill.
    fn due(&self, dag: &dag::Model, new: &NewBackfill) -> Result<Vec<NextRun>, ControlError> {
        let definition = self.current_definition(dag)?;
        check(new, &definition)?;
        let mut due = dates(&definition, new, self.clock.now())?;
        if new.run_backwards {
            due.reverse();
        }
        Ok(due)
    }

    pub(super) fn current_definition(&self, dag: &dag::Model) -> Result<std::sync::Arc<Dag>, ControlError> {
        self.catalog
            .definition(&dag.dag_id, &dag.version_hash, &dag.relative_fileloc, &dag.source)
            .map_err(|error| ControlError::Invalid(error.to_string()))
    }

    /// Whether runs that are reused go on with the newest version.
    fn reuses_on_latest(&self, dag: &dag::Model, new: &NewBackfill) -> Result<bool, ControlError> {
        match new.run_on_latest_version {
            Some(wanted) => Ok(wanted),
            None => Ok(self.current_definition(dag)?.runs.rerun_with_latest_version.unwrap_or(true)),
        }
    }

    /// Clears a run that is over and makes it part of the backfill (Airflow 3: it takes the type and the conf).
    async fn run_again(
        &self,
        txn: &DatabaseTransaction,
        run: dag_run::Model,
        backfill: &backfill::Model,
        ordinal: i32,
        version: Option<Uuid>,
    ) -> Result<(), ControlError> {
        let now = self.clock.now();
        let id = run.id;
        let meant = self.meant(txn, run).await?;
        let all: Vec<Affected> = meant.affected(&meant.dag.tasks().map(|(task, _)| task).collect(), &[], |_| true);
        self.tell(txn, meant, Request::Clear { instances: named(&all), version, keeps_run_state: false }, None, now)
            .await?;
        Ok(runs::join_backfill(txn, id, backfill.id, ordinal, &backfill.dag_run_conf, now).await?)
    }

    /// Stops the queued runs of a backfill from beginning, or lets them.
    pub async fn pause_backfill(
        &self,
        id: i64,
        is_paused: bool,
        user: Option<&str>,
    ) -> Result<backfill::Model, ControlError> {
        let now = self.clock.now();
        let txn = self.db.begin_write().await?;
        let row = backfills::get(&txn, id).await?;
        if !backfills::set_paused(&txn, id, is_paused, now).await? {
            return Err(ControlError::Conflict(format!("backfill {id} is completed")));
        }
        let event = if is_paused { "pause_backfill" } else { "unpause_backfill" };
        let extra = Some(json!({ "backfill_id": id }));
        let deed = Deed { event, dag_id: Some(&row.dag_id), owner: user, extra, ..Deed::default() };
        audit::record(&txn, deed, now).await?;
        commit(txn).await?;
        self.waker.wake(Wake::Backfills);
        self.changes.send(Change::dag(&row.dag_id));
        Ok(backfills::get(self.db.read(), id).await?)
    }

    /// Ends a backfill: its queued runs fail, those that run go on (Airflow 3: cancel backfill).
    pub async fn cancel_backfill(&self, id: i64, user: Option<&str>) -> Result<backfill::Model, ControlError> {
        let row = self.pause_backfill(id, true, user).await?;
        for run in backfills::queued_runs(self.db.read(), id).await? {
            let failed =
                RunPatch { state: Some(RunState::Failed), note: Some("the backfill was cancelled".to_owned()) };
            self.patch_run(&run.dag_id, &run.run_id, failed, user).await?;
        }
        let now = self.clock.now();
        let txn = self.db.begin_write().await?;
        backfills::complete(&txn, id, now).await?;
        let extra = Some(json!({ "backfill_id": id }));
        let deed = Deed { event: "cancel_backfill", dag_id: Some(&row.dag_id), owner: user, extra, ..Deed::default() };
        audit::record(&txn, deed, now).await?;
        commit(txn).await?;
        self.waker.wake(Wake::Backfills);
        self.changes.send(Change::dag(&row.dag_id));
        Ok(backfills::get(self.db.read(), id).await?)
    }
}

fn check(new: &NewBackfill, dag: &Dag) -> Result<(), ControlError> {
    let invalid = |text: String| Err(ControlError::Invalid(text));
    assert_allowed(dag, RunType::Backfill)?;
    if new.from_date > new.to_date {
        return invalid(format!("`from_date` {} is after `to_date` {}", new.from_date, new.to_date));
    }
    if new.max_active_runs == 0 {
        return invalid("`max_active_runs` must be at least 1".to_owned());
    }
    if let Some((_, task)) = dag.tasks().find(|(_, task)| task.past != PastDependency::None) {
        let task = &task.task_id;
        if new.run_backwards {
            return invalid(format!("task `{task}` waits for the run before, so that the dates cannot run backwards"));
        }
        if new.reprocess == Reprocess::None {
            return invalid(format!(
                "task `{task}` waits for the run before: choose the `reprocess_behavior` failed or completed"
            ));
        }
    }
    params::merge_and_validate(dag, &new.conf).map(drop).map_err(|problems| {
        ControlError::Invalid(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    })
}

/// The runs that the schedule would have made in the range, as far as their time has come.
fn dates(dag: &Dag, new: &NewBackfill, now: DateTime<Utc>) -> Result<Vec<NextRun>, ControlError> {
    let timetable =
        Timetable::new(&dag.schedule, dag.timezone).map_err(|error| ControlError::Invalid(error.to_string()))?;
    if !timetable.is_periodic() {
        return Err(ControlError::Invalid(format!("DAG `{}` has no periodic schedule to fill in", dag.dag_id)));
    }
    if timetable.is_partitioned() {
        return Err(ControlError::Invalid(format!(
            "backfills of partitions are not served: trigger DAG `{}` with each `partition_key` that is wanted",
            dag.dag_id
        )));
    }
    let catchup = Catchup { mode: CatchupMode::All, window: None };
    let restriction = Restriction { earliest: Some(new.from_date), latest: None, catchup };
    let mut past = Past::default();
    let mut dates: Vec<NextRun> = Vec::new();
    while let Some(next) = timetable.next_run(&past, now, &restriction) {
        if next.logical_date > new.to_date || next.data_interval.end >= now {
            break;
        }
        past = Past::after(next.data_interval);
        if next.logical_date < new.from_date {
            // Due within the range, but about a time before it.
            continue;
        }
        if dates.len() >= RUNS_MAX {
            return Err(ControlError::Invalid(format!(
                "a backfill makes at most {RUNS_MAX} runs; take a shorter range"
            )));
        }
        dates.push(next);
    }
    if dates.is_empty() {
        return Err(ControlError::Invalid("no runs are due in this range, or their time has not come yet".to_owned()));
    }
    Ok(dates)
}

/// A date with what becomes of it, and the run that it has.
type Planned = (NextRun, Fate, Option<dag_run::Model>);

fn plan(due: Vec<NextRun>, existing: &[dag_run::Model], reprocess: Reprocess) -> Vec<Planned> {
    let planned = |next: NextRun| {
        let run = existing.iter().find(|run| run.logical_date == Some(next.logical_date)).cloned();
        let fate = run.as_ref().map_or(Fate::New, |run| fate(run, reprocess));
        (next, fate, run)
    };
    due.into_iter().map(planned).collect()
}

fn told(plan: Vec<Planned>) -> Vec<BackfillDate> {
    let date = |(next, fate, _): Planned| BackfillDate { logical_date: Some(next.logical_date), fate };
    plan.into_iter().map(date).collect()
}

fn fate(run: &dag_run::Model, reprocess: Reprocess) -> Fate {
    match (run.state.as_str(), reprocess) {
        ("queued" | "running", _) => Fate::InFlight,
        ("failed", Reprocess::Failed | Reprocess::Completed) | (_, Reprocess::Completed) => Fate::Again,
        _ => Fate::AlreadyExists,
    }
}

fn row_of(new: &NewBackfill, user: Option<&str>, now: DateTime<Utc>) -> backfill::Model {
    backfill::Model {
        id: 0,
        dag_id: new.dag_id.clone(),
        from_date: new.from_date,
        to_date: new.to_date,
        dag_run_conf: Value::Object(new.conf.clone()),
        is_paused: false,
        reprocess_behavior: new.reprocess.word().to_owned(),
        max_active_runs: i32::try_from(new.max_active_runs).unwrap_or(i32::MAX),
        triggering_user_name: user.map(str::to_owned),
        created_at: now,
        completed_at: None,
        updated_at: now,
    }
}

fn new_run(
    new: &NewBackfill,
    backfill: &backfill::Model,
    next: &NextRun,
    version: Uuid,
    ordinal: i32,
    now: DateTime<Utc>,
) -> dag_run::Model {
    dag_run::Model {
        id: Uuid::now_v7(),
        dag_id: new.dag_id.clone(),
        run_id: run_id::generate(RunType::Backfill, next.run_after, Some(next.logical_date)),
        run_type: RunType::Backfill.word().to_owned(),
        state: RunState::Queued.word().to_owned(),
        logical_date: Some(next.logical_date),
        data_interval_start: Some(next.data_interval.start),
        data_interval_end: Some(next.data_interval.end),
        partition_key: None,
        partition_date: None,
        run_after: next.run_after,
        queued_at: Some(now),
        start_date: None,
        end_date: None,
        last_scheduling_decision: None,
        triggered_by: Some("backfill".to_owned()),
        triggering_user_name: backfill.triggering_user_name.clone(),
        conf: backfill.dag_run_conf.clone(),
        note: None,
        dag_version_id: version,
        backfill_id: Some(backfill.id),
        sort_ordinal: Some(ordinal),
        decided_state: None,
        clear_number: 0,
        owner: None,
        reason: None,
        updated_at: now,
    }
}
