//! Which keys the secrets in the database are encrypted with, so that a process that lacks one learns of it before a task
//! does.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder};

use super::entity::secret_key;
use super::error::{StoreError, doing};
use super::{connections, variables};
use crate::keyring::{KeyError, Keyring};

/// How many secrets were encrypted anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotated {
    /// Connections.
    pub connections: u64,
    /// Variables.
    pub variables: u64,
}

/// The ids of the keys, oldest first.
pub async fn list(db: &impl ConnectionTrait) -> Result<Vec<String>, StoreError> {
    let rows = secret_key::Entity::find()
        .order_by_asc(secret_key::Column::CreatedAt)
        .all(db)
        .await
        .map_err(doing("listing the keys of secrets"))?;
    Ok(rows.into_iter().map(|row| row.key_id).collect())
}

/// Refuses when something may be encrypted with a key that is not here.
///
/// # Errors
/// [`KeyError::Mismatch`].
pub async fn assert_known(db: &impl ConnectionTrait, keyring: &Keyring) -> Result<(), StoreError> {
    let mut missing = list(db).await?;
    missing.retain(|id| !keyring.ids().any(|known| known == id));
    if missing.is_empty() { Ok(()) } else { Err(KeyError::Mismatch { key_ids: missing.join(", ") }.into()) }
}

/// Notes that secrets are encrypted with the first of these keys from now on.
///
/// # Errors
/// [`KeyError::Mismatch`], because nobody should be able to read only half of the secrets.
pub async fn register(db: &impl ConnectionTrait, keyring: &Keyring, now: DateTime<Utc>) -> Result<(), StoreError> {
    if let Some(key_id) = keyring.first_id() {
        let row = secret_key::ActiveModel { key_id: Set(key_id.to_owned()), created_at: Set(now) };
        let unless_known = OnConflict::column(secret_key::Column::KeyId).do_nothing().to_owned();
        // On Postgres this waits for whoever rotates the keys; only then is known which they are.
        secret_key::Entity::insert(row)
            .on_conflict(unless_known)
            .exec_without_returning(db)
            .await
            .map_err(doing("noting the key of secrets"))?;
    }
    assert_known(db, keyring).await
}

/// Encrypts every secret with the first key, so that the others can be forgotten.
///
/// # Errors
/// [`KeyError`], which names the first secret that none of the keys opens.
pub async fn rotate(db: &impl ConnectionTrait, keyring: &Keyring, now: DateTime<Utc>) -> Result<Rotated, StoreError> {
    keep_others_from_writing(db).await?;
    let rotated = Rotated {
        connections: connections::reseal(db, keyring).await?,
        variables: variables::reseal(db, keyring).await?,
    };
    let first = keyring.first_id().unwrap_or_default();
    secret_key::Entity::delete_many()
        .filter(secret_key::Column::KeyId.ne(first))
        .exec(db)
        .await
        .map_err(doing("forgetting the keys of secrets"))?;
    register(db, keyring, now).await?;
    Ok(rotated)
}

/// Secrets that somebody changes meanwhile would be lost, and those that somebody adds would keep the old key. SQLite has
/// one writer at a time anyway.
async fn keep_others_from_writing(db: &impl ConnectionTrait) -> Result<(), StoreError> {
    if db.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    // The keys first, as whoever writes a secret takes them.
    let lock = "LOCK TABLE secret_key, connection, variable IN SHARE ROW EXCLUSIVE MODE";
    db.execute_unprepared(lock).await.map_err(doing("keeping others from writing secrets"))?;
    Ok(())
}
