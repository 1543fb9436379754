//! What tasks do: the operators; and who is told of it: the notifiers.
//!
//! ```text
//!   emulation ──lands──> JSON objects ──clean──> Delta tables ──query──> answers (XCom, CSV, Parquet, Delta)
//! ```
//!
//! * [`bash`], [`python`], [`empty`], [`branch`], [`short_circuit`], [`latest_only`], [`trigger_dag`], [`emulation`],
//!   [`kinesis`], [`clean`], [`stream`], [`query`], [`sql`]: the operators, one module each.
//! * [`approval`], [`email`], [`notify`]: those that ask people, and tell them.
//! * [`databricks`]: the operators and sensors that work on Databricks.
//! * [`docker`], [`kubernetes`]: the operators that run containers.
//! * [`http`], [`s3`]: operators on servers and buckets.
//! * [`sensors`]: the operators that wait, without a slot and without a process.
//! * [`location`], [`listing`]: where data is, on this machine or in S3.
//! * [`json`], [`delta`], [`table`]: the formats, as tables of DataFusion. [`retention`]: for how long the versions that a
//!   Delta table has had can be read. [`compaction`]: what keeps a table quick to read that is appended to all the time.
//! * [`database`]: tables of MySQL, Postgres and SQLite, and conversations with them.
//! * [`spark`]: what Spark's expressions answer, value by value.
//! * [`expect`]: what rows must be like before they are written. [`spool`]: rows set aside on disk meanwhile.
//! * [`engine`]: the threads that data work runs on.
//! * [`notifiers`]: who is told what became of tasks and runs.
//! * [`secrets`]: where connections and variables are kept outside of Updraft.
//! * [`dag_sources`]: where DAG files are kept besides a folder.
//! * [`guardian`]: ends what a killed Updraft left running.

pub mod approval;
mod aws;
pub mod bash;
mod beside;
pub mod branch;
pub mod branch_sql;
mod broken;
mod checkpoint;
mod child;
mod claim;
pub mod clean;
pub mod columns;
mod comma_separated;
pub mod compaction;
mod connections;
mod container_log;
pub mod dag_sources;
pub mod database;
pub mod databricks;
pub mod delta;
pub mod docker;
pub mod email;
pub mod empty;
pub mod emulation;
pub mod engine;
pub mod expect;
mod expression;
mod first_rows;
mod folder_marks;
pub mod guardian;
pub mod http;
pub mod json;
mod kafka;
pub mod kinesis;
pub mod kubernetes;
pub mod latest_only;
pub mod listing;
pub mod location;
pub mod memory;
mod memory_pool;
mod msk_iam;
pub mod notifiers;
pub mod notify;
mod outlet_events;
mod output;
mod packed;
mod passage;
mod process;
pub mod python;
pub mod query;
mod reason;
mod requests;
pub mod retention;
mod room;
pub mod s3;
mod scratch;
pub mod secrets;
pub mod sensors;
pub mod shapes;
pub mod short_circuit;
pub mod slack;
mod span;
pub mod spark;
mod spawn;
mod spills;
pub mod spool;
pub mod sql;
pub mod sql_check;
mod statements;
pub mod stream;
pub mod table;
mod time_limit;
pub mod trigger_dag;
mod truth;
mod upload;
mod vacuum;
mod whole_file;
mod work_folder;

use std::sync::Arc;

use scheduler::clock::Clock;
use scheduler::operator::{Registry, RegistryError};

use crate::location::S3;
use crate::notifiers::{Environment, MailServer};

/// All operators and notifiers, with the environment of the process; no mail is sent.
pub fn registry() -> Result<Registry, RegistryError> {
    registry_mailing(None)
}

/// The same, sending mail through `mail` unless a callback names another server.
pub fn registry_mailing(mail: Option<MailServer>) -> Result<Registry, RegistryError> {
    assemble(&S3::from_env(), &Environment::of_process(), mail)
}

/// All operators and notifiers, reaching buckets through `s3`, with nothing else of the environment.
pub fn registry_with(s3: &S3) -> Result<Registry, RegistryError> {
    assemble(s3, &Environment::default(), None)
}

fn assemble(s3: &S3, environment: &Environment, mail: Option<MailServer>) -> Result<Registry, RegistryError> {
    let mut registry = Registry::default();
    registry.register(bash::Bash::default())?;
    registry.register(empty::Empty)?;
    registry.register(branch::Branch)?;
    registry.register(short_circuit::ShortCircuit)?;
    registry.register(latest_only::LatestOnly::new(Clock::System))?;
    registry.register(emulation::Emulation::new(s3.clone()).with_environment(environment.clone()))?;
    registry.register(kinesis::Kinesis::new(s3.clone(), environment.clone()))?;
    let workspaces = databricks::Workspaces::in_environment(environment.clone());
    registry.register(clean::Clean::new(s3.clone(), workspaces.clone()))?;
    registry.register(docker::Docker::new(environment.clone()))?;
    registry.register(http::Http::new(s3.clone()))?;
    registry.register(kubernetes::KubernetesJob::new(environment.clone()))?;
    registry.register(query::Query::new(s3.clone(), environment.clone(), workspaces.clone()))?;
    databricks::register(&mut registry, s3, workspaces)?;
    registry.register(python::Python)?;
    registry.register(python::BranchPython)?;
    registry.register(python::ShortCircuitPython)?;
    registry.register(sql::Sql::new(s3.clone(), environment.clone()))?;
    registry.register(branch_sql::BranchSql::new(environment.clone()))?;
    sql_check::register(&mut registry, environment)?;
    registry.register(stream::Stream::new(s3.clone(), environment.clone()))?;
    registry.register(s3::S3Operator::new(s3.clone()))?;
    let looks = sensors::looks();
    registry.register(trigger_dag::TriggerDag::new(Arc::clone(&looks)))?;
    sensors::register(&mut registry, s3, environment, looks)?;
    let telling = notify::Notifiers::new(environment, mail.clone());
    registry.register(approval::Approval::new(telling.clone()))?;
    registry.register(notify::Notify::new(telling))?;
    registry.register(slack::SlackTask)?;
    registry.register(email::EmailTask::new(s3.clone(), mail.clone()))?;
    connections::register(&mut registry, s3, environment)?;
    notifiers::register(&mut registry, environment, mail)?;
    Ok(registry)
}
