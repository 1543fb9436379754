//! How a program that a task runs says what there is to know of the assets that it made.
//!
//! The environment variable `UPDRAFT_OUTLET_EVENTS` names a file. Into it the program writes lines of JSON:
//!
//! ```text
//! {"asset": "s3://lake/orders", "extra": {"rows": 7}}
//! {"alias": "days", "asset": "s3://lake/orders/2026-11-21"}
//! ```
//!
//! `asset` is one of the task's `outlets`, by its URI or its name, and `extra` becomes that of the event; with `alias`, it is
//! an asset that the program found, as a URI or as a mapping with `name` and `uri`.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use scheduler::operator::{TaskContext, TaskError, ToldEvent};

use crate::spawn::Command;

/// All that a program says may be so large.
const BYTES_MAX: u64 = 1024 * 1024;

/// Names the file to a program, below `folder`; none when its task makes no assets.
pub(crate) fn offer(command: &mut Command, folder: &Path, ctx: &TaskContext) -> Option<PathBuf> {
    if ctx.outlets.is_empty() {
        return None;
    }
    // A program that empties the folder that it works in leaves it alone.
    let path = folder.join(".outlet_events");
    command.env("UPDRAFT_OUTLET_EVENTS", &path);
    Some(path)
}

/// Takes what a program that ended well wrote into it.
pub(crate) async fn take(path: &Path, ctx: &TaskContext) -> Result<(), TaskError> {
    let length = match tokio::fs::metadata(path).await {
        Ok(found) => found.len(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(anyhow!(error).context("cannot read UPDRAFT_OUTLET_EVENTS").into()),
    };
    let problem = |problem: String| TaskError::fail(anyhow!("UPDRAFT_OUTLET_EVENTS, {problem}"));
    if length > BYTES_MAX {
        return Err(problem(format!("{length} bytes: at most {BYTES_MAX} are taken")));
    }
    let text = tokio::fs::read_to_string(path).await.context("cannot read UPDRAFT_OUTLET_EVENTS")?;
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let event: Result<ToldEvent, String> = serde_json::from_str(line).map_err(|error| error.to_string());
        event
            .and_then(|event| ctx.outlets.tell(event))
            .map_err(|why| problem(format!("line {}: {why}", number + 1)))?;
    }
    Ok(())
}
