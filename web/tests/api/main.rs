//! The API from outside: requests in, status codes and bodies out.
//!
//! [`server::Server`] is the whole router in memory over a database of the test's own; [`rows`] puts into it what an
//! engine would have written. Whatever reads the database is tested on SQLite and on Postgres. Bodies are snapshots below
//! `snapshots/`, in which names that differ from run to run are masked; one snapshot holds for both databases.

#![allow(clippy::unwrap_used, reason = "what a test sets up must be there; helpers of tests are tests, too")]

mod actions;
mod assets;
mod auth;
mod backfills;
mod callbacks;
mod client;
mod dags;
mod dependencies;
mod grid;
mod hitl_details;
mod installation;
mod live;
mod logs;
mod openapi;
mod pools;
mod refusals;
mod rows;
mod runs;
mod secrets;
mod server;
mod task_instances;
mod ui_files;
mod xcoms;
