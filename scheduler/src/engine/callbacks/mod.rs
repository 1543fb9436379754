//! Telling people what became of tasks and runs: callbacks and deadlines.
//!
//! ```text
//!   step ──firing──> rows in the outbox, in the commit of the step ──┐
//!   deadline passes ──service──> row in the outbox, once ────────────┤
//!                                                                    └─ service claims ── delivery: render, notify
//! ```
//!
//! What is called is durable together with what it tells of; delivery comes after, as often as it takes. A process that
//! is killed in between loses nothing: its claims are void with its lease, and whoever takes over delivers.
//!
//! **Invariant:** a callback is delivered at least once, or its failure is in the audit log.

mod backoff;
mod deadlines;
mod delivery;
mod firing;
mod service;

pub(super) use firing::{Cause, fired};
pub(super) use service::CallbackService;
