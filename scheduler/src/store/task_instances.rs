//! Writing task instances: many rows in one statement, and in the common case the fence in that same statement.
//!
//! Nearly every commit of the engine says only that some task instances, whose rows are there, are in other states now.
//! [`Express`] makes that one round trip and one commit, where a transaction takes four more.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{ArrayType, OnConflict, Value, ValueType};
use sea_orm::sqlx::error::BoxDynError;
use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::postgres::{PgArguments, Postgres};
use sea_orm::sqlx::{self, Arguments as _};
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, EntityTrait, IdenStatic, IntoActiveModel, Iterable, ModelTrait, QueryFilter,
    RuntimeErr, Statement,
};
use tokio::time::Instant;
use uuid::Uuid;

use super::entity::task_instance::{Column as C, Entity, Model};
use super::error::{StoreError, doing};
use super::runs::InstanceKey;
use super::{Db, ROWS_MAX, db};

/// What a row is found by.
const KEY: [C; 3] = [C::DagRunId, C::TaskId, C::MapIndex];

/// What follows from the definition: it changes only when the run goes on with another version of its DAG.
const DEFINED: [C; 6] = [C::TaskIndex, C::Operator, C::Pool, C::PoolSlots, C::Queue, C::PriorityWeight];

/// What changes with nearly every try.
const OFTEN: [C; 11] = [
    C::State,
    C::TryNumber,
    C::MaxTries,
    C::TryId,
    C::ScheduledWhen,
    C::QueuedWhen,
    C::StartDate,
    C::EndDate,
    C::Hostname,
    C::Pid,
    C::UpdatedAt,
];

/// What there is nothing of in most tries.
const SELDOM: [C; 9] = [
    C::LostTries,
    C::DeferredAt,
    C::NextTryAt,
    C::Reason,
    C::Error,
    C::RenderedFields,
    C::RenderedMapIndex,
    C::PushedItems,
    C::Skips,
];

/// Which columns are sent of rows that are there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// Those of [`OFTEN`]: no row has anything in the others, which goes without saying.
    Often,
    /// All that can change.
    All,
}

impl Sent {
    fn of(rows: &[Model]) -> Sent {
        if rows.iter().all(is_plain) { Sent::Often } else { Sent::All }
    }

    /// What is sent, the key first.
    fn columns(self) -> impl Iterator<Item = C> + Clone {
        KEY.into_iter().chain(OFTEN).chain(SELDOM.into_iter().filter(move |_| self == Sent::All))
    }

    /// What is sent beside the key.
    fn changing(self) -> impl Iterator<Item = C> + Clone {
        self.columns().skip(KEY.len())
    }

    /// What goes without saying.
    fn unsaid(self) -> impl Iterator<Item = C> {
        SELDOM.into_iter().filter(move |_| self == Sent::Often)
    }
}

/// Whether a row has nothing in the columns of [`SELDOM`].
fn is_plain(row: &Model) -> bool {
    let Model {
        lost_tries,
        deferred_at,
        next_try_at,
        reason,
        error,
        rendered_fields,
        rendered_map_index,
        pushed_items,
        skips,
        ..
    } = row;
    *lost_tries == 0
        && deferred_at.is_none()
        && next_try_at.is_none()
        && reason.is_none()
        && error.is_none()
        && rendered_fields.is_none()
        && rendered_map_index.is_none()
        && pushed_items.is_none()
        && skips.is_none()
}

/// Writes rows that are not there. Postgres takes half as long for it as for [`upsert()`].
pub(super) async fn insert(db: &impl ConnectionTrait, rows: &[Model]) -> Result<(), StoreError> {
    if db.get_database_backend() == DbBackend::Postgres && rows.len() >= MANY {
        db.execute_raw(insertion_of_many(rows)).await.map_err(doing("writing task instances"))?;
        return Ok(());
    }
    put(db, rows, &INSERT, None).await
}

/// Writes rows whether they are there or not.
pub(super) async fn upsert(db: &impl ConnectionTrait, rows: &[Model]) -> Result<(), StoreError> {
    let on_conflict = OnConflict::columns(KEY).update_columns(Sent::All.changing().chain(DEFINED)).to_owned();
    put(db, rows, &UPSERT, Some(on_conflict)).await
}

/// Writes whole rows: on Postgres with this statement, and on SQLite with what is to be done about rows that are there.
async fn put(
    db: &impl ConnectionTrait,
    rows: &[Model],
    on_postgres: &str,
    on_conflict: Option<OnConflict>,
) -> Result<(), StoreError> {
    if db.get_database_backend() == DbBackend::Postgres && !rows.is_empty() {
        let put = with_lists(on_postgres, C::iter(), rows);
        db.execute_raw(put).await.map_err(doing("writing task instances"))?;
        return Ok(());
    }
    for rows in rows.chunks(ROWS_MAX) {
        let mut put = Entity::insert_many(rows.iter().cloned().map(IntoActiveModel::into_active_model));
        if let Some(on_conflict) = &on_conflict {
            put = put.on_conflict(on_conflict.clone());
        }
        put.exec_without_returning(db).await.map_err(doing("writing task instances"))?;
    }
    Ok(())
}

/// Writes what changed of rows that should be there.
pub(super) async fn update(db: &impl ConnectionTrait, rows: &[Model]) -> Result<(), StoreError> {
    if db.get_database_backend() == DbBackend::Postgres && !rows.is_empty() {
        let sent = Sent::of(rows);
        let update = with_lists(UPDATE.sending(sent), sent.columns(), rows);
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
    kept: Option<(PoolConnection<Postgres>, Instant)>,
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
            let update = update_on_sqlite(rows, lease);
            self.db.engine().execute_raw(update).await.map_err(doing("writing task instances"))?.rows_affected()
        } else {
            return Ok(false);
        };
        Ok(usize::try_from(written) == Ok(rows.len()))
    }

    async fn update_postgres(&mut self, lease: Uuid, rows: &[Model]) -> Result<u64, StoreError> {
        let doing =
            |error: sqlx::Error| doing("writing task instances")(DbErr::Exec(RuntimeErr::SqlxError(Arc::new(error))));
        let mut connection = match self.kept().await {
            Some(connection) => connection,
            None => self.db.engine().get_postgres_connection_pool().acquire().await.map_err(doing)?,
        };
        let sent = Sent::of(rows);
        let arguments = arguments(rows, sent, lease).map_err(|error| doing(sqlx::Error::Encode(error)))?;
        let written =
            sqlx::query_with(UPDATE_HELD.sending(sent), arguments).execute(&mut *connection).await.map_err(doing)?;
        // A connection that failed is not kept.
        self.kept = Some((connection, Instant::now()));
        Ok(written.rows_affected())
    }

    /// The connection that is kept, if it still answers.
    async fn kept(&mut self) -> Option<PoolConnection<Postgres>> {
        let (mut connection, used_at) = self.kept.take()?;
        if used_at.elapsed() < db::IN_USE || db::is_alive(&mut connection).await {
            return Some(connection);
        }
        // Put back, it would be asked for a sign of life once more, for as long as TCP does.
        connection.close_on_drop();
        None
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

/// For SQLite: a list of values, and the lease behind them.
fn update_on_sqlite(rows: &[Model], lease: Uuid) -> Statement {
    let sent = Sent::of(rows);
    let values = rows.iter().flat_map(|row| sent.columns().map(|column| row.get(column)));
    let sql = update_from_values_sql(sent, rows.len());
    Statement::from_sql_and_values(DbBackend::Sqlite, sql, values.chain([lease.into()]))
}

/// The text for so many rows, if a lease is held. Put together from parts that know their meaning, it took longer than SQLite
/// takes to find the rows.
fn update_from_values_sql(sent: Sent, rows: usize) -> String {
    let written = |(column, place): (C, usize)| format!("{} = written.column{place}", column.as_str());
    let said = sent.changing().zip(KEY.len() + 1..).map(written);
    let unsaid = sent.unsaid().map(|column| format!("{} = {}", column.as_str(), nothing(column)));
    let assignments: Vec<String> = said.chain(unsaid).collect();
    let found_by: Vec<String> =
        KEY.into_iter().zip(1..).map(written).map(|equation| format!("task_instance.{equation}")).collect();
    let row = format!("({})", vec!["?"; sent.columns().count()].join(", "));
    format!(
        "UPDATE task_instance SET {} FROM (VALUES {}) AS written WHERE {} \
         AND EXISTS (SELECT id FROM process_lease WHERE id = ? AND NOT is_lapsed)",
        assignments.join(", "),
        vec![row; rows].join(", "),
        found_by.join(" AND "),
    )
}

/// For Postgres: one list for each column, so that the text of the statement is the same however many rows there are.
static UPSERT: LazyLock<String> = LazyLock::new(upsert_sql);

/// The same, of rows that are not there.
static INSERT: LazyLock<String> = LazyLock::new(insert_sql);

/// What changed of rows that are there.
static UPDATE: LazyLock<Texts> = LazyLock::new(|| Texts::of(|sent| update_sql(sent, false)));

/// The same, if a lease is held. It is locked as [`super::leases::assert_held`] locks it.
static UPDATE_HELD: LazyLock<Texts> = LazyLock::new(|| Texts::of(|sent| update_sql(sent, true)));

/// A statement for each choice of columns.
struct Texts {
    often: String,
    all: String,
}

impl Texts {
    fn of(text: impl Fn(Sent) -> String) -> Texts {
        Texts { often: text(Sent::Often), all: text(Sent::All) }
    }

    fn sending(&self, sent: Sent) -> &str {
        match sent {
            Sent::Often => &self.often,
            Sent::All => &self.all,
        }
    }
}

fn insert_sql() -> String {
    let names: Vec<&str> = C::iter().map(|column| column.as_str()).collect();
    let values: Vec<String> = C::iter().map(given).collect();
    let rows = given_rows(C::iter());
    format!("INSERT INTO task_instance ({}) SELECT {} FROM {rows}", names.join(", "), values.join(", "))
}

fn upsert_sql() -> String {
    let key: Vec<&str> = KEY.iter().map(IdenStatic::as_str).collect();
    let assignments: Vec<String> =
        Sent::All.changing().chain(DEFINED).map(|column| format!("{0} = excluded.{0}", column.as_str())).collect();
    format!("{} ON CONFLICT ({}) DO UPDATE SET {}", insert_sql(), key.join(", "), assignments.join(", "))
}

fn update_sql(sent: Sent, is_held: bool) -> String {
    let mut sql = String::new();
    if is_held {
        let lease = sent.columns().count() + 1;
        // Writing to a `String` cannot fail.
        let _ = write!(
            sql,
            "WITH held AS MATERIALIZED \
             (SELECT id FROM process_lease WHERE id = ${lease} AND NOT is_lapsed FOR SHARE) "
        );
    }
    let said = sent.changing().map(|column| format!("{} = {}", column.as_str(), given(column)));
    let unsaid = sent.unsaid().map(|column| format!("{} = {}", column.as_str(), nothing(column)));
    let assignments: Vec<String> = said.chain(unsaid).collect();
    let found_by: Vec<String> =
        KEY.iter().map(|column| format!("task_instance.{0} = given.{0}", column.as_str())).collect();
    let _ = write!(
        sql,
        "UPDATE task_instance SET {} FROM {}{} WHERE {}",
        assignments.join(", "),
        if is_held { "held, " } else { "" },
        given_rows(sent.columns()),
        found_by.join(" AND ")
    );
    sql
}

/// The rows that are sent, as a table `given` with these columns.
fn given_rows(columns: impl Iterator<Item = C> + Clone) -> String {
    let lists: Vec<String> =
        columns.clone().enumerate().map(|(at, column)| format!("${}::{}[]", at + 1, kind(column).sent_as())).collect();
    let names: Vec<&str> = columns.map(|column| IdenStatic::as_str(&column)).collect();
    format!("unnest({}) AS given({})", lists.join(", "), names.join(", "))
}

/// So many rows are worth a statement of their own kind, which Postgres plans once for each kind.
const MANY: usize = 100;

/// Inserts rows on Postgres. What all of them say is sent once: in a run that begins that is most.
fn insertion_of_many(rows: &[Model]) -> Statement {
    let (same, differing): (Vec<C>, Vec<C>) = C::iter().partition(|column| is_same_in_all(rows, *column));
    let lists = differing.iter().map(|column| list(rows, *column));
    let values = same.iter().filter_map(|column| rows.first().map(|row| row.get(*column)));
    let once = same.iter().enumerate().map(|(at, column)| {
        let cast = if kind(*column) == Kind::Json { "jsonb" } else { kind(*column).sent_as() };
        format!("${}::{cast}", differing.len() + at + 1)
    });
    let names: Vec<&str> = differing.iter().chain(&same).map(IdenStatic::as_str).collect();
    let selected: Vec<String> = differing.iter().copied().map(given).chain(once).collect();
    let given_rows = given_rows(differing.iter().copied());
    let sql =
        format!("INSERT INTO task_instance ({}) SELECT {} FROM {given_rows}", names.join(", "), selected.join(", "));
    Statement::from_sql_and_values(DbBackend::Postgres, sql, lists.chain(values))
}

fn is_same_in_all(rows: &[Model], column: C) -> bool {
    // What a row is found by is not the same in two rows, so that one list at least is left to say how many there are.
    !matches!(column, C::TaskId)
        && rows.windows(2).all(|pair| matches!(pair, [one, other] if is_same(one, other, column)))
}

fn is_same(one: &Model, other: &Model, column: C) -> bool {
    macro_rules! compare {
        ($($column:ident: $field:ident),+ $(,)?) => {
            match column {
                $(C::$column => one.$field == other.$field,)+
            }
        };
    }
    compare! {
        DagRunId: dag_run_id, TaskId: task_id, MapIndex: map_index, DagId: dag_id, RunId: run_id,
        TaskIndex: task_index, State: state, TryNumber: try_number, MaxTries: max_tries, TryId: try_id,
        LostTries: lost_tries, Operator: operator, Pool: pool, PoolSlots: pool_slots, Queue: queue,
        PriorityWeight: priority_weight, ScheduledWhen: scheduled_when, QueuedWhen: queued_when,
        StartDate: start_date, EndDate: end_date, DeferredAt: deferred_at, NextTryAt: next_try_at,
        Hostname: hostname, Pid: pid, Reason: reason, Error: error, Note: note,
        RenderedFields: rendered_fields, RenderedMapIndex: rendered_map_index, PushedItems: pushed_items,
        Skips: skips, UpdatedAt: updated_at,
    }
}

/// A statement, and what the rows hold in each of the columns that it is given.
fn with_lists(sql: &str, columns: impl Iterator<Item = C>, rows: &[Model]) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, sql, columns.map(|column| list(rows, column)))
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

/// What a row holds in a column of [`SELDOM`] of which there is nothing to say.
fn nothing(column: C) -> &'static str {
    if matches!(column, C::LostTries) { "0" } else { "NULL" }
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
fn arguments(rows: &[Model], sent: Sent, lease: Uuid) -> Result<PgArguments, BoxDynError> {
    let mut arguments = PgArguments::default();
    for column in sent.columns() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestDb;

    /// A connection keeps its plans, and the table grows meanwhile.
    #[tokio::test]
    async fn postgres_finds_rows_by_their_key_also_when_it_was_asked_first_while_there_were_none() {
        let db = TestDb::postgres().await;
        for sent in [Sent::Often, Sent::All] {
            let txn = db.begin_engine().await.unwrap();
            let prepare = format!("PREPARE held AS {}", UPDATE_HELD.sending(sent));
            txn.execute_unprepared(&prepare).await.unwrap();
            let given = vec!["NULL"; sent.columns().count() + 1].join(", ");
            let explain = format!("EXPLAIN EXECUTE held({given})");
            let lines = txn.query_all_raw(Statement::from_string(DbBackend::Postgres, explain)).await.unwrap();
            let plan: Vec<String> = lines.iter().map(|line| line.try_get_by_index(0).unwrap()).collect();
            let plan = plan.join("\n");
            assert!(plan.contains("task_instance_pkey") && !plan.contains("Seq Scan"), "{plan}");
            txn.execute_unprepared("DEALLOCATE held").await.unwrap();
        }
    }
}
