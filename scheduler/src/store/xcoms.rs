//! XComs that people write, one by one. What tries leave is written with their end (`runs.rs`).

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::Value;
use uuid::Uuid;

use super::entity::json_text::JsonText;
use super::entity::{dag_run, xcom};
use super::error::{StoreError, doing, is_duplicate};
use super::runs::{self, InstanceKey};

/// The longest key, in characters (Airflow 3: 512).
pub const KEY_CHARS_MAX: usize = 512;

/// Whether something can be the key of an XCom; the error says why not.
pub fn check_key(key: &str) -> Result<(), String> {
    let characters = key.chars().count();
    if key.trim().is_empty() {
        return Err("the key of an XCom cannot be empty".to_owned());
    }
    if key.contains('\0') {
        return Err("the key of an XCom holds no NUL, which databases do not keep".to_owned());
    }
    if characters > KEY_CHARS_MAX {
        return Err(format!("the key of an XCom has at most {KEY_CHARS_MAX} characters; this has {characters}"));
    }
    Ok(())
}

/// Writes an XCom that is not there yet.
///
/// # Errors
/// [`StoreError::Exists`] when the task instance has one of that key.
pub async fn insert(
    db: &impl ConnectionTrait,
    of: &InstanceKey,
    key: &str,
    value: Value,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let row = xcom::ActiveModel {
        dag_run_id: Set(of.dag_run_id),
        task_id: Set(of.task_id.clone()),
        map_index: Set(of.map_index),
        key: Set(key.to_owned()),
        dag_id: Set(of.dag_id.clone()),
        run_id: Set(of.run_id.clone()),
        value: Set(JsonText(value)),
        timestamp: Set(now),
    };
    xcom::Entity::insert(row).exec_without_returning(db).await.map_err(|error| {
        if is_duplicate(&error) {
            StoreError::Exists { what: "XCom", id: key.to_owned() }
        } else {
            doing("writing an XCom")(error)
        }
    })?;
    Ok(())
}

/// The value of an XCom, if there is one.
pub async fn value(
    db: &impl ConnectionTrait,
    run: Uuid,
    task_id: &str,
    map_index: i32,
    key: &str,
) -> Result<Option<Value>, StoreError> {
    let found = xcom::Entity::find_by_id((run, task_id.to_owned(), map_index, key.to_owned())).one(db).await;
    Ok(found.map_err(doing("reading an XCom"))?.map(|row| row.value.0))
}

/// When an XCom was written, if there is one; of two that were written at the same time, the values are the same.
pub async fn written_at(
    db: &impl ConnectionTrait,
    run: Uuid,
    task_id: &str,
    map_index: i32,
    key: &str,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    let found = xcom::Entity::find_by_id((run, task_id.to_owned(), map_index, key.to_owned()))
        .select_only()
        .column(xcom::Column::Timestamp)
        .into_tuple()
        .one(db)
        .await;
    found.map_err(doing("looking for an XCom"))
}

/// The run that an XCom is looked for in.
#[derive(Clone, Copy, Debug)]
pub struct WhichRun<'a> {
    /// The run of whoever looks.
    pub own: Uuid,
    /// The DAG, if it is another one than that.
    pub dag_id: Option<&'a str>,
    /// As people name it, if it is called otherwise than that.
    pub run_id: Option<&'a str>,
}

/// What a task left under a key.
#[derive(Clone, Copy, Debug)]
pub struct LeftXCom<'a> {
    /// The task.
    pub task_id: &'a str,
    /// The key.
    pub key: &'a str,
    /// Which of its instances; all of them when absent.
    pub map_index: Option<i32>,
}

/// What a task left in a run, by map index; with `or_before` in the newest run up to that one, by logical date, in which it left
/// anything (Airflow 3: `include_prior_dates`). Nothing when there is no such run.
pub async fn of_run(
    db: &impl ConnectionTrait,
    which: &WhichRun<'_>,
    or_before: bool,
    of: &LeftXCom<'_>,
) -> Result<Vec<(i32, Value)>, StoreError> {
    let Some(own) = runs::find_by_key(db, which.own).await? else { return Ok(Vec::new()) };
    let dag_id = which.dag_id.unwrap_or(&own.dag_id).to_owned();
    let named = match (which.dag_id, which.run_id) {
        (None, None) => Some(own.clone()),
        (_, run_id) => runs::find(db, &dag_id, run_id.unwrap_or(&own.run_id)).await?,
    };
    if !or_before {
        return match named {
            Some(run) => left_in(db, run.id, of).await,
            None => Ok(Vec::new()),
        };
    }
    // Another DAG need not have a run of this one's name; what counts is the date.
    let Some(last) = named.or(which.run_id.is_none().then_some(own)) else { return Ok(Vec::new()) };
    match newest(db, &dag_id, last.logical_date.unwrap_or(last.run_after), of).await? {
        Some(run) => left_in(db, run, of).await,
        None => Ok(Vec::new()),
    }
}

async fn left_in(db: &impl ConnectionTrait, run: Uuid, of: &LeftXCom<'_>) -> Result<Vec<(i32, Value)>, StoreError> {
    let mut left = runs::pull_xcoms(db, run, of.task_id, of.key).await?;
    left.retain(|(index, _)| of.map_index.is_none_or(|wanted| wanted == *index));
    Ok(left)
}

/// The newest run of a DAG up to a date in which the task left something. A run without a logical date counts by when it might
/// start.
async fn newest(
    db: &impl ConnectionTrait,
    dag_id: &str,
    until: DateTime<Utc>,
    of: &LeftXCom<'_>,
) -> Result<Option<Uuid>, StoreError> {
    use dag_run::Column as C;
    let mut left = Query::select()
        .expr(Expr::val(1))
        .from(xcom::Entity)
        .and_where(Expr::col((xcom::Entity, xcom::Column::DagRunId)).equals((dag_run::Entity, C::Id)))
        .and_where(Expr::col((xcom::Entity, xcom::Column::TaskId)).eq(of.task_id))
        .and_where(Expr::col((xcom::Entity, xcom::Column::Key)).eq(of.key))
        .to_owned();
    if let Some(index) = of.map_index {
        left.and_where(Expr::col((xcom::Entity, xcom::Column::MapIndex)).eq(index));
    }
    let runs = dag_run::Entity::find().select_only().filter(C::DagId.eq(dag_id)).filter(runs::in_each(left));
    // Two looks, each along an index from its end; one by whichever date a run has would read all runs of the DAG.
    let dated: Option<(Uuid, DateTime<Utc>)> = runs
        .clone()
        .columns([C::Id, C::LogicalDate])
        .filter(C::LogicalDate.lte(until))
        .order_by_desc(C::LogicalDate)
        .into_tuple()
        .one(db)
        .await
        .map_err(doing("looking for the newest run with an XCom"))?;
    let mut undated = runs.column(C::Id).filter(C::LogicalDate.is_null()).filter(C::RunAfter.lte(until));
    if let Some((_, date)) = dated {
        undated = undated.filter(C::RunAfter.gt(date));
    }
    let undated: Option<Uuid> = undated
        .order_by_desc(C::RunAfter)
        .into_tuple()
        .one(db)
        .await
        .map_err(doing("looking for the newest run with an XCom"))?;
    Ok(undated.or(dated.map(|(run, _)| run)))
}

/// Gives an XCom another value; false when there is none.
pub async fn update(
    db: &impl ConnectionTrait,
    of: &InstanceKey,
    key: &str,
    value: Value,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let row = xcom::ActiveModel { value: Set(JsonText(value)), timestamp: Set(now), ..Default::default() };
    let updated = xcom::Entity::update_many()
        .set(row)
        .filter(xcom::Column::DagRunId.eq(of.dag_run_id))
        .filter(xcom::Column::TaskId.eq(&of.task_id))
        .filter(xcom::Column::MapIndex.eq(of.map_index))
        .filter(xcom::Column::Key.eq(key))
        .exec(db)
        .await
        .map_err(doing("writing an XCom"))?;
    Ok(updated.rows_affected > 0)
}

/// Deletes an XCom; false when there is none.
pub async fn delete(db: &impl ConnectionTrait, of: &InstanceKey, key: &str) -> Result<bool, StoreError> {
    let id = (of.dag_run_id, of.task_id.clone(), of.map_index, key.to_owned());
    let deleted = xcom::Entity::delete_by_id(id).exec(db).await.map_err(doing("deleting an XCom"))?;
    Ok(deleted.rows_affected > 0)
}
