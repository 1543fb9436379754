//! The arguments that operators of Databricks share, beside those of their own.

use std::time::Duration;

use scheduler::dag::template;
use scheduler::operator::ArgumentProblem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use crate::shapes::{Common, With};
use crate::span::{self, Span};

/// Whom to ask, and how often.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Asking {
    /// The connection to the workspace.
    #[serde(default = "default_connection")]
    #[schemars(length(min = 1))]
    pub(super) databricks_conn_id: String,
    /// How often a request is made before the try fails, when the workspace cannot be reached or is busy. A run that is under
    /// way is asked after until there is an answer.
    #[serde(default = "three")]
    #[schemars(range(min = 1))]
    pub(super) databricks_retry_limit: u32,
    /// The pause after the first such attempt, a duration or a number of seconds; each further one is twice as long, up to a
    /// minute.
    #[serde(default = "a_second")]
    pub(super) databricks_retry_delay: Span,
    /// Airflow's arguments for its retrying library. They are refused; use `databricks_retry_limit` and
    /// `databricks_retry_delay`.
    #[serde(default)]
    #[expect(dead_code, reason = "only refused")]
    databricks_retry_args: Option<Map<String, Value>>,
    /// Airflow's word to OpenLineage, which is not served; `false` alone is taken.
    #[serde(default)]
    #[expect(dead_code, reason = "only refused")]
    openlineage_inject_parent_job_info: bool,
    /// Airflow's word to OpenLineage, which is not served; `false` alone is taken.
    #[serde(default)]
    #[expect(dead_code, reason = "only refused")]
    openlineage_inject_transport_info: bool,
}

impl Common for Asking {
    const NAMES: &'static [&'static str] = &[
        "databricks_conn_id",
        "databricks_retry_limit",
        "databricks_retry_delay",
        "databricks_retry_args",
        "openlineage_inject_parent_job_info",
        "openlineage_inject_transport_info",
    ];
}

/// What Airflow tells its SQL driver. There is no such driver here, so all of it is refused, unless it is empty.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only refused")]
pub struct Driver {
    /// Airflow's settings of a session. Refused: statements have no session on a SQL warehouse.
    #[serde(default)]
    session_configuration: Option<Value>,
    /// Airflow's arguments for its SQL driver. Refused.
    #[serde(default)]
    client_parameters: Option<Value>,
    /// Airflow's headers for its SQL driver. Refused.
    #[serde(default)]
    http_headers: Option<Value>,
    /// Airflow's arguments for its hook. Refused.
    #[serde(default)]
    hook_params: Option<Value>,
    /// A function of Python. Refused: rows come as they are.
    #[serde(default)]
    handler: Option<Value>,
    /// Airflow's tags for queries. Refused.
    #[serde(default)]
    query_tags: Option<Value>,
    /// Airflow's choice of tags that say which task asks. Queries have no tags here.
    #[serde(default)]
    include_airflow_query_tags: Option<bool>,
}

impl Common for Driver {
    const NAMES: &'static [&'static str] = &[
        "session_configuration",
        "client_parameters",
        "http_headers",
        "hook_params",
        "handler",
        "query_tags",
        "include_airflow_query_tags",
    ];
}

impl Driver {
    /// What is not served, each with the reason.
    pub(super) fn check(args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        // Whether there are tags or not is not asked by anybody.
        let refused = |key: &&&str| {
            **key != "include_airflow_query_tags" && args.get(**key).is_some_and(|value| !is_empty(value))
        };
        let told = |key: &&str| {
            let (message, help) = match *key {
                "session_configuration" => {
                    ("statements have no session on a SQL warehouse", "set it for the warehouse, or leave it out")
                }
                "handler" => ("it is a function of Python", "leave it out; rows come as they are"),
                _ => ("Airflow's SQL driver is not used here", "leave it out"),
            };
            ArgumentProblem { help: Some(help.to_owned()), ..problem(&format!("/{key}"), message) }
        };
        Self::NAMES.iter().filter(refused).map(told).collect()
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        _ => false,
    }
}

/// How a run is followed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Following {
    /// How often a run that goes on is looked at, at most: a number of seconds, or a duration. Young runs are looked at more
    /// often. 30 s by default, for notebooks 5 s as in Airflow.
    #[serde(default)]
    pub(super) polling_period_seconds: Option<Span>,
    /// Whether the task ends when the run does. Otherwise it ends when the run has started.
    #[serde(default = "yes")]
    pub(super) wait_for_termination: bool,
    /// Airflow's choice of a waiting that needs no worker. Every task waits so here.
    #[serde(default)]
    #[expect(dead_code, reason = "every task that waits is deferred")]
    deferrable: bool,
    /// Airflow's choice of keeping the number of a run. It is always kept; `on_retry` says what a further try does with it.
    #[serde(default = "yes")]
    #[expect(dead_code, reason = "every run is kept")]
    durable: bool,
    /// What a further try does with the run of the try before: `new` starts another run, after it has cancelled the one
    /// before if that still goes on; `adopt` goes on with it if it still goes on, or has succeeded meanwhile; `repair` does
    /// so, too, and has the tasks that failed in it run again.
    #[serde(default)]
    pub(super) on_retry: OnRetry,
}

impl Common for Following {
    const NAMES: &'static [&'static str] =
        &["polling_period_seconds", "wait_for_termination", "deferrable", "durable", "on_retry"];
}

/// What a further try does with the run of the try before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum OnRetry {
    #[default]
    New,
    Adopt,
    Repair,
}

fn default_connection() -> String {
    "databricks_default".to_owned()
}

fn three() -> u32 {
    3
}

fn a_second() -> Span {
    Span(Duration::from_secs(1))
}

pub(super) fn yes() -> bool {
    true
}

impl Asking {
    /// Mistakes that the schema cannot express.
    pub(super) fn check(args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let mut problems: Vec<ArgumentProblem> = ["databricks_retry_delay", "polling_period_seconds"]
            .iter()
            .filter_map(|key| span::check::<Span>(args, key))
            .collect();
        if args.get("databricks_retry_args").is_some_and(|value| !value.is_null()) {
            let message = "`databricks_retry_args` are arguments of a Python library".to_owned();
            problems.push(ArgumentProblem {
                help: Some("use `databricks_retry_limit` and `databricks_retry_delay`".to_owned()),
                ..problem("/databricks_retry_args", message)
            });
        }
        for key in ["openlineage_inject_parent_job_info", "openlineage_inject_transport_info"] {
            if args.get(key).is_some_and(|value| !value.is_null() && value != false) {
                problems.push(ArgumentProblem {
                    help: Some("leave it out".to_owned()),
                    ..problem(&format!("/{key}"), "OpenLineage is not served")
                });
            }
        }
        problems
    }
}

/// A mistake at a place below the task.
pub(super) fn problem(pointer: &str, message: impl Into<String>) -> ArgumentProblem {
    ArgumentProblem { pointer: pointer.to_owned(), message: message.into(), help: None }
}

/// Whether a value is, or holds, text that a template will replace.
pub(super) fn is_open(value: &Value) -> bool {
    match value {
        Value::String(text) => template::holds_template(text),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_keys() {
        fn names<C: Common>() -> Vec<String> {
            let schema = schemars::schema_for!(C);
            schema.get("properties").unwrap().as_object().unwrap().keys().cloned().collect()
        }
        assert_eq!(names::<Asking>(), Asking::NAMES);
        assert_eq!(names::<Following>(), Following::NAMES);
        assert_eq!(names::<Driver>(), Driver::NAMES);
    }
}
