//! Aliases of assets: made when a task first finds an asset under one (Airflow 3: AssetAlias).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter,
};

use super::entity::{asset_alias, asset_alias_asset};
use super::error::{StoreError, doing};
use crate::dag::asset::GROUP;

/// Keeps that these assets, by their keys, were found under these aliases, by their names.
pub(super) async fn link(db: &impl ConnectionTrait, found: &BTreeSet<(&str, i64)>) -> Result<(), StoreError> {
    if found.is_empty() {
        return Ok(());
    }
    let names: BTreeSet<&str> = found.iter().map(|(alias, _)| *alias).collect();
    let new = names.iter().map(|name| asset_alias::ActiveModel {
        id: NotSet,
        name: Set((*name).to_owned()),
        group: Set(GROUP.to_owned()),
    });
    asset_alias::Entity::insert_many(new)
        .on_conflict(OnConflict::column(asset_alias::Column::Name).do_nothing().to_owned())
        .try_insert()
        .exec_without_returning(db)
        .await
        .map_err(doing("writing aliases of assets"))?;
    let rows = asset_alias::Entity::find().filter(asset_alias::Column::Name.is_in(names)).all(db).await;
    let rows = rows.map_err(doing("looking for aliases of assets"))?;
    let ids: BTreeMap<&str, i64> = rows.iter().map(|row| (row.name.as_str(), row.id)).collect();
    let links = found.iter().filter_map(|(alias, asset_id)| {
        let alias_id = *ids.get(alias)?;
        Some(asset_alias_asset::ActiveModel { alias_id: Set(alias_id), asset_id: Set(*asset_id) })
    });
    asset_alias_asset::Entity::insert_many(links)
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .try_insert()
        .exec_without_returning(db)
        .await
        .map_err(doing("writing what was found under aliases"))?;
    Ok(())
}

/// The aliases under which each of these assets was found, by the keys of the assets; those of none are left out.
pub async fn of_assets(
    db: &impl ConnectionTrait,
    assets: &[i64],
) -> Result<HashMap<i64, Vec<asset_alias::Model>>, StoreError> {
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
