//! Values that tasks left for others.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, Query};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoSimpleExpr, Iterable, QueryFilter, QuerySelect,
};
use uuid::Uuid;

use super::filter::{Pattern, Range};
use super::keyset::{Kind, Listing, Paging, SortKey, Sorting, fetch, listing, total};
use crate::store::entity::{dag_run, xcom};
use crate::store::error::{StoreError, doing};

/// An XCom, with the run that it belongs to.
#[derive(Clone, Debug)]
pub struct XComRow {
    /// The row; in a list its value is left null.
    pub xcom: xcom::Model,
    /// The logical date of the run.
    pub logical_date: Option<DateTime<Utc>>,
    /// When the run might start.
    pub run_after: DateTime<Utc>,
}

/// Which XComs. The default is all of them.
#[derive(Clone, Debug, Default)]
pub struct XComFilter {
    /// Only of this DAG.
    pub dag_id: Option<String>,
    /// Only of the run that people call so.
    pub run_id: Option<String>,
    /// Only of this task.
    pub task_id: Option<String>,
    /// Only with this key.
    pub key: Option<String>,
    /// Only of these mapped instances, unless empty.
    pub map_indices: Vec<i32>,
    /// Filters on the key.
    pub key_patterns: Vec<Pattern>,
    /// Filters on the DAG's id.
    pub dag_id_patterns: Vec<Pattern>,
    /// Filters on the run's id.
    pub run_id_patterns: Vec<Pattern>,
    /// Filters on the task's id.
    pub task_id_patterns: Vec<Pattern>,
    /// What the run is about.
    pub logical_date: Range<DateTime<Utc>>,
    /// When the run might start.
    pub run_after: Range<DateTime<Utc>>,
}

impl XComFilter {
    fn condition(&self) -> Condition {
        use xcom::Column as C;
        let mut all = Condition::all();
        for (column, value) in
            [(C::DagId, &self.dag_id), (C::RunId, &self.run_id), (C::TaskId, &self.task_id), (C::Key, &self.key)]
        {
            all = all.add_option(value.as_ref().map(|value| column.eq(value)));
        }
        for (column, patterns) in [
            (C::Key, &self.key_patterns),
            (C::DagId, &self.dag_id_patterns),
            (C::RunId, &self.run_id_patterns),
            (C::TaskId, &self.task_id_patterns),
        ] {
            for pattern in patterns {
                all = all.add(pattern.on(column.into_simple_expr()));
            }
        }
        if !self.map_indices.is_empty() {
            all = all.add(C::MapIndex.is_in(self.map_indices.iter().copied()));
        }
        if self.logical_date != Range::default() || self.run_after != Range::default() {
            let runs = Query::select()
                .column(dag_run::Column::Id)
                .from(dag_run::Entity)
                .cond_where(
                    Condition::all()
                        .add(self.logical_date.on(dag_run::Column::LogicalDate.into_simple_expr()))
                        .add(self.run_after.on(dag_run::Column::RunAfter.into_simple_expr())),
                )
                .to_owned();
            all = all.add(C::DagRunId.in_subquery(runs));
        }
        all
    }
}

/// What XComs can be ordered by (Airflow 3).
pub fn xcom_sort_key(word: &str) -> Option<SortKey<XComRow>> {
    use xcom::Column as C;
    let expr = match word {
        "key" => C::Key.into_simple_expr(),
        "dag_id" => C::DagId.into_simple_expr(),
        "run_id" => C::RunId.into_simple_expr(),
        "task_id" => C::TaskId.into_simple_expr(),
        "map_index" => C::MapIndex.into_simple_expr(),
        "timestamp" => C::Timestamp.into_simple_expr(),
        "run_after" => {
            let run_after = Query::select()
                .column((dag_run::Entity, dag_run::Column::RunAfter))
                .from(dag_run::Entity)
                .and_where(sea_orm::ExprTrait::eq(
                    dag_run::Column::Id.into_simple_expr(),
                    C::DagRunId.into_simple_expr(),
                ))
                .to_owned();
            Expr::SubQuery(None, Box::new(run_after.into()))
        }
        _ => return None,
    };
    Some(SortKey::without_cursor(expr, Kind::Text))
}

/// A page of XComs, without their values.
pub async fn list_xcoms(
    db: &impl ConnectionTrait,
    filter: &XComFilter,
    sorting: &Sorting<XComRow>,
    paging: &Paging,
) -> Result<Listing<XComRow>, StoreError> {
    let total = total(db, xcom::Entity::find().filter(filter.condition()), paging).await?;
    let light = xcom::Entity::find()
        .select_only()
        .columns(xcom::Column::iter().filter(|column| !matches!(column, xcom::Column::Value)))
        .expr_as(Expr::value("null"), "value")
        .filter(filter.condition());
    let (rows, has_more) = fetch(db, light, sorting, paging).await?;
    let rows = with_runs(db, rows).await?;
    Ok(listing(rows, has_more, total, sorting, paging))
}

/// One XCom, with its value.
pub async fn find_xcom(
    db: &impl ConnectionTrait,
    dag_id: &str,
    run_id: &str,
    task_id: &str,
    map_index: i32,
    key: &str,
) -> Result<Option<XComRow>, StoreError> {
    let row = xcom::Entity::find()
        .filter(xcom::Column::DagId.eq(dag_id))
        .filter(xcom::Column::RunId.eq(run_id))
        .filter(xcom::Column::TaskId.eq(task_id))
        .filter(xcom::Column::MapIndex.eq(map_index))
        .filter(xcom::Column::Key.eq(key))
        .one(db)
        .await
        .map_err(doing("looking for an XCom"))?;
    Ok(with_runs(db, row.into_iter().collect()).await?.pop())
}

async fn with_runs(db: &impl ConnectionTrait, rows: Vec<xcom::Model>) -> Result<Vec<XComRow>, StoreError> {
    let mut ids: Vec<Uuid> = rows.iter().map(|row| row.dag_run_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let runs: Vec<(Uuid, Option<DateTime<Utc>>, DateTime<Utc>)> = dag_run::Entity::find()
        .select_only()
        .columns([dag_run::Column::Id, dag_run::Column::LogicalDate, dag_run::Column::RunAfter])
        .filter(dag_run::Column::Id.is_in(ids))
        .into_tuple()
        .all(db)
        .await
        .map_err(doing("reading the runs of XComs"))?;
    let runs: HashMap<Uuid, _> = runs.into_iter().map(|(id, logical, after)| (id, (logical, after))).collect();
    Ok(rows
        .into_iter()
        .filter_map(|xcom| {
            let (logical_date, run_after) = *runs.get(&xcom.dag_run_id)?;
            Some(XComRow { xcom, logical_date, run_after })
        })
        .collect())
}
