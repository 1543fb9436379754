//! Which updates of parts of assets no run was made for yet, of the DAGs that wait for parts (Airflow 3:
//! AssetPartitionDagRun, PartitionedAssetKeyLog).
//!
//! Each update is queued by itself, for every DAG that waits for parts of its asset and is not paused. When a DAG's expression
//! holds for what is queued with one key, one run takes all of that.
//!
//! **Invariant:** whoever takes updates holds the DAG until the transaction ends, and takes those that it has read. So no
//! update is given to two runs, and one that comes meanwhile stays queued.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult, JoinType, QueryFilter,
    QueryOrder, QuerySelect, RelationDef,
};
use uuid::Uuid;

use super::ROWS_MAX;
use super::asset_events;
use super::asset_queue::{self, QueueFilter};
use super::entity::{asset, asset_event, asset_partition_queue};
use super::error::{StoreError, doing};
use crate::dag::asset::Asset;

/// An update of a part that was kept.
pub(super) struct PartUpdate {
    pub(super) asset_event_id: i64,
    pub(super) asset_id: i64,
    pub(super) partition_date: Option<DateTime<Utc>>,
}

/// Queues updates of parts for the DAGs that wait for them.
pub(super) async fn add(db: &impl ConnectionTrait, updates: &[PartUpdate]) -> Result<(), StoreError> {
    let assets: BTreeSet<i64> = updates.iter().map(|update| update.asset_id).collect();
    let waiting = asset_queue::waiting(db, assets, true).await?;
    let rows: Vec<asset_partition_queue::ActiveModel> = updates
        .iter()
        .flat_map(|update| {
            let for_it = waiting.iter().filter(move |(_, asset_id)| *asset_id == update.asset_id);
            for_it.map(move |(dag_id, _)| asset_partition_queue::ActiveModel {
                dag_id: Set(dag_id.clone()),
                asset_event_id: Set(update.asset_event_id),
                partition_date: Set(update.partition_date),
            })
        })
        .collect();
    for chunk in rows.chunks(ROWS_MAX) {
        asset_partition_queue::Entity::insert_many(chunk.to_vec())
            .exec_without_returning(db)
            .await
            .map_err(doing("queueing a part of an asset"))?;
    }
    Ok(())
}

/// An update that is queued for a DAG.
#[derive(Clone, Debug, PartialEq, FromQueryResult)]
pub struct QueuedUpdate {
    /// The DAG.
    pub dag_id: String,
    /// The update's key.
    pub asset_event_id: i64,
    /// The asset's key.
    pub asset_id: i64,
    /// What people call it.
    pub name: String,
    /// Where it is.
    pub uri: String,
    /// The part that was updated.
    pub partition_key: String,
    /// The instant that the part stands for in the run that updated it.
    pub partition_date: Option<DateTime<Utc>>,
    /// When it was updated.
    pub timestamp: DateTime<Utc>,
}

impl QueuedUpdate {
    /// Whether this is about `asset`.
    pub fn is_of(&self, asset: &Asset) -> bool {
        self.name == asset.name && self.uri == asset.uri
    }
}

/// What is queued for these DAGs, or for all, in the order of the updates.
pub async fn queued(db: &impl ConnectionTrait, dag_ids: Option<&[String]>) -> Result<Vec<QueuedUpdate>, StoreError> {
    use asset_partition_queue::Column as C;
    asset_partition_queue::Entity::find()
        .select_only()
        .columns([C::DagId, C::AssetEventId, C::PartitionDate])
        .columns([asset_event::Column::AssetId, asset_event::Column::PartitionKey, asset_event::Column::Timestamp])
        .columns([asset::Column::Name, asset::Column::Uri])
        .join(JoinType::InnerJoin, to_event())
        .join(JoinType::InnerJoin, asset_events::to_asset())
        .filter(Condition::all().add_option(dag_ids.map(|ids| C::DagId.is_in(ids))))
        .order_by_asc(C::DagId)
        .order_by_asc(C::AssetEventId)
        .into_model()
        .all(db)
        .await
        .map_err(doing("reading which parts of assets are queued"))
}

/// Gives a run the updates that it is made for, all of one DAG, and takes them off the queue. Their DAG is held.
pub async fn give(db: &impl ConnectionTrait, run: Uuid, taken: &[QueuedUpdate]) -> Result<(), StoreError> {
    use asset_partition_queue::Column as C;
    let Some(first) = taken.first() else { return Ok(()) };
    let events: Vec<i64> = taken.iter().map(|update| update.asset_event_id).collect();
    asset_queue::give_events(db, run, &events).await?;
    for chunk in events.chunks(ROWS_MAX) {
        asset_partition_queue::Entity::delete_many()
            .filter(C::DagId.eq(first.dag_id.as_str()))
            .filter(C::AssetEventId.is_in(chunk.iter().copied()))
            .exec(db)
            .await
            .map_err(doing("taking parts of assets off a queue"))?;
    }
    Ok(())
}

/// Forgets what is queued, as far as the filter lets it; answers with how many updates that were.
pub async fn forget_queued(db: &impl ConnectionTrait, filter: &QueueFilter) -> Result<u64, StoreError> {
    use asset_partition_queue::Column as C;
    let events = asset_event::Entity::find().select_only().column(asset_event::Column::Id).filter(
        Condition::all()
            .add_option(filter.asset_id.map(|id| asset_event::Column::AssetId.eq(id)))
            .add_option(filter.before.map(|instant| asset_event::Column::Timestamp.lt(instant))),
    );
    let deleted = asset_partition_queue::Entity::delete_many()
        .filter(Condition::all().add_option(filter.dag_ids.as_ref().map(|ids| C::DagId.is_in(ids))))
        .filter(C::AssetEventId.in_subquery(sea_orm::QueryTrait::into_query(events)))
        .exec(db)
        .await
        .map_err(doing("forgetting which parts of assets are queued"))?;
    Ok(deleted.rows_affected)
}

/// Forgets what is queued of an asset for a DAG that waits for its parts no more.
pub(super) async fn forget(db: &impl ConnectionTrait, dag_id: &str, asset_id: i64) -> Result<(), StoreError> {
    use asset_partition_queue::Column as C;
    let of_asset = asset_event::Entity::find()
        .select_only()
        .column(asset_event::Column::Id)
        .filter(asset_event::Column::AssetId.eq(asset_id));
    asset_partition_queue::Entity::delete_many()
        .filter(C::DagId.eq(dag_id))
        .filter(C::AssetEventId.in_subquery(sea_orm::QueryTrait::into_query(of_asset)))
        .exec(db)
        .await
        .map_err(doing("forgetting the parts that a DAG waits for no more"))?;
    Ok(())
}

fn to_event() -> RelationDef {
    asset_partition_queue::Entity::belongs_to(asset_event::Entity)
        .from(asset_partition_queue::Column::AssetEventId)
        .to(asset_event::Column::Id)
        .into()
}
