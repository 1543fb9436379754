//! XComs that people write, one by one. What tries leave is written with their end (`runs.rs`).

use chrono::{DateTime, Utc};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use serde_json::Value;
use uuid::Uuid;

use super::entity::xcom;
use super::error::{StoreError, doing, is_duplicate};
use super::runs::InstanceKey;

/// The longest key, in characters (Airflow 3: 512).
pub const KEY_CHARS_MAX: usize = 512;

/// Whether something can be the key of an XCom; the error says why not.
pub fn check_key(key: &str) -> Result<(), String> {
    let characters = key.chars().count();
    if key.trim().is_empty() {
        return Err("the key of an XCom cannot be empty".to_owned());
    }
    if key.contains('\0') {
        return Err("the key of an XCom holds no NUL, which databases do not keep".to_owned());
    }
    if characters > KEY_CHARS_MAX {
        return Err(format!("the key of an XCom has at most {KEY_CHARS_MAX} characters; this has {characters}"));
    }
    Ok(())
}

/// Writes an XCom that is not there yet.
///
/// # Errors
/// [`StoreError::Exists`] when the task instance has one of that key.
pub async fn insert(
    db: &impl ConnectionTrait,
    of: &InstanceKey,
    key: &str,
    value: Value,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let row = xcom::ActiveModel {
        dag_run_id: Set(of.dag_run_id),
        task_id: Set(of.task_id.clone()),
        map_index: Set(of.map_index),
        key: Set(key.to_owned()),
        dag_id: Set(of.dag_id.clone()),
        run_id: Set(of.run_id.clone()),
        value: Set(value),
        timestamp: Set(now),
    };
    xcom::Entity::insert(row).exec_without_returning(db).await.map_err(|error| {
        if is_duplicate(&error) {
            StoreError::Exists { what: "XCom", id: key.to_owned() }
        } else {
            doing("writing an XCom")(error)
        }
    })?;
    Ok(())
}

/// The value of an XCom, if there is one.
pub async fn value(
    db: &impl ConnectionTrait,
    run: Uuid,
    task_id: &str,
    map_index: i32,
    key: &str,
) -> Result<Option<Value>, StoreError> {
    let found = xcom::Entity::find_by_id((run, task_id.to_owned(), map_index, key.to_owned())).one(db).await;
    Ok(found.map_err(doing("reading an XCom"))?.map(|row| row.value))
}

/// Gives an XCom another value; false when there is none.
pub async fn update(
    db: &impl ConnectionTrait,
    of: &InstanceKey,
    key: &str,
    value: Value,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let row = xcom::ActiveModel { value: Set(value), timestamp: Set(now), ..Default::default() };
    let updated = xcom::Entity::update_many()
        .set(row)
        .filter(xcom::Column::DagRunId.eq(of.dag_run_id))
        .filter(xcom::Column::TaskId.eq(&of.task_id))
        .filter(xcom::Column::MapIndex.eq(of.map_index))
        .filter(xcom::Column::Key.eq(key))
        .exec(db)
        .await
        .map_err(doing("writing an XCom"))?;
    Ok(updated.rows_affected > 0)
}

/// Deletes an XCom; false when there is none.
pub async fn delete(db: &impl ConnectionTrait, of: &InstanceKey, key: &str) -> Result<bool, StoreError> {
    let id = (of.dag_run_id, of.task_id.clone(), of.map_index, key.to_owned());
    let deleted = xcom::Entity::delete_by_id(id).exec(db).await.map_err(doing("deleting an XCom"))?;
    Ok(deleted.rows_affected > 0)
}
