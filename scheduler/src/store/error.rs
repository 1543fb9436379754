//! Why the database could not do what was asked.

use sea_orm::{DbErr, RuntimeErr, SqlErr, sqlx};

/// Why the database could not do what was asked. No [`DbErr`] leaves the store in any other form.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such thing.
    #[error("{what} `{id}` does not exist")]
    NotFound {
        /// What was looked for (`DAG`, `run`, …).
        what: &'static str,
        /// By which name.
        id: String,
    },
    /// There is such a thing already.
    #[error("{what} `{id}` exists already")]
    Exists {
        /// What was to be made.
        what: &'static str,
        /// Under which name.
        id: String,
    },
    /// Our lease was taken over: another scheduler owns our runs now, and nothing we say counts.
    #[error("the lease of this scheduler has lapsed, and its runs were taken over")]
    Fenced,
    /// A row that we wrote cannot be read back. Never the caller's fault.
    #[error("table `{table}`, column `{column}` holds `{value}`, which is not a known value")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// What it holds.
        value: String,
    },
    /// The schema in the database was made by a later version of Updraft.
    #[error(
        "the database was written by a newer version of Updraft: it has the migration `{0}`, which this one does not know"
    )]
    Newer(String),
    /// Another process works with the same SQLite database.
    #[error("the database is locked by another process")]
    Locked(#[source] DbErr),
    /// The database does not answer; trying again may help.
    #[error("the database is not reachable")]
    Unavailable(#[source] DbErr),
    /// Anything else that the database refused.
    #[error("while {doing}")]
    Database {
        /// What was being done.
        doing: &'static str,
        /// What the database said.
        #[source]
        source: DbErr,
    },
}

impl StoreError {
    /// Whether waiting and doing the same again may help: the database restarts, is full, or is busy.
    pub fn is_passing(&self) -> bool {
        match self {
            StoreError::Unavailable(_) | StoreError::Locked(_) => true,
            StoreError::Database { source, .. } => is_resource_shortage(source),
            _ => false,
        }
    }
}

/// Turns what the driver says into what the caller can decide by.
pub(crate) fn doing(doing: &'static str) -> impl Fn(DbErr) -> StoreError {
    move |error| classify(doing, error)
}

fn classify(doing: &'static str, error: DbErr) -> StoreError {
    if matches!(error, DbErr::ConnectionAcquire(_) | DbErr::Conn(_)) {
        return StoreError::Unavailable(error);
    }
    let Some(driver) = driver_error(&error) else { return StoreError::Database { doing, source: error } };
    match driver {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
            StoreError::Unavailable(error)
        }
        sqlx::Error::Database(database) => match database.code().as_deref() {
            // SQLite: busy and locked, with their extended codes.
            Some("5" | "6" | "261" | "517") => StoreError::Locked(error),
            // Postgres: shutting down, crashed, starting up, too many connections.
            Some("57P01" | "57P02" | "57P03" | "53300") => StoreError::Unavailable(error),
            _ => StoreError::Database { doing, source: error },
        },
        _ => StoreError::Database { doing, source: error },
    }
}

/// A full disk or exhausted memory, which an operator can mend while we wait.
fn is_resource_shortage(error: &DbErr) -> bool {
    match driver_error(error) {
        // SQLite: IOERR and FULL; Postgres: class 53; both: serialisation failures.
        Some(sqlx::Error::Database(database)) => database.code().is_some_and(|code| {
            code == "13" || code == "10" || code.starts_with("53") || code == "40001" || code == "40P01"
        }),
        _ => false,
    }
}

fn driver_error(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(driver)) | DbErr::Query(RuntimeErr::SqlxError(driver)) => Some(driver),
        _ => None,
    }
}

/// Whether a row could not be written because one with the same key is there.
pub(crate) fn is_duplicate(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
}
