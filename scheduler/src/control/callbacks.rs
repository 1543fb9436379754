//! Letting callbacks be told again that could not be told.

use serde_json::json;
use uuid::Uuid;

use super::{Control, ControlError};
use crate::engine::wake::Wake;
use crate::events::Change;
use crate::store::audit::{self, Deed, DeedTask};
use crate::store::callbacks::{self, CallbackState};
use crate::store::commit;
use crate::store::entity::callback_request;

impl Control {
    /// Lets a callback be told again at once: one that was given up, or that waits for another attempt.
    ///
    /// # Errors
    /// [`ControlError::Conflict`] when it was delivered.
    pub async fn retry_callback(&self, id: Uuid, user: Option<&str>) -> Result<callback_request::Model, ControlError> {
        let now = self.clock.now();
        let txn = self.db.begin_write().await?;
        let row = callbacks::get_locked(&txn, id).await?;
        if row.state == CallbackState::Delivered.word() {
            return Err(ControlError::Conflict(format!(
                "callback `{id}` was delivered; telling it twice would mislead"
            )));
        }
        let retried = callbacks::retry(&txn, id, now).await?;
        let deed = Deed {
            event: "retry_callback",
            dag_id: Some(&row.dag_id),
            run_id: Some(&row.run_id),
            task: DeedTask::of_callback(&row),
            owner: user,
            extra: Some(json!({ "callback": row.kind, "position": row.position, "error": row.error })),
        };
        audit::record(&txn, deed, now).await?;
        commit(txn).await?;
        self.changes.send(Change::callbacks(&row.dag_id, &row.run_id));
        self.waker.wake(Wake::Callbacks);
        Ok(retried)
    }
}
