//! A conversation with a database: statements one after another, in transactions, each of which can be cancelled there.
//!
//! Values are not written into statements. MySQL and Postgres prepare a statement and are given its values by a second one,
//! because what they answer to that is text, as everywhere here; and they find the type of a value by its place. SQLite takes
//! them beside the statement.

use std::fmt::Write as _;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::anyhow;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use scheduler::operator::TaskError;
use sqlx::database::HasStatementCache;
use sqlx::mysql::{MySql, MySqlConnectOptions, MySqlConnection, MySqlQueryResult};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgQueryResult, Postgres};
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteConnection, SqliteQueryResult};
use sqlx::{
    AssertSqlSafe, Column as _, ConnectOptions as _, Connection as _, Either, Encode, Execute, Executor, Row as _,
    SqlSafeStr as _, Statement as _, Type, TypeInfo as _,
};
use tokio_util::sync::CancellationToken;

use super::row::{RowSink, mysql_type};
use super::server::{Database, Server, Shown, as_mysql, as_postgres, as_sqlite};
use crate::query::{DateValue, Scalar, TimestampValue};
use crate::span::spoken;
use crate::statements::{Bound, text_of};

/// A server that has said nothing for so long is none, or not one that we know.
const OPEN_MAX: Duration = Duration::from_secs(30);

/// That a statement was cancelled, or a transaction rolled back, is awaited for so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// Has Postgres look, while it works on a statement, whether we are still there: what a killed process has left would keep
/// its locks from the next try until it is done.
const NOTICE_END: &str = "SET client_connection_check_interval = '3s'";

/// SQLite asks so often, in steps of its own, whether it is to go on.
const SQLITE_STEPS: i32 = 10_000;

/// An open connection.
pub struct Session {
    link: Link,
    database: Database,
    canceller: Canceller,
    /// So many statements were prepared.
    prepared: u32,
}

enum Link {
    MySql(MySqlConnection),
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

/// Cancels what a connection is at.
#[derive(Clone)]
enum Canceller {
    MySql(Box<MySqlConnectOptions>, u64),
    Postgres(Box<PgConnectOptions>, i32),
    Sqlite(Arc<AtomicBool>),
}

/// What became of a statement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Done {
    /// Rows that it answered with.
    pub(crate) rows: u64,
    /// Rows that it changed.
    pub(crate) changed: u64,
}

/// Why a statement was not done.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The database said so.
    Database {
        /// What it said.
        error: sqlx::Error,
        /// How much was written before the statement itself, in letters; none when the error is not about its text.
        ahead: Option<usize>,
    },
    /// It was to stop, and has stopped.
    Cancelled,
}

impl Fault {
    fn elsewhere(error: sqlx::Error) -> Fault {
        Fault::Database { error, ahead: None }
    }

    fn of_text(error: sqlx::Error) -> Fault {
        Fault::Database { error, ahead: Some(0) }
    }
}

impl Database {
    /// Opens a connection. If it may write, a file of SQLite is made if there is none.
    pub(crate) async fn session(&self, may_write: bool, stop: &CancellationToken) -> Result<Session, TaskError> {
        self.session_within(OPEN_MAX, may_write, stop).await
    }

    async fn session_within(
        &self,
        limit: Duration,
        may_write: bool,
        stop: &CancellationToken,
    ) -> Result<Session, TaskError> {
        tokio::select! {
            opened = tokio::time::timeout(limit, self.open(may_write)) => match opened {
                Ok(opened) => opened.map_err(|error| self.explain(&error)),
                Err(_) => Err(TaskError::retry(anyhow!(
                    "{}: nothing has answered for {}; is it a database that listens there?",
                    self.shown(),
                    spoken(limit)
                ))),
            },
            () = stop.cancelled() => Err(TaskError::cancelled()),
        }
    }

    async fn open(&self, may_write: bool) -> Result<Session, sqlx::Error> {
        let (link, canceller) = match &self.server {
            Server::MySql(options) => {
                let mut connection = options.connect().await?;
                let row = connection.fetch_one("SELECT CAST(CONNECTION_ID() AS UNSIGNED)").await?;
                let id = row.try_get(0)?;
                (Link::MySql(connection), Canceller::MySql(options.clone(), id))
            }
            Server::Postgres(options) => {
                let mut connection = options.connect().await?;
                // Before Postgres 14, and where the system cannot tell, there is no such setting, and none is needed.
                let _ = connection.execute(NOTICE_END).await;
                let id = connection.fetch_one("SELECT pg_backend_pid()").await?.try_get(0)?;
                (Link::Postgres(connection), Canceller::Postgres(options.clone(), id))
            }
            Server::Sqlite(options) => {
                let options = options.as_ref().clone().read_only(!may_write).create_if_missing(may_write);
                let mut connection = options.connect().await?;
                let stop = Arc::new(AtomicBool::new(false));
                let asked = Arc::clone(&stop);
                let goes_on = move || !asked.load(Ordering::Relaxed);
                connection.lock_handle().await?.set_progress_handler(SQLITE_STEPS, goes_on);
                (Link::Sqlite(connection), Canceller::Sqlite(stop))
            }
        };
        Ok(Session { link, database: self.clone(), canceller, prepared: 0 })
    }
}

impl Session {
    /// What it is connected to.
    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// Begins a transaction. Where MySQL ends it by itself, as it does before a definition, what follows is another one, and does
    /// not last statement by statement.
    pub(crate) async fn begin(&mut self, stop: &CancellationToken) -> Result<(), Fault> {
        let begin = match &self.link {
            Link::MySql(_) => "SET autocommit = 0",
            Link::Postgres(_) | Link::Sqlite(_) => "BEGIN",
        };
        self.tell(begin, stop).await
    }

    /// Ends a transaction, so that what it did lasts. That is not broken off: nobody would know what became of it.
    pub(crate) async fn commit(&mut self) -> Result<(), Fault> {
        self.tell("COMMIT", &CancellationToken::new()).await
    }

    /// Ends a transaction as if it had not been. Once the connection is closed, the server does so by itself.
    pub(crate) async fn roll_back(mut self) {
        if let Canceller::Sqlite(stop) = &self.canceller {
            stop.store(false, Ordering::Relaxed);
        }
        let rolling = async {
            let rolled = self.tell("ROLLBACK", &CancellationToken::new()).await;
            self.close().await;
            rolled
        };
        let _ = tokio::time::timeout(PATIENCE, rolling).await;
    }

    /// Says goodbye.
    pub(crate) async fn close(self) {
        // It has done what it was asked; how it says goodbye does not matter.
        let _ = match self.link {
            Link::MySql(connection) => connection.close().await,
            Link::Postgres(connection) => connection.close().await,
            Link::Sqlite(connection) => connection.close().await,
        };
    }

    /// A statement of ours, of whose answer only the success counts.
    pub(crate) async fn tell(&mut self, sql: &str, stop: &CancellationToken) -> Result<(), Fault> {
        self.execute(&Bound::plain(sql), &mut Nobody, stop).await.map(drop)
    }

    /// Has a statement executed; `sink` takes the rows that it answers with.
    pub(crate) async fn execute<S: RowSink>(
        &mut self,
        statement: &Bound,
        sink: &mut S,
        stop: &CancellationToken,
    ) -> Result<Done, Fault> {
        let canceller = self.canceller.clone();
        minding(&canceller, stop, self.answer(statement, sink)).await
    }

    async fn answer<S: RowSink>(&mut self, statement: &Bound, sink: &mut S) -> Result<Done, Fault> {
        let (text, values) = (statement.text.as_str(), statement.values.as_slice());
        match &mut self.link {
            Link::Sqlite(connection) => {
                let mut query = sqlx::query(AssertSqlSafe(text));
                for value in values {
                    query = bind(query, value);
                }
                run::<Sqlite, S>(connection, query, sink, as_sqlite, SqliteQueryResult::rows_affected)
                    .await
                    .map_err(Fault::of_text)
            }
            Link::MySql(connection) if values.is_empty() => {
                let query = sqlx::raw_sql(AssertSqlSafe(text));
                run::<MySql, S>(connection, query, sink, as_mysql, MySqlQueryResult::rows_affected)
                    .await
                    .map_err(Fault::of_text)
            }
            Link::MySql(connection) => {
                let (given, names) = mysql_variables(values);
                let text = format!("SET @updraft_statement = {}{given}", mysql_text(text));
                connection.execute(sqlx::raw_sql(AssertSqlSafe(text))).await.map_err(Fault::elsewhere)?;
                let prepare = sqlx::raw_sql("PREPARE updraft FROM @updraft_statement");
                connection.execute(prepare).await.map_err(Fault::of_text)?;
                let execute = format!("EXECUTE updraft USING {names}");
                let query = sqlx::raw_sql(AssertSqlSafe(execute));
                let done = run::<MySql, S>(connection, query, sink, as_mysql, MySqlQueryResult::rows_affected).await;
                let done = done.map_err(Fault::elsewhere)?;
                connection.execute(sqlx::raw_sql("DEALLOCATE PREPARE updraft")).await.map_err(Fault::elsewhere)?;
                Ok(done)
            }
            Link::Postgres(connection) if values.is_empty() => {
                let query = sqlx::raw_sql(AssertSqlSafe(text));
                run::<Postgres, S>(connection, query, sink, as_postgres, PgQueryResult::rows_affected)
                    .await
                    .map_err(Fault::of_text)
            }
            Link::Postgres(connection) => {
                self.prepared += 1;
                let name = format!("updraft_{}", self.prepared);
                let ahead = format!("PREPARE {name} AS ");
                let prepare = format!("{ahead}{text}");
                let prepared = connection.execute(sqlx::raw_sql(AssertSqlSafe(prepare))).await;
                prepared.map_err(|error| Fault::Database { error, ahead: Some(ahead.chars().count()) })?;
                let values: Vec<String> = values.iter().map(postgres_text).collect();
                let execute = format!("EXECUTE {name}({})", values.join(", "));
                let query = sqlx::raw_sql(AssertSqlSafe(execute));
                let done = run::<Postgres, S>(connection, query, sink, as_postgres, PgQueryResult::rows_affected).await;
                let done = done.map_err(Fault::elsewhere)?;
                let forget = sqlx::raw_sql(AssertSqlSafe(format!("DEALLOCATE {name}")));
                connection.execute(forget).await.map_err(Fault::elsewhere)?;
                Ok(done)
            }
        }
    }

    /// The names of the columns that a statement answers with, and the server's names for their types; nothing is executed.
    pub(crate) async fn columns(&mut self, sql: &str) -> Result<Vec<(String, String)>, sqlx::Error> {
        let sql = AssertSqlSafe(sql).into_sql_str();
        Ok(match &mut self.link {
            Link::MySql(connection) => {
                let statement = connection.prepare(sql).await?;
                statement.columns().iter().map(|of| (of.name().to_owned(), mysql_type(of.type_info()))).collect()
            }
            Link::Postgres(connection) => {
                let statement = connection.prepare(sql).await?;
                let named =
                    statement.columns().iter().map(|of| (of.name().to_owned(), of.type_info().name().to_owned()));
                named.collect()
            }
            Link::Sqlite(connection) => {
                let statement = connection.prepare(sql).await?;
                let named =
                    statement.columns().iter().map(|of| (of.name().to_owned(), of.type_info().name().to_owned()));
                named.collect()
            }
        })
    }

    /// Has a statement executed that inserts values; of MySQL or SQLite.
    pub(crate) async fn insert(&mut self, sql: &str, values: &[Datum], stop: &CancellationToken) -> Result<u64, Fault> {
        let canceller = self.canceller.clone();
        let inserting = async {
            match &mut self.link {
                Link::MySql(connection) => {
                    insert::<MySql>(connection, sql, values, MySqlQueryResult::rows_affected).await
                }
                Link::Sqlite(connection) => {
                    insert::<Sqlite>(connection, sql, values, SqliteQueryResult::rows_affected).await
                }
                Link::Postgres(connection) => {
                    insert::<Postgres>(connection, sql, values, PgQueryResult::rows_affected).await
                }
            }
            .map_err(Fault::elsewhere)
        };
        minding(&canceller, stop, inserting).await
    }

    /// Gives a table of Postgres lines of CSV, by a statement `COPY … FROM STDIN`. What keeps the lines from coming is the
    /// inner error.
    pub(crate) async fn copy_in(
        &mut self,
        sql: &str,
        mut lines: impl Stream<Item = Result<String, TaskError>> + Unpin,
        stop: &CancellationToken,
    ) -> Result<Result<u64, TaskError>, Fault> {
        let canceller = self.canceller.clone();
        let Link::Postgres(connection) = &mut self.link else {
            return Err(Fault::elsewhere(sqlx::Error::Protocol("only Postgres copies".to_owned())));
        };
        let copying = async {
            let mut copy = connection.copy_in_raw(sql).await.map_err(Fault::elsewhere)?;
            while let Some(more) = lines.next().await {
                match more {
                    Ok(lines) => drop(copy.send(lines.into_bytes()).await.map_err(Fault::elsewhere)?),
                    Err(error) => {
                        copy.abort("the rows cannot be read").await.map_err(Fault::elsewhere)?;
                        return Ok(Err(error));
                    }
                }
            }
            copy.finish().await.map(Ok).map_err(Fault::elsewhere)
        };
        minding(&canceller, stop, copying).await
    }
}

/// A value on its way into a table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Datum {
    Null,
    Boolean(bool),
    Integer(i64),
    Real(f64),
    Text(String),
    Bytes(Vec<u8>),
}

async fn insert<DB: sqlx::Database + HasStatementCache>(
    connection: &mut DB::Connection,
    sql: &str,
    values: &[Datum],
    changed: fn(&DB::QueryResult) -> u64,
) -> Result<u64, sqlx::Error>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    DB::Arguments: sqlx::IntoArguments<DB>,
    for<'q> bool: Encode<'q, DB> + Type<DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'q> f64: Encode<'q, DB> + Type<DB>,
    for<'q> String: Encode<'q, DB> + Type<DB>,
    for<'q> Option<String>: Encode<'q, DB> + Type<DB>,
    for<'q> Vec<u8>: Encode<'q, DB> + Type<DB>,
{
    // Batches of a size come again and again, but others are as good as never met again.
    let mut query = sqlx::query::<DB>(AssertSqlSafe(sql)).persistent(false);
    for value in values {
        query = match value {
            Datum::Null => query.bind(None::<String>),
            Datum::Boolean(truth) => query.bind(*truth),
            Datum::Integer(number) => query.bind(*number),
            Datum::Real(number) => query.bind(*number),
            Datum::Text(text) => query.bind(text.clone()),
            Datum::Bytes(bytes) => query.bind(bytes.clone()),
        };
    }
    connection.execute(query).await.map(|result| changed(&result))
}

/// Takes rows that nobody wants.
struct Nobody;

impl RowSink for Nobody {
    fn push(&mut self, _row: super::AnyRow<'_>) -> Result<bool, sqlx::Error> {
        Ok(false)
    }

    async fn pass_on(&mut self) -> bool {
        true
    }
}

async fn run<'q, DB: sqlx::Database, S: RowSink>(
    connection: &mut DB::Connection,
    query: impl Execute<'q, DB> + 'q,
    sink: &mut S,
    shown: Shown<DB>,
    changed: fn(&DB::QueryResult) -> u64,
) -> Result<Done, sqlx::Error>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let mut done = Done::default();
    let mut has_ended = false;
    let mut results = connection.fetch_many(query);
    while let Some(result) = results.try_next().await? {
        match result {
            Either::Left(result) => {
                done.changed += changed(&result);
                has_ended = true;
            }
            Either::Right(row) => {
                if std::mem::take(&mut has_ended) {
                    sink.start_over();
                    done.rows = 0;
                }
                done.rows += 1;
                if sink.push(shown(&row))? && !sink.pass_on().await {
                    return Ok(done);
                }
            }
        }
    }
    sink.pass_on().await;
    Ok(done)
}

/// Awaits what a connection is at; when it is to stop, has it cancelled there, and awaits that.
async fn minding<T>(
    canceller: &Canceller,
    stop: &CancellationToken,
    work: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    if stop.is_cancelled() {
        return Err(Fault::Cancelled);
    }
    tokio::pin!(work);
    tokio::select! {
        done = &mut work => return done,
        () = stop.cancelled() => {}
    }
    let stopping = async {
        // The other connection may fail as well; closing this one is all that is left then.
        let _ = canceller.cancel().await;
        work.await
    };
    // What had ended meanwhile is rolled back as all the rest is.
    let _ = tokio::time::timeout(PATIENCE, stopping).await;
    Err(Fault::Cancelled)
}

impl Canceller {
    async fn cancel(&self) -> Result<(), sqlx::Error> {
        match self {
            Canceller::Sqlite(stop) => stop.store(true, Ordering::Relaxed),
            Canceller::MySql(options, id) => {
                let mut connection = options.connect().await?;
                connection.execute(sqlx::raw_sql(AssertSqlSafe(format!("KILL QUERY {id}")))).await?;
                connection.close().await?;
            }
            Canceller::Postgres(options, id) => {
                let mut connection = options.connect().await?;
                let cancel = format!("SELECT pg_cancel_backend({id})");
                connection.execute(sqlx::raw_sql(AssertSqlSafe(cancel))).await?;
                connection.close().await?;
            }
        }
        Ok(())
    }
}

fn bind<'q>(
    query: Query<'q, Sqlite, <Sqlite as sqlx::Database>::Arguments>,
    value: &Scalar,
) -> Query<'q, Sqlite, <Sqlite as sqlx::Database>::Arguments> {
    match value {
        Scalar::Null(()) => query.bind(None::<String>),
        Scalar::Boolean(truth) => query.bind(*truth),
        Scalar::Number(number) => match number.as_i64() {
            Some(number) => query.bind(number),
            None => query.bind(number.as_f64()),
        },
        Scalar::Text(text)
        | Scalar::Date(DateValue { date: text })
        | Scalar::Timestamp(TimestampValue { timestamp: text }) => query.bind(text.clone()),
    }
}

/// What gives variables of MySQL values, after another assignment, and the names of those variables.
fn mysql_variables(values: &[Scalar]) -> (String, String) {
    let mut given = String::new();
    let mut names = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        let name = format!("@updraft_{index}");
        let value = match (value, text_of(value)) {
            (_, None) => "NULL".to_owned(),
            (Scalar::Boolean(_) | Scalar::Number(_), Some(text)) => text,
            (_, Some(text)) => mysql_text(&text),
        };
        // Writing to a text cannot fail.
        let _ = write!(given, ", {name} = {value}");
        names.push(name);
    }
    (given, names.join(", "))
}

/// A text in a statement of MySQL, whatever its mode says of backslashes.
fn mysql_text(text: &str) -> String {
    let mut written = String::with_capacity(text.len() * 2 + 12);
    written.push_str("_utf8mb4 X'");
    for byte in text.bytes() {
        let _ = write!(written, "{byte:02X}");
    }
    written.push('\'');
    written
}

/// A value in a statement of Postgres, which finds its type by its place.
fn postgres_text(value: &Scalar) -> String {
    match text_of(value) {
        None => "NULL".to_owned(),
        Some(text) if text.contains('\\') => format!(" E'{}'", text.replace('\\', "\\\\").replace('\'', "''")),
        Some(text) => format!("'{}'", text.replace('\'', "''")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use scheduler::operator::Verdict;

    use super::super::server::Address;
    use super::*;
    use crate::notifiers::Environment;

    #[test]
    fn values_cannot_end_the_text_that_they_stand_in() {
        let text = |text: &str| Scalar::Text(text.to_owned());
        assert_eq!(postgres_text(&text("it's")), "'it''s'");
        assert_eq!(postgres_text(&text(r"\'; DROP")), r" E'\\''; DROP'");
        assert_eq!(postgres_text(&Scalar::Null(())), "NULL");
        assert_eq!(mysql_text("a'\\"), "_utf8mb4 X'61275C'");
        let (given, names) = mysql_variables(&[Scalar::Boolean(true), Scalar::Null(()), text("x")]);
        assert_eq!(given, ", @updraft_0 = true, @updraft_1 = NULL, @updraft_2 = _utf8mb4 X'78'");
        assert_eq!(names, "@updraft_0, @updraft_1, @updraft_2");
    }

    #[tokio::test]
    async fn what_listens_and_says_nothing_is_given_up() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("postgres://me@{}/x", silent.local_addr().unwrap());
        let address = Address { url: Some(&url), url_env: None, password_env: None };
        let database = Database::resolve(address, &Environment::default(), Path::new("/")).unwrap();

        let opened = database.session_within(Duration::from_millis(50), false, &CancellationToken::new()).await;

        let Err(given_up) = opened else { panic!("it was opened") };
        assert_eq!(given_up.verdict, Verdict::Retry);
        assert!(given_up.to_string().contains("nothing has answered for 0.05s"), "{given_up}");
    }
}
