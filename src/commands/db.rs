//! `updraft db`.

use scheduler::store::{connections, variables};
use serde_json::json;

use super::clear::agreed;
use super::installation::Installation;
use crate::config::Config;
use crate::output::Output;
use crate::report::Status;

/// Brings the schema up to date.
pub async fn migrate(config: Config, output: Output) -> anyhow::Result<Status> {
    let installation = Installation::open(config).await?;
    installation.db.close().await?;
    output.print(&json!({ "migrated": true }), |_| "the database is up to date".to_owned())?;
    Ok(Status::Done)
}

/// Encrypts all secrets with the first key.
pub async fn rotate_key(config: Config, yes: bool, output: Output) -> anyhow::Result<Status> {
    let installation = Installation::open(config).await?;
    let db = installation.db.read();
    let connections = connections::list(db).await?.len() as u64;
    let variables = variables::list(db).await?.len() as u64;
    let key = installation.control.keyring().first_id().unwrap_or_default().to_owned();
    let question = format!("encrypt {} with the key {key}?", counted(connections, variables));
    if !yes && !agreed(&question, "whether to encrypt the secrets anew")? {
        return Ok(Status::Done);
    }
    let rotated = installation.control.rotate_key(None).await?;
    let data = json!({ "key": key, "connections": rotated.connections, "variables": rotated.variables });
    output.print(&data, |_| {
        let what = counted(rotated.connections, rotated.variables);
        format!("{what} encrypted with the key {key}; other keys are not needed any more")
    })?;
    Ok(Status::Done)
}

fn counted(connections: u64, variables: u64) -> String {
    let word = |count: u64, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    format!("{} and {}", word(connections, "connection"), word(variables, "variable"))
}
