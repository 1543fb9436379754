//! Versions of DAGs: what runs are pinned to.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::ROWS_MAX;
use super::entity::dag;
use super::entity::dag_version::{Column, Entity, Model};
use super::error::{StoreError, doing};

/// The version that runs of this DAG are pinned to from now on; made when the first run needs it.
///
/// The DAG stays locked until the transaction ends: a tick and a trigger that need its first version at the same time make
/// one, not two. Whoever needs the versions of several DAGs asks in the order of their ids.
pub async fn current(db: &impl ConnectionTrait, dag: &dag::Model, now: DateTime<Utc>) -> Result<Uuid, StoreError> {
    dag::Entity::find_by_id(&dag.dag_id).lock_exclusive().one(db).await.map_err(doing("locking a DAG"))?;
    let Some(&version) = current_of_locked(db, &[dag], now).await?.first() else {
        return Err(StoreError::NotFound { what: "the version of DAG", id: dag.dag_id.clone() });
    };
    Ok(version)
}

/// The same for many DAGs that the caller has locked, in their order.
pub async fn current_of_locked(
    db: &impl ConnectionTrait,
    dags: &[&dag::Model],
    now: DateTime<Utc>,
) -> Result<Vec<Uuid>, StoreError> {
    let mut versions = Vec::with_capacity(dags.len());
    for dags in dags.chunks(ROWS_MAX) {
        let mut known = known(db, dags).await?;
        let new: Vec<&dag::Model> = dags.iter().copied().filter(|dag| !known.contains_key(&key(dag))).collect();
        known.extend(make(db, &new, now).await?);
        versions.extend(dags.iter().filter_map(|dag| known.get(&key(dag)).copied()));
    }
    Ok(versions)
}

/// Versions by DAG and hash.
type Versions = HashMap<(String, String), Uuid>;

fn key(dag: &dag::Model) -> (String, String) {
    (dag.dag_id.clone(), dag.version_hash.clone())
}

async fn known(db: &impl ConnectionTrait, dags: &[&dag::Model]) -> Result<Versions, StoreError> {
    let rows: Vec<(String, String, Uuid)> = Entity::find()
        .select_only()
        .columns([Column::DagId, Column::Hash, Column::Id])
        .filter(Column::DagId.is_in(dags.iter().map(|dag| &dag.dag_id)))
        .filter(Column::Hash.is_in(dags.iter().map(|dag| &dag.version_hash)))
        .into_tuple()
        .all(db)
        .await
        .map_err(doing("looking for DAG versions"))?;
    Ok(rows.into_iter().map(|(dag_id, hash, id)| ((dag_id, hash), id)).collect())
}

async fn make(db: &impl ConnectionTrait, dags: &[&dag::Model], now: DateTime<Utc>) -> Result<Versions, StoreError> {
    if dags.is_empty() {
        return Ok(HashMap::new());
    }
    let last: Vec<(String, Option<i32>)> = Entity::find()
        .select_only()
        .column(Column::DagId)
        .column_as(Column::VersionNumber.max(), "last")
        .filter(Column::DagId.is_in(dags.iter().map(|dag| &dag.dag_id)))
        .group_by(Column::DagId)
        .into_tuple()
        .all(db)
        .await
        .map_err(doing("counting DAG versions"))?;
    let last: HashMap<String, i32> = last.into_iter().filter_map(|(dag_id, last)| Some((dag_id, last?))).collect();
    let row = |dag: &&dag::Model| Model {
        id: Uuid::now_v7(),
        dag_id: dag.dag_id.clone(),
        dag_display_name: dag.dag_display_name.clone(),
        task_display_names: dag.task_display_names.clone(),
        version_number: last.get(&dag.dag_id).copied().unwrap_or(0) + 1,
        hash: dag.version_hash.clone(),
        source: dag.source.clone(),
        relative_fileloc: dag.relative_fileloc.clone(),
        created_at: now,
    };
    let rows: Vec<Model> = dags.iter().map(row).collect();
    let made = rows.iter().map(|row| ((row.dag_id.clone(), row.hash.clone()), row.id)).collect();
    Entity::insert_many(rows.into_iter().map(IntoActiveModel::into_active_model))
        .exec_without_returning(db)
        .await
        .map_err(doing("writing DAG versions"))?;
    Ok(made)
}

/// The version with that key.
pub async fn find(db: &impl ConnectionTrait, id: Uuid) -> Result<Option<Model>, StoreError> {
    Entity::find_by_id(id).one(db).await.map_err(doing("looking for a DAG version"))
}

/// Those of these versions that there are, by their keys.
pub async fn find_all(
    db: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<HashMap<Uuid, Model>, StoreError> {
    let rows = Entity::find().filter(Column::Id.is_in(ids)).order_by_asc(Column::Id).all(db).await;
    Ok(rows.map_err(doing("looking for DAG versions"))?.into_iter().map(|row| (row.id, row)).collect())
}
