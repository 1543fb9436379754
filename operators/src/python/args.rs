//! The arguments of `python` as people write them, and mistakes in them that can be told while the DAG file is loaded.

use std::collections::BTreeMap;

use scheduler::dag::template::holds_template;
use scheduler::operator::ArgumentProblem;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::bash::{EnvValue, ExitCodes, skip_on_99};
use crate::beside;
use crate::shapes::Given;
use crate::shapes::OneOrMany;

/// What says what is called.
const CALLED: [&str; 4] = ["python_callable", "python_callable_file", "script", "code"];

/// Arguments of the `python` operator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PythonArgs {
    /// A function: `module:function`, or `module.function`. Modules are looked for beside the DAG file, in the folder of DAG
    /// files, and where the interpreter looks.
    #[serde(default)]
    pub(super) python_callable: Option<String>,
    /// The name of a function in `python_callable_file`.
    #[serde(default)]
    pub(super) python_callable_name: Option<String>,
    /// A file of Python: its name, beside the DAG file, or an absolute path.
    #[serde(default)]
    pub(super) python_callable_file: Option<String>,
    /// A script: its name, beside the DAG file, or an absolute path. It is run with `op_args` on its command line.
    #[serde(default)]
    pub(super) script: Option<String>,
    /// A script, written here.
    #[serde(default)]
    pub(super) code: Option<String>,
    /// What the function is called with.
    #[serde(default)]
    pub(super) op_args: Option<Vec<Given>>,
    /// What the function is called with, by name. Beside these it is given what it names of Airflow's context.
    #[serde(default)]
    pub(super) op_kwargs: Option<BTreeMap<String, Given>>,
    /// A mapping that the function finds in the context as `templates_dict`.
    #[serde(default)]
    pub(super) templates_dict: Option<Map<String, Value>>,
    /// The interpreter: a name in `PATH`, such as `python3.11`, or a path. `python3` by default.
    #[serde(default)]
    pub(super) python: Option<String>,
    /// The folder of an environment whose interpreter is used; relative paths begin at `UPDRAFT_HOME`.
    #[serde(default)]
    pub(super) venv: Option<String>,
    /// Packages, as pip reads them: a list, a text with a line each, or the name of a file beside the DAG file that ends in
    /// `.txt`. An environment with them is made once, and kept.
    #[serde(default)]
    pub(super) requirements: Option<OneOrMany>,
    /// Whether packages of the interpreter are seen in the environment with `requirements`, too.
    #[serde(default)]
    pub(super) system_site_packages: bool,
    /// Further options of pip, when `requirements` are installed.
    #[serde(default)]
    pub(super) pip_install_options: Vec<String>,
    /// Where packages are looked for, instead of PyPI: the addresses of indexes.
    #[serde(default)]
    pub(super) index_urls: Option<OneOrMany>,
    /// Environment variables, over those of Updraft.
    #[serde(default)]
    pub(super) env: Option<BTreeMap<String, EnvValue>>,
    /// Whether the environment variables of Updraft are passed on.
    #[serde(default = "yes")]
    pub(super) inherit_env: bool,
    /// The folder to run in; a new, empty one by default.
    #[serde(default)]
    pub(super) cwd: Option<String>,
    /// The exit codes that skip the task; 99 by default.
    #[serde(default = "skip_on_99")]
    pub(super) skip_on_exit_code: Option<ExitCodes>,
}

fn yes() -> bool {
    true
}

/// All mistakes.
pub(crate) fn check(args: &Map<String, Value>) -> Vec<ArgumentProblem> {
    let is_given = |key: &str| args.get(key).is_some_and(|value| !value.is_null());
    let text = |key: &str| args.get(key).and_then(Value::as_str).filter(|text| !holds_template(text));
    let problem = |pointer: &str, message: String| ArgumentProblem { pointer: pointer.to_owned(), message, help: None };
    let mut problems = Vec::new();
    let called: Vec<&str> = CALLED.into_iter().filter(|key| is_given(key)).collect();
    match called.as_slice() {
        [] => problems.push(problem(
            "",
            "it does not say what to call: `python_callable`, `python_callable_file` with `python_callable_name`, `script` or \
             `code`"
                .to_owned(),
        )),
        [_] => {}
        [first, second, ..] => {
            problems.push(problem(&format!("/{second}"), format!("`{first}` and `{second}` exclude each other")));
        }
    }
    if is_given("python_callable_file") != is_given("python_callable_name") {
        let (has, lacks) = if is_given("python_callable_file") {
            ("python_callable_file", "python_callable_name")
        } else {
            ("python_callable_name", "python_callable_file")
        };
        problems.push(problem(&format!("/{has}"), format!("`{has}` goes with `{lacks}`")));
    }
    if let Some(Err(message)) = text("python_callable").map(split_callable) {
        problems.push(problem("/python_callable", message));
    }
    for key in ["script", "python_callable_file"] {
        let beside = text(key).filter(|path| !path.starts_with('/')).map(|path| beside::path("/".as_ref(), path));
        problems.extend(beside.and_then(Result::err).map(|message| problem(&format!("/{key}"), message)));
    }
    if is_given("op_kwargs") && (is_given("script") || is_given("code")) {
        let help = Some("read them as `updraft.context[\"templates_dict\"]`".to_owned());
        let message = "a script takes no arguments by name; write `templates_dict`".to_owned();
        problems.push(ArgumentProblem { help, ..problem("/op_kwargs", message) });
    }
    if is_given("venv") {
        for key in ["python", "requirements"] {
            if is_given(key) {
                problems.push(problem(&format!("/{key}"), format!("`venv` and `{key}` exclude each other")));
            }
        }
    }
    if !is_given("requirements") {
        for key in ["pip_install_options", "index_urls"] {
            if args.get(key).is_some_and(|value| !value.is_null() && value != &Value::Array(Vec::new())) {
                problems.push(problem(&format!("/{key}"), format!("`{key}` goes with `requirements`")));
            }
        }
    }
    problems
}

/// The module and the function that a text names.
pub(super) fn split_callable(text: &str) -> Result<(&str, &str), String> {
    let text = text.trim();
    let parts = text.split_once(':').or_else(|| text.rsplit_once('.'));
    let is_name = |name: &str| {
        let mut parts = name.split('.');
        parts.all(|part| {
            let mut signs = part.chars();
            signs.next().is_some_and(|sign| sign.is_alphabetic() || sign == '_')
                && signs.all(|sign| sign.is_alphanumeric() || sign == '_')
        })
    };
    match parts {
        Some((module, function)) if is_name(module) && is_name(function) => Ok((module, function)),
        _ => Err(format!("`{text}` names no function; write `module:function`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_named_with_its_module() {
        assert_eq!(split_callable("lib.jobs:run"), Ok(("lib.jobs", "run")));
        assert_eq!(split_callable("lib.jobs.run"), Ok(("lib.jobs", "run")));
        assert_eq!(split_callable("lib:Jobs.run"), Ok(("lib", "Jobs.run")));
        for wrong in ["run", "lib/jobs.py:run", "lib:", "lib:run()", "3lib:run", ""] {
            assert!(split_callable(wrong).is_err(), "{wrong}");
        }
    }
}
