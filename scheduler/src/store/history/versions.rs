//! Versions of DAGs that no run is pinned to any more.
//!
//! A DAG's newest version stays, because the next is numbered after it, and so does the one that its file holds now.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use crate::store::entity::{dag, dag_run, dag_version, run_request, task_checkpoint};
use crate::store::error::{StoreError, doing};
use crate::store::{checkpoints, schedules};

/// How many older versions no run would use once so many of the runs of each were gone.
pub async fn unused(
    db: &impl ConnectionTrait,
    before: DateTime<Utc>,
    gone: &BTreeMap<Uuid, u64>,
) -> Result<u64, StoreError> {
    let candidates: Vec<Uuid> = replaced(before)
        .select_only()
        .column(dag_version::Column::Id)
        .into_tuple()
        .all(db)
        .await
        .map_err(doing("looking for old versions of DAGs"))?;
    let uses: Vec<(Uuid, i64)> = dag_run::Entity::find()
        .select_only()
        .column(dag_run::Column::DagVersionId)
        .column_as(dag_run::Column::Id.count(), "runs")
        .group_by(dag_run::Column::DagVersionId)
        .into_tuple()
        .all(db)
        .await
        .map_err(doing("counting the runs of versions"))?;
    let uses: HashMap<Uuid, i64> = uses.into_iter().collect();
    let is_unused = |id: &&Uuid| {
        let all = uses.get(*id).and_then(|count| u64::try_from(*count).ok()).unwrap_or(0);
        all <= gone.get(*id).copied().unwrap_or(0)
    };
    Ok(candidates.iter().filter(is_unused).count() as u64)
}

/// Deletes up to `limit` older versions that no run uses.
///
/// Their DAGs are locked first: whoever makes a run finds its version and pins the run to it under the same lock.
pub async fn delete_unused(db: &impl ConnectionTrait, before: DateTime<Utc>, limit: u64) -> Result<u64, StoreError> {
    let unused = || replaced(before).filter(dag_version::Column::Id.not_in_subquery(pinned()));
    let mut dag_ids: Vec<String> = unused()
        .select_only()
        .column(dag_version::Column::DagId)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await
        .map_err(doing("looking for old versions of DAGs"))?;
    if dag_ids.is_empty() {
        return Ok(0);
    }
    dag_ids.sort_unstable();
    dag_ids.dedup();
    schedules::lock(db, &dag_ids).await?;
    let ids: Vec<Uuid> = unused()
        .select_only()
        .column(dag_version::Column::Id)
        .filter(dag_version::Column::DagId.is_in(&dag_ids))
        .limit(limit)
        .into_tuple()
        .all(db)
        .await
        .map_err(doing("looking for old versions of DAGs"))?;
    let deleted = dag_version::Entity::delete_many()
        .filter(dag_version::Column::Id.is_in(ids))
        .exec(db)
        .await
        .map_err(doing("deleting versions of DAGs"))?;
    Ok(deleted.rows_affected)
}

/// Versions that were made before, are neither their DAG's newest nor its present one, and with which nothing is to be ended
/// elsewhere that was withdrawn lately. A DAG whose runs are asked something keeps all of them: a run may be about to go on with
/// another version.
fn replaced(before: DateTime<Utc>) -> sea_orm::Select<dag_version::Entity> {
    use dag_version::Column as C;
    let newer = Alias::new("newer");
    let has_newer = Query::select()
        .expr(Expr::val(1))
        .from_as(dag_version::Entity, newer.clone())
        .and_where(Expr::col((newer.clone(), C::DagId)).equals((dag_version::Entity, C::DagId)))
        .and_where(Expr::col((newer, C::VersionNumber)).gt(Expr::col((dag_version::Entity, C::VersionNumber))))
        .to_owned();
    let is_present = Query::select()
        .expr(Expr::val(1))
        .from(dag::Entity)
        .and_where(Expr::col((dag::Entity, dag::Column::DagId)).equals((dag_version::Entity, C::DagId)))
        .and_where(Expr::col((dag::Entity, dag::Column::VersionHash)).equals((dag_version::Entity, C::Hash)))
        .to_owned();
    let asked = Query::select().column(run_request::Column::DagRunId).from(run_request::Entity).to_owned();
    let dags_asked = Query::select()
        .column(dag_run::Column::DagId)
        .from(dag_run::Entity)
        .and_where(dag_run::Column::Id.in_subquery(asked))
        .to_owned();
    dag_version::Entity::find()
        .filter(C::CreatedAt.lt(before))
        .filter(Expr::exists(has_newer))
        .filter(Expr::exists(is_present).not())
        .filter(C::DagId.not_in_subquery(dags_asked))
        // Only they say how what may go on elsewhere is ended.
        .filter(C::Id.not_in_subquery(checkpoints::kept_withdrawn(task_checkpoint::Column::DagVersionId, before)))
}

fn pinned() -> SelectStatement {
    Query::select().column(dag_run::Column::DagVersionId).from(dag_run::Entity).to_owned()
}
