//! What tasks ask of people.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoSimpleExpr, JoinType, QueryFilter, QuerySelect, Select,
};
use uuid::Uuid;

use super::filter::{Pattern, Range};
use super::keyset::{Kind, Listing, Paging, SortKey, Sorting, fetch, listing, total};
use super::task_instances::{TaskInstanceRow, find_instances_of};
use crate::store::entity::{dag_run, hitl_detail, task_instance};
use crate::store::error::{StoreError, doing};

/// A question, with the task instance that asks it.
#[derive(Clone, Debug)]
pub struct HitlDetailRow {
    /// The row.
    pub detail: hitl_detail::Model,
    /// Who asks.
    pub instance: TaskInstanceRow,
}

/// Which questions. The default is what every task instance asked last.
#[derive(Clone, Debug, Default)]
pub struct HitlDetailFilter {
    /// Only of this DAG.
    pub dag_id: Option<String>,
    /// Only of the run that people call so.
    pub run_id: Option<String>,
    /// Only of this task.
    pub task_id: Option<String>,
    /// Only of one of these mapped instances, unless empty.
    pub map_indices: Vec<i32>,
    /// Only of task instances in one of these states, unless empty; `None` is the absence of a state.
    pub states: Vec<Option<String>>,
    /// Only those that were answered, or were not.
    pub response_received: Option<bool>,
    /// Only those that one of these people answered, unless empty.
    pub responded_by: Vec<String>,
    /// Filters on the DAG's id.
    pub dag_id_patterns: Vec<Pattern>,
    /// Filters on the task's id.
    pub task_id_patterns: Vec<Pattern>,
    /// Filters on the question.
    pub subject_patterns: Vec<Pattern>,
    /// Filters on its text.
    pub body_patterns: Vec<Pattern>,
    /// When it was asked.
    pub created_at: Range<DateTime<Utc>>,
}

impl HitlDetailFilter {
    fn select(&self) -> Select<hitl_detail::Entity> {
        use hitl_detail::Column as C;
        use task_instance::Column as T;
        let on = Condition::all()
            .add(Expr::col((task_instance::Entity, T::DagRunId)).equals((hitl_detail::Entity, C::DagRunId)))
            .add(Expr::col((task_instance::Entity, T::TaskId)).equals((hitl_detail::Entity, C::TaskId)))
            .add(Expr::col((task_instance::Entity, T::MapIndex)).equals((hitl_detail::Entity, C::MapIndex)))
            // What earlier tries asked is history. One that goes on in another process is counted anew when it does.
            .add(Expr::col((hitl_detail::Entity, C::TryNumber)).gte(Expr::col((task_instance::Entity, T::TryNumber))));
        let mut select = hitl_detail::Entity::find();
        QuerySelect::query(&mut select).join(JoinType::InnerJoin, task_instance::Entity, on);
        select.filter(self.condition())
    }

    fn condition(&self) -> Condition {
        use hitl_detail::Column as C;
        use task_instance::Column as T;
        let mut all =
            Condition::all()
                .add_option(self.dag_id.as_ref().map(|dag_id| T::DagId.eq(dag_id)))
                .add_option(self.run_id.as_ref().map(|run_id| T::RunId.eq(run_id)))
                .add_option(self.task_id.as_ref().map(|task_id| C::TaskId.eq(task_id)))
                .add_option(self.response_received.map(|is_answered| {
                    if is_answered { C::RespondedAt.is_not_null() } else { C::RespondedAt.is_null() }
                }))
                .add(self.created_at.on(C::CreatedAt.into_simple_expr()));
        for (column, patterns) in [
            (T::DagId.into_simple_expr(), &self.dag_id_patterns),
            (C::TaskId.into_simple_expr(), &self.task_id_patterns),
            (C::Subject.into_simple_expr(), &self.subject_patterns),
            (C::Body.into_simple_expr(), &self.body_patterns),
        ] {
            for pattern in patterns {
                all = all.add(pattern.on(column.clone()));
            }
        }
        if !self.map_indices.is_empty() {
            all = all.add(C::MapIndex.is_in(self.map_indices.iter().copied()));
        }
        if !self.responded_by.is_empty() {
            all = all.add(C::RespondedBy.is_in(&self.responded_by));
        }
        if !self.states.is_empty() {
            let mut any = Condition::any().add(T::State.is_in(self.states.iter().flatten()));
            if self.states.contains(&None) {
                any = any.add(T::State.is_null());
            }
            all = all.add(any);
        }
        all
    }
}

/// What questions can be ordered by (Airflow 3).
pub fn hitl_detail_sort_key(word: &str) -> Option<SortKey<HitlDetailRow>> {
    use hitl_detail::Column as C;
    use task_instance::Column as T;
    let expr = match word {
        "ti_id" => T::TryId.into_simple_expr(),
        "subject" => C::Subject.into_simple_expr(),
        "responded_at" => C::RespondedAt.into_simple_expr(),
        "created_at" => C::CreatedAt.into_simple_expr(),
        "responded_by_user_id" | "responded_by_user_name" => C::RespondedBy.into_simple_expr(),
        "dag_id" => T::DagId.into_simple_expr(),
        "run_id" => T::RunId.into_simple_expr(),
        "task_display_name" | "task_id" => C::TaskId.into_simple_expr(),
        "map_index" | "rendered_map_index" => C::MapIndex.into_simple_expr(),
        "task_instance_operator" => T::Operator.into_simple_expr(),
        "task_instance_state" => T::State.into_simple_expr(),
        "run_after" => {
            let run_after = Query::select()
                .column((dag_run::Entity, dag_run::Column::RunAfter))
                .from(dag_run::Entity)
                .and_where(Expr::col((dag_run::Entity, dag_run::Column::Id)).equals((hitl_detail::Entity, C::DagRunId)))
                .to_owned();
            Expr::SubQuery(None, Box::new(run_after.into()))
        }
        _ => return None,
    };
    Some(SortKey::without_cursor(expr, Kind::Text))
}

/// A page of what task instances asked last.
pub async fn list_hitl_details(
    db: &impl ConnectionTrait,
    filter: &HitlDetailFilter,
    sorting: &Sorting<HitlDetailRow>,
    paging: &Paging,
) -> Result<Listing<HitlDetailRow>, StoreError> {
    let total = total(db, filter.select(), paging).await?;
    let (details, has_more) = fetch(db, filter.select(), sorting, paging).await?;
    let rows = with_instances(db, details).await?;
    Ok(listing(rows, has_more, total, sorting, paging))
}

/// What a try of a task instance asked; what it asked last when no try is named.
pub async fn find_hitl_detail(
    db: &impl ConnectionTrait,
    instance: &TaskInstanceRow,
    try_number: Option<i32>,
) -> Result<Option<hitl_detail::Model>, StoreError> {
    match try_number {
        None => crate::store::hitl_details::latest(db, &instance.instance).await,
        Some(try_number) => {
            let task_instance::Model { dag_run_id, task_id, map_index, .. } = &instance.instance;
            hitl_detail::Entity::find_by_id((*dag_run_id, task_id.clone(), *map_index, try_number))
                .one(db)
                .await
                .map_err(doing("looking for a question"))
        }
    }
}

async fn with_instances(
    db: &impl ConnectionTrait,
    details: Vec<hitl_detail::Model>,
) -> Result<Vec<HitlDetailRow>, StoreError> {
    let keys: Vec<(Uuid, &str, i32)> =
        details.iter().map(|detail| (detail.dag_run_id, detail.task_id.as_str(), detail.map_index)).collect();
    let key = |row: &TaskInstanceRow| (row.instance.dag_run_id, row.instance.task_id.clone(), row.instance.map_index);
    let mut found: HashMap<_, _> =
        find_instances_of(db, &keys).await?.into_iter().map(|row| (key(&row), row)).collect();
    Ok(details
        .into_iter()
        .filter_map(|detail| {
            let instance = found.remove(&(detail.dag_run_id, detail.task_id.clone(), detail.map_index))?;
            Some(HitlDetailRow { detail, instance })
        })
        .collect())
}
