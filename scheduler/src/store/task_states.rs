//! What tasks remember from run to run (Airflow 3: task state store).

use chrono::{DateTime, Utc};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ConnectionTrait, EntityTrait, IntoActiveModel};
use serde_json::Value;

use super::entity::task_state::{Column, Entity, Model};
use super::error::{StoreError, doing};

/// What a task remembers.
pub async fn load(
    db: &impl ConnectionTrait,
    dag_id: &str,
    task_id: &str,
    map_index: i32,
) -> Result<Option<Value>, StoreError> {
    let found = Entity::find_by_id((dag_id.to_owned(), task_id.to_owned(), map_index)).one(db).await;
    Ok(found.map_err(doing("reading what a task remembers"))?.map(|row| row.value))
}

/// Lets a task remember something else.
pub async fn save(
    db: &impl ConnectionTrait,
    dag_id: &str,
    task_id: &str,
    map_index: i32,
    value: Value,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let (dag_id, task_id) = (dag_id.to_owned(), task_id.to_owned());
    let row = Model { dag_id, task_id, map_index, value, updated_at: now };
    Entity::insert(row.into_active_model())
        .on_conflict(
            OnConflict::columns([Column::DagId, Column::TaskId, Column::MapIndex])
                .update_columns([Column::Value, Column::UpdatedAt])
                .to_owned(),
        )
        .exec_without_returning(db)
        .await
        .map_err(doing("writing what a task remembers"))?;
    Ok(())
}
