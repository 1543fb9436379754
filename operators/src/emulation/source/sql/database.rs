//! The databases: how they are reached, what their rows are, and what their errors mean.

use std::path::Path;

use anyhow::anyhow;
use bytes::Bytes;
use futures::TryStreamExt;
use scheduler::operator::TaskError;
use sqlx::mysql::{MySql, MySqlConnectOptions, MySqlRow};
use sqlx::postgres::{PgConnectOptions, PgRow, Postgres};
use sqlx::sqlite::{Sqlite, SqliteConnectOptions, SqliteRow};
use sqlx::{AssertSqlSafe, Column, ConnectOptions, Connection, Decode, Executor, Row, TypeInfo, ValueRef};
use url::Url;

use super::super::Sender;
use super::CHUNK_ROWS;
use super::cell::{Kind, write, write_text};
use crate::emulation::args::{SqlArgs, TimeStyle};
use crate::notifiers::Environment;

/// A database that can be asked.
#[derive(Clone)]
pub(super) struct Database {
    server: Server,
    shown: String,
    password: Option<String>,
}

#[derive(Clone)]
enum Server {
    MySql(Box<MySqlConnectOptions>),
    Postgres(Box<PgConnectOptions>),
    Sqlite(Box<SqliteConnectOptions>),
}

impl Database {
    /// What a person means by the address of `args`; a relative path of SQLite begins at `home`.
    pub(super) fn resolve(args: &SqlArgs, environment: &Environment, home: &Path) -> Result<Database, String> {
        let text = match &args.url_env {
            Some(variable) => environment.look_up(variable)?,
            None => args.url.clone().unwrap_or_default(),
        };
        let password = args.password_env.as_deref().map(|variable| environment.look_up(variable)).transpose()?;
        let text = text.trim();
        if let Some(path) = text.strip_prefix("sqlite:") {
            return Ok(sqlite(path, home));
        }
        server(text, password)
    }

    /// For people: without the password.
    pub(super) fn shown(&self) -> String {
        self.shown.clone()
    }

    /// A name as a statement writes it.
    pub(super) fn quoted(&self, name: &str) -> String {
        match self.server {
            Server::MySql(_) => format!("`{}`", name.replace('`', "``")),
            Server::Postgres(_) | Server::Sqlite(_) => format!("\"{}\"", name.replace('"', "\"\"")),
        }
    }

    /// The number that a statement answers with.
    pub(super) async fn count(&self, sql: &str) -> Result<u64, TaskError> {
        let count: Result<i64, sqlx::Error> = match &self.server {
            Server::MySql(options) => count::<MySql>(options.connect().await, sql).await,
            Server::Postgres(options) => count::<Postgres>(options.connect().await, sql).await,
            Server::Sqlite(options) => count::<Sqlite>(options.connect().await, sql).await,
        };
        count.map(i64::unsigned_abs).map_err(|error| self.explain(&error))
    }

    /// Sends the rows that a statement answers with as JSON documents; says how many they were.
    pub(super) async fn select(&self, sql: &str, times: TimeStyle, sender: &Sender) -> Result<u64, TaskError> {
        let sent = match &self.server {
            Server::MySql(options) => send::<MySql>(options.connect().await, sql, times, sender, of_mysql).await,
            Server::Postgres(options) => {
                send::<Postgres>(options.connect().await, sql, times, sender, of_postgres).await
            }
            Server::Sqlite(options) => send::<Sqlite>(options.connect().await, sql, times, sender, of_sqlite).await,
        };
        sent.map_err(|error| self.explain(&error))
    }

    /// What an error means to whoever wrote the address and the names of the tables.
    fn explain(&self, error: &sqlx::Error) -> TaskError {
        let mut said = error.to_string();
        if let Some(password) = self.password.as_deref().filter(|password| !password.is_empty()) {
            said = said.replace(password, "***");
        }
        let error_of = anyhow!("{}: {said}", self.shown);
        // Wrong names, wrong passwords and missing tables stay what they are.
        let lasts = match error {
            sqlx::Error::Database(error) => {
                let code = error.code().unwrap_or_default();
                code == "1" || ["42", "28", "3D"].iter().any(|class| code.len() == 5 && code.starts_with(class))
            }
            sqlx::Error::Configuration(_) | sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => true,
            _ => false,
        };
        if lasts { TaskError::fail(error_of) } else { TaskError::retry(error_of) }
    }
}

fn sqlite(path: &str, home: &Path) -> Database {
    let path = path.strip_prefix("//").unwrap_or(path);
    let path = home.join(path.split('?').next().unwrap_or(path));
    let options = SqliteConnectOptions::new().filename(&path).read_only(true).disable_statement_logging();
    Database { server: Server::Sqlite(Box::new(options)), shown: format!("sqlite:{}", path.display()), password: None }
}

/// What is wrong with the kind of database that an address means.
pub(in crate::emulation) fn unknown_database(text: &str) -> Option<String> {
    if text.trim().starts_with("sqlite:") { None } else { kind_of(text.trim()).err() }
}

/// The kind of database that an address means, and what follows it.
fn kind_of(text: &str) -> Result<(&'static str, &str), String> {
    // The text is not repeated in errors: it may hold a password.
    let (scheme, rest) = text
        .split_once("://")
        .ok_or("`url` is no address of a database; write mysql://user@host/database, postgres://… or sqlite:path")?;
    // `mysql+pymysql://` is how SQLAlchemy writes it.
    match scheme.split('+').next().unwrap_or(scheme) {
        "mysql" | "mariadb" => Ok(("mysql", rest)),
        "postgres" | "postgresql" => Ok(("postgres", rest)),
        other => Err(format!("`url` begins with `{other}:`; it must be mysql://, postgres:// or sqlite:")),
    }
}

fn server(text: &str, password: Option<String>) -> Result<Database, String> {
    let (kind, rest) = kind_of(text)?;
    let mut url = Url::parse(&format!("{kind}://{rest}")).map_err(|error| format!("`url` is no address: {error}"))?;
    if let Some(password) = &password {
        // Only the parsed address is changed, so whatever is in a password is escaped.
        url.set_password(Some(password)).map_err(|()| "`url` has no host, so it can have no password".to_owned())?;
    }
    let password = password.or_else(|| url.password().map(str::to_owned));
    let unfit = |error: sqlx::Error| format!("`url` is no address of a database: {error}");
    let server = if kind == "mysql" {
        let options = MySqlConnectOptions::from_url(&url).map_err(unfit)?;
        Server::MySql(Box::new(options.pipes_as_concat(false).disable_statement_logging()))
    } else {
        let options = PgConnectOptions::from_url(&url).map_err(unfit)?;
        Server::Postgres(Box::new(options.disable_statement_logging()))
    };
    let shown = shown(url);
    Ok(Database { server, shown, password })
}

/// An address without what may be secret.
fn shown(mut url: Url) -> String {
    // Both only fail for addresses without a host.
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

type Connected<DB> = Result<<DB as sqlx::Database>::Connection, sqlx::Error>;

async fn count<DB: sqlx::Database>(connection: Connected<DB>, sql: &str) -> Result<i64, sqlx::Error>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'r> i64: Decode<'r, DB> + sqlx::Type<DB>,
    usize: sqlx::ColumnIndex<DB::Row>,
{
    let mut connection = connection?;
    let row = connection.fetch_one(sqlx::raw_sql(AssertSqlSafe(sql))).await?;
    let count = row.try_get::<i64, usize>(0)?;
    connection.close().await?;
    Ok(count)
}

/// Writes a row of a database as a JSON document.
type Writer<DB> = fn(&<DB as sqlx::Database>::Row, TimeStyle) -> Result<Vec<u8>, sqlx::Error>;

async fn send<DB: sqlx::Database>(
    connection: Connected<DB>,
    sql: &str,
    times: TimeStyle,
    sender: &Sender,
    write: Writer<DB>,
) -> Result<u64, sqlx::Error>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let mut connection = connection?;
    let mut rows = connection.fetch(sqlx::raw_sql(AssertSqlSafe(sql)));
    let mut count = 0;
    let mut chunk = Vec::with_capacity(CHUNK_ROWS);
    while let Some(row) = rows.try_next().await? {
        count += 1;
        chunk.push(Bytes::from(write(&row, times)?));
        if chunk.len() == CHUNK_ROWS {
            let full = std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK_ROWS));
            // A receiver that is gone has a better reason than we could give.
            if sender.send(Ok(full)).await.is_err() {
                return Ok(count);
            }
        }
    }
    let _ = sender.send(Ok(chunk)).await;
    Ok(count)
}

/// Writes a document whose values `value` writes, by their position.
fn document<C: Column>(
    columns: &[C],
    mut value: impl FnMut(&mut Vec<u8>, usize) -> Result<(), sqlx::Error>,
) -> Result<Vec<u8>, sqlx::Error> {
    let mut out = vec![b'{'];
    for (index, column) in columns.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_text(&mut out, column.name());
        out.push(b':');
        value(&mut out, index)?;
    }
    out.push(b'}');
    Ok(out)
}

fn of_mysql(row: &MySqlRow, times: TimeStyle) -> Result<Vec<u8>, sqlx::Error> {
    document(row.columns(), |out, index| {
        let raw = row.try_get_raw(index)?;
        let kind = Kind::of(raw.type_info().name());
        let value = if raw.is_null() {
            None
        } else {
            Some(<&[u8] as Decode<MySql>>::decode(raw).map_err(sqlx::Error::Decode)?)
        };
        write(out, kind, value, times);
        Ok(())
    })
}

fn of_postgres(row: &PgRow, times: TimeStyle) -> Result<Vec<u8>, sqlx::Error> {
    document(row.columns(), |out, index| {
        let raw = row.try_get_raw(index)?;
        let kind = Kind::of(raw.type_info().name());
        let value = if raw.is_null() {
            None
        } else {
            Some(<&str as Decode<Postgres>>::decode(raw).map_err(sqlx::Error::Decode)?)
        };
        write(out, kind, value.map(str::as_bytes), times);
        Ok(())
    })
}

fn of_sqlite(row: &SqliteRow, times: TimeStyle) -> Result<Vec<u8>, sqlx::Error> {
    document(row.columns(), |out, index| {
        let raw = row.try_get_raw(index)?;
        if raw.is_null() {
            write(out, Kind::Text, None, times);
            return Ok(());
        }
        let name = raw.type_info().name().to_owned();
        match name.as_str() {
            "INTEGER" => out.extend_from_slice(row.try_get_unchecked::<i64, _>(index)?.to_string().as_bytes()),
            "REAL" => {
                let number = serde_json::Value::from(row.try_get_unchecked::<f64, _>(index)?);
                out.extend_from_slice(number.to_string().as_bytes());
            }
            // Text of a column that was made for dates with a time is one.
            _ => {
                let kind = match Kind::of(row.column(index).type_info().name()) {
                    Kind::Time => Kind::Time,
                    _ => Kind::Text,
                };
                write(out, kind, Some(row.try_get_unchecked::<&[u8], _>(index)?), times);
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(url: &str, password: Option<&str>) -> Result<Database, String> {
        let environment = Environment::of(password.map(|word| ("DB_PASSWORD".to_owned(), word.to_owned())));
        let args = serde_json::json!({ "url": url, "password_env": password.map(|_| "DB_PASSWORD") });
        Database::resolve(&serde_json::from_value(args).unwrap(), &environment, Path::new("/home"))
    }

    #[test]
    fn an_address_is_shown_without_its_password() {
        for (url, password, shown) in [
            (
                "mysql+pymysql://me:hush@db:3306/pinterest_data?charset=utf8mb4",
                None,
                "mysql://me@db:3306/pinterest_data",
            ),
            ("mariadb://me@db/x", Some("hush"), "mysql://me@db/x"),
            ("postgresql://me:hush@db/x", None, "postgres://me@db/x"),
            ("sqlite:data/x.db", None, "sqlite:/home/data/x.db"),
            ("sqlite:///data/x.db", None, "sqlite:/data/x.db"),
        ] {
            assert_eq!(resolved(url, password).unwrap().shown(), shown);
        }
    }

    #[test]
    fn a_bad_address_is_not_repeated() {
        for url in ["me:hush@db/x", "oracle://me:hush@db/x", "mysql://me:hush@"] {
            let problem = resolved(url, None).err().unwrap();
            assert!(!problem.contains("hush"), "{problem}");
        }
    }
}
