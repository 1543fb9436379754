//! Where DAG files come from.

pub mod defaults;
pub mod folder;
mod owners;
mod read;
pub mod remote;
mod scan;
