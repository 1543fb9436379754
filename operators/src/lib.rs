//! What tasks do: the operators.

pub mod bash;
pub mod empty;
pub mod guardian;
mod process;

use scheduler::operator::{Registry, RegistryError};

/// All operators.
pub fn registry() -> Result<Registry, RegistryError> {
    let mut registry = Registry::default();
    registry.register(bash::Bash)?;
    registry.register(empty::Empty)?;
    Ok(registry)
}
