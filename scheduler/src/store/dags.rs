//! DAGs, their tags and import errors.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, IntoIden, OnConflict, Query, TableRef, Value, ValueTuple};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
};

use super::ROWS_MAX;
use super::entity::{dag, dag_tag, import_error};
use super::error::{StoreError, doing};

/// Every DAG, also those whose files are gone.
pub async fn list_all(db: &impl ConnectionTrait) -> Result<Vec<dag::Model>, StoreError> {
    dag::Entity::find().order_by_asc(dag::Column::DagId).all(db).await.map_err(doing("listing DAGs"))
}

/// What of a DAG may change at any time.
#[derive(Clone, Debug, FromQueryResult)]
pub struct DagState {
    /// Its id.
    pub dag_id: String,
    /// Whether it is paused.
    pub is_paused: bool,
    /// The hash of its current definition.
    pub version_hash: String,
}

/// The states of all DAGs that have a file.
pub async fn list_states(db: &impl ConnectionTrait) -> Result<Vec<DagState>, StoreError> {
    dag::Entity::find()
        .select_only()
        .columns([dag::Column::DagId, dag::Column::IsPaused, dag::Column::VersionHash])
        .filter(dag::Column::IsStale.eq(false))
        .into_model()
        .all(db)
        .await
        .map_err(doing("listing the states of DAGs"))
}

/// The DAG with that id.
pub async fn find(db: &impl ConnectionTrait, dag_id: &str) -> Result<Option<dag::Model>, StoreError> {
    dag::Entity::find_by_id(dag_id).one(db).await.map_err(doing("looking for a DAG"))
}

/// Those of these DAGs that there are.
pub async fn find_all(db: &impl ConnectionTrait, dag_ids: &[String]) -> Result<Vec<dag::Model>, StoreError> {
    let mut found = Vec::with_capacity(dag_ids.len());
    for ids in dag_ids.chunks(ROWS_MAX) {
        let rows = dag::Entity::find().filter(dag::Column::DagId.is_in(ids)).all(db).await;
        found.extend(rows.map_err(doing("looking for DAGs"))?);
    }
    Ok(found)
}

/// What people see of DAGs in place of their ids, and of their tasks by theirs, as their files say now.
pub async fn display_names(
    db: &impl ConnectionTrait,
    dag_ids: &BTreeSet<String>,
) -> Result<Vec<(String, Option<String>, Option<serde_json::Value>)>, StoreError> {
    let mut found = Vec::new();
    for ids in dag_ids.iter().collect::<Vec<_>>().chunks(ROWS_MAX) {
        let rows = dag::Entity::find()
            .select_only()
            .columns([dag::Column::DagId, dag::Column::DagDisplayName, dag::Column::TaskDisplayNames])
            .filter(dag::Column::DagId.is_in(ids.iter().copied()))
            .into_tuple()
            .all(db)
            .await;
        found.extend(rows.map_err(doing("reading the names of DAGs"))?);
    }
    Ok(found)
}

/// The DAG with that id, which must exist and have a file.
pub async fn get_live(db: &impl ConnectionTrait, dag_id: &str) -> Result<dag::Model, StoreError> {
    match find(db, dag_id).await? {
        Some(dag) if !dag.is_stale => Ok(dag),
        _ => Err(StoreError::NotFound { what: "DAG", id: dag_id.to_owned() }),
    }
}

/// The DAG with that id, which nobody else changes until the transaction ends.
pub async fn get_locked(db: &impl ConnectionTrait, dag_id: &str) -> Result<dag::Model, StoreError> {
    let found = dag::Entity::find_by_id(dag_id).lock_exclusive().one(db).await.map_err(doing("locking a DAG"))?;
    found.ok_or_else(|| StoreError::NotFound { what: "DAG", id: dag_id.to_owned() })
}

/// Deletes a DAG that has no runs any more, with all that is stored of it but the audit log.
pub async fn delete(db: &impl ConnectionTrait, dag_id: &str) -> Result<(), StoreError> {
    let tables = [
        "task_state",
        "backfill",
        "asset_dag_run_queue",
        "asset_partition_queue",
        "asset_reference",
        "asset_alias_reference",
        "dag_version",
        "dag_tag",
        "dag_favorite",
        "dag",
    ];
    for table in tables {
        let delete = Query::delete()
            .from_table(Alias::new(table))
            .and_where(Expr::col(Alias::new("dag_id")).eq(dag_id))
            .to_owned();
        db.execute(&delete).await.map_err(doing("deleting a DAG"))?;
    }
    Ok(())
}

/// Writes DAGs as their files now say, with their tags. Whether a known DAG is paused is left as it is, and when its
/// next run is due is the scheduler's to say.
pub async fn upsert(db: &impl ConnectionTrait, dags: &[(dag::Model, BTreeSet<String>)]) -> Result<(), StoreError> {
    for chunk in dags.chunks(ROWS_MAX) {
        let rows = chunk.iter().map(|(row, _)| dag::ActiveModel::from(row.clone()));
        let on_conflict = OnConflict::column(dag::Column::DagId)
            .update_columns([
                dag::Column::IsStale,
                dag::Column::HasImportErrors,
                dag::Column::Fileloc,
                dag::Column::RelativeFileloc,
                dag::Column::BundleName,
                dag::Column::LastParsedTime,
                dag::Column::LastParseDurationMs,
                dag::Column::Description,
                dag::Column::DagDisplayName,
                dag::Column::TaskDisplayNames,
                dag::Column::AllowedRunTypes,
                dag::Column::Owners,
                dag::Column::TimetableSummary,
                dag::Column::TimetableDescription,
                dag::Column::Timezone,
                dag::Column::MaxActiveRuns,
                dag::Column::MaxActiveTasks,
                dag::Column::VersionHash,
                dag::Column::Source,
                dag::Column::UpdatedAt,
            ])
            .to_owned();
        dag::Entity::insert_many(rows)
            .on_conflict(on_conflict)
            .exec_without_returning(db)
            .await
            .map_err(doing("writing DAGs"))?;
        let ids: Vec<&str> = chunk.iter().map(|(row, _)| row.dag_id.as_str()).collect();
        dag_tag::Entity::delete_many()
            .filter(dag_tag::Column::DagId.is_in(ids))
            .exec(db)
            .await
            .map_err(doing("writing tags"))?;
        let tags: Vec<dag_tag::ActiveModel> = chunk
            .iter()
            .flat_map(|(row, tags)| {
                tags.iter().map(|tag| dag_tag::ActiveModel { dag_id: Set(row.dag_id.clone()), name: Set(tag.clone()) })
            })
            .collect();
        if !tags.is_empty() {
            dag_tag::Entity::insert_many(tags).exec_without_returning(db).await.map_err(doing("writing tags"))?;
        }
    }
    Ok(())
}

/// Whether a DAG came from that file, and the file is still there.
pub async fn is_in_file(db: &impl ConnectionTrait, bundle_name: &str, file: &str) -> Result<bool, StoreError> {
    let found = dag::Entity::find()
        .select_only()
        .column(dag::Column::DagId)
        .filter(dag::Column::BundleName.eq(bundle_name))
        .filter(dag::Column::RelativeFileloc.eq(file))
        .filter(dag::Column::IsStale.eq(false))
        .into_tuple::<String>()
        .one(db)
        .await;
    Ok(found.map_err(doing("looking for a DAG file"))?.is_some())
}

/// Says that the file of these DAGs is gone, or no longer defines them. What was said of the next run counts no more when it is
/// back, as after a pause.
pub async fn mark_stale(db: &impl ConnectionTrait, dag_ids: &[String], now: DateTime<Utc>) -> Result<(), StoreError> {
    write_next_dagrun(db, dag::Column::DagId.is_in(dag_ids), &NextDagrun::default()).await?;
    dag::Entity::update_many()
        .col_expr(dag::Column::IsStale, Expr::value(true))
        .col_expr(dag::Column::HasImportErrors, Expr::value(false))
        .col_expr(dag::Column::UpdatedAt, Expr::value(now))
        .filter(dag::Column::DagId.is_in(dag_ids))
        .exec(db)
        .await
        .map_err(doing("marking DAGs stale"))?;
    Ok(())
}

/// Says whether the file of a DAG is broken just now.
pub async fn mark_broken(db: &impl ConnectionTrait, dag_ids: &[String], is_broken: bool) -> Result<(), StoreError> {
    dag::Entity::update_many()
        .col_expr(dag::Column::HasImportErrors, Expr::value(is_broken))
        .filter(dag::Column::DagId.is_in(dag_ids))
        .exec(db)
        .await
        .map_err(doing("marking DAGs with import errors"))?;
    Ok(())
}

/// Pauses or unpauses; true when the DAG exists.
///
/// What was said of the next run while the DAG was paused counts no more once it is not: with `catchup: none`, runs begin
/// anew from then on.
pub async fn set_paused(
    db: &impl ConnectionTrait,
    dag_id: &str,
    is_paused: bool,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    if !is_paused {
        let was_paused = dag::Column::DagId.eq(dag_id).and(dag::Column::IsPaused.eq(true));
        write_next_dagrun(db, was_paused, &NextDagrun::default()).await?;
    }
    let updated = dag::Entity::update_many()
        .col_expr(dag::Column::IsPaused, Expr::value(is_paused))
        .col_expr(dag::Column::UpdatedAt, Expr::value(now))
        .filter(dag::Column::DagId.eq(dag_id))
        .exec(db)
        .await
        .map_err(doing("pausing a DAG"))?;
    Ok(updated.rows_affected > 0)
}

/// When the next scheduled run of a DAG is due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NextDagrun {
    /// Its logical date.
    pub logical_date: Option<DateTime<Utc>>,
    /// Its data interval.
    pub data_interval: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// When it may start; none when no run is due ever again.
    pub run_after: Option<DateTime<Utc>>,
}

/// Writes when the next scheduled runs of these DAGs are due, for people to see; one statement for hundreds.
pub async fn set_next_dagruns(db: &impl ConnectionTrait, next: &[(String, NextDagrun)]) -> Result<(), StoreError> {
    use dag::Column as C;
    for rows in next.chunks(ROWS_MAX) {
        let written = Alias::new("written");
        // Both databases call the columns of a list of values so.
        let value = |position: usize| (written.clone(), Alias::new(format!("column{position}")));
        let values = rows.iter().map(|(dag_id, next)| {
            let (start, end) = (next.data_interval.map(|both| both.0), next.data_interval.map(|both| both.1));
            let dates = [next.logical_date, start, end, next.run_after].map(Value::from);
            ValueTuple::Many([dag_id.as_str().into()].into_iter().chain(dates).collect())
        });
        let columns = [
            C::NextDagrunLogicalDate,
            C::NextDagrunDataIntervalStart,
            C::NextDagrunDataIntervalEnd,
            C::NextDagrunRunAfter,
        ];
        let mut update = Query::update();
        update.table(dag::Entity);
        for (at, column) in columns.into_iter().enumerate() {
            update.value(column, Expr::col(value(at + 2)));
        }
        update
            .from(TableRef::ValuesList(values.collect(), written.clone().into_iden()))
            .and_where(Expr::col((dag::Entity, C::DagId)).equals(value(1)));
        db.execute(&update).await.map_err(doing("writing when DAGs are due"))?;
    }
    Ok(())
}

async fn write_next_dagrun(
    db: &impl ConnectionTrait,
    which: sea_orm::sea_query::Expr,
    next: &NextDagrun,
) -> Result<(), StoreError> {
    dag::Entity::update_many()
        .col_expr(dag::Column::NextDagrunLogicalDate, Expr::value(next.logical_date))
        .col_expr(dag::Column::NextDagrunDataIntervalStart, Expr::value(next.data_interval.map(|interval| interval.0)))
        .col_expr(dag::Column::NextDagrunDataIntervalEnd, Expr::value(next.data_interval.map(|interval| interval.1)))
        .col_expr(dag::Column::NextDagrunRunAfter, Expr::value(next.run_after))
        .filter(which)
        .exec(db)
        .await
        .map_err(doing("writing when a DAG is due"))?;
    Ok(())
}

/// Says what is wrong with a file now; `None` when nothing is any more.
pub async fn set_import_error(
    db: &impl ConnectionTrait,
    bundle_name: &str,
    filename: &str,
    stack_trace: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    import_error::Entity::delete_many()
        .filter(import_error::Column::BundleName.eq(bundle_name))
        .filter(import_error::Column::Filename.eq(filename))
        .exec(db)
        .await
        .map_err(doing("writing import errors"))?;
    let Some(stack_trace) = stack_trace else { return Ok(()) };
    let row = import_error::ActiveModel {
        filename: Set(filename.to_owned()),
        bundle_name: Set(bundle_name.to_owned()),
        timestamp: Set(now),
        stack_trace: Set(stack_trace.to_owned()),
        ..Default::default()
    };
    import_error::Entity::insert(row).exec_without_returning(db).await.map_err(doing("writing import errors"))?;
    Ok(())
}

/// Whether some origin of DAG files cannot be read: such a failure stands under its address among the import errors.
pub async fn is_origin_away(db: &impl ConnectionTrait) -> Result<bool, StoreError> {
    let found = import_error::Entity::find().filter(import_error::Column::Filename.contains("://")).one(db).await;
    Ok(found.map_err(doing("looking for origins that cannot be read"))?.is_some())
}

/// Every import error of a bundle.
pub async fn list_import_errors(
    db: &impl ConnectionTrait,
    bundle_name: &str,
) -> Result<Vec<import_error::Model>, StoreError> {
    import_error::Entity::find()
        .filter(import_error::Column::BundleName.eq(bundle_name))
        .all(db)
        .await
        .map_err(doing("listing import errors"))
}
