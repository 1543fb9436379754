//! The databases: how they are reached, what they answer, and what their errors mean.

use std::path::Path;

use anyhow::anyhow;
use futures::TryStreamExt as _;
use scheduler::connection::Connection;
use scheduler::operator::TaskError;
use sqlx::mysql::{MySql, MySqlConnectOptions, MySqlRow};
use sqlx::postgres::{PgConnectOptions, PgRow, Postgres};
use sqlx::sqlite::{Sqlite, SqliteColumn, SqliteConnectOptions, SqliteRow};
use sqlx::{
    AssertSqlSafe, Column as _, ConnectOptions as _, Connection as _, Decode, Executor, Row as _, SqlSafeStr as _,
    Statement as _, TypeInfo as _,
};
use url::{Host, Url};

use super::failure::{lasts, said};
use super::row::{AnyRow, RowSink, mysql_type};
use crate::connections::host_in_url;
use crate::notifiers::Environment;
use crate::statements::Dialect;

/// What of the `extra` of a connection goes into the address, and what it is called there.
const EXTRAS: [(&str, &str); 13] = [
    ("charset", "charset"),
    ("collation", "collation"),
    ("socket", "socket"),
    ("unix_socket", "socket"),
    ("ssl-ca", "ssl-ca"),
    ("ssl-mode", "ssl-mode"),
    ("ssl_mode", "ssl-mode"),
    ("sslmode", "sslmode"),
    ("sslrootcert", "sslrootcert"),
    ("sslcert", "sslcert"),
    ("sslkey", "sslkey"),
    ("options", "options"),
    ("application_name", "application_name"),
];

/// Where a database is, as a DAG file says it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Address<'a> {
    /// The address itself.
    pub url: Option<&'a str>,
    /// The environment variable that holds it.
    pub url_env: Option<&'a str>,
    /// The environment variable that holds the password.
    pub password_env: Option<&'a str>,
}

/// A database that can be asked.
#[derive(Clone)]
pub struct Database {
    pub(super) server: Server,
    shown: String,
    password: Option<String>,
}

#[derive(Clone)]
pub(super) enum Server {
    MySql(Box<MySqlConnectOptions>),
    Postgres(Box<PgConnectOptions>),
    Sqlite(Box<SqliteConnectOptions>),
}

impl Database {
    /// What a person means by an address; a relative path of SQLite begins at `home`.
    pub(crate) fn resolve(address: Address<'_>, environment: &Environment, home: &Path) -> Result<Database, String> {
        let text = match address.url_env {
            Some(variable) => environment.look_up(variable)?,
            None => address.url.unwrap_or_default().to_owned(),
        };
        let password = address.password_env.map(|variable| environment.look_up(variable)).transpose()?;
        let text = text.trim();
        if let Some(path) = text.strip_prefix("sqlite:") {
            return Ok(sqlite(path, home));
        }
        server(text, password)
    }

    /// The database that a connection leads to; a relative path of SQLite begins at `home`.
    pub fn of_connection(connection: &Connection, home: &Path) -> Result<Database, String> {
        let conn_id = &connection.conn_id;
        let scheme = match connection.conn_type.as_str() {
            "mysql" | "mariadb" => "mysql",
            "postgres" | "postgresql" => "postgres",
            "sqlite" => {
                let path = connection.host.as_deref().or(connection.schema.as_deref()).filter(|path| !path.is_empty());
                let path =
                    path.ok_or_else(|| format!("the connection `{conn_id}` names no file; put it into `host`"))?;
                return Ok(sqlite(path, home));
            }
            other => {
                return Err(format!(
                    "the connection `{conn_id}` is of the type `{other}`, which holds no tables; `mysql`, `postgres` and \
                     `sqlite` do"
                ));
            }
        };
        let host = connection.host.as_deref().filter(|host| !host.is_empty()).unwrap_or("localhost");
        let wrong = |part: &str| format!("the connection `{conn_id}` has a `{part}` that no address can hold");
        // A folder is where Postgres has its socket.
        let host = host_in_url(host).replace('/', "%2F");
        let mut url = Url::parse(&format!("{scheme}://{host}/")).map_err(|_| wrong("host"))?;
        let login = connection.login.as_deref().unwrap_or_default();
        url.set_username(&percent_kept(login)).map_err(|()| wrong("login"))?;
        url.set_port(connection.port).map_err(|()| wrong("port"))?;
        if let Some(schema) = &connection.schema {
            url.set_path(&percent_kept(schema));
        }
        // What drivers take as options of an address: `sslmode`, `socket`, `charset`, ….
        for (key, value) in &connection.extra {
            let known = EXTRAS.iter().find(|(known, _)| known == key);
            if let (Some((_, name)), Some(value)) = (known, value.as_str()) {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        let password = connection.password.as_ref().map(|password| password.reveal().to_owned());
        server(url.as_str(), password)
    }

    /// For people: without the password.
    pub fn shown(&self) -> String {
        self.shown.clone()
    }

    /// Whose grammar its statements are in.
    pub fn dialect(&self) -> Dialect {
        match self.server {
            Server::MySql(_) => Dialect::MySql,
            Server::Postgres(_) => Dialect::Postgres,
            Server::Sqlite(_) => Dialect::Sqlite,
        }
    }

    /// The same with another database of the server.
    pub fn with_schema(mut self, name: &str) -> Result<Database, String> {
        self.server = match self.server {
            Server::MySql(options) => Server::MySql(Box::new(options.database(name))),
            Server::Postgres(options) => Server::Postgres(Box::new(options.database(name))),
            Server::Sqlite(_) => {
                return Err("a file of SQLite is one database; there is no `database` in it".to_owned());
            }
        };
        if let Ok(mut url) = Url::parse(&self.shown) {
            url.set_path(name);
            self.shown = url.to_string();
        }
        Ok(self)
    }

    /// A name as a statement writes it.
    pub fn quoted(&self, name: &str) -> String {
        match self.server {
            Server::MySql(_) => format!("`{}`", name.replace('`', "``")),
            Server::Postgres(_) | Server::Sqlite(_) => format!("\"{}\"", name.replace('"', "\"\"")),
        }
    }

    /// The name of a table, perhaps with that of its schema before a point, as a statement writes it.
    pub fn quoted_table(&self, name: &str) -> String {
        name.split('.').map(|part| self.quoted(part)).collect::<Vec<_>>().join(".")
    }

    /// The number that a statement answers with.
    pub async fn count(&self, sql: &str) -> Result<u64, TaskError> {
        let count: Result<i64, sqlx::Error> = match &self.server {
            Server::MySql(options) => count::<MySql>(options.connect().await, sql).await,
            Server::Postgres(options) => count::<Postgres>(options.connect().await, sql).await,
            Server::Sqlite(options) => count::<Sqlite>(options.connect().await, sql).await,
        };
        count.map(i64::unsigned_abs).map_err(|error| self.explain(&error))
    }

    /// Gives the rows that a statement answers with to `sink`; says how many they were.
    pub async fn read<S: RowSink>(&self, sql: &str, sink: &mut S) -> Result<u64, TaskError> {
        let read = match &self.server {
            Server::MySql(options) => read::<MySql, S>(options.connect().await, sql, sink, as_mysql).await,
            Server::Postgres(options) => read::<Postgres, S>(options.connect().await, sql, sink, as_postgres).await,
            Server::Sqlite(options) => read::<Sqlite, S>(options.connect().await, sql, sink, as_sqlite).await,
        };
        read.map_err(|error| self.explain(&error))
    }

    /// The names of the columns that a statement answers with, and the server's names for their types.
    pub async fn columns(&self, sql: &str) -> Result<Vec<(String, String)>, TaskError> {
        let columns = match &self.server {
            Server::MySql(options) => columns::<MySql>(options.connect().await, sql, mysql_type).await,
            Server::Postgres(options) => {
                columns::<Postgres>(options.connect().await, sql, |of| of.name().to_owned()).await
            }
            Server::Sqlite(options) => sqlite_columns(options.connect().await, sql).await,
        };
        columns.map_err(|error| self.explain(&error))
    }

    /// What an error means to whoever wrote the address and the names of the tables.
    pub(super) fn explain(&self, error: &sqlx::Error) -> TaskError {
        self.judge(error, format!("{}: {}", self.shown, said(error).whole()))
    }

    /// An error in these words: wrong names, wrong passwords and missing tables stay what they are.
    pub(crate) fn judge(&self, error: &sqlx::Error, words: String) -> TaskError {
        let words = match self.password.as_deref().filter(|password| !password.is_empty()) {
            Some(password) => words.replace(password, "***"),
            None => words,
        };
        if lasts(error) { TaskError::fail(anyhow!(words)) } else { TaskError::retry(anyhow!(words)) }
    }
}

fn sqlite(path: &str, home: &Path) -> Database {
    let path = path.strip_prefix("//").unwrap_or(path);
    let path = home.join(path.split('?').next().unwrap_or(path));
    let options = SqliteConnectOptions::new().filename(&path).read_only(true).disable_statement_logging();
    Database { server: Server::Sqlite(Box::new(options)), shown: format!("sqlite:{}", path.display()), password: None }
}

/// What is wrong with the kind of database that an address means.
pub fn unknown_database(text: &str) -> Option<String> {
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
        let set = url.set_password(Some(&percent_kept(password)));
        set.map_err(|()| "`url` has no host, so it can have no password".to_owned())?;
    }
    let password = password.or_else(|| url.password().map(str::to_owned));
    let unfit = |error: sqlx::Error| format!("`url` is no address of a database: {error}");
    // What stands in brackets the drivers take for a name.
    let ipv6 = match url.host() {
        Some(Host::Ipv6(host)) => Some(host.to_string()),
        _ => None,
    };
    let server = if kind == "mysql" {
        let mut options = MySqlConnectOptions::from_url(&url).map_err(unfit)?;
        if let Some(host) = &ipv6 {
            options = options.host(host);
        }
        Server::MySql(Box::new(options.pipes_as_concat(false).disable_statement_logging()))
    } else {
        let mut options = PgConnectOptions::from_url(&url).map_err(unfit)?;
        if let Some(host) = &ipv6 {
            options = options.host(host);
        }
        Server::Postgres(Box::new(options.disable_statement_logging()))
    };
    let shown = shown(url);
    Ok(Database { server, shown, password })
}

/// A text for a part of an address, in which a `%` would begin an escaped letter: all others are escaped when they are put there.
fn percent_kept(text: &str) -> String {
    text.replace('%', "%25")
}

/// An address without what may be secret.
fn shown(mut url: Url) -> String {
    // Both only fail for addresses without a host.
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

pub(super) type Connected<DB> = Result<<DB as sqlx::Database>::Connection, sqlx::Error>;

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

/// Shows a row of a database as a row of any.
pub(super) type Shown<DB> = fn(&<DB as sqlx::Database>::Row) -> AnyRow<'_>;

pub(super) fn as_mysql(row: &MySqlRow) -> AnyRow<'_> {
    AnyRow::MySql(row)
}

pub(super) fn as_postgres(row: &PgRow) -> AnyRow<'_> {
    AnyRow::Postgres(row)
}

pub(super) fn as_sqlite(row: &SqliteRow) -> AnyRow<'_> {
    AnyRow::Sqlite(row)
}

async fn read<DB: sqlx::Database, S: RowSink>(
    connection: Connected<DB>,
    sql: &str,
    sink: &mut S,
    shown: Shown<DB>,
) -> Result<u64, sqlx::Error>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let mut connection = connection?;
    let mut rows = connection.fetch(sqlx::raw_sql(AssertSqlSafe(sql)));
    let mut count = 0;
    while let Some(row) = rows.try_next().await? {
        count += 1;
        // A receiver that is gone has a better reason than we could give.
        if sink.push(shown(&row))? && !sink.pass_on().await {
            return Ok(count);
        }
    }
    sink.pass_on().await;
    Ok(count)
}

async fn columns<DB: sqlx::Database>(
    connection: Connected<DB>,
    sql: &str,
    type_name: fn(&DB::TypeInfo) -> String,
) -> Result<Vec<(String, String)>, sqlx::Error>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let mut connection = connection?;
    let statement = connection.prepare(AssertSqlSafe(sql).into_sql_str()).await?;
    let named = |column: &DB::Column| (column.name().to_owned(), type_name(column.type_info()));
    let columns = statement.columns().iter().map(named).collect();
    connection.close().await?;
    Ok(columns)
}

/// SQLite tells the types of its tables' columns, and of other expressions only when there is a value.
async fn sqlite_columns(connection: Connected<Sqlite>, sql: &str) -> Result<Vec<(String, String)>, sqlx::Error> {
    let mut connection = connection?;
    let statement = connection.prepare(AssertSqlSafe(sql).into_sql_str()).await?;
    let named = |column: &SqliteColumn| (column.name().to_owned(), column.type_info().name().to_owned());
    let mut columns: Vec<(String, String)> = statement.columns().iter().map(named).collect();
    if columns.iter().any(|(_, declared)| declared == "NULL")
        && let Some(row) = connection.fetch_optional(sqlx::raw_sql(AssertSqlSafe(sql))).await?
    {
        for (index, (_, declared)) in columns.iter_mut().enumerate() {
            if declared == "NULL" {
                *declared = AnyRow::Sqlite(&row).type_name(index)?;
            }
        }
    }
    connection.close().await?;
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use scheduler::connection::Secret;

    use super::*;

    fn resolved(url: &str, password: Option<&str>) -> Result<Database, String> {
        let environment = Environment::of(password.map(|word| ("DB_PASSWORD".to_owned(), word.to_owned())));
        let password_env = password.map(|_| "DB_PASSWORD");
        let address = Address { url: Some(url), password_env, ..Address::default() };
        Database::resolve(address, &environment, Path::new("/home"))
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

    #[test]
    fn connections_lead_to_databases() {
        let mut connection = Connection::new("my_db", "postgres");
        connection.host = Some("db.example".to_owned());
        connection.login = Some("me".to_owned());
        connection.password = Some(Secret::new("hush/@ 1"));
        connection.schema = Some("pinterest".to_owned());
        connection.port = Some(5433);
        let database = Database::of_connection(&connection, Path::new("/home")).unwrap();
        assert_eq!(database.shown(), "postgres://me@db.example:5433/pinterest");
        connection.conn_type = "http".to_owned();
        let problem = Database::of_connection(&connection, Path::new("/home")).err().unwrap();
        assert!(problem.contains("holds no tables"), "{problem}");
        let mut file = Connection::new("file", "sqlite");
        file.host = Some("data/x.db".to_owned());
        assert_eq!(Database::of_connection(&file, Path::new("/home")).unwrap().shown(), "sqlite:/home/data/x.db");
    }

    #[test]
    fn what_a_session_of_postgres_begins_with_is_in_the_extra() {
        let mut connection = Connection::new("my_db", "postgres");
        connection.extra.insert("options".to_owned(), "-c search_path=sales -c statement_timeout=9".into());
        match Database::of_connection(&connection, Path::new("/home")).unwrap().server {
            Server::Postgres(to) => {
                assert_eq!(to.get_options(), Some("-c search_path=sales -c statement_timeout=9"));
            }
            Server::MySql(_) | Server::Sqlite(_) => panic!("it is another kind"),
        }
    }

    #[test]
    fn a_percent_sign_in_a_connection_escapes_nothing() {
        for kind in ["mysql", "postgres"] {
            let mut connection = Connection::new("my_db", kind);
            connection.login = Some("me%41".to_owned());
            connection.password = Some(Secret::new("a%41%2Fb%"));
            connection.schema = Some("d%41".to_owned());
            let (login, schema, url) = match Database::of_connection(&connection, Path::new("/home")).unwrap().server {
                Server::MySql(to) => {
                    (to.get_username().to_owned(), to.get_database().map(str::to_owned), to.to_url_lossy())
                }
                Server::Postgres(to) => {
                    (to.get_username().to_owned(), to.get_database().map(str::to_owned), to.to_url_lossy())
                }
                Server::Sqlite(_) => panic!("it is a file"),
            };
            assert_eq!((login.as_str(), schema.as_deref()), ("me%41", Some("d%41")), "{kind}");
            assert_eq!(url.password(), Some("a%2541%252Fb%25"), "{kind}");
        }
    }

    #[test]
    fn a_host_of_ipv6_is_spoken_to_without_brackets() {
        let mut connection = Connection::new("my_db", "postgres");
        connection.host = Some("::1".to_owned());
        let of_connection = Database::of_connection(&connection, Path::new("/home")).unwrap();
        assert_eq!(of_connection.shown(), "postgres://[::1]/");
        for database in [of_connection, resolved("mysql://me@[::1]:3306/x", None).unwrap()] {
            let host = match &database.server {
                Server::MySql(to) => to.get_host(),
                Server::Postgres(to) => to.get_host(),
                Server::Sqlite(_) => panic!("it is a file"),
            };
            assert_eq!(host, "::1", "{}", database.shown());
        }
    }
}
