//! `bash_sensor`: waits until a command succeeds.
//!
//! ```yaml
//! - task_id: exported
//!   operator: bash_sensor
//!   bash_command: test -s /exports/{{ ds }}.done
//!   poke_interval: 30s
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use scheduler::operator::{ArgumentProblem, Operator, Outcome, TaskContext, TaskError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use super::arguments::Patience;
use super::wait::{Rhythm, Sight, Watch};
use crate::bash::{EnvValue, check_encoding, demand_utf8, set_environment};
use crate::process::{self, Ended};
use crate::shapes::With;
use crate::spawn::Command;

/// The `bash_sensor` operator.
pub struct BashSensor {
    looks: Arc<Semaphore>,
}

impl BashSensor {
    /// With as many commands at a time as `looks` allows.
    pub fn new(looks: Arc<Semaphore>) -> BashSensor {
        BashSensor { looks }
    }
}

/// Arguments of the `bash_sensor` operator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BashSensorArgs {
    /// The command, or a script of many lines. Templates are filled in first. It waits while this ends with another exit
    /// code than 0.
    #[schemars(length(min = 1))]
    bash_command: String,
    /// Environment variables, which replace the environment of Updraft.
    #[serde(default)]
    env: Option<BTreeMap<String, EnvValue>>,
    /// Airflow's word for how output is encoded. It is read as UTF-8 here, so that nothing but `utf-8` is taken.
    #[serde(default)]
    output_encoding: Option<String>,
    /// The only exit code that means "not yet": with any other the task fails for good.
    #[serde(default)]
    retry_exit_code: Option<i32>,
}

impl Operator for BashSensor {
    const NAME: &'static str = "bash_sensor";
    const AIRFLOW_CLASSES: &'static [&'static str] = &["BashSensor"];
    const SUMMARY: &'static str = "Waits until a command succeeds.";
    type Args = With<Patience, BashSensorArgs>;

    async fn execute(&self, args: Self::Args, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let With { own, common: patience } = args;
        demand_utf8(own.output_encoding.as_deref())?;
        let first_line = own.bash_command.trim().lines().next().unwrap_or_default();
        let watch = Watch {
            patience: &patience,
            ctx,
            awaited: format!("`{}` to succeed", shortened(first_line)),
            rhythm: Rhythm::Intervals(Arc::clone(&self.looks)),
        };
        watch.until(|| look(&own, ctx)).await
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        Patience::check(args).into_iter().chain(check_encoding(args)).collect()
    }
}

async fn look(args: &BashSensorArgs, ctx: &TaskContext) -> Result<Sight, TaskError> {
    let scratch = tempfile::Builder::new()
        .prefix("updraft-bash-")
        .tempdir()
        .context("cannot make a folder for the command to run in")?;
    let mut command = Command::new("bash");
    command.arg("-c").arg(&args.bash_command).current_dir(scratch.path());
    set_environment(&mut command, args.env.as_ref(), false, ctx);
    let ended = process::run(command, &ctx.log, &ctx.cancelled).await.context("cannot run bash")?;
    let Ended::ByItself { status, .. } = ended else { return Err(TaskError::cancelled()) };
    match args.retry_exit_code {
        Some(not_yet) if !status.success() && status.code() != Some(not_yet) => {
            let error = anyhow!("the command ended with {}", process::spoken(status));
            Err(TaskError::fail(error).with_exit_code(crate::bash::exit_code(status)))
        }
        _ => Ok(Sight::of(status.success())),
    }
}

/// The beginning of a long line.
fn shortened(line: &str) -> String {
    const SHOWN_MAX: usize = 80;
    if line.chars().count() <= SHOWN_MAX {
        return line.to_owned();
    }
    line.chars().take(SHOWN_MAX).chain(['…']).collect()
}
