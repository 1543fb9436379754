//! `branch_sql`: decides by the answer of a query which of the tasks after it run.
//!
//! ```yaml
//! - task_id: anything_new
//!   operator: branch_sql
//!   conn_id: warehouse
//!   sql: SELECT COUNT(*) > 0 FROM orders WHERE day = :day
//!   parameters: { day: "{{ ds }}" }
//!   follow_task_ids_if_true: load
//!   follow_task_ids_if_false: [tell, nothing_to_do]
//! ```

use anyhow::anyhow;
use scheduler::operator::{AirflowClass, ArgumentProblem, Operator, Outcome, TaskContext, TaskError, TemplateFiles};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::branch::following;
use crate::notifiers::Environment;
use crate::shapes::{OneOrMany, With};
use crate::sql::Place;
use crate::sql::ask::{self, shown};
use crate::statements::Values;

/// Texts that are true (Airflow 3: `BranchSQLOperator`); all others are false.
const TRUE: [&str; 5] = ["true", "y", "yes", "1", "on"];

/// The `branch_sql` operator.
pub struct BranchSql {
    environment: Environment,
}

impl BranchSql {
    /// With addresses and passwords of databases from `environment`.
    pub fn new(environment: Environment) -> BranchSql {
        BranchSql { environment }
    }
}

/// Arguments of the `branch_sql` operator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BranchSqlArgs {
    /// One query, or the name of a template file that ends in `.sql`. The first value of its first row decides.
    #[schemars(length(min = 1))]
    sql: String,
    /// Values for the places in the query: a mapping for `:name` or `%(name)s`, or a list for `%s` or `?`.
    #[serde(default)]
    parameters: Option<Values>,
    /// The id of the task or group to follow when the value is true, or a list of them.
    follow_task_ids_if_true: OneOrMany,
    /// The id of the task or group to follow when it is not, or a list of them.
    follow_task_ids_if_false: OneOrMany,
}

impl Operator for BranchSql {
    const NAME: &'static str = "branch_sql";
    const SUMMARY: &'static str = "Decides by the answer of a query which of the tasks after it run.";
    const TEMPLATE_FILES: TemplateFiles = &[("sql", &[".sql"])];
    type Args = With<Place, BranchSqlArgs>;

    fn airflow_classes() -> Vec<AirflowClass> {
        vec![
            AirflowClass::named("airflow.providers.common.sql.operators.sql.BranchSQLOperator")
                .unneeded("retry_on_failure")
                .refused("hook_params", "write them into `extra` of the connection"),
        ]
    }

    async fn execute(&self, args: Self::Args, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let With { own, common: place } = args;
        let database = place.resolve(&self.environment, ctx).await?;
        let query = ask::query("sql", &own.sql, &database, ctx).await?;
        let row = ask::first_row(&database, &query, own.parameters.as_ref(), &ctx.cancelled).await?;
        let value = row.and_then(|row| row.into_iter().next()).map(|(_, value)| value);
        let value = value.ok_or_else(|| TaskError::retry(anyhow!("the query has no row")))?;
        let holds = decision(&value).ok_or_else(|| {
            TaskError::fail(anyhow!("the query answers with {}, which is neither true nor false", shown(&value)))
        })?;
        ctx.log.info(format_args!("The query answers with {}", shown(&value)));
        let followed = if holds { own.follow_task_ids_if_true } else { own.follow_task_ids_if_false };
        Ok(following(followed.names().to_vec(), ctx))
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let mut problems = Place::check(args);
        problems.extend(Values::check(args));
        problems.extend(ask::check(args, "sql"));
        problems
    }
}

fn decision(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::Number(number) => Some(number.as_f64() != Some(0.0)),
        Value::String(text) => Some(TRUE.contains(&text.trim().to_lowercase().as_str())),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn truth_is_that_of_airflows_branch() {
        for value in [json!(true), json!(1), json!("Yes"), json!(" on "), json!(0.5)] {
            assert_eq!(decision(&value), Some(true), "{value}");
        }
        for value in [json!(false), json!(0), json!("no"), json!(""), json!("maybe")] {
            assert_eq!(decision(&value), Some(false), "{value}");
        }
        assert_eq!(decision(&Value::Null), None);
    }
}
