//! Old events of assets that nobody needs any more.
//!
//! The newest event of an asset stays, because it says when the asset was last updated; so does one that a run was given that
//! is still there, and one that a DAG still waits to be given.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait, Order, Query, SelectStatement};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use crate::store::entity::{
    asset_dag_run_queue, asset_event, asset_event_dag_run, asset_partition_queue, asset_reference,
};
use crate::store::error::{StoreError, doing};

/// Of each event that any of these runs was given, of how many of them.
pub async fn given(db: &impl ConnectionTrait, runs: &[Uuid]) -> Result<BTreeMap<i64, u64>, StoreError> {
    counts(db, Some(runs)).await.map(|counts| counts.into_iter().collect())
}

/// How many older events nobody would need once so many of the runs that were given each were gone.
pub async fn unused(
    db: &impl ConnectionTrait,
    before: DateTime<Utc>,
    gone: &BTreeMap<i64, u64>,
) -> Result<u64, StoreError> {
    let candidates: Vec<i64> = replaced(before)
        .select_only()
        .column(asset_event::Column::Id)
        .into_tuple()
        .all(db)
        .await
        .map_err(doing("looking for old events of assets"))?;
    let given = counts(db, None).await?;
    let of = |counts: Option<&u64>| counts.copied().unwrap_or(0);
    Ok(candidates.iter().filter(|id| of(given.get(*id)) <= of(gone.get(*id))).count() as u64)
}

/// Deletes up to `limit` older events that nobody needs, the oldest first.
pub async fn delete_unused(db: &impl ConnectionTrait, before: DateTime<Utc>, limit: u64) -> Result<u64, StoreError> {
    let mut unused = sea_orm::QueryTrait::into_query(
        replaced(before).select_only().column(asset_event::Column::Id).filter(
            asset_event::Column::Id.not_in_subquery(
                Query::select()
                    .column(asset_event_dag_run::Column::AssetEventId)
                    .from(asset_event_dag_run::Entity)
                    .to_owned(),
            ),
        ),
    );
    unused.order_by((asset_event::Entity, asset_event::Column::Id), Order::Asc).limit(limit);
    let deleted = asset_event::Entity::delete_many()
        .filter(asset_event::Column::Id.in_subquery(unused))
        .exec(db)
        .await
        .map_err(doing("deleting events of assets"))?;
    Ok(deleted.rows_affected)
}

async fn counts(db: &impl ConnectionTrait, runs: Option<&[Uuid]>) -> Result<HashMap<i64, u64>, StoreError> {
    use asset_event_dag_run::{Column, Entity};
    let mut given = Entity::find()
        .select_only()
        .column(Column::AssetEventId)
        .column_as(Column::DagRunId.count(), "runs")
        .group_by(Column::AssetEventId);
    if let Some(runs) = runs {
        given = given.filter(Column::DagRunId.is_in(runs.iter().copied()));
    }
    let counts: Vec<(i64, i64)> =
        given.into_tuple().all(db).await.map_err(doing("counting the runs that were given events"))?;
    Ok(counts.into_iter().map(|(event, runs)| (event, u64::try_from(runs).unwrap_or(0))).collect())
}

/// Events that were made before, are not their asset's newest, and are waited for by no DAG.
fn replaced(before: DateTime<Utc>) -> sea_orm::Select<asset_event::Entity> {
    use asset_event::Column as C;
    asset_event::Entity::find()
        .filter(C::Timestamp.lt(before))
        .filter(C::Id.not_in_subquery(newest()))
        .filter(C::Id.not_in_subquery(queued_parts()))
        .filter(Expr::exists(awaited()).not())
}

fn newest() -> SelectStatement {
    use asset_event::Column as C;
    Query::select().expr(Expr::col(C::Id).max()).from(asset_event::Entity).group_by_col(C::AssetId).to_owned()
}

fn queued_parts() -> SelectStatement {
    use asset_partition_queue::{Column, Entity};
    Query::select().column(Column::AssetEventId).from(Entity).to_owned()
}

/// A DAG for which the asset is queued is given all events since those that it has seen.
fn awaited() -> SelectStatement {
    use {asset_dag_run_queue as queue, asset_reference as reference};
    let seen = (reference::Entity, reference::Column::SeenEventId);
    Query::select()
        .expr(Expr::val(1))
        .from(queue::Entity)
        .inner_join(
            reference::Entity,
            Expr::col((reference::Entity, reference::Column::DagId)).equals((queue::Entity, queue::Column::DagId)).and(
                Expr::col((reference::Entity, reference::Column::AssetId))
                    .equals((queue::Entity, queue::Column::AssetId)),
            ),
        )
        .and_where(Expr::col((reference::Entity, reference::Column::Kind)).eq("schedule"))
        .and_where(
            Expr::col((queue::Entity, queue::Column::AssetId))
                .equals((asset_event::Entity, asset_event::Column::AssetId)),
        )
        .and_where(Expr::col(seen).lt(Expr::col((asset_event::Entity, asset_event::Column::Id))))
        .to_owned()
}
