//! `command`: runs a program.
//!
//! ```yaml
//! on_failure_callback: {command: [/opt/pager/page, "{{ dag.dag_id }}", "{{ exception }}"]}
//! on_success_callback: {command: "touch /var/run/{{ ds }}.done"}
//! ```
//!
//! A list is a program and its arguments, which no shell reads; a text is for bash.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, anyhow};
use scheduler::operator::{ArgumentProblem, DeliveryError, Notice, Notifier};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::process::{self, Ended, RunFor};
use crate::spawn::Command as Process;

/// A command that takes longer is ended, and run again later.
const TIME_MAX: Duration = Duration::from_mins(2);

/// The `command` notifier.
pub(crate) struct Command;

/// Arguments of the `command` notifier.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandArgs {
    /// A program and its arguments as a list, or a text for bash.
    command: Words,
    /// Environment variables, over those of Updraft.
    #[serde(default)]
    env: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Words {
    Text(String),
    List(Vec<String>),
}

impl Notifier for Command {
    const NAME: &'static str = "command";
    const SUMMARY: &'static str = "Runs a program.";
    const PLAIN: Option<&'static str> = Some("command");
    type Args = CommandArgs;

    async fn deliver(&self, args: CommandArgs, notice: &Notice) -> Result<(), DeliveryError> {
        let mut command = words(&args.command)?;
        set_environment(&mut command, &args, notice);
        let scratch = tempfile::Builder::new().prefix("updraft-command-").tempdir();
        let scratch =
            scratch.context("cannot make a folder for the command to run in").map_err(DeliveryError::retry)?;
        command.current_dir(scratch.path());
        let stop = CancellationToken::new();
        let running = process::run(command, &notice.log, &stop);
        tokio::pin!(running);
        let ended = tokio::select! {
            ended = &mut running => ended,
            () = tokio::time::sleep(TIME_MAX) => {
                stop.cancel();
                running.await
            }
        };
        judge(ended.context("cannot run the command").map_err(DeliveryError::retry)?)
    }

    /// The program alone: what it is called with may hold anything.
    fn receiver(&self, args: &Map<String, Value>) -> Option<String> {
        match args.get("command")? {
            Value::String(_) => Some("bash".to_owned()),
            Value::Array(words) => words.first()?.as_str().map(str::to_owned),
            _ => None,
        }
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let is_empty = match args.get("command") {
            Some(Value::String(text)) => text.trim().is_empty(),
            Some(Value::Array(words)) => words.is_empty(),
            _ => false,
        };
        let problem = ArgumentProblem {
            pointer: "/command".to_owned(),
            message: "there is nothing to run".to_owned(),
            help: Some("write a program and its arguments".to_owned()),
        };
        if is_empty { vec![problem] } else { Vec::new() }
    }
}

fn words(words: &Words) -> Result<Process, DeliveryError> {
    match words {
        Words::Text(text) => {
            let mut command = Process::new("bash");
            command.arg("-c").arg(text);
            Ok(command)
        }
        Words::List(words) => {
            let [program, arguments @ ..] = words.as_slice() else {
                return Err(DeliveryError::fail(anyhow!("there is nothing to run")));
            };
            let mut command = Process::new(program);
            command.args(arguments);
            Ok(command)
        }
    }
}

/// What a command learns without being told in its arguments; the names are those that tasks in bash know.
fn set_environment(command: &mut Process, args: &CommandArgs, notice: &Notice) {
    process::hide_settings(command);
    let instance = notice.instance.as_ref();
    let task = instance.map(|instance| (instance.key.task_id.as_str(), instance.try_number, &instance.task));
    RunFor { dag_id: &notice.dag_id, run_id: &notice.run_id, run: &notice.run, task }.tell(command);
    for (name, value) in &args.env {
        command.env(name, value);
    }
}

fn judge(ended: Ended) -> Result<(), DeliveryError> {
    match ended {
        Ended::ByItself { status, .. } if status.success() => Ok(()),
        Ended::ByItself { status, last_error, .. } => {
            let said = last_error.map(|line| format!(": {line}")).unwrap_or_default();
            Err(DeliveryError::retry(anyhow!("the command ended with {}{said}", process::spoken(status))))
        }
        Ended::Stopped => Err(DeliveryError::retry(anyhow!("the command took longer than {TIME_MAX:?}"))),
    }
}
