//! One file and one function for each command.

mod api_server;
mod assets;
mod backfill;
mod callbacks;
mod clean;
mod clear;
mod connections;
mod dags;
mod db;
mod import_airflow;
mod installation;
mod mark;
mod pools;
mod process;
mod render;
mod respond;
mod runs;
mod scheduler;
mod schema;
mod secret_files;
mod sql;
mod standalone;
mod tasks;
mod test;
mod variables;
mod version;
mod web_server;
mod why;
mod worker;

use crate::cli::{Cli, Command, ConnectionsCommand, DagsCommand, DbCommand, ImportCommand, VariablesCommand};
use crate::config::Config;
use crate::output::Output;
use crate::report::Status;

/// Runs the command that was typed.
pub async fn run(cli: Cli) -> anyhow::Result<Status> {
    let output = Output::new(cli.global.output);
    let config = Config::resolve(&cli.global, &cli.command)?;
    match cli.command {
        Command::Standalone(_) => standalone::run(config).await,
        Command::Scheduler(_) => scheduler::run(config).await,
        Command::Worker(_) => worker::run(config).await,
        Command::ApiServer(_) => api_server::run(config).await,
        Command::Dags(DagsCommand::Test(args)) => test::run(args, &config).await,
        Command::Dags(DagsCommand::Render(args)) => render::run(&args, &config, output),
        Command::Dags(command) => dags::run(command, config, output).await,
        Command::Runs(command) => runs::run(command, config, output).await,
        Command::Backfill(command) => backfill::run(command, config, output).await,
        Command::Tasks(command) => tasks::run(command, config, output).await,
        Command::Callbacks(command) => callbacks::run(command, config, output).await,
        Command::Assets(command) => assets::run(command, config, output).await,
        Command::Pools(command) => pools::run(command, config, output).await,
        Command::Connections(command) => connections::run(command, config, output).await,
        Command::Variables(command) => variables::run(command, config, output).await,
        Command::Db(DbCommand::RotateKey { yes }) => db::rotate_key(config, yes, output).await,
        Command::Db(DbCommand::Migrate) => db::migrate(config, output).await,
        Command::Db(DbCommand::Clean(args)) => clean::run(args, config, output).await,
        Command::Import(ImportCommand::Connections(args)) => {
            connections::run(ConnectionsCommand::Import(args), config, output).await
        }
        Command::Import(ImportCommand::Variables(args)) => {
            variables::run(VariablesCommand::Import(args), config, output).await
        }
        Command::Import(ImportCommand::Airflow(args)) => import_airflow::run(&args, &config, output),
        Command::Sql(args) => sql::run(args, cli.global.output).await,
        Command::Schema => schema::run(&config),
        Command::Version | Command::Guardian { .. } => version::run(output),
    }
}
