//! Schedules and the engine together, with a clock that a test moves: which runs are made, when, and which begin
//! (airflow-semantics.md §2).

#![allow(clippy::unwrap_used, reason = "a test panics when the world is not as it set it up")]

mod assets;
mod backfills;
mod beginnings;
mod catchup;
mod clears;
mod failures;
mod limits;
mod partitions;
mod past;
mod pause;
mod portions;
mod refusal;
mod restart;
mod withdrawal;
mod world;
