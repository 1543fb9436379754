//! Databases: we sign in, and ask for 1.

use std::path::Path;

use anyhow::{anyhow, bail};
use async_trait::async_trait;
use scheduler::connection::{Connection, ConnectionTest, Secret};
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection as _, Database, Executor};

use super::forms::{MYSQL_SSL_MODES, SSL_MODES};

/// Tries out Postgres, MySQL, MariaDB and SQLite.
pub(super) struct Databases;

#[async_trait]
impl ConnectionTest for Databases {
    async fn test(&self, connection: &Connection) -> anyhow::Result<String> {
        match connection.conn_type.as_str() {
            "sqlite" => ask::<sqlx::Sqlite>(&sqlite(connection)?).await,
            "postgres" => ask::<sqlx::Postgres>(&postgres(connection)?).await,
            _ => ask::<sqlx::MySql>(&mysql(connection)?).await,
        }
        .map_err(|error| told(error, connection))?;
        Ok("signed in, and it answered `SELECT 1`".to_owned())
    }
}

/// What a database complains of, with the place and what to look at.
fn told(error: sqlx::Error, connection: &Connection) -> anyhow::Error {
    let socket = connection.extra_text("unix_socket").map(str::to_owned);
    let host = connection.host.as_deref().unwrap_or("localhost");
    let place = socket.unwrap_or_else(|| match connection.port {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    });
    let what = format!("cannot sign in at `{place}`");
    match error {
        sqlx::Error::Database(complaint) if connection.conn_type == "sqlite" => {
            anyhow!("`{place}` cannot be read: {}", complaint.message())
        }
        sqlx::Error::Database(complaint) => anyhow!("{what}: {}", complaint.message()),
        sqlx::Error::Io(cause) => {
            anyhow!("{what}: {cause}; look at its host and its port, and whether it listens there")
        }
        sqlx::Error::Tls(cause) => anyhow!("{what}: {cause}; look at what the connection says of TLS"),
        other => anyhow::Error::new(other).context(what),
    }
}

async fn ask<D: Database>(options: &<D::Connection as sqlx::Connection>::Options) -> Result<(), sqlx::Error>
where
    for<'c> &'c mut D::Connection: Executor<'c, Database = D>,
{
    let mut connection = options.connect().await?;
    connection.execute("SELECT 1").await?;
    // It has answered; how it says goodbye does not matter.
    let _ = connection.close().await;
    Ok(())
}

fn sqlite(connection: &Connection) -> anyhow::Result<SqliteConnectOptions> {
    let Some(path) = connection.host.as_deref().or(connection.schema.as_deref()) else {
        bail!("it names no file; write the path as its host");
    };
    if !Path::new(path).is_file() {
        bail!("there is no file `{path}`");
    }
    Ok(SqliteConnectOptions::new().filename(path).read_only(true))
}

fn postgres(connection: &Connection) -> anyhow::Result<PgConnectOptions> {
    // Not what the environment of Updraft says of another database.
    let mut options = PgConnectOptions::new_without_pgpass().host(connection.host.as_deref().unwrap_or("localhost"));
    options = options.port(connection.port.unwrap_or(5432)).username(connection.login.as_deref().unwrap_or("postgres"));
    if let Some(password) = &connection.password {
        options = options.password(password.reveal());
    }
    if let Some(database) = &connection.schema {
        options = options.database(database);
    }
    if let Some(mode) = connection.extra_text("sslmode") {
        let wrong = || anyhow!("`{mode}` is no `sslmode`; those are {}", SSL_MODES.join(", "));
        let mode: PgSslMode = mode.parse().map_err(|_| wrong())?;
        options = options.ssl_mode(mode);
    }
    Ok(options)
}

fn mysql(connection: &Connection) -> anyhow::Result<MySqlConnectOptions> {
    let mut options = MySqlConnectOptions::new().pipes_as_concat(false);
    options = match connection.extra_text("unix_socket") {
        Some(socket) => options.socket(socket),
        None => options.host(connection.host.as_deref().unwrap_or("localhost")).port(connection.port.unwrap_or(3306)),
    };
    options = options.username(connection.login.as_deref().unwrap_or("root"));
    if let Some(password) = connection.password.as_ref().map(Secret::reveal) {
        options = options.password(password);
    }
    if let Some(database) = &connection.schema {
        options = options.database(database);
    }
    if let Some(mode) = connection.extra_text("ssl_mode") {
        let wrong = || anyhow!("`{mode}` is no `ssl_mode`; those are {}", MYSQL_SSL_MODES.join(", "));
        let mode: MySqlSslMode = mode.parse().map_err(|_| wrong())?;
        options = options.ssl_mode(mode);
    }
    Ok(options)
}
