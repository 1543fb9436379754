//! Deleting a DAG whose file is gone, with all that is stored of it.

use serde_json::json;

use super::delete::{assert_ended_elsewhere, assert_left_alone};
use super::{Control, ControlError};
use crate::engine::wake::Wake;
use crate::events::Change;
use crate::run::RunState;
use crate::store::audit::{self, Deed};
use crate::store::{commit, dags, history};

/// Runs that are deleted in one transaction.
const RUNS_MAX: u64 = 200;

impl Control {
    /// Deletes a DAG: its runs with all that is stored of them, its versions and backfills. What is broken off has deleted
    /// whole runs, and can be done again.
    ///
    /// # Errors
    /// [`ControlError::Conflict`] when a run of it is not over, when something that it started elsewhere may still go on there,
    /// and when its file is still there: it would come back.
    pub async fn delete_dag(&self, dag_id: &str, user: Option<&str>) -> Result<(), ControlError> {
        let mut deleted = 0;
        loop {
            let txn = self.db.begin_write().await?;
            // Nobody makes a run of it meanwhile.
            let row = dags::get_locked(&txn, dag_id).await?;
            if !row.is_stale {
                return Err(ControlError::Conflict(format!(
                    "DAG `{dag_id}` is in the file `{}`; take it out of there first, or it comes back",
                    row.relative_fileloc
                )));
            }
            let runs = history::of_dag_locked(&txn, dag_id, RUNS_MAX).await?;
            if let Some(run) = runs.iter().find(|run| !run.state.parse().is_ok_and(RunState::is_finished)) {
                return Err(ControlError::Conflict(format!(
                    "run `{}` is {}; mark it failed before its DAG is deleted",
                    run.run_id, run.state
                )));
            }
            runs.iter().try_for_each(assert_left_alone)?;
            assert_ended_elsewhere(&txn, &runs, self.clock.now()).await?;
            let keys: Vec<_> = runs.iter().map(|run| run.id).collect();
            if !keys.is_empty() {
                history::delete_runs(&txn, &keys).await?;
                deleted += keys.len();
                commit(txn).await?;
                continue;
            }
            dags::delete(&txn, dag_id).await?;
            let extra = Some(json!({ "runs": deleted }));
            let deed = Deed { event: "delete_dag", dag_id: Some(dag_id), owner: user, extra, ..Deed::default() };
            audit::record(&txn, deed, self.clock.now()).await?;
            commit(txn).await?;
            break;
        }
        self.changes.send(Change::dag(dag_id));
        self.waker.wake(Wake::Dags(vec![dag_id.to_owned()]));
        Ok(())
    }
}
