//! Tests of Updraft as its users meet it: the real binary, real databases, real signals.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::float_cmp,
    clippy::default_trait_access,
    clippy::format_push_string,
    clippy::duration_suboptimal_units,
    reason = "a test says what it means, and panics when the world is not as it set it up"
)]

mod actions;
mod approvals;
mod architecture;
mod assets;
mod aws;
mod backfill;
mod bad_input;
mod callbacks;
#[path = "../chaos/mod.rs"]
mod chaos;
mod clock;
mod command_line;
mod conformance;
mod containers;
mod dag_origins;
mod dags;
mod databricks;
mod defaults;
mod durability;
mod emulation;
mod full_disk;
mod git_servers;
mod import_airflow;
mod limits;
mod locked_database;
mod logs;
mod message_queues;
mod operator_pages;
mod pipeline;
mod python_packages;
mod retention;
mod roles;
mod scheduling;
mod secrets;
mod sensors;
mod server;
mod shortage;
mod triggering;
mod vault;
mod xcoms;
