//! Deleting a run with all that is stored of it.

use serde_json::json;

use super::{Control, ControlError, RunPatch};
use crate::events::Change;
use crate::run::RunState;
use crate::store::audit::{self, Deed};
use crate::store::{commit, runs};

impl Control {
    /// Deletes a run that does not run (Airflow 3: only `queued`, `success` and `failed` ones).
    ///
    /// # Errors
    /// [`ControlError::Conflict`] when it runs.
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
        Ok(())
    }
}
