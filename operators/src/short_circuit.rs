//! `short_circuit`: lets what comes after it run only when a condition holds.
//!
//! ```yaml
//! - task_id: anything_new
//!   operator: short_circuit
//!   condition: "{{ ti.xcom_pull('count') | int > 0 }}"
//! ```
//!
//! When it does not hold, everything after it is skipped, whatever the trigger rules are; teardowns run nevertheless
//! (Airflow 3: ShortCircuitOperator, which calls a function of Python: that is `short_circuit_python`).

use scheduler::log::Level;
use scheduler::operator::{Next, Operator, Outcome, TaskContext, TaskError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::truth::Truth;

/// The `short_circuit` operator.
pub struct ShortCircuit;

/// Arguments of the `short_circuit` operator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShortCircuitArgs {
    /// Whether to go on, usually a template. Nothing, zero, empty texts, lists and mappings are false, as in
    /// Python, and so are the texts `false`, `none` and `0`.
    condition: Truth,
    /// Whether everything after it is skipped. Otherwise only the tasks directly after it are, and the rest goes by trigger
    /// rules.
    #[serde(default = "by_default")]
    ignore_downstream_trigger_rules: bool,
}

fn by_default() -> bool {
    true
}

impl Operator for ShortCircuit {
    const NAME: &'static str = "short_circuit";
    const SUMMARY: &'static str = "Lets what comes after it run only when a condition holds.";
    type Args = ShortCircuitArgs;

    async fn execute(&self, args: ShortCircuitArgs, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let holds = args.condition.holds();
        let next = following(holds, args.ignore_downstream_trigger_rules, ctx);
        Ok(Outcome::Success { return_value: Value::Bool(holds), xcoms: Vec::new(), next })
    }
}

/// What may follow a task whose condition holds, or does not.
pub(crate) fn following(holds: bool, ignores_trigger_rules: bool, ctx: &TaskContext) -> Next {
    let words = if holds { "The condition holds: it goes on" } else { "The condition does not hold: it ends here" };
    ctx.log.line(Level::Info, "updraft", words);
    match (holds, ignores_trigger_rules) {
        (true, _) => Next::Everything,
        (false, true) => Next::Nothing,
        (false, false) => Next::NothingDirect,
    }
}
