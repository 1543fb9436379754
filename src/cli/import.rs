//! What can be typed about taking over from other schedulers.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::secrets::{ImportConnectionsArgs, ImportVariablesArgs};

#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// Convert DAG files of Airflow, which are Python, to YAML; nothing in them is run
    Airflow(ImportAirflowArgs),
    /// Read connections from a file of `airflow connections export`, as `updraft connections import` does
    Connections(ImportConnectionsArgs),
    /// Read variables from a file of `airflow variables export`, as `updraft variables import` does
    Variables(ImportVariablesArgs),
}

#[derive(Debug, Args)]
pub struct ImportAirflowArgs {
    /// A Python file, or a folder of them
    pub path: PathBuf,
    /// Write the DAG files into this folder, under the names of the Python files [default: print them]
    #[arg(long, value_name = "FOLDER")]
    pub to: Option<PathBuf>,
    /// Replace files that are there already
    #[arg(long, requires = "to")]
    pub force: bool,
}
