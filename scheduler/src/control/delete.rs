//! Deleting a run with all that is stored of it.

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;
use serde_json::json;

use super::{Control, ControlError, RunPatch};
use crate::engine::wake::Wake;
use crate::events::Change;
use crate::run::RunState;
use crate::store::audit::{self, Deed};
use crate::store::entity::dag_run;
use crate::store::runs::InstanceKey;
use crate::store::{checkpoints, commit, runs};

impl Control {
    /// Deletes a run that does not run (Airflow 3: only `queued`, `success` and `failed` ones).
    ///
    /// # Errors
    /// [`ControlError::Conflict`] when it runs or a scheduler has it in hand, and when something that it started elsewhere may
    /// still go on there.
    pub async fn delete_run(&self, dag_id: &str, run_id: &str, user: Option<&str>) -> Result<(), ControlError> {
        let row = runs::get(self.db.read(), dag_id, run_id).await?;
        if row.state == RunState::Queued.word() {
            // Its owner has to let go of it first.
            let failed = RunPatch { state: Some(RunState::Failed), note: None };
            self.patch_run(dag_id, run_id, failed, user).await?;
        }
        let now = self.clock.now();
        let txn = self.db.begin_write().await?;
        let row = runs::get_locked(&txn, dag_id, run_id).await?;
        if !row.state.parse().is_ok_and(RunState::is_finished) {
            return Err(ControlError::Conflict(format!(
                "run `{run_id}` is {}; mark it failed before it is deleted",
                row.state
            )));
        }
        assert_left_alone(&row)?;
        assert_ended_elsewhere(&txn, std::slice::from_ref(&row), now).await?;
        runs::delete(&txn, row.id).await?;
        let deed = Deed {
            event: "delete_dag_run",
            dag_id: Some(dag_id),
            run_id: Some(run_id),
            owner: user,
            extra: Some(json!({ "state": row.state })),
            ..Deed::default()
        };
        audit::record(&txn, deed, now).await?;
        commit(txn).await?;
        self.changes.send(Change::dag(dag_id));
        // A later run may have waited for it.
        self.waker.wake(Wake::Dags(vec![dag_id.to_owned()]));
        Ok(())
    }
}

/// Refuses to forget a run that is over, and that a scheduler has in hand because of what was asked of it: it would go on with a
/// run that is not there any more.
pub(super) fn assert_left_alone(run: &dag_run::Model) -> Result<(), ControlError> {
    if run.owner.is_some() {
        return Err(ControlError::Conflict(format!(
            "a scheduler does what was asked of run `{}`; delete it when that is done, which takes a moment",
            run.run_id
        )));
    }
    Ok(())
}

/// Refuses to forget what is still to be ended elsewhere: nobody else knows of it, and it costs money.
pub(super) async fn assert_ended_elsewhere(
    txn: &DatabaseTransaction,
    runs: &[dag_run::Model],
    now: DateTime<Utc>,
) -> Result<(), ControlError> {
    let keys: Vec<_> = runs.iter().map(|run| run.id).collect();
    let Some(left) = checkpoints::withdrawn_of(txn, &keys, now - checkpoints::ENDING_MAX).await? else { return Ok(()) };
    let run_id = runs.iter().find(|run| run.id == left.dag_run_id).map_or("", |run| run.run_id.as_str());
    Err(goes_on_elsewhere(run_id, &left.task_id))
}

/// The same for one task instance.
pub(super) async fn assert_instance_ended_elsewhere(
    txn: &DatabaseTransaction,
    of: &InstanceKey,
    now: DateTime<Utc>,
) -> Result<(), ControlError> {
    if checkpoints::was_withdrawn_after(txn, now - checkpoints::ENDING_MAX, of).await? {
        return Err(goes_on_elsewhere(&of.run_id, &of.task_id));
    }
    Ok(())
}

fn goes_on_elsewhere(run_id: &str, task_id: &str) -> ControlError {
    ControlError::Conflict(format!(
        "what task `{task_id}` of run `{run_id}` started elsewhere may still go on there; delete it when a scheduler has ended \
         that, which the log of the task tells"
    ))
}
