//! What people ask of pools: make, change, delete.

use serde_json::json;

use super::{Control, ControlError};
use crate::engine::wake::Wake;
use crate::store::audit::{self, Deed};
use crate::store::entity::pool;
use crate::store::pools::{self, DEFAULT_POOL, PoolSettings};
use crate::store::{StoreError, commit};

/// The longest name (Airflow 3: 256 characters).
const NAME_CHARS_MAX: usize = 256;

/// What is to be changed of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolPatch {
    /// Its name. Tasks that name it otherwise find no pool any more.
    pub name: Option<String>,
    /// How many slots it has; -1 when there is no end of them.
    pub slots: Option<i32>,
    /// What it is for; none deletes the words.
    pub description: Option<Option<String>>,
    /// Whether deferred task instances take slots, too.
    pub include_deferred: Option<bool>,
}

impl PoolPatch {
    /// Whether the default pool may be changed so (Airflow 3: only its slots and what takes them).
    fn suits_default_pool(&self) -> bool {
        self.description.is_none() && self.name.as_deref().is_none_or(|name| name == DEFAULT_POOL)
    }

    fn onto(self, row: pool::Model) -> PoolSettings {
        PoolSettings {
            name: self.name.unwrap_or(row.name),
            slots: self.slots.unwrap_or(row.slots),
            description: self.description.unwrap_or(row.description),
            include_deferred: self.include_deferred.unwrap_or(row.include_deferred),
        }
    }
}

impl Control {
    /// Makes a pool.
    pub async fn create_pool(&self, settings: PoolSettings, user: Option<&str>) -> Result<pool::Model, ControlError> {
        check(&settings)?;
        let txn = self.db.begin_write().await?;
        pools::insert(&txn, &settings).await.map_err(conflict)?;
        self.pools_changed(txn, "post_pool", &settings.name, Some(&settings), user).await?;
        Ok(pools::get(self.db.read(), &settings.name).await?)
    }

    /// Changes a pool. Task instances that have slots of it keep them, also when it has fewer slots now.
    pub async fn patch_pool(
        &self,
        name: &str,
        patch: PoolPatch,
        user: Option<&str>,
    ) -> Result<pool::Model, ControlError> {
        if name == DEFAULT_POOL && !patch.suits_default_pool() {
            let why = "Only slots and included_deferred can be modified on Default Pool";
            return Err(ControlError::Invalid(why.to_owned()));
        }
        let txn = self.db.begin_write().await?;
        let settings = patch.onto(pools::get(&txn, name).await?);
        check(&settings)?;
        pools::update(&txn, name, &settings).await.map_err(conflict)?;
        self.pools_changed(txn, "patch_pool", name, Some(&settings), user).await?;
        Ok(pools::get(self.db.read(), &settings.name).await?)
    }

    /// Deletes a pool. Tasks that name it do not start any more, and say so.
    pub async fn delete_pool(&self, name: &str, user: Option<&str>) -> Result<(), ControlError> {
        if name == DEFAULT_POOL {
            return Err(ControlError::Invalid("Default Pool can't be deleted".to_owned()));
        }
        let txn = self.db.begin_write().await?;
        if !pools::delete(&txn, name).await? {
            return Err(StoreError::NotFound { what: "pool", id: name.to_owned() }.into());
        }
        self.pools_changed(txn, "delete_pool", name, None, user).await
    }

    /// Writes down who changed the pools, and lets the engine look.
    async fn pools_changed(
        &self,
        txn: sea_orm::DatabaseTransaction,
        event: &str,
        name: &str,
        settings: Option<&PoolSettings>,
        user: Option<&str>,
    ) -> Result<(), ControlError> {
        let settings = settings.map(|settings| {
            json!({
                "name": settings.name,
                "slots": settings.slots,
                "description": settings.description,
                "include_deferred": settings.include_deferred,
            })
        });
        let extra = Some(json!({ "pool": name, "settings": settings }));
        audit::record(&txn, Deed { event, owner: user, extra, ..Deed::default() }, self.clock.now()).await?;
        commit(txn).await?;
        self.waker.wake(Wake::Pools);
        Ok(())
    }
}

fn check(settings: &PoolSettings) -> Result<(), ControlError> {
    if settings.name.is_empty() || settings.name.chars().count() > NAME_CHARS_MAX {
        let why = format!("the name of a pool has between 1 and {NAME_CHARS_MAX} characters");
        return Err(ControlError::Invalid(why));
    }
    if settings.slots < -1 {
        let why = format!("a pool has 0 slots or more, or -1 for no end of them, not {}", settings.slots);
        return Err(ControlError::Invalid(why));
    }
    Ok(())
}

fn conflict(error: StoreError) -> ControlError {
    match error {
        StoreError::Exists { .. } => ControlError::Conflict(error.to_string()),
        other => other.into(),
    }
}
