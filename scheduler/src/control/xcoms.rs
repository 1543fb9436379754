//! XComs that people write: make, change, delete.
//!
//! They say what tasks after it are given, and not over how many values those are mapped: that was counted when the task
//! ended (Airflow 3: TaskMap).

use serde_json::Value;

use super::{Control, ControlError};
use crate::operator::TaskKey;
use crate::storable;
use crate::store::audit::{self, Deed, DeedTask};
use crate::store::runs::{self, InstanceKey};
use crate::store::{StoreError, commit, xcoms};

impl Control {
    /// Leaves an XCom of a task instance.
    ///
    /// # Errors
    /// [`ControlError::Conflict`] when it has one of that key.
    pub async fn create_xcom(
        &self,
        of: &TaskKey,
        key: &str,
        value: Value,
        user: Option<&str>,
    ) -> Result<(), ControlError> {
        check(key, &value)?;
        let now = self.clock.now();
        let txn = self.db.begin_write().await?;
        let instance = runs::lock_instance(&txn, of).await?;
        xcoms::insert(&txn, &InstanceKey::of(instance.dag_run_id, of), key, value, now).await.map_err(|error| {
            match error {
                StoreError::Exists { .. } => ControlError::Conflict(format!(
                    "The XCom with key: `{key}` with mentioned task instance already exists."
                )),
                other => other.into(),
            }
        })?;
        audit::record(&txn, deed("create_xcom_entry", of, instance.try_number, key, user), now).await?;
        Ok(commit(txn).await?)
    }

    /// Gives an XCom another value.
    pub async fn update_xcom(
        &self,
        of: &TaskKey,
        key: &str,
        value: Value,
        user: Option<&str>,
    ) -> Result<(), ControlError> {
        check(key, &value)?;
        let now = self.clock.now();
        let txn = self.db.begin_write().await?;
        let instance = runs::lock_instance(&txn, of).await?;
        if !xcoms::update(&txn, &InstanceKey::of(instance.dag_run_id, of), key, value, now).await? {
            return Err(no_xcom(key));
        }
        audit::record(&txn, deed("update_xcom_entry", of, instance.try_number, key, user), now).await?;
        Ok(commit(txn).await?)
    }

    /// Deletes an XCom.
    pub async fn delete_xcom(&self, of: &TaskKey, key: &str, user: Option<&str>) -> Result<(), ControlError> {
        let txn = self.db.begin_write().await?;
        let instance = runs::lock_instance(&txn, of).await?;
        if !xcoms::delete(&txn, &InstanceKey::of(instance.dag_run_id, of), key).await? {
            return Err(no_xcom(key));
        }
        let deed = deed("delete_xcom_entry", of, instance.try_number, key, user);
        audit::record(&txn, deed, self.clock.now()).await?;
        Ok(commit(txn).await?)
    }
}

fn check(key: &str, value: &Value) -> Result<(), ControlError> {
    xcoms::check_key(key).map_err(ControlError::Invalid)?;
    if storable::value(value.clone()) != *value {
        return Err(ControlError::Invalid("the value of an XCom holds no NUL, which databases do not keep".to_owned()));
    }
    Ok(())
}

fn no_xcom(key: &str) -> ControlError {
    ControlError::NotFound { what: "XCom", id: key.to_owned() }
}

/// Values may be secret, and are not in the audit log.
fn deed<'a>(event: &'static str, of: &'a TaskKey, try_number: i32, key: &str, user: Option<&'a str>) -> Deed<'a> {
    Deed {
        event,
        dag_id: Some(&of.dag_id),
        run_id: Some(&of.run_id),
        task: Some(DeedTask { task_id: &of.task_id, map_index: of.map_index, try_number }),
        owner: user,
        extra: Some(serde_json::json!({ "xcom_key": key })),
    }
}
