//! What tasks do: the operators.

pub mod bash;
pub mod empty;
pub mod emulation;
pub mod guardian;
pub mod location;
mod process;

use scheduler::operator::{Registry, RegistryError};

/// All operators.
pub fn registry() -> Result<Registry, RegistryError> {
    let mut registry = Registry::default();
    registry.register(bash::Bash)?;
    registry.register(empty::Empty)?;
    registry.register(emulation::Emulation::new(location::S3Settings::from_process()))?;
    Ok(registry)
}
