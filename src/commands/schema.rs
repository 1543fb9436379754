//! `updraft schema`: the JSON Schema of DAG files.

use scheduler::dag::spec;

use super::installation::catalog;
use crate::config::Config;
use crate::output;
use crate::report::Status;

/// Prints the schema, which `dags/*.yaml` name in their first lines.
pub fn run(config: &Config) -> anyhow::Result<Status> {
    let schema = spec::schema_for_dag_files(catalog(config)?.registry());
    output::line(&serde_json::to_string_pretty(&schema)?)?;
    Ok(Status::Done)
}
