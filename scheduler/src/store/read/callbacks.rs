//! Callbacks: what was told, what waits to be told, and what could not be.

use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoSimpleExpr, QueryFilter};

use super::keyset::{Kind, Listing, Paging, SortKey, Sorting, fetch, listing, total};
use crate::store::callbacks::CallbackState;
use crate::store::entity::callback_request::{Column as C, Entity, Model};
use crate::store::error::StoreError;

/// Which callbacks. The default is all of them.
#[derive(Clone, Debug, Default)]
pub struct CallbackFilter {
    /// Only of this DAG.
    pub dag_id: Option<String>,
    /// Only of the run that people call so.
    pub run_id: Option<String>,
    /// Only of this task.
    pub task_id: Option<String>,
    /// Only those in one of these states, unless empty.
    pub states: Vec<CallbackState>,
}

impl CallbackFilter {
    fn condition(&self) -> Condition {
        let mut all = Condition::all()
            .add_option(self.dag_id.as_ref().map(|dag_id| C::DagId.eq(dag_id)))
            .add_option(self.run_id.as_ref().map(|run_id| C::RunId.eq(run_id)))
            .add_option(self.task_id.as_ref().map(|task_id| C::TaskId.eq(task_id)));
        if !self.states.is_empty() {
            all = all.add(C::State.is_in(self.states.iter().map(|state| state.word())));
        }
        all
    }
}

/// What callbacks can be ordered by; `id` tells any two apart, and follows the order in which they were called.
pub fn callback_sort_key(word: &str) -> Option<SortKey<Model>> {
    let column = match word {
        "id" => C::Id,
        "created_at" => C::CreatedAt,
        "due_at" => C::DueAt,
        "ended_at" => C::EndedAt,
        "dag_id" => C::DagId,
        "run_id" => C::RunId,
        "task_id" => C::TaskId,
        "state" => C::State,
        "kind" => C::Kind,
        _ => return None,
    };
    Some(SortKey::without_cursor(column.into_simple_expr(), Kind::Text))
}

/// A page of callbacks.
pub async fn list_callbacks(
    db: &impl ConnectionTrait,
    filter: &CallbackFilter,
    sorting: &Sorting<Model>,
    paging: &Paging,
) -> Result<Listing<Model>, StoreError> {
    let select = || Entity::find().filter(filter.condition());
    let total = total(db, select(), paging).await?;
    let (rows, has_more) = fetch(db, select(), sorting, paging).await?;
    Ok(listing(rows, has_more, total, sorting, paging))
}
