//! Aliases of assets: made when a task first finds an asset under one, or a DAG waits for it (Airflow 3: AssetAlias).
//!
//! A DAG that waits for an alias waits for every asset that was found under it, by references of its own to each
//! ([`super::assets`]). Whoever finds one more adds them, whoever begins to wait brings them along.
//!
//! **Invariant:** both hold the alias until the transaction ends, and so does who waits for it no more; so none misses what
//! another does.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect,
};

use super::ROWS_MAX;
use super::assets;
use super::entity::{asset, asset_alias, asset_alias_asset, asset_alias_reference};
use super::error::{StoreError, doing};
use crate::dag::asset::GROUP;

/// Keeps that these assets, by their keys, were found under these aliases, by their names; and lets the DAGs that wait for
/// the aliases wait for the assets.
pub(super) async fn link(
    db: &impl ConnectionTrait,
    found: &BTreeSet<(&str, i64)>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    if found.is_empty() {
        return Ok(());
    }
    let ids = ensure(db, &found.iter().map(|(alias, _)| *alias).collect(), &BTreeSet::new()).await?;
    let pairs: Vec<(i64, i64)> =
        found.iter().filter_map(|(alias, asset_id)| Some((*ids.get(*alias)?, *asset_id))).collect();
    let links = pairs.iter().map(|&(alias_id, asset_id)| asset_alias_asset::ActiveModel {
        alias_id: Set(alias_id),
        asset_id: Set(asset_id),
    });
    asset_alias_asset::Entity::insert_many(links)
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .try_insert()
        .exec_without_returning(db)
        .await
        .map_err(doing("writing what was found under aliases"))?;
    let waiting = asset_alias_reference::Entity::find()
        .filter(asset_alias_reference::Column::AliasId.is_in(ids.into_values()))
        .all(db)
        .await
        .map_err(doing("looking for DAGs that wait for an alias"))?;
    let found_by = |waiting: asset_alias_reference::Model| {
        let assets = pairs.iter().filter(move |(alias_id, _)| *alias_id == waiting.alias_id).map(|(_, asset)| *asset);
        assets.map(move |asset_id| (waiting.dag_id.clone(), asset_id))
    };
    assets::wait_for(db, waiting.into_iter().flat_map(found_by).collect(), now).await
}

/// The keys of aliases, by their names; those that are not there yet are made. Nobody else links to them until the
/// transaction ends, nor to those with the keys `held`, which are among the answer.
async fn ensure(
    db: &impl ConnectionTrait,
    names: &BTreeSet<&str>,
    held: &BTreeSet<i64>,
) -> Result<BTreeMap<String, i64>, StoreError> {
    let new = names.iter().map(|name| asset_alias::ActiveModel {
        id: NotSet,
        name: Set((*name).to_owned()),
        group: Set(GROUP.to_owned()),
    });
    if !names.is_empty() {
        asset_alias::Entity::insert_many(new)
            .on_conflict(OnConflict::column(asset_alias::Column::Name).do_nothing().to_owned())
            .try_insert()
            .exec_without_returning(db)
            .await
            .map_err(doing("writing aliases of assets"))?;
    }
    let wanted = Condition::any()
        .add(asset_alias::Column::Name.is_in(names.iter().copied()))
        .add(asset_alias::Column::Id.is_in(held.iter().copied()));
    let rows = asset_alias::Entity::find()
        .filter(wanted)
        .order_by_asc(asset_alias::Column::Id)
        .lock_exclusive()
        .all(db)
        .await
        .map_err(doing("looking for aliases of assets"))?;
    Ok(rows.into_iter().map(|row| (row.name, row.id)).collect())
}

/// Says for which aliases DAGs wait now, by the ids of the DAGs. Answers with what was found under them before: a DAG, and
/// the key of an asset.
pub(super) async fn set_references(
    db: &impl ConnectionTrait,
    dag_ids: &[&str],
    named: &BTreeSet<(&str, &str)>,
) -> Result<BTreeSet<(String, i64)>, StoreError> {
    let before = waited_for(db, dag_ids).await?;
    if named.is_empty() && before.is_empty() {
        return Ok(BTreeSet::new());
    }
    // Also those that are waited for no more: somebody may be finding an asset under one.
    let ids = ensure(db, &named.iter().map(|(_, alias)| *alias).collect(), &before).await?;
    forget(db, dag_ids).await?;
    let waiting: Vec<(&str, i64)> =
        named.iter().filter_map(|(dag_id, alias)| Some((*dag_id, *ids.get(*alias)?))).collect();
    for chunk in waiting.chunks(ROWS_MAX) {
        let rows = chunk.iter().map(|(dag_id, alias_id)| asset_alias_reference::ActiveModel {
            dag_id: Set((*dag_id).to_owned()),
            alias_id: Set(*alias_id),
        });
        asset_alias_reference::Entity::insert_many(rows)
            .exec_without_returning(db)
            .await
            .map_err(doing("writing who waits for an alias"))?;
    }
    let links = asset_alias_asset::Entity::find()
        .filter(asset_alias_asset::Column::AliasId.is_in(ids.into_values()))
        .all(db)
        .await
        .map_err(doing("reading what was found under aliases"))?;
    let found_under = |(dag_id, alias_id): (&str, i64)| {
        let links = links.iter().filter(move |link| link.alias_id == alias_id);
        links.map(|link| (dag_id.to_owned(), link.asset_id)).collect::<Vec<_>>()
    };
    Ok(waiting.into_iter().flat_map(found_under).collect())
}

/// The keys of the aliases that one of these DAGs waits for.
async fn waited_for(db: &impl ConnectionTrait, dag_ids: &[&str]) -> Result<BTreeSet<i64>, StoreError> {
    use asset_alias_reference::Column as C;
    let mut found = BTreeSet::new();
    for chunk in dag_ids.chunks(ROWS_MAX) {
        let ids: Vec<i64> = asset_alias_reference::Entity::find()
            .select_only()
            .column(C::AliasId)
            .filter(C::DagId.is_in(chunk.iter().copied()))
            .into_tuple()
            .all(db)
            .await
            .map_err(doing("reading who waits for an alias"))?;
        found.extend(ids);
    }
    Ok(found)
}

async fn forget(db: &impl ConnectionTrait, dag_ids: &[&str]) -> Result<(), StoreError> {
    for chunk in dag_ids.chunks(ROWS_MAX) {
        asset_alias_reference::Entity::delete_many()
            .filter(asset_alias_reference::Column::DagId.is_in(chunk.iter().copied()))
            .exec(db)
            .await
            .map_err(doing("forgetting who waits for an alias"))?;
    }
    Ok(())
}

/// The assets that were found under these aliases, by the names of the aliases; those of nothing are left out.
pub async fn found_under(
    db: &impl ConnectionTrait,
    names: &BTreeSet<&str>,
) -> Result<BTreeMap<String, Vec<asset::Model>>, StoreError> {
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let reading = "reading what was found under aliases";
    let aliases = asset_alias::Entity::find().filter(asset_alias::Column::Name.is_in(names.iter().copied())).all(db);
    let aliases = aliases.await.map_err(doing(reading))?;
    let mut found = BTreeMap::new();
    for alias in aliases {
        let of_asset = asset::Entity::belongs_to(asset_alias_asset::Entity)
            .from(asset::Column::Id)
            .to(asset_alias_asset::Column::AssetId)
            .into();
        let rows = asset::Entity::find()
            .join(JoinType::InnerJoin, of_asset)
            .filter(asset_alias_asset::Column::AliasId.eq(alias.id))
            .order_by_asc(asset::Column::Id)
            .all(db)
            .await
            .map_err(doing(reading))?;
        if !rows.is_empty() {
            found.insert(alias.name, rows);
        }
    }
    Ok(found)
}

/// The aliases under which each of these assets was found, by the keys of the assets; those of none are left out.
pub async fn of_assets(
    db: &impl ConnectionTrait,
    assets: &[i64],
) -> Result<HashMap<i64, Vec<asset_alias::Model>>, StoreError> {
    if assets.is_empty() {
        return Ok(HashMap::new());
    }
    let links = asset_alias_asset::Entity::find()
        .filter(asset_alias_asset::Column::AssetId.is_in(assets.iter().copied()))
        .all(db)
        .await
        .map_err(doing("reading what was found under aliases"))?;
    if links.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: BTreeSet<i64> = links.iter().map(|link| link.alias_id).collect();
    let aliases = asset_alias::Entity::find().filter(asset_alias::Column::Id.is_in(ids)).all(db).await;
    let aliases: BTreeMap<i64, asset_alias::Model> =
        aliases.map_err(doing("reading aliases of assets"))?.into_iter().map(|alias| (alias.id, alias)).collect();
    let mut found: HashMap<i64, Vec<asset_alias::Model>> = HashMap::new();
    for link in links {
        found.entry(link.asset_id).or_default().extend(aliases.get(&link.alias_id).cloned());
    }
    Ok(found)
}
