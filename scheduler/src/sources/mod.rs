//! Where DAG files come from.

pub mod folder;
mod read;
mod scan;
