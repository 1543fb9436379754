//! Which assets were updated since a DAG that waits for them last ran, and which run was made for what (Airflow 3: assets).
//!
//! An event queues its asset for every DAG that waits for it and is not paused: once, however many events follow. When a
//! DAG's expression holds, one run takes what is queued, and with it every event that no run of the DAG was given yet.
//!
//! **Invariant:** whoever takes assets off a queue holds them until the transaction ends, as whoever updates them does. So
//! what a DAG was given of an asset is one number, and an event is either taken with what is queued, or queued anew.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult, JoinType, QueryFilter,
    QueryOrder, QuerySelect, RelationDef,
};
use uuid::Uuid;

use super::ROWS_MAX;
use super::asset_aliases;
use super::asset_events;
use super::assets::{self, AssetUse};
use super::entity::{asset, asset_dag_run_queue, asset_event, asset_event_dag_run, asset_reference, dag};
use super::error::{StoreError, doing};
use crate::dag::asset::Asset;

/// Queues assets for the DAGs that wait for them. Paused ones are left out (Airflow 3): they find the events when they run
/// again.
pub(super) async fn add(
    db: &impl ConnectionTrait,
    updated: BTreeSet<i64>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    use asset_dag_run_queue::Column as C;
    let rows: Vec<asset_dag_run_queue::ActiveModel> = waiting(db, updated, false)
        .await?
        .into_iter()
        .map(|(dag_id, asset_id)| asset_dag_run_queue::ActiveModel {
            dag_id: Set(dag_id),
            asset_id: Set(asset_id),
            created_at: Set(now),
        })
        .collect();
    for chunk in rows.chunks(ROWS_MAX) {
        asset_dag_run_queue::Entity::insert_many(chunk.to_vec())
            .on_conflict(OnConflict::columns([C::DagId, C::AssetId]).do_nothing().to_owned())
            .try_insert()
            .exec_without_returning(db)
            .await
            .map_err(doing("queueing an asset"))?;
    }
    Ok(())
}

/// The DAGs that wait for these assets, or for parts of them, and are not paused; each with the key of the asset.
pub(super) async fn waiting(
    db: &impl ConnectionTrait,
    updated: BTreeSet<i64>,
    by_partition: bool,
) -> Result<BTreeSet<(String, i64)>, StoreError> {
    let mut waiting: BTreeSet<(String, i64)> = BTreeSet::new();
    let updated: Vec<i64> = updated.into_iter().collect();
    for chunk in updated.chunks(ROWS_MAX) {
        let rows: Vec<(String, i64)> = asset_reference::Entity::find()
            .select_only()
            .columns([asset_reference::Column::DagId, asset_reference::Column::AssetId])
            .join(JoinType::InnerJoin, assets::to_dag())
            .filter(asset_reference::Column::Kind.eq(AssetUse::Schedule.word()))
            .filter(asset_reference::Column::ByPartition.eq(by_partition))
            .filter(asset_reference::Column::AssetId.is_in(chunk.iter().copied()))
            .filter(dag::Column::IsPaused.eq(false))
            .filter(dag::Column::IsStale.eq(false))
            .into_tuple()
            .all(db)
            .await
            .map_err(doing("looking for DAGs that wait for an asset"))?;
        waiting.extend(rows);
    }
    Ok(waiting)
}

/// An asset that is queued for a DAG.
#[derive(Clone, Debug, PartialEq, FromQueryResult)]
pub struct QueuedAsset {
    /// The DAG.
    pub dag_id: String,
    /// The asset's key.
    pub asset_id: i64,
    /// What people call it.
    pub name: String,
    /// Where it is.
    pub uri: String,
    /// When it was first updated since the DAG last ran for it.
    pub created_at: DateTime<Utc>,
    /// The aliases under which tasks found it.
    #[sea_orm(skip)]
    pub aliases: Vec<String>,
}

impl QueuedAsset {
    /// Whether this is about `asset`.
    pub fn is_of(&self, asset: &Asset) -> bool {
        self.name == asset.name && self.uri == asset.uri
    }

    /// Whether tasks found it under `alias`.
    pub fn is_found_under(&self, alias: &str) -> bool {
        self.aliases.iter().any(|known| known == alias)
    }
}

/// Which of what is queued.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueueFilter {
    /// Only for these DAGs.
    pub dag_ids: Option<Vec<String>>,
    /// Only of this asset.
    pub asset_id: Option<i64>,
    /// Only what was queued earlier.
    pub before: Option<DateTime<Utc>>,
}

impl QueueFilter {
    fn condition(&self) -> Condition {
        use asset_dag_run_queue::Column as C;
        Condition::all()
            .add_option(self.dag_ids.as_ref().map(|ids| C::DagId.is_in(ids)))
            .add_option(self.asset_id.map(|id| C::AssetId.eq(id)))
            .add_option(self.before.map(|before| C::CreatedAt.lt(before)))
    }
}

/// What is queued, by DAG and asset.
pub async fn queued(db: &impl ConnectionTrait, filter: &QueueFilter) -> Result<Vec<QueuedAsset>, StoreError> {
    use asset_dag_run_queue::Column as C;
    let mut queued: Vec<QueuedAsset> = asset_dag_run_queue::Entity::find()
        .select_only()
        .columns([C::DagId, C::AssetId, C::CreatedAt])
        .columns([asset::Column::Name, asset::Column::Uri])
        .join(JoinType::InnerJoin, of_queued())
        .filter(filter.condition())
        .order_by_asc(C::DagId)
        .order_by_asc(C::AssetId)
        .into_model()
        .all(db)
        .await
        .map_err(doing("reading which assets are queued"))?;
    let ids: BTreeSet<i64> = queued.iter().map(|queued| queued.asset_id).collect();
    let aliases = asset_aliases::of_assets(db, &ids.into_iter().collect::<Vec<_>>()).await?;
    for queued in &mut queued {
        let found = aliases.get(&queued.asset_id).into_iter().flatten();
        queued.aliases = found.map(|alias| alias.name.clone()).collect();
    }
    Ok(queued)
}

/// What is queued for these DAGs; nobody adds to it, and no event of their assets is written, until the transaction ends.
pub async fn lock_queued(db: &impl ConnectionTrait, dag_ids: &[String]) -> Result<Vec<QueuedAsset>, StoreError> {
    use asset_dag_run_queue::Column as C;
    asset_events::lock(db, waited_for(db, dag_ids).await?).await?;
    let filter = QueueFilter { dag_ids: Some(dag_ids.to_vec()), ..QueueFilter::default() };
    let locked = asset_dag_run_queue::Entity::find()
        .filter(filter.condition())
        .order_by_asc(C::DagId)
        .order_by_asc(C::AssetId)
        .lock_exclusive()
        .all(db)
        .await
        .map_err(doing("locking which assets are queued"))?;
    if locked.is_empty() { Ok(Vec::new()) } else { queued(db, &filter).await }
}

/// The keys of the assets that these DAGs wait for.
async fn waited_for(db: &impl ConnectionTrait, dag_ids: &[String]) -> Result<BTreeSet<i64>, StoreError> {
    let ids: Vec<i64> = asset_reference::Entity::find()
        .select_only()
        .column(asset_reference::Column::AssetId)
        .filter(asset_reference::Column::DagId.is_in(dag_ids))
        .filter(asset_reference::Column::Kind.eq(AssetUse::Schedule.word()))
        .into_tuple()
        .all(db)
        .await
        .map_err(doing("reading what DAGs wait for"))?;
    Ok(ids.into_iter().collect())
}

/// Forgets what is queued; answers with how much it was.
pub async fn forget_queued(db: &impl ConnectionTrait, filter: &QueueFilter) -> Result<u64, StoreError> {
    let deleted = asset_dag_run_queue::Entity::delete_many()
        .filter(filter.condition())
        .exec(db)
        .await
        .map_err(doing("forgetting which assets are queued"))?;
    Ok(deleted.rows_affected)
}

/// Gives a run what it is made for: of every asset that its DAG waits for, the events that no run of the DAG was given yet;
/// and takes `taken` off the queue.
///
/// With `only_since_subscribed`, events that are older than the DAG's wish for them are left out (Airflow 3: without
/// catchup).
pub async fn give(
    db: &impl ConnectionTrait,
    dag_id: &str,
    run: Uuid,
    taken: &[QueuedAsset],
    only_since_subscribed: bool,
) -> Result<(), StoreError> {
    let waits_for = asset_reference::Entity::find()
        .filter(asset_reference::Column::DagId.eq(dag_id))
        .filter(asset_reference::Column::Kind.eq(AssetUse::Schedule.word()))
        .all(db)
        .await
        .map_err(doing("reading what a DAG waits for"))?;
    for reference in waits_for {
        let since = only_since_subscribed.then_some(reference.created_at);
        let events = unseen(db, &reference, since).await?;
        let Some(&newest) = events.last() else { continue };
        give_events(db, run, &events).await?;
        let seen = asset_reference::ActiveModel { seen_event_id: Set(newest), ..reference.into() };
        asset_reference::Entity::update(seen).exec(db).await.map_err(doing("writing what a DAG was given"))?;
    }
    for asset in taken {
        asset_dag_run_queue::Entity::delete_by_id((asset.dag_id.clone(), asset.asset_id))
            .exec(db)
            .await
            .map_err(doing("taking assets off a queue"))?;
    }
    Ok(())
}

/// The keys of the events that no run of the DAG was given yet, in their order.
async fn unseen(
    db: &impl ConnectionTrait,
    reference: &asset_reference::Model,
    since: Option<DateTime<Utc>>,
) -> Result<Vec<i64>, StoreError> {
    let mut query = asset_event::Entity::find()
        .select_only()
        .column(asset_event::Column::Id)
        .filter(asset_event::Column::AssetId.eq(reference.asset_id))
        .filter(asset_event::Column::Id.gt(reference.seen_event_id))
        .order_by_asc(asset_event::Column::Id);
    if let Some(since) = since {
        query = query.filter(asset_event::Column::Timestamp.gte(since));
    }
    query.into_tuple().all(db).await.map_err(doing("looking for asset events"))
}

/// Writes that a run was made for these events, by their keys.
pub(super) async fn give_events(db: &impl ConnectionTrait, run: Uuid, events: &[i64]) -> Result<(), StoreError> {
    for chunk in events.chunks(ROWS_MAX) {
        let rows = chunk
            .iter()
            .map(|event| asset_event_dag_run::ActiveModel { asset_event_id: Set(*event), dag_run_id: Set(run) });
        asset_event_dag_run::Entity::insert_many(rows)
            .exec_without_returning(db)
            .await
            .map_err(doing("writing what a run is made for"))?;
    }
    Ok(())
}

fn of_queued() -> RelationDef {
    asset_dag_run_queue::Entity::belongs_to(asset::Entity)
        .from(asset_dag_run_queue::Column::AssetId)
        .to(asset::Column::Id)
        .into()
}
