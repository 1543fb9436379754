//! Tokens that were signed out before their time (Airflow 3: `revoked_token`).

use chrono::{DateTime, Utc};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter};

use super::entity::revoked_token::{Column, Entity, Model};
use super::error::{StoreError, doing};

/// Takes a token back, which is good until `exp` otherwise. It may be taken back already.
pub async fn insert(db: &impl ConnectionTrait, jti: &str, exp: DateTime<Utc>) -> Result<(), StoreError> {
    let row = Model { jti: jti.to_owned(), exp };
    Entity::insert(row.into_active_model())
        .on_conflict(OnConflict::column(Column::Jti).update_column(Column::Exp).to_owned())
        .exec_without_returning(db)
        .await
        .map_err(doing("taking a token back"))?;
    Ok(())
}

/// Whether a token was taken back.
pub async fn contains(db: &impl ConnectionTrait, jti: &str) -> Result<bool, StoreError> {
    let found = Entity::find_by_id(jti.to_owned()).one(db).await;
    Ok(found.map_err(doing("looking whether a token was taken back"))?.is_some())
}

/// Forgets the tokens that were good until before `before`.
pub async fn delete_expired(db: &impl ConnectionTrait, before: DateTime<Utc>) -> Result<u64, StoreError> {
    let deleted = Entity::delete_many().filter(Column::Exp.lt(before)).exec(db).await;
    Ok(deleted.map_err(doing("forgetting tokens that have expired"))?.rows_affected)
}
