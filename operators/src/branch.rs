//! `branch`: decides which of the tasks after it run.
//!
//! ```yaml
//! - task_id: by_size
//!   operator: branch
//!   cases:
//!     - {when: "{{ params.rows > 1000 }}", then: load_large}
//!     - {when: "{{ params.rows > 0 }}", then: [load_small, tell]}
//!   otherwise: nothing_to_do
//! ```
//!
//! Of the tasks directly after it, those that are not followed are skipped; what comes after them is up to their trigger
//! rules (Airflow 3: branching).

use anyhow::anyhow;
use scheduler::log::Level;
use scheduler::operator::{ArgumentProblem, Next, Operator, Outcome, TaskContext, TaskError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::truth::Truth;

/// The `branch` operator.
pub struct Branch;

/// Arguments of the `branch` operator: either `follow`, or `cases`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BranchArgs {
    /// The id of the task or group to follow, or a list of them; nothing skips all. Usually a template.
    #[serde(default)]
    follow: Option<Ids>,
    /// Conditions and what to follow when they hold; the first that holds counts.
    #[serde(default)]
    cases: Option<Vec<Case>>,
    /// What to follow when no case holds; without it all is skipped.
    #[serde(default)]
    otherwise: Option<Ids>,
}

/// One of several ways.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Case {
    /// The condition, usually a template. Nothing, zero, and empty texts, lists and mappings are false, as in Python.
    when: Truth,
    /// The id of the task or group to follow, or a list of them.
    then: Ids,
}

/// Ids of tasks and groups.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Ids {
    /// One; or several as a template writes a list.
    One(String),
    /// Several.
    Several(Vec<String>),
}

impl Ids {
    /// The ids. A template that is one expression makes text of a list, written as in Python.
    fn list(self) -> Result<Vec<String>, TaskError> {
        match self {
            Ids::Several(ids) => Ok(ids),
            Ids::One(text) => match text.trim() {
                "" | "None" => Ok(Vec::new()),
                list if list.starts_with('[') => read_list(list),
                id => Ok(vec![id.to_owned()]),
            },
        }
    }
}

/// `['a', 'b']` or `["a", "b"]`; ids hold no quotes.
fn read_list(text: &str) -> Result<Vec<String>, TaskError> {
    serde_json::from_str(&text.replace('\'', "\""))
        .map_err(|_| TaskError::fail(anyhow!("`{text}` is neither an id nor a list of ids")))
}

/// The end of a task that decided for these tasks and groups.
pub(crate) fn following(followed: Vec<String>, ctx: &TaskContext) -> Outcome {
    let words =
        if followed.is_empty() { "Follows nothing".to_owned() } else { format!("Follows {}", followed.join(", ")) };
    ctx.log.line(Level::Info, "updraft", &words);
    let return_value = match followed.as_slice() {
        [] => Value::Null,
        [only] => Value::from(only.as_str()),
        several => Value::from(several),
    };
    let next = if followed.is_empty() { Next::NothingDirect } else { Next::Only(followed) };
    Outcome::Success { return_value, xcoms: Vec::new(), next }
}

impl Operator for Branch {
    const NAME: &'static str = "branch";
    const SUMMARY: &'static str = "Decides which of the tasks after it run.";
    type Args = BranchArgs;

    async fn execute(&self, args: BranchArgs, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let chosen = match args.cases {
            Some(cases) => cases.into_iter().find(|case| case.when.holds()).map(|case| case.then).or(args.otherwise),
            None => args.follow,
        };
        Ok(following(chosen.map_or(Ok(Vec::new()), Ids::list)?, ctx))
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let given = |key: &str| args.get(key).is_some();
        let problem = |pointer: &str, message: &str, help: &str| ArgumentProblem {
            pointer: pointer.to_owned(),
            message: message.to_owned(),
            help: Some(help.to_owned()),
        };
        match (given("follow"), given("cases"), given("otherwise")) {
            (true, true, _) => vec![problem("/cases", "there is `follow` as well", "write either `follow` or `cases`")],
            (true, false, true) => vec![problem("/otherwise", "it goes with `cases`", "take it away")],
            (false, false, _) => {
                vec![problem("", "it follows nothing", "say with `follow` or `cases` which tasks run")]
            }
            _ => Vec::new(),
        }
    }
}
