//! What became of assets (Airflow 3: asset events). What follows from it is in [`super::asset_queue`].
//!
//! **Invariant:** whoever writes an event of an asset holds the asset until the transaction ends. So events of one asset
//! become visible in the order of their keys.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use sea_orm::sea_query::LockType;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect, RelationDef,
};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::ROWS_MAX;
use super::asset_aliases;
use super::asset_queue;
use super::assets::{self, NameAndUri};
use super::entity::{asset, asset_event, asset_event_dag_run};
use super::error::{StoreError, doing};
use super::partition_queue::{self, PartUpdate};
use crate::dag::asset::Asset;

/// An update of an asset that is to be kept.
#[derive(Clone, Debug, PartialEq)]
pub struct NewAssetEvent {
    /// Of which asset.
    pub asset: Asset,
    /// What there is to know of it.
    pub extra: Map<String, Value>,
    /// Which part of the asset it is about; none when it is not said.
    pub partition_key: Option<String>,
    /// Under which alias the task found the asset; none when the DAG file names it.
    pub alias: Option<String>,
    /// Which try did it; none when somebody says so.
    pub source: Option<EventSource>,
}

/// The try that updated an asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSource {
    /// Its DAG.
    pub dag_id: String,
    /// Its run, as people name it.
    pub run_id: String,
    /// Its task.
    pub task_id: String,
    /// -1 when not mapped.
    pub map_index: i32,
    /// The try. It updates an asset once, however often that is written.
    pub try_id: Uuid,
    /// The instant that the partition of its run stands for, if it stands for one.
    pub partition_date: Option<DateTime<Utc>>,
}

/// Keeps events, and queues their assets for the DAGs that wait for them. Answers with what was kept: a try that is known
/// to have updated the asset updates it no more.
///
/// An event with a partition key is queued for DAGs that wait for parts of the asset, one without for those that wait for all
/// of it. The next run of the latter is given both (Airflow 3).
pub async fn emit(
    db: &impl ConnectionTrait,
    events: &[NewAssetEvent],
    now: DateTime<Utc>,
) -> Result<Vec<asset_event::Model>, StoreError> {
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let rows = assets::ensure(db, events.iter().map(|event| &event.asset), now).await?;
    let keys: HashMap<NameAndUri, i64> = rows.into_iter().map(|row| ((row.name, row.uri), row.id)).collect();
    lock(db, keys.values().copied().collect()).await?;
    let found = events.iter().filter_map(|event| {
        let asset_id = *keys.get(&assets::name_and_uri(&event.asset))?;
        Some((event.alias.as_deref()?, asset_id))
    });
    asset_aliases::link(db, &found.collect(), now).await?;
    let mut known = known_updates(db, events).await?;
    let mut new = Vec::new();
    for event in events {
        let Some(&asset_id) = keys.get(&assets::name_and_uri(&event.asset)) else { continue };
        let is_new = event.source.as_ref().is_none_or(|source| known.insert((source.try_id, asset_id)));
        if is_new {
            new.push(new_row(event, asset_id, now));
        }
    }
    let mut kept = Vec::with_capacity(new.len());
    for chunk in new.chunks(ROWS_MAX) {
        let inserted = asset_event::Entity::insert_many(chunk.to_vec()).exec_with_returning(db).await;
        kept.extend(inserted.map_err(doing("writing asset events"))?);
    }
    let of_all = kept.iter().filter(|event| event.partition_key.is_none());
    let updated: BTreeSet<i64> = of_all.map(|event| event.asset_id).collect();
    asset_queue::add(db, updated, now).await?;
    partition_queue::add(db, &of_parts(events, &kept)).await?;
    Ok(kept)
}

/// The events that are about parts, with what is known of the parts.
fn of_parts(events: &[NewAssetEvent], kept: &[asset_event::Model]) -> Vec<PartUpdate> {
    let sources = events.iter().filter_map(|event| event.source.as_ref());
    let dates: HashMap<Uuid, DateTime<Utc>> =
        sources.filter_map(|source| Some((source.try_id, source.partition_date?))).collect();
    let of_parts = kept.iter().filter(|event| event.partition_key.is_some());
    of_parts
        .map(|event| PartUpdate {
            asset_event_id: event.id,
            asset_id: event.asset_id,
            partition_date: event.source_try_id.and_then(|try_id| dates.get(&try_id).copied()),
        })
        .collect()
}

/// Holds assets until the transaction ends, in an order in which nobody waits for each other. Their keys are not held:
/// whoever writes down meanwhile that a DAG names one of them need not wait.
pub(super) async fn lock(db: &impl ConnectionTrait, ids: BTreeSet<i64>) -> Result<(), StoreError> {
    let ids: Vec<i64> = ids.into_iter().collect();
    for chunk in ids.chunks(ROWS_MAX) {
        let locked: Vec<i64> = asset::Entity::find()
            .select_only()
            .column(asset::Column::Id)
            .filter(asset::Column::Id.is_in(chunk.iter().copied()))
            .order_by_asc(asset::Column::Id)
            .lock(LockType::NoKeyUpdate)
            .into_tuple()
            .all(db)
            .await
            .map_err(doing("locking assets"))?;
        drop(locked);
    }
    Ok(())
}

/// What of it is known: a commit that was answered by silence may have been made, and is written again.
async fn known_updates(
    db: &impl ConnectionTrait,
    events: &[NewAssetEvent],
) -> Result<HashSet<(Uuid, i64)>, StoreError> {
    let tries: Vec<Uuid> =
        events.iter().filter_map(|event| event.source.as_ref()).map(|source| source.try_id).collect();
    let mut known = HashSet::new();
    for chunk in tries.chunks(ROWS_MAX) {
        let rows: Vec<(Uuid, i64)> = asset_event::Entity::find()
            .select_only()
            .columns([asset_event::Column::SourceTryId, asset_event::Column::AssetId])
            .filter(asset_event::Column::SourceTryId.is_in(chunk.iter().copied()))
            .into_tuple()
            .all(db)
            .await
            .map_err(doing("looking for asset events"))?;
        known.extend(rows);
    }
    Ok(known)
}

fn new_row(event: &NewAssetEvent, asset_id: i64, now: DateTime<Utc>) -> asset_event::ActiveModel {
    let source = event.source.as_ref();
    asset_event::ActiveModel {
        id: NotSet,
        asset_id: Set(asset_id),
        extra: Set(Value::Object(event.extra.clone())),
        partition_key: Set(event.partition_key.clone()),
        source_dag_id: Set(source.map(|source| source.dag_id.clone())),
        source_run_id: Set(source.map(|source| source.run_id.clone())),
        source_task_id: Set(source.map(|source| source.task_id.clone())),
        source_map_index: Set(source.map_or(-1, |source| source.map_index)),
        source_try_id: Set(source.map(|source| source.try_id)),
        timestamp: Set(now),
    }
}

/// An event with the asset that it is of, as tasks see it.
#[derive(Clone, Debug, PartialEq)]
pub struct AssetEvent {
    /// The event.
    pub event: asset_event::Model,
    /// Its asset.
    pub asset: asset::Model,
}

/// The events that a run was made for, oldest first.
pub async fn of_run(db: &impl ConnectionTrait, run: Uuid) -> Result<Vec<AssetEvent>, StoreError> {
    let given = asset_event::Entity::find()
        .join(JoinType::InnerJoin, to_given())
        .filter(asset_event_dag_run::Column::DagRunId.eq(run))
        .order_by_asc(asset_event::Column::Timestamp)
        .order_by_asc(asset_event::Column::Id)
        .all(db)
        .await
        .map_err(doing("reading what a run was made for"))?;
    with_assets(db, given).await
}

/// The newest events of assets, oldest first: of each at most `limit`.
pub async fn newest(db: &impl ConnectionTrait, assets: &[Asset], limit: u64) -> Result<Vec<AssetEvent>, StoreError> {
    let mut found = Vec::new();
    for asset in assets {
        let mut events = asset_event::Entity::find()
            .join(JoinType::InnerJoin, to_asset())
            .filter(asset::Column::Name.eq(&asset.name))
            .filter(asset::Column::Uri.eq(&asset.uri))
            .order_by_desc(asset_event::Column::Id)
            .limit(limit)
            .all(db)
            .await
            .map_err(doing("reading the events of an asset"))?;
        events.reverse();
        found.extend(events);
    }
    with_assets(db, found).await
}

/// Puts beside events the assets that they are of.
pub(super) async fn with_assets(
    db: &impl ConnectionTrait,
    events: Vec<asset_event::Model>,
) -> Result<Vec<AssetEvent>, StoreError> {
    let ids: BTreeSet<i64> = events.iter().map(|event| event.asset_id).collect();
    let ids: Vec<i64> = ids.into_iter().collect();
    let mut assets: BTreeMap<i64, asset::Model> = BTreeMap::new();
    for chunk in ids.chunks(ROWS_MAX) {
        let rows = asset::Entity::find().filter(asset::Column::Id.is_in(chunk.iter().copied())).all(db).await;
        assets.extend(rows.map_err(doing("reading assets"))?.into_iter().map(|row| (row.id, row)));
    }
    let pairs = events.into_iter().filter_map(|event| {
        let asset = assets.get(&event.asset_id)?.clone();
        Some(AssetEvent { event, asset })
    });
    Ok(pairs.collect())
}

/// From an event to its asset.
pub(super) fn to_asset() -> RelationDef {
    asset_event::Entity::belongs_to(asset::Entity).from(asset_event::Column::AssetId).to(asset::Column::Id).into()
}

fn to_given() -> RelationDef {
    asset_event::Entity::belongs_to(asset_event_dag_run::Entity)
        .from(asset_event::Column::Id)
        .to(asset_event_dag_run::Column::AssetEventId)
        .into()
}
