//! Assets, and which DAGs and tasks name them.
//!
//! An asset is made when a DAG file or a task that ran first names it, and stays: its events are its history. References say
//! who names it now; they follow the DAG files. Those of a DAG whose file is gone stay, too, and count no more.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, JoinType, QueryFilter, QueryOrder,
    QuerySelect, RelationDef,
};
use serde_json::Value;

use super::ROWS_MAX;
use super::asset_aliases;
use super::entity::{asset, asset_dag_run_queue, asset_reference, dag};
use super::error::{StoreError, doing};
use super::partition_queue;
use crate::dag::asset::{Asset, GROUP};
use crate::dag::{Dag, Schedule};

/// How an asset is named (Airflow 3: the asset of a schedule, an outlet, an inlet).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AssetUse {
    /// A DAG waits for it.
    Schedule,
    /// A task makes it.
    Outlet,
    /// A task reads it.
    Inlet,
}

impl AssetUse {
    /// The word in the table.
    pub fn word(self) -> &'static str {
        match self {
            AssetUse::Schedule => "schedule",
            AssetUse::Outlet => "outlet",
            AssetUse::Inlet => "inlet",
        }
    }
}

/// An asset by what tells it from others.
pub(super) type NameAndUri = (String, String);

pub(super) fn name_and_uri(asset: &Asset) -> NameAndUri {
    (asset.name.clone(), asset.uri.clone())
}

/// The asset with that key, which must exist.
pub async fn get(db: &impl ConnectionTrait, id: i64) -> Result<asset::Model, StoreError> {
    let found = asset::Entity::find_by_id(id).one(db).await.map_err(doing("looking for an asset"))?;
    found.ok_or_else(|| StoreError::NotFound { what: "asset", id: id.to_string() })
}

/// The assets that people may mean by a word: a name, a URI, or a key. Of the names there are more than one only when they
/// have different URIs.
pub async fn called(db: &impl ConnectionTrait, word: &str) -> Result<Vec<asset::Model>, StoreError> {
    let which = Condition::any()
        .add(asset::Column::Name.eq(word))
        .add(asset::Column::Uri.eq(word))
        .add_option(word.parse::<i64>().ok().map(|id| asset::Column::Id.eq(id)));
    asset::Entity::find()
        .filter(which)
        .order_by_asc(asset::Column::Id)
        .all(db)
        .await
        .map_err(doing("looking for assets"))
}

/// The rows of these assets, as far as there are any, in the order of their keys.
pub async fn known(db: &impl ConnectionTrait, assets: &[&Asset]) -> Result<Vec<asset::Model>, StoreError> {
    let wanted: Vec<NameAndUri> = assets.iter().map(|asset| name_and_uri(asset)).collect();
    find(db, &wanted).await
}

/// The DAGs that have a file and a task that makes the asset, in the order of their ids.
pub async fn makers(db: &impl ConnectionTrait, asset: i64) -> Result<Vec<String>, StoreError> {
    asset_reference::Entity::find()
        .select_only()
        .column(asset_reference::Column::DagId)
        .distinct()
        .join(JoinType::InnerJoin, to_dag())
        .filter(asset_reference::Column::AssetId.eq(asset))
        .filter(asset_reference::Column::Kind.eq(AssetUse::Outlet.word()))
        .filter(dag::Column::IsStale.eq(false))
        .order_by_asc(asset_reference::Column::DagId)
        .into_tuple()
        .all(db)
        .await
        .map_err(doing("looking for DAGs that make an asset"))
}

/// From who names an asset to the DAG.
pub(super) fn to_dag() -> RelationDef {
    asset_reference::Entity::belongs_to(dag::Entity).from(asset_reference::Column::DagId).to(dag::Column::DagId).into()
}

/// Says which assets these DAGs and their tasks name now. Who named one before keeps that it has, and since when.
pub async fn set_references(db: &impl ConnectionTrait, dags: &[&Dag], now: DateTime<Utc>) -> Result<(), StoreError> {
    let ids: Vec<&str> = dags.iter().map(|dag| dag.dag_id.as_str()).collect();
    let named: Vec<(&str, AssetUse, &str, &Asset)> = dags.iter().flat_map(|dag| named_by(dag)).collect();
    let by_partition: BTreeSet<&str> =
        dags.iter().filter(|dag| is_by_partition(dag)).map(|dag| dag.dag_id.as_str()).collect();
    let aliases: BTreeSet<(&str, &str)> = dags.iter().flat_map(|dag| aliases_of(dag)).collect();
    let keys = describe(db, named.iter().map(|(_, _, _, asset)| *asset), now).await?;
    let found = asset_aliases::set_references(db, &ids, &aliases).await?;
    // Now that nobody adds to them who finds something under an alias.
    let known: BTreeSet<Reference> = of_dags(db, &ids).await?.into_iter().map(Reference::from).collect();
    if known.is_empty() && named.is_empty() && found.is_empty() {
        return Ok(());
    }
    let wanted: BTreeSet<Reference> = named
        .into_iter()
        .filter_map(|(dag_id, kind, task_id, asset)| {
            let asset_id = *keys.get(&name_and_uri(asset))?;
            let (dag_id, task_id) = (dag_id.to_owned(), task_id.to_owned());
            let by_partition = kind == AssetUse::Schedule && by_partition.contains(dag_id.as_str());
            Some(Reference { dag_id, kind: kind.word().to_owned(), task_id, asset_id, by_partition })
        })
        .chain(found.into_iter().map(|(dag_id, asset_id)| Reference::of_schedule(dag_id, asset_id)))
        .collect();
    for gone in known.difference(&wanted) {
        gone.delete(db).await?;
    }
    write_references(db, wanted.difference(&known).map(|new| new.row(now))).await
}

/// Lets DAGs wait for assets, by their keys, besides what their files say; who waits already goes on.
pub(super) async fn wait_for(
    db: &impl ConnectionTrait,
    waiting: BTreeSet<(String, i64)>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    write_references(
        db,
        waiting.into_iter().map(|(dag_id, asset_id)| Reference::of_schedule(dag_id, asset_id).row(now)),
    )
    .await
}

/// Writes references, as far as they are not there: a task may have found an asset of an alias meanwhile.
async fn write_references(
    db: &impl ConnectionTrait,
    rows: impl Iterator<Item = asset_reference::Model>,
) -> Result<(), StoreError> {
    use asset_reference::Column as C;
    let rows: Vec<asset_reference::ActiveModel> = rows.map(IntoActiveModel::into_active_model).collect();
    for chunk in rows.chunks(ROWS_MAX) {
        let keys = [C::DagId, C::Kind, C::TaskId, C::AssetId];
        asset_reference::Entity::insert_many(chunk.to_vec())
            .on_conflict(OnConflict::columns(keys).do_nothing().to_owned())
            .try_insert()
            .exec_without_returning(db)
            .await
            .map_err(doing("writing who names an asset"))?;
    }
    Ok(())
}

/// What tells a reference from others, and what is to be forgotten when it changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Reference {
    dag_id: String,
    kind: String,
    task_id: String,
    asset_id: i64,
    by_partition: bool,
}

impl From<asset_reference::Model> for Reference {
    fn from(row: asset_reference::Model) -> Reference {
        Reference {
            dag_id: row.dag_id,
            kind: row.kind,
            task_id: row.task_id,
            asset_id: row.asset_id,
            by_partition: row.by_partition,
        }
    }
}

impl Reference {
    fn of_schedule(dag_id: String, asset_id: i64) -> Reference {
        let kind = AssetUse::Schedule.word().to_owned();
        Reference { dag_id, kind, task_id: String::new(), asset_id, by_partition: false }
    }

    fn row(&self, now: DateTime<Utc>) -> asset_reference::Model {
        asset_reference::Model {
            dag_id: self.dag_id.clone(),
            kind: self.kind.clone(),
            task_id: self.task_id.clone(),
            asset_id: self.asset_id,
            by_partition: self.by_partition,
            seen_event_id: 0,
            created_at: now,
            updated_at: now,
        }
    }

    /// A DAG that waits for an asset no more has nothing in its queue of it (Airflow 3).
    async fn delete(&self, db: &impl ConnectionTrait) -> Result<(), StoreError> {
        let Reference { dag_id, kind, task_id, asset_id, by_partition: _ } = self;
        asset_reference::Entity::delete_by_id((dag_id.clone(), kind.clone(), task_id.clone(), *asset_id))
            .exec(db)
            .await
            .map_err(doing("forgetting who named an asset"))?;
        if kind == AssetUse::Schedule.word() {
            asset_dag_run_queue::Entity::delete_by_id((dag_id.clone(), *asset_id))
                .exec(db)
                .await
                .map_err(doing("forgetting the updates that a DAG waits for no more"))?;
            partition_queue::forget(db, dag_id, *asset_id).await?;
        }
        Ok(())
    }
}

fn is_by_partition(dag: &Dag) -> bool {
    matches!(dag.schedule, Schedule::PartitionedAssets(_))
}

/// The aliases that a DAG waits for.
fn aliases_of(dag: &Dag) -> impl Iterator<Item = (&str, &str)> {
    let aliases = dag.schedule.assets().map(|assets| assets.aliases()).unwrap_or_default();
    aliases.into_iter().map(|alias| (dag.dag_id.as_str(), alias))
}

/// Every asset that a DAG names: how, in which task, and which.
fn named_by(dag: &Dag) -> impl Iterator<Item = (&str, AssetUse, &str, &Asset)> {
    let waited_for = dag.schedule.assets().map(|assets| assets.assets()).unwrap_or_default();
    let of_tasks = dag.tasks().flat_map(|(_, task)| {
        let made = task.outlets.iter().map(|asset| (AssetUse::Outlet, asset));
        let read = task.inlets.iter().map(|asset| (AssetUse::Inlet, asset));
        made.chain(read).map(|(kind, asset)| (dag.dag_id.as_str(), kind, task.task_id.as_str(), asset))
    });
    waited_for.into_iter().map(|asset| (dag.dag_id.as_str(), AssetUse::Schedule, "", asset)).chain(of_tasks)
}

async fn of_dags(db: &impl ConnectionTrait, dag_ids: &[&str]) -> Result<Vec<asset_reference::Model>, StoreError> {
    let mut found = Vec::new();
    for chunk in dag_ids.chunks(ROWS_MAX) {
        let some = asset_reference::Entity::find().filter(asset_reference::Column::DagId.is_in(chunk.iter().copied()));
        found.extend(some.all(db).await.map_err(doing("reading who names an asset"))?);
    }
    Ok(found)
}

/// The keys of assets as DAG files have them. What a file says of an asset's group and extra is kept; a bare URI says
/// nothing of them, and leaves them as they are.
async fn describe<'a>(
    db: &impl ConnectionTrait,
    assets: impl Iterator<Item = &'a Asset>,
    now: DateTime<Utc>,
) -> Result<HashMap<NameAndUri, i64>, StoreError> {
    let mut said: BTreeMap<NameAndUri, &Asset> = BTreeMap::new();
    for asset in assets {
        let known = said.entry(name_and_uri(asset)).or_insert(asset);
        if is_described(asset) {
            *known = asset;
        }
    }
    let rows = ensure(db, said.values().copied(), now).await?;
    for row in &rows {
        let Some(asset) = said.get(&(row.name.clone(), row.uri.clone())).filter(|asset| is_described(asset)) else {
            continue;
        };
        let extra = Value::Object(asset.extra.clone());
        if row.group != asset.group || row.extra != extra {
            let change = asset::ActiveModel {
                id: Set(row.id),
                group: Set(asset.group.clone()),
                extra: Set(extra),
                updated_at: Set(now),
                ..Default::default()
            };
            asset::Entity::update(change).exec(db).await.map_err(doing("describing an asset"))?;
        }
    }
    Ok(rows.into_iter().map(|row| ((row.name, row.uri), row.id)).collect())
}

fn is_described(asset: &Asset) -> bool {
    asset.group != GROUP || !asset.extra.is_empty()
}

/// The rows of assets, in the order of their keys; those that are not there yet are made.
pub(super) async fn ensure<'a>(
    db: &impl ConnectionTrait,
    assets: impl Iterator<Item = &'a Asset>,
    now: DateTime<Utc>,
) -> Result<Vec<asset::Model>, StoreError> {
    let mut wanted: BTreeMap<NameAndUri, &Asset> = assets.map(|asset| (name_and_uri(asset), asset)).collect();
    let names: Vec<NameAndUri> = wanted.keys().cloned().collect();
    let mut found = find(db, &names).await?;
    for row in &found {
        wanted.remove(&(row.name.clone(), row.uri.clone()));
    }
    if wanted.is_empty() {
        return Ok(found);
    }
    let new: Vec<asset::ActiveModel> = wanted.values().map(|asset| new_row(asset, now)).collect();
    for chunk in new.chunks(ROWS_MAX) {
        // Another process may be making the same one.
        asset::Entity::insert_many(chunk.to_vec())
            .on_conflict(OnConflict::columns([asset::Column::Name, asset::Column::Uri]).do_nothing().to_owned())
            .try_insert()
            .exec_without_returning(db)
            .await
            .map_err(doing("writing an asset"))?;
    }
    let missing: Vec<NameAndUri> = wanted.into_keys().collect();
    found.extend(find(db, &missing).await?);
    found.sort_by_key(|row| row.id);
    Ok(found)
}

async fn find(db: &impl ConnectionTrait, wanted: &[NameAndUri]) -> Result<Vec<asset::Model>, StoreError> {
    let mut found = Vec::new();
    for chunk in wanted.chunks(ROWS_MAX) {
        let names = chunk.iter().map(|(name, _)| name.as_str());
        let rows = asset::Entity::find().filter(asset::Column::Name.is_in(names)).all(db).await;
        let rows = rows.map_err(doing("looking for assets"))?;
        let is_wanted = |row: &asset::Model| chunk.iter().any(|(name, uri)| *name == row.name && *uri == row.uri);
        found.extend(rows.into_iter().filter(is_wanted));
    }
    found.sort_by_key(|row| row.id);
    Ok(found)
}

fn new_row(asset: &Asset, now: DateTime<Utc>) -> asset::ActiveModel {
    asset::ActiveModel {
        id: NotSet,
        name: Set(asset.name.clone()),
        uri: Set(asset.uri.clone()),
        group: Set(asset.group.clone()),
        extra: Set(Value::Object(asset.extra.clone())),
        created_at: Set(now),
        updated_at: Set(now),
    }
}
