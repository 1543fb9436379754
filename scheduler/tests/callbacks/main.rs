//! Callbacks and deadlines, through the engine, on both databases: who is told what, when, and how often.

#![allow(
    clippy::unwrap_used,
    clippy::default_trait_access,
    clippy::duration_suboptimal_units,
    reason = "a test says what it means, and panics when the world is not as it set it up"
)]

mod deadlines;
mod delivery;
mod outbox;
mod telling;
mod world;
