//! Runs.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait, Func, Query, SelectStatement};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, IntoSimpleExpr, QueryFilter, QuerySelect, Select,
};

use super::assets::named;
use super::dag_versions;
use super::filter::{Pattern, Range, micros_between, micros_range, nothing, occurs};
use super::keyset::{KeyValue, Kind, Listing, Paging, SortKey, Sorting, fetch, listing, total};
use crate::store::Db;
use crate::store::entity::{asset, asset_event, asset_event_dag_run, dag_run, dag_version};
use crate::store::error::{StoreError, doing};
use crate::store::runs::is_unfinished;

/// A run, with the definition that it is pinned to.
#[derive(Clone, Debug)]
pub struct RunRow {
    /// The row.
    pub run: dag_run::Model,
    /// Its version, without the source.
    pub version: Option<dag_version::Model>,
}

/// Which runs. The default is all of them.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    /// Only those of these DAGs, unless empty.
    pub dag_ids: Vec<String>,
    /// Filters on the DAG's id.
    pub dag_id: Vec<Pattern>,
    /// Filters on the run's id.
    pub run_id: Vec<Pattern>,
    /// Filters on the key of its partition.
    pub partition_key: Vec<Pattern>,
    /// Filters on who triggered it.
    pub triggering_user_name: Vec<Pattern>,
    /// Only those in one of these states.
    pub states: Vec<String>,
    /// Only those of one of these types.
    pub run_types: Vec<String>,
    /// Only those pinned to a version with one of these numbers.
    pub version_numbers: Vec<i32>,
    /// Only those whose `conf`, as JSON text, has this in it, whatever spaces are in either.
    pub conf_contains: Option<String>,
    /// Only those that were made for an asset whose name or URI matches.
    pub consumed_asset: Vec<Pattern>,
    /// None of them: they have nothing of what is asked for.
    pub is_of_none: bool,
    /// When it might start.
    pub run_after: Range<DateTime<Utc>>,
    /// What it is about.
    pub logical_date: Range<DateTime<Utc>>,
    /// The instant that its partition stands for.
    pub partition_date: Range<DateTime<Utc>>,
    /// When it started.
    pub start_date: Range<DateTime<Utc>>,
    /// When it ended.
    pub end_date: Range<DateTime<Utc>>,
    /// When it last changed.
    pub updated_at: Range<DateTime<Utc>>,
    /// How long it took, in seconds.
    pub duration: Range<f64>,
    /// The present, for what has not started or ended yet.
    pub now: DateTime<Utc>,
}

impl RunFilter {
    fn apply(&self, backend: DbBackend, select: Select<dag_run::Entity>) -> Select<dag_run::Entity> {
        use dag_run::Column as C;
        let mut all = Condition::all()
            .add(self.run_after.on(C::RunAfter.into_simple_expr()))
            .add(self.logical_date.on(C::LogicalDate.into_simple_expr()))
            .add(self.partition_date.on(C::PartitionDate.into_simple_expr()))
            .add(self.start_date.on_open(C::StartDate.into_simple_expr(), self.now))
            .add(self.end_date.on_open(C::EndDate.into_simple_expr(), self.now))
            .add(self.updated_at.on(C::UpdatedAt.into_simple_expr()))
            .add(micros_range(self.duration).on(duration(backend)))
            .add_option(self.conf_contains.as_deref().and_then(conf_contains));
        for (column, words) in [(C::DagId, &self.dag_ids), (C::State, &self.states), (C::RunType, &self.run_types)] {
            if !words.is_empty() {
                all = all.add(column.is_in(words));
            }
        }
        for (column, patterns) in [
            (C::DagId, &self.dag_id),
            (C::RunId, &self.run_id),
            (C::PartitionKey, &self.partition_key),
            (C::TriggeringUserName, &self.triggering_user_name),
        ] {
            for pattern in patterns {
                all = all.add(pattern.on(column.into_simple_expr()));
            }
        }
        if !self.consumed_asset.is_empty() {
            all = all.add(C::Id.in_subquery(made_for(&self.consumed_asset)));
        }
        if self.is_of_none {
            all = all.add(nothing());
        }
        if !self.version_numbers.is_empty() {
            let versions = Query::select()
                .column(dag_version::Column::Id)
                .from(dag_version::Entity)
                .and_where(dag_version::Column::VersionNumber.is_in(self.version_numbers.iter().copied()))
                .to_owned();
            all = all.add(C::DagVersionId.in_subquery(versions));
        }
        select.filter(all)
    }
}

/// The runs that were given an event of an asset which matches.
fn made_for(asset: &[Pattern]) -> SelectStatement {
    use asset_event_dag_run as given;
    Query::select()
        .column((given::Entity, given::Column::DagRunId))
        .from(given::Entity)
        .inner_join(
            asset_event::Entity,
            Expr::col((asset_event::Entity, asset_event::Column::Id))
                .equals((given::Entity, given::Column::AssetEventId)),
        )
        .inner_join(
            asset::Entity,
            Expr::col((asset::Entity, asset::Column::Id)).equals((asset_event::Entity, asset_event::Column::AssetId)),
        )
        .cond_where(named(asset))
        .to_owned()
}

fn duration(backend: DbBackend) -> Expr {
    micros_between(backend, dag_run::Column::StartDate.into_simple_expr(), dag_run::Column::EndDate.into_simple_expr())
}

/// Whether `term` occurs in `conf`. Postgres puts spaces into the text of JSON where SQLite has none, so none count.
fn conf_contains(term: &str) -> Option<Expr> {
    let term = term.replace(' ', "");
    let text = Func::cust("REPLACE").args([conf_text(), Expr::value(" "), Expr::value("")]);
    (!term.is_empty()).then(|| occurs(text.into(), &term))
}

fn conf_text() -> Expr {
    dag_run::Column::Conf.into_simple_expr().cast_as("TEXT")
}

/// What runs can be ordered by (Airflow 3); `id` tells any two apart.
pub fn run_sort_key(word: &str, db: &Db) -> Option<SortKey<RunRow>> {
    use dag_run::Column as C;
    type Read = fn(&RunRow) -> KeyValue;

    let key = |column: C, kind, read: Read| Some(SortKey::new(column.into_simple_expr(), kind, read));
    match word {
        "id" => key(C::Id, Kind::Uuid, |row| KeyValue::Uuid(row.run.id)),
        "state" => key(C::State, Kind::Text, |row| row.run.state.as_str().into()),
        "dag_id" => key(C::DagId, Kind::Text, |row| row.run.dag_id.as_str().into()),
        "run_id" | "dag_run_id" => key(C::RunId, Kind::Text, |row| row.run.run_id.as_str().into()),
        "logical_date" => key(C::LogicalDate, Kind::Instant, |row| row.run.logical_date.into()),
        "run_after" => key(C::RunAfter, Kind::Instant, |row| Some(row.run.run_after).into()),
        "start_date" => key(C::StartDate, Kind::Instant, |row| row.run.start_date.into()),
        "end_date" => key(C::EndDate, Kind::Instant, |row| row.run.end_date.into()),
        "updated_at" => key(C::UpdatedAt, Kind::Instant, |row| Some(row.run.updated_at).into()),
        "partition_date" => key(C::PartitionDate, Kind::Instant, |row| row.run.partition_date.into()),
        "conf" => Some(SortKey::without_cursor(conf_text(), Kind::Text)),
        "duration" => Some(SortKey::new(duration(db.read().get_database_backend()), Kind::Number, |row| {
            let micros =
                row.run.start_date.zip(row.run.end_date).and_then(|(start, end)| (end - start).num_microseconds());
            micros.map_or(KeyValue::Null, KeyValue::Number)
        })),
        _ => None,
    }
}

/// A page of runs.
pub async fn list_runs(
    db: &impl ConnectionTrait,
    filter: &RunFilter,
    sorting: &Sorting<RunRow>,
    paging: &Paging,
) -> Result<Listing<RunRow>, StoreError> {
    let select = || filter.apply(db.get_database_backend(), dag_run::Entity::find());
    let total = total(db, select(), paging).await?;
    let (runs, has_more) = fetch(db, select(), sorting, paging).await?;
    let rows = with_versions(db, runs).await?;
    Ok(listing(rows, has_more, total, sorting, paging))
}

/// The run that people call `run_id`.
pub async fn find_run(db: &impl ConnectionTrait, dag_id: &str, run_id: &str) -> Result<Option<RunRow>, StoreError> {
    let run = crate::store::runs::find(db, dag_id, run_id).await?;
    Ok(with_versions(db, run.into_iter().collect()).await?.pop())
}

/// Runs with the definitions that they are pinned to.
pub async fn with_versions(db: &impl ConnectionTrait, runs: Vec<dag_run::Model>) -> Result<Vec<RunRow>, StoreError> {
    let versions = dag_versions::by_id(db, runs.iter().map(|run| run.dag_version_id)).await?;
    Ok(runs
        .into_iter()
        .map(|run| {
            let version = versions.get(&run.dag_version_id).cloned();
            RunRow { run, version }
        })
        .collect())
}

/// The number of unfinished runs, by DAG.
pub async fn active_run_counts(
    db: &impl ConnectionTrait,
    dag_ids: &[String],
) -> Result<HashMap<String, i64>, StoreError> {
    let rows: Vec<(String, i64)> = dag_run::Entity::find()
        .select_only()
        .column(dag_run::Column::DagId)
        .column_as(dag_run::Column::Id.count(), "runs")
        .filter(dag_run::Column::DagId.is_in(dag_ids))
        .filter(is_unfinished())
        .group_by(dag_run::Column::DagId)
        .into_tuple()
        .all(db)
        .await
        .map_err(doing("counting active runs"))?;
    Ok(rows.into_iter().collect())
}
