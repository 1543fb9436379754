//! All SQL: what is kept, on Postgres and on SQLite alike.
//!
//! Functions take a connection first and so work on a pool or inside a transaction; the use case opens the transaction
//! with [`Db::begin_write`]. Time is written by us, never by the database, so that tests own it.

pub mod asset_aliases;
pub mod asset_events;
pub mod asset_queue;
pub mod assets;
pub mod audit;
pub mod backfills;
pub mod callbacks;
pub mod checkpoints;
pub mod connections;
mod dag_runs;
pub mod dags;
mod db;
pub mod deadlines;
pub mod entity;
mod error;
pub mod favorites;
pub mod history;
pub mod hitl_details;
pub mod leases;
pub mod partition_queue;
pub mod pools;
pub mod read;
pub mod requests;
pub mod revoked_tokens;
pub mod runs;
pub mod schedules;
pub mod secret_keys;
mod task_instances;
pub mod task_states;
pub mod tries;
pub mod try_logs;
pub mod variables;
pub mod versions;
pub mod xcoms;

pub use db::{Db, commit};
pub use error::StoreError;
pub(crate) use error::doing;

/// Rows in one statement: SQLite takes 32,766 values, and a task instance has some 30.
const ROWS_MAX: usize = 500;
