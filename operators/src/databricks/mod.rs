//! Databricks: runs, SQL and sensors, over the public REST API of a workspace.
//!
//! ```text
//!   operators: submit_run, run_now, notebook, repair_run      sql, sensors
//!   engine (clean, query)  │                                      │
//!            run (start once, follow, cancel)              statements, warehouse, history
//!              │ journal     │ report                             │
//!              └────────> jobs ─────────> session <───────────────┘
//!                              again when it is away │ never on 4xx
//!                                    workspace ── auth (tokens, refreshed before they end)
//! ```
//!
//! **A run is started once.** What makes several requests one run, its token, is kept before it is first sent, and the run as
//! soon as it is known ([`journal`]); so a process may die anywhere, and the next one finds the run. A try that is cancelled,
//! cleared or out of time cancels the run, and awaits the acknowledgement; a process that only stops leaves it alone.

mod arguments;
mod auth;
mod body;
pub mod engine;
mod failure;
mod history;
mod jobs;
mod journal;
mod managed_identity;
mod notebook;
mod origin;
mod repair_run;
mod report;
mod run;
mod run_now;
mod sensors;
mod session;
mod sql;
mod sql_output;
mod statement_sensor;
mod statements;
mod submit_run;
mod warehouse;
mod workspace;

pub use notebook::Notebook;
pub use repair_run::RepairRun;
pub use run_now::RunNow;
pub use sensors::{Lookout, PartitionSensor, RunSensor, SqlSensor};
pub use sql::Sql;
pub use statement_sensor::StatementSensor;
pub use submit_run::SubmitRun;
pub use workspace::Workspaces;

use anyhow::{Context as _, anyhow};
use scheduler::connection::Connection;
use scheduler::operator::{Registry, RegistryError};
use serde::Deserialize;

use crate::location::S3;
use crate::notifiers::Environment;
use workspace::{Request, Workspace};

/// As whom a workspace knows those who ask by that connection.
pub(crate) async fn who_we_are(connection: &Connection, environment: &Environment) -> anyhow::Result<Option<String>> {
    #[derive(Deserialize)]
    struct Me {
        #[serde(rename = "userName")]
        user_name: Option<String>,
    }
    let workspace = Workspace::of(connection, environment).map_err(|problem| anyhow!(problem))?;
    let request = Request::get("2.0/preview/scim/v2/Me", "ask the workspace who we are");
    let body = workspace.ask(&request).await.map_err(|(failure, _)| failure.trouble.error)?;
    let me: Me = serde_json::from_slice(&body).context("the workspace answered with something else")?;
    Ok(me.user_name)
}

/// Registers every operator and sensor of Databricks.
pub(crate) fn register(registry: &mut Registry, s3: &S3, workspaces: Workspaces) -> Result<(), RegistryError> {
    registry.register(SubmitRun::new(workspaces.clone()))?;
    registry.register(RunNow::new(workspaces.clone()))?;
    registry.register(Notebook::new(workspaces.clone()))?;
    registry.register(RepairRun::new(workspaces.clone()))?;
    registry.register(Sql::new(workspaces.clone(), s3.clone()))?;
    let lookout = Lookout::new(workspaces);
    registry.register(SqlSensor(lookout.clone()))?;
    registry.register(PartitionSensor(lookout.clone()))?;
    registry.register(StatementSensor(lookout.clone()))?;
    registry.register(RunSensor(lookout))
}
