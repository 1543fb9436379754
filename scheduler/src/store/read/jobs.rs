//! The processes that decide and run tries, as Airflow lists its jobs.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::ExprTrait;
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoSimpleExpr, QueryFilter};

use super::filter::Range;
use super::keyset::{Kind, Listing, Paging, SortKey, Sorting, fetch, listing, total};
use crate::store::entity::process_lease;
use crate::store::error::StoreError;

/// Which processes. The default is all of them.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// Only of these kinds, in words of [`crate::store::leases::Kind`], unless absent.
    pub kinds: Option<Vec<&'static str>>,
    /// Only those that others took over from, or only the others.
    pub is_lapsed: Option<bool>,
    /// Only those whose heart beat at that time or later, or only the others.
    pub beats_since: Option<(DateTime<Utc>, bool)>,
    /// Only on this machine.
    pub hostname: Option<String>,
    /// When it started.
    pub start_date: Range<DateTime<Utc>>,
    /// When it was last heard of, of those that others took over from.
    pub end_date: Range<DateTime<Utc>>,
}

impl JobFilter {
    fn condition(&self) -> Condition {
        use process_lease::Column as C;
        let beats = self.beats_since.map(|(since, does)| {
            let alive = C::IsLapsed.eq(false).and(C::HeartbeatAt.gte(since));
            if does { alive } else { alive.not() }
        });
        let mut all = Condition::all()
            .add_option(self.kinds.as_ref().map(|kinds| C::Kind.is_in(kinds.iter().copied())))
            .add_option(self.is_lapsed.map(|is_lapsed| C::IsLapsed.eq(is_lapsed)))
            .add_option(beats)
            .add_option(self.hostname.as_ref().map(|hostname| C::Hostname.eq(hostname)))
            .add(self.start_date.on(C::StartedAt.into_simple_expr()));
        if self.end_date != Range::default() {
            all = all.add(C::IsLapsed.eq(true)).add(self.end_date.on(C::HeartbeatAt.into_simple_expr()));
        }
        all
    }
}

/// What processes can be ordered by (Airflow 3). What they have none of, or all alike, leaves them as they are: in the order
/// in which they came.
pub fn job_sort_key(word: &str) -> Option<SortKey<process_lease::Model>> {
    use process_lease::Column as C;
    let column = match word {
        "id" | "dag_id" | "executor_class" | "unixname" => C::Id,
        "job_type" => C::Kind,
        "state" => C::IsLapsed,
        "start_date" => C::StartedAt,
        "end_date" | "latest_heartbeat" => C::HeartbeatAt,
        "hostname" => C::Hostname,
        _ => return None,
    };
    Some(SortKey::without_cursor(column.into_simple_expr(), Kind::Text))
}

/// A page of processes.
pub async fn list_jobs(
    db: &impl ConnectionTrait,
    filter: &JobFilter,
    sorting: &Sorting<process_lease::Model>,
    paging: &Paging,
) -> Result<Listing<process_lease::Model>, StoreError> {
    let select = || process_lease::Entity::find().filter(filter.condition());
    let total = total(db, select(), paging).await?;
    let (rows, has_more) = fetch(db, select(), sorting, paging).await?;
    Ok(listing(rows, has_more, total, sorting, paging))
}
