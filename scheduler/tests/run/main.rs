//! The step function against a slow, obvious model, over random DAGs and random orders of events.

mod model;
mod properties;
