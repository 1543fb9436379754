//! `short_circuit_python`: lets what comes after it run only when a function of Python answers with something true.
//!
//! ```yaml
//! - task_id: anything_new
//!   operator: short_circuit_python
//!   python_callable: lib.orders:are_there
//!   op_args: ["{{ ds }}"]
//! ```

use scheduler::operator::{AirflowClass, ArgumentProblem, Operator, Outcome, TaskContext, TaskError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{PythonArgs, args, call, class};
use crate::shapes::{Common, With};
use crate::short_circuit::following;
use crate::truth::is_true;

/// The `short_circuit_python` operator.
pub struct ShortCircuitPython;

/// What becomes of the tasks after it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Skipping {
    /// Whether everything after it is skipped. Otherwise only the tasks directly after it are, and the rest goes by trigger
    /// rules.
    #[serde(default = "by_default")]
    ignore_downstream_trigger_rules: bool,
}

fn by_default() -> bool {
    true
}

impl Common for Skipping {
    const NAMES: &'static [&'static str] = &["ignore_downstream_trigger_rules"];
}

impl Operator for ShortCircuitPython {
    const NAME: &'static str = "short_circuit_python";
    const SUMMARY: &'static str = "Lets what comes after it run only when a function of Python says so.";
    type Args = With<Skipping, PythonArgs>;

    fn airflow_classes() -> Vec<AirflowClass> {
        vec![class("airflow.providers.standard.operators.python.ShortCircuitOperator")]
    }

    async fn execute(&self, args: Self::Args, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let With { own, common: Skipping { ignore_downstream_trigger_rules } } = args;
        match call(&own, ctx).await? {
            Outcome::Success { return_value, xcoms, .. } => {
                let next = following(is_true(&return_value), ignore_downstream_trigger_rules, ctx);
                Ok(Outcome::Success { return_value, xcoms, next })
            }
            skipped @ Outcome::Skipped { .. } => Ok(skipped),
        }
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        args::check(args)
    }
}
