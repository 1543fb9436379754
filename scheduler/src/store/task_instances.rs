//! Writing task instances: many rows in one statement, and in the common case the fence in that same statement.
//!
//! Nearly every commit of the engine says only that some task instances, whose rows are there, are in other states now.
//! [`Express`] makes that one round trip and one commit, where a transaction takes four more.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{
    Alias, ArrayType, Expr, ExprTrait, IntoIden, OnConflict, Query, TableRef, Value, ValueTuple, ValueType,
};
use sea_orm::sqlx::error::BoxDynError;
use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::postgres::{PgArguments, Postgres};
use sea_orm::sqlx::{self, Arguments as _};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, IdenStatic, IntoActiveModel, ModelTrait, QueryFilter,
    QuerySelect, RuntimeErr, Statement,
};
use uuid::Uuid;

use super::entity::process_lease;
use super::entity::task_instance::{Column as C, Entity, Model};
use super::error::{StoreError, doing};
use super::runs::InstanceKey;
use super::{Db, ROWS_MAX};

/// What a row is found by.
const KEY: [C; 3] = [C::DagRunId, C::TaskId, C::MapIndex];

/// What follows from the definition: it changes only when the run goes on with another version of its DAG.
const DEFINED: [C; 6] = [C::TaskIndex, C::Operator, C::Pool, C::PoolSlots, C::Queue, C::PriorityWeight];

/// What changes while the run goes on.
const CHANGING: [C; 20] = [
    C::State,
    C::TryNumber,
    C::MaxTries,
    C::TryId,
    C::LostTries,
    C::ScheduledWhen,
    C::QueuedWhen,
    C::StartDate,
    C::EndDate,
    C::DeferredAt,
    C::NextTryAt,
    C::Hostname,
    C::Pid,
    C::Reason,
    C::Error,
    C::RenderedFields,
    C::RenderedMapIndex,
    C::PushedItems,
    C::Skips,
    C::UpdatedAt,
];

/// What is written of rows that are there, behind their keys.
fn changing() -> impl Iterator<Item = C> {
    KEY.into_iter().chain(CHANGING)
}

/// Writes rows whether they are there or not.
pub(super) async fn upsert(db: &impl ConnectionTrait, rows: &[Model]) -> Result<(), StoreError> {
    for rows in rows.chunks(ROWS_MAX) {
        let on_conflict = OnConflict::columns(KEY).update_columns(CHANGING.into_iter().chain(DEFINED)).to_owned();
        Entity::insert_many(rows.iter().cloned().map(IntoActiveModel::into_active_model))
            .on_conflict(on_conflict)
            .exec_without_returning(db)
            .await
            .map_err(doing("writing task instances"))?;
    }
    Ok(())
}

/// Writes what changed of rows that should be there.
pub(super) async fn update(db: &impl ConnectionTrait, rows: &[Model]) -> Result<(), StoreError> {
    if db.get_database_backend() == DbBackend::Postgres && !rows.is_empty() {
        let lists = changing().map(|column| list(rows, column));
        let update = Statement::from_sql_and_values(DbBackend::Postgres, UPDATE.as_str(), lists);
        let written = db.execute_raw(update).await.map_err(doing("writing task instances"))?;
        if usize::try_from(written.rows_affected()) == Ok(rows.len()) {
            return Ok(());
        }
    }
    upsert(db, rows).await
}

/// Writes what changed of rows that should be there, each time in one statement that is a commit of its own.
///
/// On Postgres it keeps a connection, because a pool asks a connection for a sign of life whenever it is put back, and what
/// follows the commit would wait for that.
pub struct Express {
    db: Db,
    kept: Option<PoolConnection<Postgres>>,
}

impl Express {
    /// Has no connection yet.
    pub fn new(db: Db) -> Express {
        Express { db, kept: None }
    }

    /// Writes rows if `lease` is held. False when it is not, or when rows are missing; the caller learns which by writing
    /// the ordinary way.
    pub(super) async fn update(&mut self, lease: Uuid, rows: &[Model]) -> Result<bool, StoreError> {
        let written = if self.db.is_postgres() {
            self.update_postgres(lease, rows).await?
        } else if rows.len() <= ROWS_MAX {
            let update = from_values(rows, Some(lease));
            self.db.engine().execute(&update).await.map_err(doing("writing task instances"))?.rows_affected()
        } else {
            return Ok(false);
        };
        Ok(usize::try_from(written) == Ok(rows.len()))
    }

    async fn update_postgres(&mut self, lease: Uuid, rows: &[Model]) -> Result<u64, StoreError> {
        let doing =
            |error: sqlx::Error| doing("writing task instances")(DbErr::Exec(RuntimeErr::SqlxError(Arc::new(error))));
        let mut connection = match self.kept.take() {
            Some(connection) => connection,
            None => self.db.engine().get_postgres_connection_pool().acquire().await.map_err(doing)?,
        };
        let arguments = arguments(rows, lease).map_err(|error| doing(sqlx::Error::Encode(error)))?;
        let written =
            sqlx::query_with(UPDATE_HELD.as_str(), arguments).execute(&mut *connection).await.map_err(doing)?;
        // A connection that failed is not kept.
        self.kept = Some(connection);
        Ok(written.rows_affected())
    }
}

/// Takes rows away, because their tasks have become several instances.
pub(super) async fn delete(db: &impl ConnectionTrait, keys: &[InstanceKey]) -> Result<(), StoreError> {
    for keys in keys.chunks(super::runs::KEYS_MAX) {
        let which = super::runs::of_any(KEY, keys);
        Entity::delete_many().filter(which).exec(db).await.map_err(doing("expanding mapped tasks"))?;
    }
    Ok(())
}

/// For SQLite: a list of values, as the text of a statement.
fn from_values(rows: &[Model], lease: Option<Uuid>) -> sea_orm::sea_query::UpdateStatement {
    let written = Alias::new("written");
    let value = |position: usize| (written.clone(), Alias::new(format!("column{position}")));
    let row = |row: &Model| ValueTuple::Many(changing().map(|column| row.get(column)).collect());
    let mut update = Query::update();
    update.table(Entity);
    for (at, column) in CHANGING.into_iter().enumerate() {
        update.value(column, Expr::col(value(KEY.len() + at + 1)));
    }
    update.from(TableRef::ValuesList(rows.iter().map(row).collect(), written.clone().into_iden()));
    for (at, column) in KEY.into_iter().enumerate() {
        update.and_where(Expr::col((Entity, column)).equals(value(at + 1)));
    }
    if let Some(lease) = lease {
        let held = process_lease::Entity::find_by_id(lease)
            .select_only()
            .column(process_lease::Column::Id)
            .filter(process_lease::Column::IsLapsed.eq(false));
        update.and_where(Expr::exists(sea_orm::QueryTrait::into_query(held)));
    }
    update
}

/// For Postgres: one list for each column, so that the text of the statement is the same however many rows there are.
static UPDATE: LazyLock<String> = LazyLock::new(|| update_sql(false));

/// The same, if a lease is held. It is locked as [`super::leases::assert_held`] locks it.
static UPDATE_HELD: LazyLock<String> = LazyLock::new(|| update_sql(true));

fn update_sql(is_held: bool) -> String {
    let mut sql = String::new();
    if is_held {
        let lease = KEY.len() + CHANGING.len() + 1;
        // Writing to a `String` cannot fail.
        let _ = write!(
            sql,
            "WITH held AS MATERIALIZED \
             (SELECT id FROM process_lease WHERE id = ${lease} AND NOT is_lapsed FOR SHARE) "
        );
    }
    let assignments: Vec<String> =
        CHANGING.iter().map(|column| format!("{} = {}", column.as_str(), given(*column))).collect();
    let lists: Vec<String> =
        changing().enumerate().map(|(at, column)| format!("${}::{}[]", at + 1, kind(column).sent_as())).collect();
    let names: Vec<&str> = changing().map(|column| IdenStatic::as_str(&column)).collect();
    let found_by: Vec<String> =
        KEY.iter().map(|column| format!("task_instance.{0} = given.{0}", column.as_str())).collect();
    let _ = write!(
        sql,
        "UPDATE task_instance SET {} FROM {}unnest({}) AS given({}) WHERE {}",
        assignments.join(", "),
        if is_held { "held, " } else { "" },
        lists.join(", "),
        names.join(", "),
        found_by.join(" AND ")
    );
    sql
}

/// What a column holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Uuid,
    Text,
    Number,
    Instant,
    Json,
}

fn kind(column: C) -> Kind {
    match column {
        C::DagRunId | C::TryId => Kind::Uuid,
        C::RenderedFields | C::Skips => Kind::Json,
        C::ScheduledWhen | C::QueuedWhen | C::StartDate | C::EndDate | C::DeferredAt | C::NextTryAt | C::UpdatedAt => {
            Kind::Instant
        }
        C::MapIndex
        | C::TaskIndex
        | C::TryNumber
        | C::MaxTries
        | C::LostTries
        | C::PoolSlots
        | C::PriorityWeight
        | C::Pid
        | C::PushedItems => Kind::Number,
        C::TaskId
        | C::DagId
        | C::RunId
        | C::State
        | C::Operator
        | C::Pool
        | C::Queue
        | C::Hostname
        | C::Reason
        | C::Error
        | C::Note
        | C::RenderedMapIndex => Kind::Text,
    }
}

/// The driver's lists cannot hold NULL, so something that no row holds stands for it.
const NO_TEXT: &str = "";
const NO_NUMBER: i32 = i32::MIN;

impl Kind {
    fn sent_as(self) -> &'static str {
        match self {
            Kind::Uuid => "uuid",
            Kind::Text | Kind::Json => "text",
            Kind::Number => "int",
            Kind::Instant => "timestamptz",
        }
    }

    fn list_of(self) -> ArrayType {
        match self {
            Kind::Uuid => ArrayType::Uuid,
            Kind::Text | Kind::Json => ArrayType::String,
            Kind::Number => ArrayType::Int,
            Kind::Instant => ArrayType::ChronoDateTimeUtc,
        }
    }
}

/// The value of a column in the list that was sent.
fn given(column: C) -> String {
    let name = column.as_str();
    match kind(column) {
        Kind::Uuid => format!("given.{name}"),
        Kind::Text => format!("nullif(given.{name}, '{NO_TEXT}')"),
        Kind::Json => format!("nullif(given.{name}, '{NO_TEXT}')::jsonb"),
        Kind::Number => format!("nullif(given.{name}, {NO_NUMBER})"),
        Kind::Instant => format!("nullif(given.{name}, 'epoch'::timestamptz)"),
    }
}

/// What the rows hold in a column.
fn list(rows: &[Model], column: C) -> Value {
    let values = rows.iter().map(|row| match row.get(column) {
        Value::String(text) => Value::String(Some(text.unwrap_or_default())),
        Value::Int(number) => Value::Int(Some(number.unwrap_or(NO_NUMBER))),
        Value::ChronoDateTimeUtc(instant) => Value::ChronoDateTimeUtc(Some(instant.unwrap_or(DateTime::UNIX_EPOCH))),
        Value::Json(json) => Value::String(Some(json.map_or_else(String::new, |json| json.to_string()))),
        other => other,
    });
    Value::Array(kind(column).list_of(), Some(Box::new(values.collect())))
}

/// The lists of all columns, and the lease behind them.
fn arguments(rows: &[Model], lease: Uuid) -> Result<PgArguments, BoxDynError> {
    let mut arguments = PgArguments::default();
    for column in changing() {
        let Value::Array(_, Some(values)) = list(rows, column) else { continue };
        match kind(column) {
            Kind::Uuid => arguments.add(all::<Uuid>(*values)),
            Kind::Text | Kind::Json => arguments.add(all::<String>(*values)),
            Kind::Number => arguments.add(all::<i32>(*values)),
            Kind::Instant => arguments.add(all::<DateTime<Utc>>(*values)),
        }?;
    }
    arguments.add(lease)?;
    Ok(arguments)
}

fn all<T: ValueType>(values: Vec<Value>) -> Vec<T> {
    values.into_iter().filter_map(|value| T::try_from(value).ok()).collect()
}
