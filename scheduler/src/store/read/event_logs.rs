//! Who did what and when.

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoSimpleExpr, QueryFilter};

use super::filter::Pattern;
use super::keyset::{Kind, Listing, Paging, SortKey, Sorting, fetch, listing, total};
use crate::store::entity::event_log;
use crate::store::error::{StoreError, doing};

/// Which entries. The default is all of them.
#[derive(Clone, Debug, Default)]
pub struct EventLogFilter {
    /// Only of this DAG.
    pub dag_id: Option<String>,
    /// Only of this task.
    pub task_id: Option<String>,
    /// Only of this run.
    pub run_id: Option<String>,
    /// Only of this mapped instance.
    pub map_index: Option<i32>,
    /// Only of this try.
    pub try_number: Option<i32>,
    /// Only what this user did.
    pub owner: Option<String>,
    /// Only this event.
    pub event: Option<String>,
    /// None of these events.
    pub excluded_events: Vec<String>,
    /// Only these events, unless empty.
    pub included_events: Vec<String>,
    /// Only earlier ones.
    pub before: Option<DateTime<Utc>>,
    /// Only later ones.
    pub after: Option<DateTime<Utc>>,
    /// Filters on the DAG's id.
    pub dag_id_patterns: Vec<Pattern>,
    /// Filters on the task's id.
    pub task_id_patterns: Vec<Pattern>,
    /// Filters on the run's id.
    pub run_id_patterns: Vec<Pattern>,
    /// Filters on who did it.
    pub owner_patterns: Vec<Pattern>,
    /// Filters on the event.
    pub event_patterns: Vec<Pattern>,
}

impl EventLogFilter {
    fn condition(&self) -> Condition {
        use event_log::Column as C;
        let mut all = Condition::all()
            .add_option(self.map_index.map(|index| C::MapIndex.eq(index)))
            .add_option(self.try_number.map(|number| C::TryNumber.eq(number)))
            .add_option(self.before.map(|instant| C::Dttm.lt(instant)))
            .add_option(self.after.map(|instant| C::Dttm.gt(instant)));
        for (column, value) in [
            (C::DagId, &self.dag_id),
            (C::TaskId, &self.task_id),
            (C::RunId, &self.run_id),
            (C::Owner, &self.owner),
            (C::Event, &self.event),
        ] {
            all = all.add_option(value.as_ref().map(|value| column.eq(value)));
        }
        for (column, patterns) in [
            (C::DagId, &self.dag_id_patterns),
            (C::TaskId, &self.task_id_patterns),
            (C::RunId, &self.run_id_patterns),
            (C::Owner, &self.owner_patterns),
            (C::Event, &self.event_patterns),
        ] {
            for pattern in patterns {
                all = all.add(pattern.on(column.into_simple_expr()));
            }
        }
        if !self.included_events.is_empty() {
            all = all.add(C::Event.is_in(&self.included_events));
        }
        if !self.excluded_events.is_empty() {
            all = all.add(C::Event.is_not_in(&self.excluded_events));
        }
        all
    }
}

/// What entries can be ordered by (Airflow 3); `id` tells any two apart.
pub fn event_log_sort_key(word: &str) -> Option<SortKey<event_log::Model>> {
    use event_log::Column as C;
    let column = match word {
        "id" | "event_log_id" => C::Id,
        // Updraft keeps no logical date with an entry; the instant is the nearest to it.
        "dttm" | "when" | "logical_date" => C::Dttm,
        "dag_id" => C::DagId,
        "task_id" => C::TaskId,
        "run_id" => C::RunId,
        "event" => C::Event,
        "owner" => C::Owner,
        "extra" => C::Extra,
        _ => return None,
    };
    Some(SortKey::without_cursor(column.into_simple_expr(), Kind::Text))
}

/// A page of entries.
pub async fn list_event_logs(
    db: &impl ConnectionTrait,
    filter: &EventLogFilter,
    sorting: &Sorting<event_log::Model>,
    paging: &Paging,
) -> Result<Listing<event_log::Model>, StoreError> {
    let select = || event_log::Entity::find().filter(filter.condition());
    let total = total(db, select(), paging).await?;
    let (rows, has_more) = fetch(db, select(), sorting, paging).await?;
    Ok(listing(rows, has_more, total, sorting, paging))
}

/// The entry with that key.
pub async fn find_event_log(db: &impl ConnectionTrait, id: i64) -> Result<Option<event_log::Model>, StoreError> {
    event_log::Entity::find_by_id(id).one(db).await.map_err(doing("looking for an audit entry"))
}
