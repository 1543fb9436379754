//! Secrets backends that are reached over HTTP (Airflow 3: secrets backends of its providers).

mod aws;
mod vault;

pub use aws::AwsSecrets;
pub use vault::{Vault, VaultAuth, VaultSettings};
