//! DAG files: what they mean, and what their mistakes look like.

mod dag_factory;
mod defaults;
mod editor_schema;
pub mod grammar;
mod hostile;
mod mistakes;
