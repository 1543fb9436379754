//! Databases: we sign in, and ask for 1.

use std::path::Path;

use anyhow::{Context, bail};
use async_trait::async_trait;
use scheduler::connection::{Connection, ConnectionTest, Secret};
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection as _, Database, Executor};

/// Tries out Postgres, MySQL, MariaDB and SQLite.
pub(super) struct Databases;

#[async_trait]
impl ConnectionTest for Databases {
    async fn test(&self, connection: &Connection) -> anyhow::Result<String> {
        match connection.conn_type.as_str() {
            "sqlite" => ask::<sqlx::Sqlite>(&sqlite(connection)?).await,
            "postgres" => ask::<sqlx::Postgres>(&postgres(connection)?).await,
            _ => ask::<sqlx::MySql>(&mysql(connection)?).await,
        }?;
        Ok("signed in, and it answered `SELECT 1`".to_owned())
    }
}

async fn ask<D: Database>(options: &<D::Connection as sqlx::Connection>::Options) -> anyhow::Result<()>
where
    for<'c> &'c mut D::Connection: Executor<'c, Database = D>,
{
    let mut connection = options.connect().await.context("cannot sign in")?;
    connection.execute("SELECT 1").await.context("it does not answer `SELECT 1`")?;
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
        let mode: PgSslMode = mode.parse().with_context(|| format!("`{mode}` is no `sslmode`"))?;
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
        let mode: MySqlSslMode = mode.parse().with_context(|| format!("`{mode}` is no `ssl_mode`"))?;
        options = options.ssl_mode(mode);
    }
    Ok(options)
}
