//! The `updraft` command: parse, configure, start; no logic of its own.

mod cli;
mod commands;
mod config;
mod home;
mod memory;
mod output;
mod report;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

use cli::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let cli::Command::Guardian { identity } = &cli.command {
        operators::guardian::watch(identity);
        return ExitCode::SUCCESS;
    }
    memory::share_pools();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report::failure(&anyhow::Error::new(error).context("cannot start the async runtime")),
    };
    match runtime.block_on(commands::run(cli)) {
        Ok(status) => status.into(),
        Err(error) => report::failure(&error),
    }
}
