//! Deleting a task instance with all that is stored of it.

use serde_json::json;

use super::delete::assert_instance_ended_elsewhere;
use super::{Control, ControlError};
use crate::events::Change;
use crate::operator::TaskKey;
use crate::run::RunState;
use crate::store::audit::{self, Deed, DeedTask};
use crate::store::runs::{self, InstanceKey};
use crate::store::{commit, history};

impl Control {
    /// Deletes a task instance of a run that is over. When the run is cleared, the task is made anew.
    ///
    /// # Errors
    /// [`ControlError::Conflict`] while the run goes on: whoever moves it on would be surprised; and while something that it
    /// started elsewhere may go on there.
    pub async fn delete_task_instance(&self, of: &TaskKey, user: Option<&str>) -> Result<(), ControlError> {
        let now = self.clock.now();
        let txn = self.db.begin_write().await?;
        let run = runs::get_locked(&txn, &of.dag_id, &of.run_id).await?;
        let instance = runs::lock_instance(&txn, of).await?;
        if !run.state.parse().is_ok_and(RunState::is_finished) || run.owner.is_some() {
            return Err(ControlError::Conflict(format!(
                "run `{}` is {}; wait until it is over, or mark it failed, before task `{}` is deleted from it",
                run.run_id, run.state, of.task_id
            )));
        }
        let key = InstanceKey::of(run.id, of);
        assert_instance_ended_elsewhere(&txn, &key, now).await?;
        history::delete_instance(&txn, &key).await?;
        let deed = Deed {
            event: "delete_task_instance",
            dag_id: Some(&of.dag_id),
            run_id: Some(&of.run_id),
            task: Some(DeedTask { task_id: &of.task_id, map_index: of.map_index, try_number: instance.try_number }),
            owner: user,
            extra: Some(json!({ "state": instance.state })),
        };
        audit::record(&txn, deed, now).await?;
        commit(txn).await?;
        self.changes.send(Change::task_instance(&of.dag_id, &of.run_id, &of.task_id, None).of_instance(of.map_index));
        Ok(())
    }
}
