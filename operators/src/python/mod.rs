//! `python`: calls a function, or runs a script.
//!
//! ```yaml
//! - task_id: score
//!   operator: python
//!   python_callable: scoring:score_day          # scoring.py beside the DAG file
//!   op_kwargs: { day: "{{ ds }}", pins: "{{ ti.xcom_pull('pins') }}" }
//!   requirements: [scikit-learn==1.5.2]
//! ```
//!
//! ```text
//!   arguments, context ──JSON──> runner.py ──calls──> the function ──JSON──> XCom
//!                                    └── what it prints, tracebacks ──> log
//! ```
//!
//! The interpreter is a child process like that of `bash`, and ends with its try in the same way.

mod args;
mod branch;
mod short_circuit;
mod venv;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use chrono::{DateTime, SecondsFormat, Utc};
use scheduler::operator::{AirflowClass, ArgumentProblem, Next, Operator, Outcome, TaskContext, TaskError, ToldEvent};
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub use args::PythonArgs;
pub(crate) use args::check;
pub use branch::BranchPython;
pub use short_circuit::ShortCircuitPython;

use crate::bash::{ExitCodes, exit_code, set_environment};
use crate::beside;
use crate::process::{self, Ended};
use crate::shapes::OneOrMany;
use crate::spawn::Command;
use venv::Recipe;

/// What calls the function.
const RUNNER: &str = include_str!("runner.py");

/// What is left for other tasks may be so large; the database keeps all of it.
const ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// The `python` operator.
pub struct Python;

/// What came of a call.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Answer {
    Skipped { skip: String, xcoms: Map<String, Value> },
    Failed { error: String, may_retry: bool, xcoms: Map<String, Value> },
    Returned { return_value: Value, xcoms: Map<String, Value>, outlet_events: Vec<ToldEvent> },
}

impl Operator for Python {
    const NAME: &'static str = "python";
    const SUMMARY: &'static str = "Calls a function of Python, or runs a script.";
    type Args = PythonArgs;

    fn airflow_classes() -> Vec<AirflowClass> {
        vec![
            class("airflow.providers.standard.operators.python.PythonOperator"),
            apart("airflow.providers.standard.operators.python.ExternalPythonOperator"),
            apart("airflow.providers.standard.operators.python.PythonVirtualenvOperator")
                .given("system_site_packages", true)
                .refused("index_urls_from_connection_ids", INDEXES)
                .refused("python_version", "write `python: python3.11`"),
        ]
    }

    async fn execute(&self, args: PythonArgs, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        call(&args, ctx).await
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        args::check(args)
    }
}

/// What stands in the place of connections to indexes of packages.
pub(crate) const INDEXES: &str = "write `index_urls`, with templates such as `{{ conn.my_index.password }}` in them";

/// A class of Airflow's that calls a function in this interpreter.
pub(crate) fn class(path: &'static str) -> AirflowClass {
    AirflowClass::named(path)
        .unneeded("show_return_value_in_logs")
        .unneeded("provide_context")
        .refused("templates_exts", "templates are filled in in DAG files alone")
}

/// A class of Airflow's that calls it in another one. A function is found by its name here, and not sent as text; so nothing
/// has to be said of how.
fn apart(path: &'static str) -> AirflowClass {
    ["serializer", "use_dill", "expect_airflow", "expect_pendulum", "use_airflow_context", "venv_cache_path"]
        .into_iter()
        .fold(class(path), AirflowClass::unneeded)
        .renamed("env_vars", "env")
        .refused("string_args", "write them into `op_args`")
}

/// Calls the function or the script, and answers with what it leaves.
pub(crate) async fn call(args: &PythonArgs, ctx: &TaskContext) -> Result<Outcome, TaskError> {
    let interpreter = args.interpreter(ctx).await?;
    let scratch = tempfile::Builder::new()
        .prefix("updraft-python-")
        .tempdir()
        .context("cannot make a folder for Python to run in")?;
    let call = args.call(scratch.path(), ctx).await?;
    let at = |name: &str| scratch.path().join(name);
    for (name, text) in [("runner.py", RUNNER), ("job.json", call.to_string().as_str())] {
        tokio::fs::write(at(name), text).await.context("cannot write down what is to be called")?;
    }
    let work = at("work");
    tokio::fs::create_dir(&work).await.context("cannot make a folder for Python to run in")?;
    let mut command = Command::new(&interpreter);
    command.arg(at("runner.py")).arg(at("job.json")).arg(at("answer.json"));
    command.current_dir(args.cwd.as_ref().map_or(work, |cwd| ctx.home.join(cwd)));
    let nothing = BTreeMap::new();
    let env = args.env.as_ref().or((!args.inherit_env).then_some(&nothing));
    set_environment(&mut command, env, args.inherit_env, ctx);
    // What is printed is seen when it is printed.
    command.env("PYTHONUNBUFFERED", "1").env("UPDRAFT_HOME", &ctx.home);
    ctx.log.info(format_args!("Calls {} with {}", args.called(), interpreter.display()));
    let ended = process::run(command, &ctx.log, &ctx.cancelled).await.context("cannot run Python")?;
    outcome(ended, args.skip_on_exit_code.as_ref(), &at("answer.json"), ctx).await
}

impl PythonArgs {
    /// The interpreter, in an environment with the requirements if there are any.
    async fn interpreter(&self, ctx: &TaskContext) -> Result<PathBuf, TaskError> {
        let python = self.python.clone().unwrap_or_else(|| "python3".to_owned());
        if let Some(venv) = &self.venv {
            let interpreter = ctx.home.join(venv).join("bin/python");
            if !interpreter.is_file() {
                return Err(TaskError::fail(anyhow!("there is no interpreter `{}`", interpreter.display())));
            }
            return Ok(interpreter);
        }
        let Some(requirements) = &self.requirements else { return Ok(PathBuf::from(python)) };
        let mut options = self.pip_install_options.clone();
        let indexes = self.index_urls.as_ref().map(OneOrMany::names).unwrap_or_default();
        for (at, index) in indexes.iter().enumerate() {
            options.push(if at == 0 { "--index-url" } else { "--extra-index-url" }.to_owned());
            options.push(index.clone());
        }
        let requirements = requirement_lines(requirements, ctx).await?;
        let recipe = Recipe { python, requirements, has_system_packages: self.system_site_packages, options };
        recipe.interpreter(ctx).await
    }

    /// What is called, for people.
    pub(crate) fn called(&self) -> String {
        match (&self.python_callable, &self.python_callable_name, &self.script) {
            (Some(function), ..) => format!("`{}`", function.trim()),
            (None, Some(name), _) => {
                format!("`{name}` of `{}`", self.python_callable_file.as_deref().unwrap_or_default())
            }
            (None, None, Some(script)) => format!("`{script}`"),
            (None, None, None) => "the code".to_owned(),
        }
    }

    /// What the runner is told.
    async fn call(&self, scratch: &Path, ctx: &TaskContext) -> Result<Value, TaskError> {
        let dag_file = ctx.runs.dag_file(&ctx.key.dag_id).await.map_err(TaskError::retry)?;
        let paths: Vec<&Path> = dag_file.iter().flat_map(|file| [file.folder.as_path(), file.root.as_path()]).collect();
        let mut call = json!({
            "paths": paths,
            "args": self.op_args.as_deref().unwrap_or_default(),
            "kwargs": self.op_kwargs.clone().unwrap_or_default(),
            "templates_dict": self.templates_dict,
            "context": context(ctx),
        });
        if let Some(function) = &self.python_callable {
            let (module, function) =
                args::split_callable(function).map_err(|problem| TaskError::fail(anyhow!(problem)))?;
            call["module"] = module.into();
            call["function"] = function.into();
        } else if let (Some(name), Some(file)) = (&self.python_callable_name, &self.python_callable_file) {
            call["file"] = path(file, ctx).await?.into();
            call["function"] = name.as_str().into();
        } else if let Some(script) = &self.script {
            call["script"] = path(script, ctx).await?.into();
        } else if let Some(code) = &self.code {
            let file = scratch.join("code.py");
            tokio::fs::write(&file, code).await.context("cannot write down the code")?;
            call["script"] = file.to_string_lossy().into();
        } else {
            return Err(TaskError::fail(anyhow!("it does not say what to call")));
        }
        Ok(call)
    }
}

/// The path of a file that is named beside the DAG file, or by an absolute path.
async fn path(written: &str, ctx: &TaskContext) -> Result<String, TaskError> {
    let written = written.trim();
    let path = if Path::new(written).is_absolute() {
        PathBuf::from(written)
    } else {
        let folder = beside::dag_file(ctx).await?.folder;
        beside::path(&folder, written).map_err(|problem| TaskError::fail(anyhow!(problem)))?
    };
    if !path.is_file() {
        return Err(TaskError::fail(anyhow!("there is no file `{}`", path.display())));
    }
    Ok(path.to_string_lossy().into_owned())
}

/// Requirements, a line each; a text that names a file stands for what is in it.
async fn requirement_lines(written: &OneOrMany, ctx: &TaskContext) -> Result<Vec<String>, TaskError> {
    let mut lines = Vec::new();
    for text in written.names() {
        let name = text.trim();
        let is_file = Path::new(name).extension().is_some_and(|end| end == "txt") && !name.contains([' ', '\n', '=']);
        let text = if is_file { beside::read(ctx, name).await? } else { text.clone() };
        let kept = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.extend(kept.map(str::to_owned));
    }
    Ok(lines)
}

/// What a function may know, under Airflow's names.
fn context(ctx: &TaskContext) -> Value {
    let run = &ctx.run;
    let instant = |instant: Option<DateTime<Utc>>| instant.map(|instant| written(&instant));
    let of_date = |format: &str| run.logical_date.map(|date| date.format(format).to_string());
    json!({
        "dag_id": ctx.key.dag_id,
        "task_id": ctx.key.task_id,
        "run_id": ctx.key.run_id,
        "map_index": ctx.key.map_index,
        "try_number": ctx.try_number,
        "run_type": run.run_type,
        "logical_date": instant(run.logical_date),
        "data_interval_start": instant(run.data_interval_start),
        "data_interval_end": instant(run.data_interval_end),
        "partition_key": run.partition_key,
        "partition_date": instant(run.partition_date),
        "ds": of_date("%Y-%m-%d"),
        "ds_nodash": of_date("%Y%m%d"),
        "ts": instant(run.logical_date),
        "ts_nodash": of_date("%Y%m%dT%H%M%S"),
        "params": run.params,
        "conf": run.conf,
    })
}

/// As Python reads and writes instants.
fn written(instant: &DateTime<Utc>) -> String {
    let digits = if instant.timestamp_subsec_micros() == 0 { SecondsFormat::Secs } else { SecondsFormat::Micros };
    instant.to_rfc3339_opts(digits, false)
}

async fn outcome(
    ended: Ended,
    skip_on: Option<&ExitCodes>,
    answer: &Path,
    ctx: &TaskContext,
) -> Result<Outcome, TaskError> {
    let Ended::ByItself { status, last_error, .. } = ended else { return Err(TaskError::cancelled()) };
    match read(answer).await? {
        Some(Answer::Skipped { skip, xcoms }) => {
            ctx.push_xcoms(xcoms.into_iter().collect()).await;
            return Ok(Outcome::Skipped { reason: skip });
        }
        Some(Answer::Returned { return_value, xcoms, outlet_events }) if status.success() => {
            for event in outlet_events {
                ctx.outlets.tell(event).map_err(|problem| TaskError::fail(anyhow!("`outlet_events`: {problem}")))?;
            }
            return Ok(Outcome::Success { return_value, xcoms: xcoms.into_iter().collect(), next: Next::Everything });
        }
        Some(Answer::Failed { error, may_retry, xcoms }) => {
            ctx.push_xcoms(xcoms.into_iter().collect()).await;
            let error = anyhow!(error);
            let error = if may_retry { TaskError::retry(error) } else { TaskError::fail(error) };
            return Err(error.with_exit_code(exit_code(status)));
        }
        _ => {}
    }
    if status.success() {
        // `sys.exit(0)`, before there was an answer.
        return Ok(Outcome::done());
    }
    if skip_on.is_some_and(|codes| codes.has(status)) {
        return Ok(Outcome::Skipped { reason: format!("Python ended with {}", process::spoken(status)) });
    }
    let said = last_error.map(|line| format!(": {line}")).unwrap_or_default();
    Err(TaskError::retry(anyhow!("Python ended with {}{said}", process::spoken(status)))
        .with_exit_code(exit_code(status)))
}

/// What the runner left, if it got so far.
async fn read(path: &Path) -> Result<Option<Answer>, TaskError> {
    let length = match tokio::fs::metadata(path).await {
        Ok(found) => found.len(),
        Err(_) => return Ok(None),
    };
    if length > ANSWER_BYTES_MAX {
        return Err(TaskError::fail(anyhow!(
            "the answer has {length} bytes, and may have {ANSWER_BYTES_MAX}; write it to a file, and answer with its name"
        )));
    }
    let text = tokio::fs::read(path).await.context("cannot read the answer")?;
    serde_json::from_slice(&text).map(Some).map_err(|error| TaskError::fail(anyhow!("the answer is broken: {error}")))
}
