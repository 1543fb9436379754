//! Databases that hold somebody's tables: MySQL or MariaDB, Postgres, SQLite.
//!
//! ```text
//!   address (DAG file, connection) ──> Database ──read──> rows ──> RowSink   (documents of `emulation`)
//!                                                              └─> DatabaseTable (a table of DataFusion)
//!                                           └──session──> statements, transactions (the operator `sql`)
//! ```
//!
//! The servers write the values: rows are asked for in the protocols in which everything is text, so that a FLOAT has the
//! six digits that MySQL prints of it. Nothing is kept of a result but what was not taken yet.

mod columns;
mod failure;
mod gathering;
mod row;
mod server;
mod session;
mod table;

pub(crate) use failure::said;
pub(crate) use gathering::Gathering;
pub use row::{AnyRow, Cell, RowSink};
pub use server::{Address, Database, unknown_database};
pub use session::Session;
pub(crate) use session::{Datum, Fault};
pub use table::DatabaseTable;
