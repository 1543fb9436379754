//! `updraft version`.

use serde_json::json;

use crate::output::Output;
use crate::report::Status;

/// Prints the version of Updraft.
pub fn run(output: Output) -> anyhow::Result<Status> {
    let version = env!("CARGO_PKG_VERSION");
    output.print(&json!({ "version": version }), |_| format!("updraft {version}"))?;
    Ok(Status::Done)
}
