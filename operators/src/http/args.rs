//! The arguments of `http` beside those of its request.

use scheduler::operator::{AirflowClass, ArgumentProblem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::answer::{NAMES, NAMES_OF_FILE};
use super::paging::Pagination;
use super::request::{Expressions, NO_PYTHON, RequestArgs, Statuses};

const KEEP_ALIVE: [&str; 4] =
    ["tcp_keep_alive", "tcp_keep_alive_idle", "tcp_keep_alive_count", "tcp_keep_alive_interval"];

/// What becomes of the answer.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpArgs {
    /// Statuses that are answers: numbers, or classes such as `2xx`. With any other the task fails: at once, or for statuses
    /// that pass (408, 425, 429, 5xx) after `retry_for`.
    #[serde(default = "Statuses::success")]
    pub(super) expected_status: Statuses,
    /// An expression that must hold, over `status`, `headers` (names in lower case), `text` and `json`: `json.state == "ok"`.
    #[serde(default)]
    pub(super) response_check: Option<String>,
    /// An expression that makes of an answer what is kept: `json.items`.
    #[serde(default)]
    pub(super) response_filter: Option<String>,
    /// What is kept without a `response_filter`.
    #[serde(default)]
    pub(super) returns: Returns,
    /// A file that takes the answer in the place of XCom, as it comes: a path, or `s3://bucket/key`. With a `response_filter`
    /// or `pagination` it has a line of JSON for each item.
    #[serde(default)]
    pub(super) save_to: Option<String>,
    /// How further pages are asked for. XCom has a list then.
    #[serde(default)]
    pub(super) pagination: Option<Pagination>,
    /// Whether the log shows the answer, up to 4,000 characters of it.
    #[serde(default)]
    pub(super) log_response: bool,
    /// The most that goes to XCom, in bytes of JSON; a longer answer fails the task.
    #[serde(default = "a_mebibyte")]
    pub(super) xcom_bytes_max: u64,
}

fn a_mebibyte() -> u64 {
    1024 * 1024
}

/// What is kept of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Returns {
    /// Its JSON, if it says that it is JSON, else its text.
    #[default]
    Auto,
    /// Its text.
    Text,
    /// Its JSON.
    Json,
    /// Its headers, by their names in lower case.
    Headers,
    /// Its status.
    Status,
    /// Nothing.
    None,
}

impl HttpArgs {
    /// Whether the answer goes into a file as it comes.
    pub(super) fn is_raw(&self) -> bool {
        self.save_to.is_some() && self.response_filter.is_none() && self.pagination.is_none()
    }

    /// Mistakes that the schema cannot express.
    pub(super) fn check(args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let mut problems = RequestArgs::check(args);
        let is_there = |key: &str| args.get(key).is_some_and(|value| !value.is_null());
        let is_raw = is_there("save_to") && !is_there("response_filter") && !is_there("pagination");
        let names = if is_raw { NAMES_OF_FILE } else { NAMES };
        problems.extend(Expressions::check(args, &["/response_check", "/response_filter"], names));
        problems.extend(Pagination::check(args));
        problems
    }
}

/// The classes of Airflow that ask once.
pub(super) fn classes() -> Vec<AirflowClass> {
    let paths = [
        "airflow.providers.http.operators.http.HttpOperator",
        "airflow.providers.http.operators.http.SimpleHttpOperator",
    ];
    let class = |path| {
        of_any_class(AirflowClass::named(path))
            .given("method", "POST")
            .given("returns", "text")
            .refused(
                "auth_type",
                "the connection's login and password are shown as `auth: basic` or `auth: bearer` says",
            )
            .refused(
                "pagination_function",
                "there is no Python to call; write `pagination`, for example `next_url: json.next`",
            )
            .refused("response_filter_name", NO_PYTHON)
            .refused("response_filter_file", NO_PYTHON)
            .refused("response_filter_lambda", NO_PYTHON)
            .refused("retry_args", "write `retry_for`, for how long a request is repeated")
    };
    paths.map(class).into()
}

/// What all classes of Airflow's HTTP provider take alike.
pub(crate) fn of_any_class(class: AirflowClass) -> AirflowClass {
    let class = class
        .renamed("http_conn_id", "conn_id")
        .given("conn_id", "http_default")
        .unneeded("deferrable")
        .unneeded("warn_on_non_idempotent")
        .refused("response_check_name", NO_PYTHON)
        .refused("response_check_file", NO_PYTHON)
        .refused("response_check_lambda", NO_PYTHON)
        .refused("request_kwargs", "write `request_timeout`, `verify` and `follow_redirects`");
    KEEP_ALIVE.into_iter().fold(class, AirflowClass::unneeded)
}
