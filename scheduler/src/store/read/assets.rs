//! Assets with those who name them, and their events with the runs that were made for them.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, Query};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoSimpleExpr, JoinType, QueryFilter, QueryOrder,
    QuerySelect,
};
use uuid::Uuid;

use super::filter::{Pattern, Range};
use super::keyset::{Kind, Listing, Paging, SortKey, Sorting, fetch, listing, total};
use crate::store::asset_aliases;
use crate::store::asset_events::{AssetEvent, with_assets};
use crate::store::assets::{AssetUse, to_dag};
use crate::store::entity::{
    asset, asset_alias, asset_alias_asset, asset_event, asset_event_dag_run, asset_reference, dag, dag_run,
};
use crate::store::error::{StoreError, doing};

/// Which assets. The default is all of them.
#[derive(Clone, Debug, Default)]
pub struct AssetFilter {
    /// Filters on the name.
    pub name: Vec<Pattern>,
    /// Filters on the URI.
    pub uri: Vec<Pattern>,
    /// Only those that one of these DAGs names, unless empty.
    pub dag_ids: Vec<String>,
    /// Only those that a DAG with a file names, or that a task found (Airflow 3: active assets).
    pub only_active: bool,
}

impl AssetFilter {
    fn condition(&self) -> Condition {
        let mut all = Condition::all();
        for (column, patterns) in [(asset::Column::Name, &self.name), (asset::Column::Uri, &self.uri)] {
            for pattern in patterns {
                all = all.add(pattern.on(column.into_simple_expr()));
            }
        }
        if !self.dag_ids.is_empty() {
            let named = Query::select()
                .column(asset_reference::Column::AssetId)
                .from(asset_reference::Entity)
                .and_where(asset_reference::Column::DagId.is_in(&self.dag_ids))
                .to_owned();
            all = all.add(asset::Column::Id.in_subquery(named));
        }
        if self.only_active {
            let live = Query::select()
                .column(dag::Column::DagId)
                .from(dag::Entity)
                .and_where(dag::Column::IsStale.eq(false))
                .to_owned();
            let named = Query::select()
                .column(asset_reference::Column::AssetId)
                .from(asset_reference::Entity)
                .and_where(asset_reference::Column::DagId.in_subquery(live))
                .to_owned();
            let found =
                Query::select().column(asset_alias_asset::Column::AssetId).from(asset_alias_asset::Entity).to_owned();
            let is_active =
                Condition::any().add(asset::Column::Id.in_subquery(named)).add(asset::Column::Id.in_subquery(found));
            all = all.add(is_active);
        }
        all
    }
}

/// Assets whose name or URI matches all of these.
pub(super) fn named(patterns: &[Pattern]) -> Condition {
    patterns.iter().fold(Condition::all(), |all, pattern| {
        let by_name = pattern.on(Expr::col((asset::Entity, asset::Column::Name)));
        let by_uri = pattern.on(Expr::col((asset::Entity, asset::Column::Uri)));
        all.add(Condition::any().add(by_name).add(by_uri))
    })
}

/// An asset, who names it, and when it was last updated.
#[derive(Clone, Debug)]
pub struct AssetRow {
    /// The row.
    pub asset: asset::Model,
    /// Who names it, as far as their files are there.
    pub references: Vec<asset_reference::Model>,
    /// The aliases that tasks found it under.
    pub aliases: Vec<asset_alias::Model>,
    /// Its newest event.
    pub last_event: Option<asset_event::Model>,
}

impl AssetRow {
    /// Who names it in that way.
    pub fn named_in(&self, kind: AssetUse) -> impl Iterator<Item = &asset_reference::Model> {
        self.references.iter().filter(move |reference| reference.kind == kind.word())
    }
}

/// What assets can be ordered by (Airflow 3); `id` tells any two apart.
pub fn asset_sort_key(word: &str) -> Option<SortKey<AssetRow>> {
    let column = match word {
        "id" => asset::Column::Id,
        "name" => asset::Column::Name,
        "uri" => asset::Column::Uri,
        "created_at" => asset::Column::CreatedAt,
        "updated_at" => asset::Column::UpdatedAt,
        _ => return None,
    };
    Some(SortKey::without_cursor(column.into_simple_expr(), Kind::Text))
}

/// A page of assets.
pub async fn list_assets(
    db: &impl ConnectionTrait,
    filter: &AssetFilter,
    sorting: &Sorting<AssetRow>,
    paging: &Paging,
) -> Result<Listing<AssetRow>, StoreError> {
    let select = || asset::Entity::find().filter(filter.condition());
    let total = total(db, select(), paging).await?;
    let (rows, has_more) = fetch(db, select(), sorting, paging).await?;
    let rows = described(db, rows).await?;
    Ok(listing(rows, has_more, total, sorting, paging))
}

/// The asset with that key.
pub async fn find_asset(db: &impl ConnectionTrait, id: i64) -> Result<Option<AssetRow>, StoreError> {
    let row = asset::Entity::find_by_id(id).one(db).await.map_err(doing("looking for an asset"))?;
    Ok(described(db, row.into_iter().collect()).await?.pop())
}

async fn described(db: &impl ConnectionTrait, assets: Vec<asset::Model>) -> Result<Vec<AssetRow>, StoreError> {
    let ids: Vec<i64> = assets.iter().map(|asset| asset.id).collect();
    let references = asset_reference::Entity::find()
        .join(JoinType::InnerJoin, to_dag())
        .filter(asset_reference::Column::AssetId.is_in(ids.iter().copied()))
        .filter(dag::Column::IsStale.eq(false))
        .order_by_asc(asset_reference::Column::DagId)
        .order_by_asc(asset_reference::Column::TaskId)
        .all(db)
        .await
        .map_err(doing("reading who names assets"))?;
    let mut by_asset: HashMap<i64, Vec<asset_reference::Model>> = HashMap::new();
    for reference in references {
        by_asset.entry(reference.asset_id).or_default().push(reference);
    }
    let mut aliases = asset_aliases::of_assets(db, &ids).await?;
    let mut last = last_asset_events(db, &ids).await?;
    let rows = assets.into_iter().map(|asset| AssetRow {
        references: by_asset.remove(&asset.id).unwrap_or_default(),
        aliases: aliases.remove(&asset.id).unwrap_or_default(),
        last_event: last.remove(&asset.id),
        asset,
    });
    Ok(rows.collect())
}

/// The newest event of each of these assets that has one.
pub async fn last_asset_events(
    db: &impl ConnectionTrait,
    assets: &[i64],
) -> Result<HashMap<i64, asset_event::Model>, StoreError> {
    let newest = Query::select()
        .expr(asset_event::Column::Id.max())
        .from(asset_event::Entity)
        .and_where(asset_event::Column::AssetId.is_in(assets.iter().copied()))
        .group_by_col(asset_event::Column::AssetId)
        .to_owned();
    let events = asset_event::Entity::find()
        .filter(asset_event::Column::Id.in_subquery(newest))
        .all(db)
        .await
        .map_err(doing("reading the newest events of assets"))?;
    Ok(events.into_iter().map(|event| (event.asset_id, event)).collect())
}

/// What aliases can be ordered by (Airflow 3).
pub fn asset_alias_sort_key(word: &str) -> Option<SortKey<asset_alias::Model>> {
    let column = match word {
        "id" => asset_alias::Column::Id,
        "name" => asset_alias::Column::Name,
        _ => return None,
    };
    Some(SortKey::without_cursor(column.into_simple_expr(), Kind::Text))
}

/// A page of the aliases whose name matches.
pub async fn list_asset_aliases(
    db: &impl ConnectionTrait,
    name: &[Pattern],
    sorting: &Sorting<asset_alias::Model>,
    paging: &Paging,
) -> Result<Listing<asset_alias::Model>, StoreError> {
    let on_name = |all: Condition, pattern: &Pattern| all.add(pattern.on(asset_alias::Column::Name.into_simple_expr()));
    let all = name.iter().fold(Condition::all(), on_name);
    let select = || asset_alias::Entity::find().filter(all.clone());
    let total = total(db, select(), paging).await?;
    let (rows, has_more) = fetch(db, select(), sorting, paging).await?;
    Ok(listing(rows, has_more, total, sorting, paging))
}

/// The alias with that key.
pub async fn find_asset_alias(db: &impl ConnectionTrait, id: i64) -> Result<Option<asset_alias::Model>, StoreError> {
    asset_alias::Entity::find_by_id(id).one(db).await.map_err(doing("looking for an alias of assets"))
}

/// Which events. The default is all of them.
#[derive(Clone, Debug, Default)]
pub struct AssetEventFilter {
    /// Only of this asset.
    pub asset_id: Option<i64>,
    /// Only by tasks of this DAG.
    pub source_dag_id: Option<String>,
    /// Only by this task.
    pub source_task_id: Option<String>,
    /// Only by the run that people call so.
    pub source_run_id: Option<String>,
    /// Only by this mapped instance.
    pub source_map_index: Option<i32>,
    /// Filters on the asset's name.
    pub name: Vec<Pattern>,
    /// When.
    pub timestamp: Range<DateTime<Utc>>,
}

impl AssetEventFilter {
    fn condition(&self) -> Condition {
        use asset_event::Column as C;
        let mut all = Condition::all()
            .add_option(self.asset_id.map(|id| C::AssetId.eq(id)))
            .add_option(self.source_map_index.map(|index| C::SourceMapIndex.eq(index)))
            .add(self.timestamp.on(C::Timestamp.into_simple_expr()));
        for (column, value) in [
            (C::SourceDagId, &self.source_dag_id),
            (C::SourceTaskId, &self.source_task_id),
            (C::SourceRunId, &self.source_run_id),
        ] {
            all = all.add_option(value.as_ref().map(|value| column.eq(value)));
        }
        if !self.name.is_empty() {
            let named = AssetFilter { name: self.name.clone(), ..AssetFilter::default() };
            let assets =
                Query::select().column(asset::Column::Id).from(asset::Entity).cond_where(named.condition()).to_owned();
            all = all.add(C::AssetId.in_subquery(assets));
        }
        all
    }
}

/// An event, its asset, and the runs that were made for it.
#[derive(Clone, Debug)]
pub struct AssetEventRow {
    /// The event and its asset.
    pub update: AssetEvent,
    /// The runs, each with whether this is the last of the events that it was made for (Airflow 3: `triggering`).
    pub runs: Vec<(dag_run::Model, bool)>,
}

/// What events can be ordered by (Airflow 3), and by `id`, which tells any two apart.
pub fn asset_event_sort_key(word: &str) -> Option<SortKey<AssetEventRow>> {
    use asset_event::Column as C;
    let column = match word {
        "id" => C::Id,
        "timestamp" => C::Timestamp,
        "source_dag_id" => C::SourceDagId,
        "source_task_id" => C::SourceTaskId,
        "source_run_id" => C::SourceRunId,
        "source_map_index" => C::SourceMapIndex,
        _ => return None,
    };
    Some(SortKey::without_cursor(column.into_simple_expr(), Kind::Text))
}

/// A page of events.
pub async fn list_asset_events(
    db: &impl ConnectionTrait,
    filter: &AssetEventFilter,
    sorting: &Sorting<AssetEventRow>,
    paging: &Paging,
) -> Result<Listing<AssetEventRow>, StoreError> {
    let select = || asset_event::Entity::find().filter(filter.condition());
    let total = total(db, select(), paging).await?;
    let (rows, has_more) = fetch(db, select(), sorting, paging).await?;
    let rows = event_rows(db, with_assets(db, rows).await?).await?;
    Ok(listing(rows, has_more, total, sorting, paging))
}

/// Puts beside events the runs that were made for them.
pub async fn event_rows(db: &impl ConnectionTrait, events: Vec<AssetEvent>) -> Result<Vec<AssetEventRow>, StoreError> {
    let given = asset_event_dag_run::Entity::find()
        .filter(asset_event_dag_run::Column::AssetEventId.is_in(events.iter().map(|update| update.event.id)))
        .all(db)
        .await
        .map_err(doing("reading which runs were made for events"))?;
    let ids: BTreeSet<Uuid> = given.iter().map(|given| given.dag_run_id).collect();
    let runs = dag_run::Entity::find().filter(dag_run::Column::Id.is_in(ids.iter().copied())).all(db).await;
    let runs: HashMap<Uuid, dag_run::Model> =
        runs.map_err(doing("reading which runs were made for events"))?.into_iter().map(|run| (run.id, run)).collect();
    let last = last_given(db, &ids).await?;
    let mut by_event: HashMap<i64, Vec<(dag_run::Model, bool)>> = HashMap::new();
    for given in given {
        if let Some(run) = runs.get(&given.dag_run_id) {
            let is_last = last.get(&run.id) == Some(&given.asset_event_id);
            by_event.entry(given.asset_event_id).or_default().push((run.clone(), is_last));
        }
    }
    let rows = events.into_iter().map(|update| {
        let mut runs = by_event.remove(&update.event.id).unwrap_or_default();
        runs.sort_by_key(|(run, _)| run.id);
        AssetEventRow { update, runs }
    });
    Ok(rows.collect())
}

/// The last of the events that each run was made for.
async fn last_given(db: &impl ConnectionTrait, runs: &BTreeSet<Uuid>) -> Result<HashMap<Uuid, i64>, StoreError> {
    let last: Vec<(Uuid, i64)> = asset_event_dag_run::Entity::find()
        .select_only()
        .column(asset_event_dag_run::Column::DagRunId)
        .column_as(asset_event_dag_run::Column::AssetEventId.max(), "last")
        .filter(asset_event_dag_run::Column::DagRunId.is_in(runs.iter().copied()))
        .group_by(asset_event_dag_run::Column::DagRunId)
        .into_tuple()
        .all(db)
        .await
        .map_err(doing("reading what runs were made for"))?;
    Ok(last.into_iter().collect())
}
