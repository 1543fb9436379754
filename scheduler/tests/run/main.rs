//! The step function against a slow, obvious model, over random DAGs and random orders of events.

#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    clippy::default_trait_access,
    clippy::missing_panics_doc,
    clippy::format_push_string,
    clippy::duration_suboptimal_units,
    reason = "a test says what it means, and panics when the world is not as it set it up"
)]

mod dags;
mod dates;
mod deferral;
mod model;
mod outcomes;
mod properties;
mod scopes;
mod semantics;
