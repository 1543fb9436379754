//! What people ask of variables: make, change, delete.

use serde_json::{Value, json};

use super::connections::holds_mask;
use super::{Control, ControlError};
use crate::connection::{MASK, unmasked};
use crate::store::audit::{self, Deed};
use crate::store::entity::variable;
use crate::store::{StoreError, commit, secret_keys, variables};

/// The longest key (Airflow 3: 250 characters).
const KEY_CHARS_MAX: usize = 250;

/// What is to be changed of a variable; what is none stays as it is.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct VariablePatch {
    /// Its value; `***` leaves it as it is, and in JSON what is `***`.
    pub value: Option<String>,
    /// For people.
    pub description: Option<Option<String>>,
}

impl Control {
    /// Makes a variable.
    pub async fn create_variable(
        &self,
        key: &str,
        value: &str,
        description: Option<&str>,
        user: Option<&str>,
    ) -> Result<variable::Model, ControlError> {
        check(key)?;
        let txn = self.db.begin_write().await?;
        secret_keys::register(&txn, &self.keyring, self.clock.now()).await?;
        variables::insert(&txn, &self.keyring, key, value, description).await.map_err(|error| match error {
            StoreError::Exists { .. } => ControlError::Conflict(error.to_string()),
            other => other.into(),
        })?;
        self.variable_changed(txn, "post_variable", key, user).await?;
        Ok(variables::get(self.db.read(), key).await?)
    }

    /// Changes a variable.
    pub async fn patch_variable(
        &self,
        key: &str,
        patch: VariablePatch,
        user: Option<&str>,
    ) -> Result<variable::Model, ControlError> {
        let txn = self.db.begin_write().await?;
        secret_keys::register(&txn, &self.keyring, self.clock.now()).await?;
        let row = variables::get(&txn, key).await?;
        let value = patch.value.filter(|value| value != MASK).map(|value| self.with_kept(&row, value)).transpose()?;
        let description = patch.description.unwrap_or(row.description);
        variables::update(&txn, &self.keyring, key, value.as_deref(), description.as_deref()).await?;
        self.variable_changed(txn, "patch_variable", key, user).await?;
        Ok(variables::get(self.db.read(), key).await?)
    }

    /// The value that somebody sends back who was shown the stored one masked: what is `***` in its JSON stays as it was.
    fn with_kept(&self, row: &variable::Model, value: String) -> Result<String, StoreError> {
        match serde_json::from_str::<Value>(&value) {
            Ok(new) if holds_mask(&new) => {
                let old: Option<Value> = serde_json::from_str(&variables::open(row, &self.keyring)?).ok();
                Ok(unmasked(new, old.as_ref()).to_string())
            }
            _ => Ok(value),
        }
    }

    /// Deletes a variable.
    pub async fn delete_variable(&self, key: &str, user: Option<&str>) -> Result<(), ControlError> {
        let txn = self.db.begin_write().await?;
        if !variables::delete(&txn, key).await? {
            return Err(StoreError::NotFound { what: "variable", id: key.to_owned() }.into());
        }
        self.variable_changed(txn, "delete_variable", key, user).await
    }

    /// Writes down who changed a variable; its value, which may be a secret, is left out.
    async fn variable_changed(
        &self,
        txn: sea_orm::DatabaseTransaction,
        event: &str,
        key: &str,
        user: Option<&str>,
    ) -> Result<(), ControlError> {
        let extra = Some(json!({ "key": key }));
        audit::record(&txn, Deed { event, owner: user, extra, ..Deed::default() }, self.clock.now()).await?;
        Ok(commit(txn).await?)
    }
}

fn check(key: &str) -> Result<(), ControlError> {
    if key.is_empty() || key.chars().count() > KEY_CHARS_MAX || key.contains('\0') {
        return Err(ControlError::Invalid(format!(
            "the key of a variable has between 1 and {KEY_CHARS_MAX} characters"
        )));
    }
    Ok(())
}
