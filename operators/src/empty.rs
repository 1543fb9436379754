//! `empty`: does nothing. A place where dependencies meet.
//!
//! ```yaml
//! - task_id: ready
//!   operator: empty
//!   dependencies: [extract, transform]
//! ```

use scheduler::operator::{Operator, Outcome, TaskContext, TaskError};
use schemars::JsonSchema;
use serde::Deserialize;

/// The `empty` operator.
pub struct Empty;

/// It takes no arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmptyArgs {}

impl Operator for Empty {
    const NAME: &'static str = "empty";
    const AIRFLOW_CLASSES: &'static [&'static str] = &["EmptyOperator", "DummyOperator"];
    const SUMMARY: &'static str = "Does nothing; a place where dependencies meet.";
    const IS_INSTANT: bool = true;
    type Args = EmptyArgs;

    async fn execute(&self, _args: EmptyArgs, _ctx: &TaskContext) -> Result<Outcome, TaskError> {
        Ok(Outcome::done())
    }
}
