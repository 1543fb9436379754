//! `bash`: runs a command or a script in bash.
//!
//! ```yaml
//! - task_id: extract
//!   operator: bash
//!   bash_command: ./extract.sh --day {{ ds }}
//!   env: {REGION: eu}
//!   append_env: true
//! ```
//!
//! The last line of its standard output becomes the XCom `return_value`, as text or read as JSON. Exit code 99 skips the
//! task. The command runs in an empty folder of its own, of which nothing is left afterwards, and its whole process tree ends with it.
//!
//! What there is to know of the task's `outlets` it writes into the file that `UPDRAFT_OUTLET_EVENTS` names, see
//! [`crate::outlet_events`].

use std::collections::BTreeMap;
use std::process::ExitStatus;

use anyhow::{Context, anyhow};
use scheduler::dag::template;
use scheduler::operator::{ArgumentProblem, Operator, Outcome, TaskContext, TaskError, TemplateFiles};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::outlet_events;
use crate::process::{self, Ended, RunFor};
use crate::spawn::Command;
use crate::work_folder::WorkFolders;

/// The `bash` operator.
#[derive(Default)]
pub struct Bash {
    folders: WorkFolders,
}

/// Arguments of the `bash` operator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BashArgs {
    /// The command, or a script of many lines. Templates are filled in first. A text that ends in `.sh` or `.bash` is the name of
    /// a template file; a space behind it makes it a command.
    #[schemars(length(min = 1))]
    bash_command: String,
    /// Environment variables. They replace the environment of Updraft unless `append_env` is true.
    #[serde(default)]
    env: Option<BTreeMap<String, EnvValue>>,
    /// Whether `env` is laid over the environment of Updraft instead of replacing it.
    #[serde(default)]
    append_env: bool,
    /// The folder to run in; a new, empty one by default.
    #[serde(default)]
    cwd: Option<String>,
    /// Airflow's word for how output is encoded. It is read as UTF-8 here, so that nothing but `utf-8` is taken.
    #[serde(default)]
    output_encoding: Option<String>,
    /// What becomes of the last line of standard output: text, or the value that it is as JSON.
    #[serde(default)]
    output_processor: OutputProcessor,
    /// The exit codes that skip the task; 99 by default.
    #[serde(default = "skip_on_99")]
    skip_on_exit_code: Option<ExitCodes>,
}

/// What the last line of standard output is.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OutputProcessor {
    #[default]
    Text,
    Json,
}

/// The value of an environment variable.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum EnvValue {
    Text(String),
    Number(f64),
    Flag(bool),
}

impl EnvValue {
    /// What a process sees.
    pub(crate) fn text(&self) -> String {
        match self {
            EnvValue::Text(text) => text.clone(),
            EnvValue::Number(number) => number.to_string(),
            EnvValue::Flag(flag) => flag.to_string(),
        }
    }
}

/// One exit code, or several.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum ExitCodes {
    One(i32),
    Several(Vec<i32>),
}

impl ExitCodes {
    /// Whether something ended with one of them.
    pub(crate) fn has(&self, status: ExitStatus) -> bool {
        status.code().is_some_and(|code| self.has_code(code))
    }

    /// Whether it is one of them.
    pub(crate) fn has_code(&self, code: i32) -> bool {
        match self {
            ExitCodes::One(one) => code == *one,
            ExitCodes::Several(several) => several.contains(&code),
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional argument")]
pub(crate) fn skip_on_99() -> Option<ExitCodes> {
    Some(ExitCodes::One(99))
}

impl Operator for Bash {
    const NAME: &'static str = "bash";
    const TEMPLATE_FILES: TemplateFiles = &[("bash_command", &[".sh", ".bash"])];
    const AIRFLOW_CLASSES: &'static [&'static str] = &["BashOperator"];
    const SUMMARY: &'static str = "Runs a command or a script in bash.";
    type Args = BashArgs;

    async fn execute(&self, args: BashArgs, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        demand_utf8(args.output_encoding.as_deref())?;
        let mut folder = self.folders.enter().context("cannot make a folder for the command to run in")?;
        let mut command = Command::new("bash");
        command.arg("-c").arg(&args.bash_command);
        match &args.cwd {
            Some(cwd) => {
                command.current_dir(cwd);
            }
            None => folder.let_in(&mut command).context("cannot let the command into its folder")?,
        }
        set_environment(&mut command, args.env.as_ref(), args.append_env, ctx);
        let events = outlet_events::offer(&mut command, folder.path(), ctx);
        ctx.log.head(&format!("Running: {}", args.bash_command.trim_end()));
        let ended = process::run(command, &ctx.log, &ctx.cancelled).await.context("cannot run bash")?;
        let outcome = outcome(ended, args.skip_on_exit_code.as_ref(), args.output_processor)?;
        if let Some(events) = events {
            outlet_events::take(&events, ctx).await?;
        }
        Ok(outcome)
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        check_encoding(args).into_iter().collect()
    }
}

/// Whether a word means UTF-8, as Python reads such words.
fn is_utf8(word: &str) -> bool {
    let plain: String = word.chars().filter(|sign| !matches!(sign, '-' | '_')).collect();
    plain.eq_ignore_ascii_case("utf8")
}

fn not_read(word: &str) -> (String, String) {
    let message = format!("output in the encoding `{word}` is not read");
    (message, format!("leave it out, and have the command write UTF-8, for example by `| iconv -f {word} -t UTF-8`"))
}

/// The mistake in `output_encoding`, as far as no template is to write it.
pub(crate) fn check_encoding(args: &Map<String, Value>) -> Option<ArgumentProblem> {
    let word = args.get("output_encoding")?.as_str()?;
    if is_utf8(word) || template::holds_template(word) {
        return None;
    }
    let (message, help) = not_read(word);
    Some(ArgumentProblem { pointer: "/output_encoding".to_owned(), message, help: Some(help) })
}

/// Refuses output in another encoding than UTF-8.
pub(crate) fn demand_utf8(word: Option<&str>) -> Result<(), TaskError> {
    let Some(word) = word.filter(|word| !is_utf8(word)) else { return Ok(()) };
    let (message, help) = not_read(word);
    Err(TaskError::fail(anyhow!("`output_encoding`: {message}; {help}")))
}

/// Gives a command its environment: Updraft's without its settings, `env` over it or in its place, and Airflow's context.
pub(crate) fn set_environment(
    command: &mut Command,
    env: Option<&BTreeMap<String, EnvValue>>,
    is_appended: bool,
    ctx: &TaskContext,
) {
    if env.is_some() && !is_appended {
        command.env_clear();
    }
    process::hide_settings(command);
    for (name, value) in env.into_iter().flatten() {
        command.env(name, value.text());
    }
    let task = Some((ctx.key.task_id.as_str(), ctx.try_number, &*ctx.task));
    RunFor { dag_id: &ctx.key.dag_id, run_id: &ctx.key.run_id, run: &ctx.run, task }.tell(command);
}

fn outcome(ended: Ended, skip_on: Option<&ExitCodes>, processor: OutputProcessor) -> Result<Outcome, TaskError> {
    let Ended::ByItself { status, last_line, .. } = ended else { return Err(TaskError::cancelled()) };
    if status.success() {
        return last_line.map_or_else(|| Ok(Outcome::done()), |line| answer(line, processor));
    }
    if skip_on.is_some_and(|codes| codes.has(status)) {
        return Ok(Outcome::Skipped { reason: format!("the command ended with {}", process::spoken(status)) });
    }
    let error = anyhow!("the command ended with {}", process::spoken(status));
    Err(TaskError::retry(error).with_exit_code(exit_code(status)))
}

/// What a line is to other tasks.
pub(crate) fn answer(line: String, processor: OutputProcessor) -> Result<Outcome, TaskError> {
    match processor {
        OutputProcessor::Text => Ok(Outcome::value(Value::String(line))),
        OutputProcessor::Json => serde_json::from_str::<Value>(&line)
            .map(Outcome::value)
            .map_err(|error| TaskError::fail(anyhow!("the last line of the output is not JSON: {error}"))),
    }
}

/// As shells have it: 128 and the signal for what a signal ended.
pub(crate) fn exit_code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn output_is_read_as_utf8_alone() {
        let found = |word: &str| check_encoding(json!({ "output_encoding": word }).as_object().unwrap());
        for word in ["utf-8", "UTF-8", "utf8", "Utf_8"] {
            assert_eq!(found(word), None, "{word}");
            assert!(demand_utf8(Some(word)).is_ok(), "{word}");
        }
        assert!(demand_utf8(None).is_ok());
        assert_eq!(found("{{ params.encoding }}"), None, "it is seen when it is filled in");
        let problem = found("latin-1").unwrap();
        assert_eq!(problem.pointer, "/output_encoding");
        assert_eq!(problem.message, "output in the encoding `latin-1` is not read");
        let said = demand_utf8(Some("latin-1")).unwrap_err().to_string();
        assert!(said.contains("`latin-1` is not read; leave it out"), "{said}");
    }
}
