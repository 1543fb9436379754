//! Opening the database, and the one way to write to it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use migrations::Migrator;
use sea_orm::sqlx::Connection as _;
use sea_orm::sqlx::postgres::PgConnection;
use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend, Statement,
    TransactionOptions, TransactionTrait,
};
use sea_orm_migration::MigratorTrait;

use super::error::{StoreError, doing};

/// Connections of one process. Tasks never hold one, so few are enough whatever runs.
const POSTGRES_CONNECTIONS_MAX: u32 = 10;

/// Connections for the commits of the engine: one works while the other is being put back.
const ENGINE_CONNECTIONS_MAX: u32 = 2;

/// A process that is suspended in the middle of a transaction must not keep the others from taking over for longer, in
/// milliseconds. Ours wait for nothing but Postgres while they have one open, and for a moment of the engine's work.
const IDLE: (&str, &str) = ("idle_in_transaction_session_timeout", "3000");

/// The engine finds few rows by their keys, always. Postgres is not asked to think about it anew each time, nor may it
/// read a whole history because it takes a list for longer than it is, or because it took the table for small when it was asked
/// first. Where there is no key it reads the table all the same, and would compile that for its pretended price.
const ENGINE: [(&str, &str); 6] = [
    IDLE,
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("enable_seqscan", "off"),
    ("jit", "off"),
];

/// A connection of the engine that was in use so lately is taken as it is: what a commit waits for, its tasks wait for.
pub(super) const IN_USE: Duration = Duration::from_secs(1);

/// How long another one may take for a sign of life before it is replaced. When the machine of its server is gone without a
/// word, TCP asks for a quarter of an hour.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// Readers of an SQLite file beside its one writer.
const SQLITE_READERS_MAX: u32 = 4;

/// What the connections keep of an SQLite file in memory, as SQLite's `cache_size` counts it: a negative number of KiB. The
/// default of 2 MB is less than one commit of ten thousand task instances changes.
const WRITER_CACHE: &str = "-16384";
const READER_CACHE: &str = "-2000";

/// How long a statement waits for another process that writes to the same SQLite file.
const SQLITE_BUSY: Duration = Duration::from_secs(5);

/// The database of an installation. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Db {
    read: DatabaseConnection,
    write: DatabaseConnection,
    engine: DatabaseConnection,
}

impl Db {
    /// Opens the database that `url` names (`sqlite:///path`, `postgres://…`) and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError::Newer`] when a later version of Updraft has been at work in it.
    pub async fn open(url: &str) -> Result<Db, StoreError> {
        let db = Db::connect(url).await?;
        db.migrate().await?;
        Ok(db)
    }

    /// Makes a database in a file that nobody needs once its process has ended, so that no commit waits for the disk.
    pub async fn open_passing(file: &Path) -> Result<Db, StoreError> {
        let db = Db::connect_sqlite(file, SqliteSynchronous::Off).await?;
        db.migrate().await?;
        Ok(db)
    }

    /// Opens the database as it is.
    pub async fn connect(url: &str) -> Result<Db, StoreError> {
        if let Some(path) = sqlite_path(url) {
            // A commit that was answered survives a loss of power, too.
            return Db::connect_sqlite(&path, SqliteSynchronous::Full).await;
        }
        let connect = |connections: u32, settings: &'static [(&str, &str)]| {
            let mut options = ConnectOptions::new(url);
            options
                .max_connections(connections)
                .acquire_timeout(Duration::from_secs(10))
                .connect_timeout(Duration::from_secs(10))
                .sqlx_logging(false)
                .map_sqlx_postgres_opts(|postgres| postgres.options(settings.iter().copied()));
            options
        };
        let pool = connect(POSTGRES_CONNECTIONS_MAX, &[IDLE]);
        let pool = Database::connect(pool).await.map_err(doing("connecting to the database"))?;
        let mut engine = connect(ENGINE_CONNECTIONS_MAX, &ENGINE);
        // Whether there is a server shows when it is used: the engine tries again whatever fails.
        engine.test_before_acquire(false).connect_lazy(true);
        engine.map_sqlx_postgres_before_acquire(|connection, usage| {
            Box::pin(async move { Ok(usage.idle_for < IN_USE || is_alive(connection).await) })
        });
        let engine = Database::connect(engine).await.map_err(doing("connecting to the database"))?;
        Ok(Db { read: pool.clone(), write: pool, engine })
    }

    async fn connect_sqlite(path: &Path, synchronous: SqliteSynchronous) -> Result<Db, StoreError> {
        let url = format!("sqlite://{}?mode=rwc", path.display());
        let connect = |connections: u32, cache: &'static str| {
            let mut options = ConnectOptions::new(url.clone());
            // There is no server that could be gone; a sign of life would be one more turn of the connection's thread.
            options.max_connections(connections).min_connections(1).test_before_acquire(false).sqlx_logging(false);
            options.map_sqlx_sqlite_before_acquire(|connection, _| {
                // When a disk is full, SQLite rolls a transaction back by itself, of which the driver does not learn: the
                // next one would be taken for a part of it. Such a connection is closed, and another one opened.
                let is_idle = !connection.is_in_transaction();
                Box::pin(async move { Ok(is_idle) })
            });
            options.map_sqlx_sqlite_opts(move |sqlite| {
                sqlite
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(synchronous)
                    .busy_timeout(SQLITE_BUSY)
                    .foreign_keys(true)
                    .pragma("temp_store", "memory")
                    .pragma("cache_size", cache)
            });
            Database::connect(options)
        };
        // One connection writes, so that our own writers queue up here instead of meeting SQLITE_BUSY.
        let write = connect(1, WRITER_CACHE).await.map_err(doing("opening the SQLite database"))?;
        let read = connect(SQLITE_READERS_MAX, READER_CACHE).await.map_err(doing("opening the SQLite database"))?;
        Ok(Db { read, engine: write.clone(), write })
    }

    /// Runs the migrations that are missing. Several processes may do so at once.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.refuse_newer().await?;
        if self.is_postgres() {
            return self.migrate_postgres().await;
        }
        Migrator::up(&self.write, None).await.map_err(doing("migrating the database"))
    }

    /// One migrates while the others wait: the lock is the transaction's, so it cannot outlive a killed process.
    async fn migrate_postgres(&self) -> Result<(), StoreError> {
        let guard = self.write.begin().await.map_err(doing("migrating the database"))?;
        // It stands idle while another connection migrates.
        let patience = "SET LOCAL idle_in_transaction_session_timeout = 0";
        guard.execute_unprepared(patience).await.map_err(doing("migrating the database"))?;
        let lock = Statement::from_string(DbBackend::Postgres, "SELECT pg_advisory_xact_lock(7205759403792794)");
        guard.execute_raw(lock).await.map_err(doing("migrating the database"))?;
        Migrator::up(&self.write, None).await.map_err(doing("migrating the database"))?;
        guard.commit().await.map_err(doing("migrating the database"))
    }

    async fn refuse_newer(&self) -> Result<(), StoreError> {
        let known: Vec<String> = Migrator::migrations().iter().map(|migration| migration.name().to_owned()).collect();
        let applied = match Migrator::get_migration_models(&self.write).await {
            Ok(applied) => applied,
            // A new database has no table of migrations yet.
            Err(error) => match doing("reading the schema's version")(error) {
                StoreError::Database { .. } => return Ok(()),
                other => return Err(other),
            },
        };
        match applied.into_iter().find(|model| !known.contains(&model.version)) {
            Some(unknown) => Err(StoreError::Newer(unknown.version)),
            None => Ok(()),
        }
    }

    /// For statements that only read.
    pub fn read(&self) -> &DatabaseConnection {
        &self.read
    }

    /// Starts a transaction that writes. On SQLite it takes the write lock at once: a transaction that began by
    /// reading could not be upgraded while another one writes.
    pub async fn begin_write(&self) -> Result<DatabaseTransaction, StoreError> {
        begin(&self.write).await
    }

    /// For the commits of the engine, each of which delays what follows it: one statement, or one transaction.
    pub fn engine(&self) -> &DatabaseConnection {
        &self.engine
    }

    /// Starts a transaction of the engine.
    pub async fn begin_engine(&self) -> Result<DatabaseTransaction, StoreError> {
        begin(&self.engine).await
    }

    /// Whether a write would have to wait for another process.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when it would.
    pub async fn assert_unlocked(&self) -> Result<(), StoreError> {
        let nothing = self.begin_write().await?;
        nothing.rollback().await.map_err(doing("ending a transaction"))
    }

    /// Whether the database is Postgres; else it is SQLite.
    pub fn is_postgres(&self) -> bool {
        self.read.get_database_backend() == DbBackend::Postgres
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.read.ping().await.map_err(doing("asking the database for a sign of life"))
    }

    /// Closes all connections; what is under way ends first.
    pub async fn close(self) -> Result<(), StoreError> {
        if self.is_postgres() {
            self.engine.close().await.map_err(doing("closing the database"))?;
        } else {
            self.write.close().await.map_err(doing("closing the database"))?;
        }
        self.read.close().await.map_err(doing("closing the database"))
    }
}

/// Whether a connection gives a sign of life.
pub(super) async fn is_alive(connection: &mut PgConnection) -> bool {
    matches!(tokio::time::timeout(SIGN_OF_LIFE, connection.ping()).await, Ok(Ok(())))
}

/// The file that an SQLite URL names.
fn sqlite_path(url: &str) -> Option<PathBuf> {
    let rest = url.strip_prefix("sqlite:")?;
    let path = rest.strip_prefix("//").unwrap_or(rest);
    Some(PathBuf::from(path.split('?').next().unwrap_or(path)))
}

async fn begin(connection: &DatabaseConnection) -> Result<DatabaseTransaction, StoreError> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(sea_orm::SqliteTransactionMode::Immediate),
        ..Default::default()
    };
    connection.begin_with_options(options).await.map_err(doing("beginning a transaction"))
}

/// Makes a transaction durable.
pub async fn commit(txn: DatabaseTransaction) -> Result<(), StoreError> {
    txn.commit().await.map_err(doing("committing"))
}
