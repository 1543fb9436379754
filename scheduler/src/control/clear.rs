//! Running again: task instances, or a whole run (Airflow 3: clear).

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;
use serde_json::json;
use uuid::Uuid;

use super::affected::{Affected, Meant, Relatives, TaskRef, assert_known};
use super::finished::named;
use super::{Control, ControlError, check_note};
use crate::engine::wake::Wake;
use crate::events::Change;
use crate::run::selection;
use crate::store::audit::{self, Deed};
use crate::store::entity::{dag_run, task_instance};
use crate::store::requests::Request;
use crate::store::{commit, dags, runs, versions};

/// Runs in which something is to run again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Runs {
    /// This one.
    One(String),
    /// Those whose logical date lies between these two, inclusive.
    Between(Option<DateTime<Utc>>, Option<DateTime<Utc>>),
}

/// Which task instances are meant by their state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatesMeant {
    /// Whatever it is.
    #[default]
    Any,
    /// Only `failed` and `upstream_failed`.
    Failed,
    /// Only `running`.
    Running,
}

/// Which task instances are to run again.
#[derive(Clone, Debug)]
pub struct ClearTasks {
    /// In which runs.
    pub runs: Runs,
    /// Which tasks; all of them when empty.
    pub tasks: Vec<TaskRef>,
    /// What goes with them.
    pub relatives: Relatives,
    /// In which states.
    pub states: StatesMeant,
    /// On the newest version of the DAG rather than on that of the run; the DAG decides when absent.
    pub run_on_latest_version: Option<bool>,
    /// Refuse when one of them runs, instead of stopping it.
    pub prevent_running_task: bool,
    /// Let runs that are over begin again; otherwise what is cleared waits until somebody lets its run go on.
    pub reset_runs: bool,
    /// A remark on what is cleared; an empty one deletes it.
    pub note: Option<String>,
    /// Only say what would be cleared.
    pub dry_run: bool,
}

/// How a run is to run again.
#[derive(Clone, Debug, Default)]
pub struct ClearRun {
    /// Only what failed.
    pub only_failed: bool,
    /// Only tasks that the newest version of the DAG has and the run does not; implies the newest version.
    pub only_new: bool,
    /// On the newest version of the DAG rather than on that of the run; the DAG decides when absent.
    pub run_on_latest_version: Option<bool>,
    /// A remark.
    pub note: Option<String>,
    /// Only say what would be cleared.
    pub dry_run: bool,
}

/// What runs again after a run was cleared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClearedRun {
    /// What was there, and runs anew.
    pub instances: Vec<Affected>,
    /// Tasks that the newest version of the DAG has and the run had not.
    pub new_tasks: Vec<String>,
}

impl Control {
    /// Lets task instances run again. Answers with those that are, or would be, cleared.
    pub async fn clear_tasks(
        &self,
        dag_id: &str,
        clear: ClearTasks,
        user: Option<&str>,
    ) -> Result<Vec<Affected>, ControlError> {
        check_note(clear.note.as_deref())?;
        let now = self.clock.now();
        let txn = self.db.begin_write().await?;
        let version = self.latest_version(&txn, dag_id, clear.run_on_latest_version, now).await?;
        let meant_runs = match &clear.runs {
            Runs::One(run_id) => {
                let run = runs::get_locked(&txn, dag_id, run_id).await?;
                self.with_past_and_future(&txn, run, clear.relatives).await?
            }
            Runs::Between(from, until) => runs::between_locked(&txn, dag_id, *from, *until).await?,
        };
        let meant_runs = self.all_meant(&txn, meant_runs).await?;
        assert_known(&clear.tasks, &meant_runs)?;
        let mut chosen = Vec::with_capacity(meant_runs.len());
        for meant in meant_runs {
            let affected = clear.affected(&meant)?;
            chosen.push((meant, affected));
        }
        let all: Vec<Affected> = chosen.iter().flat_map(|(_, affected)| affected.iter().cloned()).collect();
        if clear.dry_run {
            return Ok(all);
        }
        let mut waiting = Vec::new();
        for (meant, affected) in chosen.into_iter().filter(|(_, affected)| !affected.is_empty()) {
            if let Some(note) = &clear.note {
                meant.remark(&txn, &affected, note, now).await?;
            }
            let request = Request::Clear { instances: named(&affected), version, keeps_run_state: !clear.reset_runs };
            waiting.extend(self.tell(&txn, meant, request, user, now).await?);
        }
        let extra = json!({ "task_instances": all.len(), "on_latest_version": version.is_some() });
        let deed = Deed {
            event: "post_clear_task_instances",
            dag_id: Some(dag_id),
            run_id: match &clear.runs {
                Runs::One(run_id) => Some(run_id),
                Runs::Between(..) => None,
            },
            owner: user,
            extra: Some(extra),
            ..Deed::default()
        };
        audit::record(&txn, deed, now).await?;
        commit(txn).await?;
        self.announce(&all);
        self.all_carried_out(waiting).await?;
        Ok(all)
    }

    /// Lets a run run again. Answers with what runs, or would run, again.
    pub async fn clear_run(
        &self,
        dag_id: &str,
        run_id: &str,
        clear: ClearRun,
        user: Option<&str>,
    ) -> Result<ClearedRun, ControlError> {
        check_note(clear.note.as_deref())?;
        let now = self.clock.now();
        let txn = self.db.begin_write().await?;
        let wants_latest = if clear.only_new { Some(true) } else { clear.run_on_latest_version };
        let version = self.latest_version(&txn, dag_id, wants_latest, now).await?;
        let row = runs::get_locked(&txn, dag_id, run_id).await?;
        let meant = self.meant(&txn, row).await?;
        let states = if clear.only_failed { StatesMeant::Failed } else { StatesMeant::Any };
        let tasks = meant.tasks(&[], selection::Reach::default());
        let affected = if clear.only_new { Vec::new() } else { meant.affected(&tasks, &[], |row| states.holds(row)) };
        let new_tasks = match version {
            Some(version) => meant.new_tasks(&*self.definition_of(&txn, version).await?),
            None => Vec::new(),
        };
        if clear.dry_run {
            return Ok(ClearedRun { instances: affected, new_tasks });
        }
        if let Some(note) = &clear.note {
            runs::set_note(&txn, meant.row.id, Some(note.as_str()).filter(|note| !note.is_empty()), now).await?;
        }
        let request = Request::Clear { instances: named(&affected), version, keeps_run_state: false };
        let waiting = self.tell(&txn, meant, request, user, now).await?;
        let deed = Deed {
            event: "clear_dag_run",
            dag_id: Some(dag_id),
            run_id: Some(run_id),
            owner: user,
            extra: Some(json!({ "only_failed": clear.only_failed, "only_new": clear.only_new })),
            ..Deed::default()
        };
        audit::record(&txn, deed, now).await?;
        commit(txn).await?;
        self.changes.send(Change::dag_run(dag_id, run_id, "queued"));
        self.announce(&affected);
        self.all_carried_out(waiting.into_iter().collect()).await?;
        Ok(ClearedRun { instances: affected, new_tasks })
    }

    /// The newest version of a DAG, if that is wanted, or if nothing is said and the DAG wants it (Airflow 3:
    /// `rerun_with_latest_version`).
    async fn latest_version(
        &self,
        txn: &DatabaseTransaction,
        dag_id: &str,
        wanted: Option<bool>,
        now: DateTime<Utc>,
    ) -> Result<Option<Uuid>, ControlError> {
        let dag = dags::get_live(txn, dag_id).await?;
        let is_wanted = match wanted {
            Some(wanted) => wanted,
            None => self.current_definition(&dag)?.runs.rerun_with_latest_version.unwrap_or(false),
        };
        Ok(if is_wanted { Some(versions::current(txn, &dag, now).await?) } else { None })
    }

    /// Wakes the engine, and tells whoever watches.
    pub(super) fn announce(&self, affected: &[Affected]) {
        self.waker.wake(Wake::Runs);
        // Tasks of later runs may wait for what changed.
        self.waker.wake(Wake::Dags(affected.iter().map(|instance| instance.dag_id.clone()).take(1).collect()));
        for instance in affected {
            self.changes.send(Change::task_instance(&instance.dag_id, &instance.run_id, &instance.task_id, None));
        }
    }
}

impl StatesMeant {
    fn holds(self, row: &task_instance::Model) -> bool {
        match self {
            StatesMeant::Any => true,
            StatesMeant::Failed => matches!(row.state.as_deref(), Some("failed" | "upstream_failed")),
            StatesMeant::Running => row.state.as_deref() == Some("running"),
        }
    }
}

impl ClearTasks {
    fn affected(&self, meant: &Meant) -> Result<Vec<Affected>, ControlError> {
        let tasks = meant.tasks(&self.tasks, self.relatives.reach());
        let with_setups = selection::with_setups(&meant.dag, &tasks);
        // Setups and teardowns come along whatever their state, when anything that needs them does.
        let chosen = meant.affected(&tasks, &self.tasks, |row| self.states.holds(row));
        if chosen.is_empty() {
            return Ok(chosen);
        }
        let running = |row: &&task_instance::Model| row.state.as_deref() == Some("running");
        let is_chosen = |row: &&task_instance::Model| {
            chosen.iter().any(|chosen| chosen.task_id == row.task_id && chosen.map_index == row.map_index)
        };
        if self.prevent_running_task
            && let Some(row) = meant.instances.iter().filter(is_chosen).find(running)
        {
            return Err(ControlError::Conflict(format!("task `{}` of run `{}` is running", row.task_id, row.run_id)));
        }
        let extra: std::collections::BTreeSet<_> = with_setups.difference(&tasks).copied().collect();
        Ok(chosen.into_iter().chain(meant.affected(&extra, &[], |_| true)).collect())
    }
}

/// The run of an id, for those that only look.
pub(super) async fn find_run(
    txn: &DatabaseTransaction,
    dag_id: &str,
    run_id: &str,
) -> Result<dag_run::Model, ControlError> {
    Ok(runs::get_locked(txn, dag_id, run_id).await?)
}
