//! DAGs, their tags, and how their runs went.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait, Func, Query, SelectStatement, WindowStatement};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoSimpleExpr, Iterable, Order, QueryFilter, QueryOrder,
    QuerySelect, Select,
};

use super::assets::named;
use super::filter::{Pattern, Range, TagMatch, nothing};
use super::keyset::{Direction, Kind, Listing, Paging, SortKey, Sorting, fetch, listing, total};
use super::runs::{RunRow, with_versions};
use crate::store::assets::AssetUse;
use crate::store::entity::{asset, asset_alias_reference, asset_reference, dag, dag_run, dag_tag};
use crate::store::error::{StoreError, doing};
use crate::store::favorites;

/// A DAG in a list; its `source` is left empty.
#[derive(Clone, Debug)]
pub struct DagRow {
    /// The row.
    pub dag: dag::Model,
    /// Its tags, in order.
    pub tags: Vec<String>,
}

/// Which DAGs. The default is all of them, also those whose files are gone.
#[derive(Clone, Debug, Default)]
pub struct DagFilter {
    /// Only these, unless empty.
    pub dag_ids: Vec<String>,
    /// Only those with these tags.
    pub tags: Vec<String>,
    /// Whether one of them is enough.
    pub tags_match: TagMatch,
    /// Only those of one of these owners.
    pub owners: Vec<String>,
    /// Filters on the id.
    pub dag_id: Vec<Pattern>,
    /// Filters on what people see in its place.
    pub display_name: Vec<Pattern>,
    /// Filters on either of the two.
    pub any_name: Vec<Pattern>,
    /// Only those that are favourites of a user, or only those that are not.
    pub is_favorite: Option<(String, bool)>,
    /// Leave out DAGs whose files are gone.
    pub exclude_stale: bool,
    /// Only those that are paused, or only those that are not.
    pub is_paused: Option<bool>,
    /// Only those whose files are broken, or only those whose are not.
    pub has_import_errors: Option<bool>,
    /// Only those whose last run is in this state.
    pub last_run_state: Option<String>,
    /// Only those with a run in one of these states.
    pub run_states: Vec<String>,
    /// Only those with a run that started then.
    pub run_start_date: Range<DateTime<Utc>>,
    /// Only those with a run that ended then.
    pub run_end_date: Range<DateTime<Utc>>,
    /// Only those of this bundle.
    pub bundle_name: Option<String>,
    /// Only those that a schedule makes runs of, or only those that none does.
    pub is_scheduled: Option<bool>,
    /// Only those that wait for assets, or only the others.
    pub waits_for_assets: Option<bool>,
    /// Only those that wait for an asset whose name or URI matches.
    pub awaited_asset: Vec<Pattern>,
    /// None of them: they have nothing of what is asked for.
    pub is_of_none: bool,
}

impl DagFilter {
    fn apply(&self, select: Select<dag::Entity>) -> Select<dag::Entity> {
        let mut all = Condition::all()
            .add_option(self.is_paused.map(|is_paused| dag::Column::IsPaused.eq(is_paused)))
            .add_option(self.has_import_errors.map(|has_errors| dag::Column::HasImportErrors.eq(has_errors)))
            .add_option(self.bundle_name.as_ref().map(|bundle| dag::Column::BundleName.eq(bundle)))
            .add_option(self.last_run_state.as_ref().map(|state| last_run(dag_run::Column::State).eq(state.as_str())))
            .add_option(self.is_scheduled.map(|is_scheduled| {
                let summary = dag::Column::TimetableSummary;
                if is_scheduled { summary.is_not_null() } else { summary.is_null() }
            }));
        if let Some(waits) = self.waits_for_assets {
            let waiting = dag::Column::DagId
                .in_subquery(waiting_for(&[]))
                .or(dag::Column::DagId.in_subquery(waiting_for_an_alias()));
            all = all.add(if waits { waiting } else { waiting.not() });
        }
        if !self.awaited_asset.is_empty() {
            all = all.add(dag::Column::DagId.in_subquery(waiting_for(&self.awaited_asset)));
        }
        if self.is_of_none {
            all = all.add(nothing());
        }
        if self.exclude_stale {
            all = all.add(dag::Column::IsStale.eq(false));
        }
        if !self.dag_ids.is_empty() {
            all = all.add(dag::Column::DagId.is_in(&self.dag_ids));
        }
        for pattern in &self.dag_id {
            all = all.add(pattern.on(dag::Column::DagId.into_simple_expr()));
        }
        for pattern in &self.display_name {
            all = all.add(pattern.on(display_name()));
        }
        for pattern in &self.any_name {
            let either = Condition::any().add(pattern.on(dag::Column::DagId.into_simple_expr()));
            all = all.add(either.add(pattern.on(display_name())));
        }
        if let Some((user, is_favorite)) = &self.is_favorite {
            let favorite = dag::Column::DagId.in_subquery(favorites::of_user(user));
            all = all.add(if *is_favorite { favorite } else { favorite.not() });
        }
        if !self.owners.is_empty() {
            all = all.add(self.owned());
        }
        if !self.tags.is_empty() {
            all = all.add(self.tagged());
        }
        if self.asks_for_runs() {
            all = all.add(dag::Column::DagId.in_subquery(self.with_runs()));
        }
        select.filter(all)
    }

    /// Owners are written as one text, separated by commas.
    fn owned(&self) -> Condition {
        self.owners.iter().fold(Condition::any(), |any, owner| {
            let owners = Expr::from(Func::cust("REPLACE").args([
                dag::Column::Owners.into_simple_expr(),
                Expr::value(", "),
                Expr::value(","),
            ]));
            let listed = Expr::value(",").binary(concat(), owners).binary(concat(), Expr::value(","));
            any.add(super::filter::occurs(listed, &format!(",{owner},")))
        })
    }

    fn tagged(&self) -> Condition {
        let with = |tags: &[String]| {
            Query::select()
                .column(dag_tag::Column::DagId)
                .from(dag_tag::Entity)
                .and_where(dag_tag::Column::Name.is_in(tags))
                .to_owned()
        };
        match self.tags_match {
            TagMatch::Any => Condition::all().add(dag::Column::DagId.in_subquery(with(&self.tags))),
            TagMatch::All => self.tags.iter().fold(Condition::all(), |all, tag| {
                all.add(dag::Column::DagId.in_subquery(with(std::slice::from_ref(tag))))
            }),
        }
    }

    fn asks_for_runs(&self) -> bool {
        !self.run_states.is_empty() || self.run_start_date != Range::default() || self.run_end_date != Range::default()
    }

    fn with_runs(&self) -> SelectStatement {
        let mut all = Condition::all()
            .add(self.run_start_date.on(dag_run::Column::StartDate.into_simple_expr()))
            .add(self.run_end_date.on(dag_run::Column::EndDate.into_simple_expr()));
        if !self.run_states.is_empty() {
            all = all.add(dag_run::Column::State.is_in(&self.run_states));
        }
        Query::select().column(dag_run::Column::DagId).from(dag_run::Entity).cond_where(all).to_owned()
    }
}

/// The DAGs that wait for an asset which matches.
fn waiting_for(asset: &[Pattern]) -> SelectStatement {
    Query::select()
        .column((asset_reference::Entity, asset_reference::Column::DagId))
        .from(asset_reference::Entity)
        .inner_join(
            asset::Entity,
            Expr::col((asset::Entity, asset::Column::Id))
                .equals((asset_reference::Entity, asset_reference::Column::AssetId)),
        )
        .and_where(Expr::col((asset_reference::Entity, asset_reference::Column::Kind)).eq(AssetUse::Schedule.word()))
        .cond_where(named(asset))
        .to_owned()
}

/// The DAGs that wait for an alias, whether anything was found under it yet or not.
fn waiting_for_an_alias() -> SelectStatement {
    Query::select().column(asset_alias_reference::Column::DagId).from(asset_alias_reference::Entity).to_owned()
}

/// What people see of a DAG.
fn display_name() -> Expr {
    let columns = [dag::Column::DagDisplayName, dag::Column::DagId];
    Expr::from(Func::coalesce(columns.map(IntoSimpleExpr::into_simple_expr)))
}

fn concat() -> sea_orm::sea_query::BinOper {
    sea_orm::sea_query::BinOper::Custom("||")
}

/// A column of the latest run of the DAG of the row.
fn last_run(column: dag_run::Column) -> Expr {
    let latest = Query::select()
        .column((dag_run::Entity, column))
        .from(dag_run::Entity)
        .and_where(dag_run::Column::DagId.into_simple_expr().eq(dag::Column::DagId.into_simple_expr()))
        .order_by((dag_run::Entity, dag_run::Column::RunAfter), Order::Desc)
        .order_by((dag_run::Entity, dag_run::Column::Id), Order::Desc)
        .limit(1)
        .to_owned();
    Expr::SubQuery(None, Box::new(latest.into()))
}

/// What DAGs can be ordered by (Airflow 3); `dag_id` tells any two apart.
pub fn dag_sort_key(word: &str) -> Option<SortKey<DagRow>> {
    use dag::Column as C;
    let expr = match word {
        "dag_id" => C::DagId.into_simple_expr(),
        "dag_display_name" => display_name(),
        "next_dagrun" => C::NextDagrunRunAfter.into_simple_expr(),
        "state" | "last_run_state" => last_run(dag_run::Column::State),
        "start_date" | "last_run_start_date" => last_run(dag_run::Column::StartDate),
        _ => return None,
    };
    Some(SortKey::without_cursor(expr, Kind::Text))
}

/// A page of DAGs.
pub async fn list_dags(
    db: &impl ConnectionTrait,
    filter: &DagFilter,
    sorting: &Sorting<DagRow>,
    paging: &Paging,
) -> Result<Listing<DagRow>, StoreError> {
    let total = total(db, filter.apply(dag::Entity::find()), paging).await?;
    // The texts of the files would be most of the bytes, and no list shows them.
    let light = dag::Entity::find()
        .select_only()
        .columns(dag::Column::iter().filter(|column| !matches!(column, dag::Column::Source)))
        .expr_as(Expr::value(""), "source");
    let (rows, has_more) = fetch(db, filter.apply(light), sorting, paging).await?;
    let rows = with_tags(db, rows).await?;
    Ok(listing(rows, has_more, total, sorting, paging))
}

/// The DAG with that id, with its tags and its source.
pub async fn find_dag(db: &impl ConnectionTrait, dag_id: &str) -> Result<Option<DagRow>, StoreError> {
    let row = dag::Entity::find_by_id(dag_id).one(db).await.map_err(doing("looking for a DAG"))?;
    Ok(with_tags(db, row.into_iter().collect()).await?.pop())
}

async fn with_tags(db: &impl ConnectionTrait, rows: Vec<dag::Model>) -> Result<Vec<DagRow>, StoreError> {
    let tags = dag_tag::Entity::find()
        .filter(dag_tag::Column::DagId.is_in(rows.iter().map(|row| row.dag_id.as_str())))
        .order_by_asc(dag_tag::Column::Name)
        .all(db)
        .await
        .map_err(doing("reading tags"))?;
    let mut by_dag: HashMap<String, Vec<String>> = HashMap::new();
    for tag in tags {
        by_dag.entry(tag.dag_id).or_default().push(tag.name);
    }
    Ok(rows
        .into_iter()
        .map(|dag| {
            let tags = by_dag.remove(&dag.dag_id).unwrap_or_default();
            DagRow { dag, tags }
        })
        .collect())
}

/// A page of the tags in use, and how many there are.
pub async fn list_tags(
    db: &impl ConnectionTrait,
    patterns: &[Pattern],
    direction: Direction,
    limit: u64,
    offset: u64,
) -> Result<(Vec<String>, u64), StoreError> {
    let mut all = Condition::all();
    for pattern in patterns {
        all = all.add(pattern.on(dag_tag::Column::Name.into_simple_expr()));
    }
    let names = dag_tag::Entity::find().select_only().column(dag_tag::Column::Name).distinct().filter(all);
    let order = if direction == Direction::Ascending { Order::Asc } else { Order::Desc };
    let page = names.clone().order_by(dag_tag::Column::Name, order).limit(limit).offset(offset);
    let page = page.into_tuple().all(db).await.map_err(doing("listing tags"))?;
    let total = sea_orm::PaginatorTrait::count(names, db).await.map_err(doing("counting tags"))?;
    Ok((page, total))
}

/// The number of runs by DAG and state, of these DAGs, or of all when none is named.
pub async fn run_counts(
    db: &impl ConnectionTrait,
    dag_ids: &[String],
) -> Result<Vec<(String, String, i64)>, StoreError> {
    let all =
        if dag_ids.is_empty() { Condition::all() } else { Condition::all().add(dag_run::Column::DagId.is_in(dag_ids)) };
    dag_run::Entity::find()
        .select_only()
        .column(dag_run::Column::DagId)
        .column(dag_run::Column::State)
        .column_as(dag_run::Column::Id.count(), "runs")
        .filter(all)
        .group_by(dag_run::Column::DagId)
        .group_by(dag_run::Column::State)
        .into_tuple()
        .all(db)
        .await
        .map_err(doing("counting runs"))
}

/// The latest `count` runs of each of these DAGs, latest first, in one statement.
pub async fn recent_runs(
    db: &impl ConnectionTrait,
    dag_ids: &[String],
    count: u32,
) -> Result<HashMap<String, Vec<RunRow>>, StoreError> {
    let window = WindowStatement::partition_by(dag_run::Column::DagId)
        .order_by(dag_run::Column::RunAfter, Order::Desc)
        .order_by(dag_run::Column::Id, Order::Desc)
        .to_owned();
    let ranked = Query::select()
        .column(dag_run::Column::Id)
        .expr_window_as(Func::cust("ROW_NUMBER"), window, "place")
        .from(dag_run::Entity)
        .and_where(dag_run::Column::DagId.is_in(dag_ids))
        .to_owned();
    let recent = Query::select()
        .column("id")
        .from_subquery(ranked, "ranked")
        .and_where(Expr::col("place").lte(i64::from(count)))
        .to_owned();
    let rows = dag_run::Entity::find()
        .filter(dag_run::Column::Id.in_subquery(recent))
        .order_by_desc(dag_run::Column::RunAfter)
        .order_by_desc(dag_run::Column::Id)
        .all(db)
        .await
        .map_err(doing("reading the recent runs"))?;
    let mut by_dag: HashMap<String, Vec<RunRow>> = HashMap::new();
    for row in with_versions(db, rows).await? {
        by_dag.entry(row.run.dag_id.clone()).or_default().push(row);
    }
    Ok(by_dag)
}
