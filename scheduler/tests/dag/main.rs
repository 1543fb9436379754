//! DAG files, timetables, params and templates, from outside.

#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    clippy::default_trait_access,
    clippy::format_push_string,
    clippy::duration_suboptimal_units,
    reason = "a test says what it means, and panics when the world is not as it set it up"
)]

mod documentation;
mod fixtures;
mod params;
mod properties;
mod spec;
mod template;
mod timetable;
mod weights;
