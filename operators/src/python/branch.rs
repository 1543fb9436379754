//! `branch_python`: a function of Python decides which of the tasks after it run.
//!
//! ```yaml
//! - task_id: by_size
//!   operator: branch_python
//!   python_callable: lib.sizes:choose        # answers with an id, a list of ids, or None
//!   op_kwargs: { rows: "{{ ti.xcom_pull('count') }}" }
//! ```

use anyhow::anyhow;
use scheduler::operator::{AirflowClass, ArgumentProblem, Operator, Outcome, TaskContext, TaskError};
use serde_json::{Map, Value};

use super::{PythonArgs, apart, args, call, class};
use crate::branch::following;

/// The `branch_python` operator.
pub struct BranchPython;

impl Operator for BranchPython {
    const NAME: &'static str = "branch_python";
    const SUMMARY: &'static str = "Calls a function of Python that decides which of the tasks after it run.";
    type Args = PythonArgs;

    fn airflow_classes() -> Vec<AirflowClass> {
        vec![
            class("airflow.providers.standard.operators.python.BranchPythonOperator"),
            apart("airflow.providers.standard.operators.python.BranchExternalPythonOperator"),
            apart("airflow.providers.standard.operators.python.BranchPythonVirtualenvOperator")
                .given("system_site_packages", true)
                .refused("index_urls_from_connection_ids", super::INDEXES)
                .refused("python_version", "write `python: python3.11`"),
        ]
    }

    async fn execute(&self, args: PythonArgs, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let (return_value, left) = match call(&args, ctx).await? {
            Outcome::Success { return_value, xcoms, .. } => (return_value, xcoms),
            skipped @ Outcome::Skipped { .. } => return Ok(skipped),
        };
        let followed = ids(&return_value).ok_or_else(|| {
            TaskError::fail(anyhow!("it answers with {return_value}, which is neither an id nor a list of ids"))
        })?;
        match following(followed, ctx) {
            Outcome::Success { return_value, next, .. } => Ok(Outcome::Success { return_value, xcoms: left, next }),
            skipped @ Outcome::Skipped { .. } => Ok(skipped),
        }
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        args::check(args)
    }
}

fn ids(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Null => Some(Vec::new()),
        Value::String(id) => Some(vec![id.clone()]),
        Value::Array(ids) => ids.iter().map(|id| id.as_str().map(str::to_owned)).collect(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}
