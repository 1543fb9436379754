//! What tasks do: the operators that work on data, in process, on DataFusion.
//!
//! ```text
//!   emulation ──lands──> JSON objects ──clean──> Delta tables ──query──> answers (XCom, CSV, Parquet, Delta)
//! ```
//!
//! * [`location`], [`listing`]: where data is, on this machine or in S3.
//! * [`json`], [`delta`], [`table`]: the formats, as tables of DataFusion.
//! * [`spark`]: what Spark's expressions answer, value by value.
//! * [`engine`]: the threads that data work runs on.
//! * [`emulation`], [`clean`], [`query`]: the operators.

mod broken;
pub mod clean;
pub mod delta;
pub mod emulation;
pub mod engine;
pub mod json;
pub mod listing;
pub mod location;
pub mod memory;
pub mod query;
pub mod spark;
pub mod table;

use scheduler::operator::{Registry, RegistryError};

use crate::location::S3;

/// All operators, with the S3 credentials of the process.
pub fn registry() -> Result<Registry, RegistryError> {
    registry_with(&S3::from_env())
}

/// All operators, reaching buckets through `s3`.
pub fn registry_with(s3: &S3) -> Result<Registry, RegistryError> {
    let mut registry = Registry::default();
    registry.register(emulation::Emulation::new(s3.clone()))?;
    registry.register(clean::Clean::new(s3.clone()))?;
    registry.register(query::Query::new(s3.clone()))?;
    Ok(registry)
}
