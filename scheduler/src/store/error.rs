//! Why the database could not do what was asked.

use sea_orm::sqlx::error::DatabaseError;
use sea_orm::{DbErr, RuntimeErr, SqlErr, sqlx};

use crate::keyring::KeyError;

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
    /// A secret cannot be encrypted or decrypted.
    #[error(transparent)]
    Key(#[from] KeyError),
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
    Locked(#[source] Refusal),
    /// There is no room for what was to be written; trying again helps once there is.
    #[error("the disk that the database is on is full")]
    Full(#[source] Refusal),
    /// The file system refuses to write: a quota, a limit on the size of files, a disk that went read-only.
    #[error("the disk that the database is on cannot be written")]
    Unwritable(#[source] Refusal),
    /// The database does not answer; trying again may help.
    #[error("the database is not reachable")]
    Unavailable(#[source] Refusal),
    /// Anything else that the database refused.
    #[error("while {doing}")]
    Database {
        /// What was being done.
        doing: &'static str,
        /// What the database said.
        #[source]
        source: Refusal,
    },
}

/// What the database or its driver said. The text has its causes in it, so there is no source beside it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(DbErr);

impl StoreError {
    /// Whether waiting and doing the same again may help: the database restarts, is busy, or its disk is full.
    pub fn is_passing(&self) -> bool {
        match self {
            StoreError::Unavailable(_) | StoreError::Locked(_) | StoreError::Full(_) | StoreError::Unwritable(_) => {
                true
            }
            StoreError::Database { source, .. } => is_conflict(&source.0),
            _ => false,
        }
    }
}

/// Turns what the driver says into what the caller can decide by.
pub(crate) fn doing(doing: &'static str) -> impl Fn(DbErr) -> StoreError {
    move |error| classify(doing, error)
}

fn classify(doing: &'static str, error: DbErr) -> StoreError {
    let kind = match driver_error(&error) {
        Some(sqlx::Error::Database(database)) => kind(&**database),
        Some(sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed) => {
            Kind::Unavailable
        }
        _ => Kind::Other,
    };
    let is_connecting = matches!(error, DbErr::ConnectionAcquire(_) | DbErr::Conn(_));
    let refusal = Refusal(error);
    match kind {
        Kind::Locked => StoreError::Locked(refusal),
        Kind::Full => StoreError::Full(refusal),
        Kind::Unwritable => StoreError::Unwritable(refusal),
        Kind::Unavailable => StoreError::Unavailable(refusal),
        Kind::Other if is_connecting => StoreError::Unavailable(refusal),
        Kind::Other => StoreError::Database { doing, source: refusal },
    }
}

/// What a database's refusal means to us.
enum Kind {
    Locked,
    Full,
    Unwritable,
    Unavailable,
    Other,
}

fn kind(error: &dyn DatabaseError) -> Kind {
    let code = error.code().unwrap_or_default();
    if let Some(code) = sqlite_code(&code) {
        // The low byte is the primary code; the rest says more precisely what went wrong.
        return match (code & 0xff, code >> 8) {
            (5 | 6, _) => Kind::Locked,
            // The second is a full disk, too: where the index of the write-ahead log is to grow.
            (13, _) | (10, 19) => Kind::Full,
            // Writing, syncing, truncating a file; a read-only file.
            (10, 3..=6) | (8, _) => Kind::Unwritable,
            _ => Kind::Other,
        };
    }
    match &*code {
        // Shutting down, crashed, starting up, too many connections.
        "57P01" | "57P02" | "57P03" | "53300" => Kind::Unavailable,
        "53100" => Kind::Full,
        _ => Kind::Other,
    }
}

/// SQLite's codes are numbers of up to four digits; Postgres's have five places.
fn sqlite_code(code: &str) -> Option<u32> {
    if code.len() < 5 { code.parse().ok() } else { None }
}

/// Two transactions of Postgres that could not both go on.
fn is_conflict(error: &DbErr) -> bool {
    match driver_error(error) {
        Some(sqlx::Error::Database(database)) => {
            database.code().is_some_and(|code| code.starts_with("53") || code == "40001" || code == "40P01")
        }
        _ => false,
    }
}

fn driver_error(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(driver))
        | DbErr::Query(RuntimeErr::SqlxError(driver))
        | DbErr::Conn(RuntimeErr::SqlxError(driver)) => Some(driver),
        _ => None,
    }
}

/// Whether a row could not be written because one with the same key is there.
pub(crate) fn is_duplicate(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
}
