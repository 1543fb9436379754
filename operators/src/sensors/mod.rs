//! Sensors: tasks that wait until something holds, without a slot and without a process.
//!
//! ```text
//!   look once, in its slot ──not yet──> defer: no slot, no open file ──sleep──> look again ──> …
//!            └── it holds: success            └── too long: failed for good, or skipped
//! ```
//!
//! [`time`], [`file`], [`file_watcher`], [`external_task`], [`bash`], [`http`], [`s3_key`], [`sql`], [`sqs`], [`python`]: one
//! module each. [`arguments`]: the keys that all of them take. [`wait`]: how they wait. [`telling`]: what they found, until it
//! is told.

pub(crate) mod arguments;
pub mod bash;
pub mod external_task;
pub mod file;
pub mod file_watcher;
pub mod http;
pub mod python;
pub mod s3_key;
pub mod sql;
pub mod sqs;
mod telling;
pub mod time;
pub(crate) mod wait;

use std::sync::Arc;

use scheduler::operator::{Registry, RegistryError};
use tokio::sync::Semaphore;

use crate::location::S3;
use crate::notifiers::Environment;

/// Sensors that look at the same time: fifty thousand that wake in one moment must not start as many processes.
const LOOKS_MAX: usize = 16;

/// The looks at what is waited for, of which only so many are taken at a time.
pub(crate) fn looks() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(LOOKS_MAX))
}

/// Registers every sensor.
pub(crate) fn register(
    registry: &mut Registry,
    s3: &S3,
    environment: &Environment,
    looks: Arc<Semaphore>,
) -> Result<(), RegistryError> {
    registry.register(time::TimeSensor::default())?;
    registry.register(file::FileSensor::new(s3.clone(), Arc::clone(&looks)))?;
    registry.register(file_watcher::FileWatcher::new(s3.clone(), Arc::clone(&looks)))?;
    registry.register(external_task::ExternalTaskSensor::new(Arc::clone(&looks)))?;
    registry.register(http::HttpSensor::new(Arc::clone(&looks)))?;
    registry.register(s3_key::S3KeySensor::new(s3.clone(), Arc::clone(&looks)))?;
    registry.register(sqs::SqsSensor::new(s3.clone(), Arc::clone(&looks)))?;
    registry.register(sql::SqlSensor::new(environment.clone(), Arc::clone(&looks)))?;
    registry.register(python::PythonSensor::new(Arc::clone(&looks)))?;
    registry.register(bash::BashSensor::new(looks))
}
