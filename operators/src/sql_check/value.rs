//! `sql_check`: the values of the first row of a query are true, are a value, or lie between two.
//!
//! ```yaml
//! - task_id: about_as_many
//!   operator: sql_check
//!   conn_id: warehouse
//!   sql: SELECT COUNT(*) FROM orders WHERE day = :day
//!   parameters: { day: "{{ ds }}" }
//!   pass_value: 1000
//!   tolerance: 0.1
//! ```

use anyhow::anyhow;
use scheduler::dag::template::holds_template;
use scheduler::operator::{AirflowClass, ArgumentProblem, Operator, Outcome, TaskContext, TaskError, TemplateFiles};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Findings, QUERIES, class, yes};
use crate::database::Database;
use crate::notifiers::Environment;
use crate::shapes::{Given, With};
use crate::sql::Place;
use crate::sql::ask::{self, Row, is_true, number, shown};
use crate::sql::place::problem;
use crate::statements::Values;

/// The `sql_check` operator.
pub struct SqlCheck {
    environment: Environment,
}

impl SqlCheck {
    /// With addresses and passwords of databases from `environment`.
    pub fn new(environment: Environment) -> SqlCheck {
        SqlCheck { environment }
    }
}

/// Arguments of the `sql_check` operator. Without `pass_value` and thresholds every value of the row must be true.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlCheckArgs {
    /// One query, or the name of a template file that ends in `.sql`. The first row of its answer counts; without a
    /// row the task fails.
    #[schemars(length(min = 1))]
    sql: String,
    /// Values for the places in the query: a mapping for `:name` or `%(name)s`, or a list for `%s` or `?`.
    #[serde(default)]
    parameters: Option<Values>,
    /// What every value of the row must be: a number, or a text.
    #[serde(default)]
    pass_value: Option<Given>,
    /// How far from `pass_value`, which is a number then, a value may be: 0.1 is a tenth of it.
    #[serde(default)]
    #[schemars(range(min = 0))]
    tolerance: Option<f64>,
    /// The least that the first value may be: a number, or a query that answers with it.
    #[serde(default)]
    min_threshold: Option<Given>,
    /// The most that the first value may be: a number, or a query that answers with it.
    #[serde(default)]
    max_threshold: Option<Given>,
    /// Whether `retries` apply when the check fails.
    #[serde(default = "yes")]
    retry_on_failure: bool,
}

impl Operator for SqlCheck {
    const NAME: &'static str = "sql_check";
    const SUMMARY: &'static str =
        "Fails unless a query on Postgres, MySQL, MariaDB or SQLite answers with what it should.";
    const TEMPLATE_FILES: TemplateFiles = &[("sql", QUERIES), ("min_threshold", QUERIES), ("max_threshold", QUERIES)];
    type Args = With<Place, SqlCheckArgs>;

    fn airflow_classes() -> Vec<AirflowClass> {
        vec![
            class("airflow.providers.common.sql.operators.sql.SQLCheckOperator"),
            class("airflow.providers.common.sql.operators.sql.SQLValueCheckOperator"),
            class("airflow.providers.common.sql.operators.sql.SQLThresholdCheckOperator"),
        ]
    }

    async fn execute(&self, args: Self::Args, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let With { own, common: place } = args;
        let database = place.resolve(&self.environment, ctx).await?;
        let query = ask::query("sql", &own.sql, &database, ctx).await?;
        let mut findings = Findings::default();
        match ask::first_row(&database, &query, own.parameters.as_ref(), &ctx.cancelled).await? {
            None => findings.note(false, "the query has no row".to_owned(), ctx),
            Some(row) => own.judge(&row, &database, ctx, &mut findings).await?,
        }
        findings.conclude(own.retry_on_failure)
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let mut problems = Place::check(args);
        problems.extend(Values::check(args));
        problems.extend(ask::check(args, "sql"));
        let is_given = |key: &str| args.get(key).is_some_and(|value| !value.is_null());
        let thresholds = ["min_threshold", "max_threshold"].into_iter().filter(|key| is_given(key));
        if is_given("pass_value") {
            problems.extend(
                thresholds
                    .map(|key| problem(&format!("/{key}"), format!("`pass_value` and `{key}` exclude each other"))),
            );
        } else if is_given("tolerance") {
            problems.push(problem("/tolerance", "`tolerance` goes with `pass_value`".to_owned()));
        }
        let is_text =
            |value: &Value| value.as_str().is_some_and(|text| !holds_template(text)) && number(value).is_none();
        if is_given("tolerance") && args.get("pass_value").is_some_and(is_text) {
            problems.push(problem("/tolerance", "a text is equal or not; only numbers have a `tolerance`".to_owned()));
        }
        problems
    }
}

impl SqlCheckArgs {
    async fn judge(
        &self,
        row: &Row,
        database: &Database,
        ctx: &TaskContext,
        findings: &mut Findings,
    ) -> Result<(), TaskError> {
        if let Some(Given(wanted)) = &self.pass_value {
            for (name, value) in row {
                let (holds, words) = is_value(value, wanted, self.tolerance);
                findings.note(holds, format!("`{name}` is {}, which should be {words}", shown(value)), ctx);
            }
            return Ok(());
        }
        if self.min_threshold.is_none() && self.max_threshold.is_none() {
            for (name, value) in row {
                findings.note(is_true(value), format!("`{name}` is {}", shown(value)), ctx);
            }
            return Ok(());
        }
        let (name, value) = row.first().ok_or_else(|| TaskError::fail(anyhow!("the row has no column")))?;
        let limits =
            [("min_threshold", &self.min_threshold, "at least"), ("max_threshold", &self.max_threshold, "at most")];
        for (key, limit, words) in limits {
            let Some(Given(limit)) = limit else { continue };
            let limit = threshold(key, limit, database, ctx).await?;
            let holds =
                number(value).is_some_and(|value| if words == "at least" { value >= limit } else { value <= limit });
            findings.note(holds, format!("`{name}` is {}, which should be {words} {limit}", shown(value)), ctx);
        }
        Ok(())
    }
}

/// Whether a value is the one that is wanted, and how people say what is wanted.
fn is_value(value: &Value, wanted: &Value, tolerance: Option<f64>) -> (bool, String) {
    let Some(pass) = number(wanted) else {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        return (text(value) == text(wanted), shown(wanted));
    };
    match tolerance {
        None => (number(value) == Some(pass), pass.to_string()),
        Some(tolerance) => {
            let margin = (pass * tolerance).abs();
            let (least, most) = (pass - margin, pass + margin);
            let holds = number(value).is_some_and(|value| (least..=most).contains(&value));
            (holds, format!("between {least} and {most}"))
        }
    }
}

/// A number, or what a query answers with.
async fn threshold(key: &str, written: &Value, database: &Database, ctx: &TaskContext) -> Result<f64, TaskError> {
    if let Some(limit) = number(written) {
        return Ok(limit);
    }
    let Value::String(sql) = written else {
        return Err(TaskError::fail(anyhow!("a threshold is a number or a query, and not {written}")));
    };
    let query = ask::query(key, sql, database, ctx).await?;
    let row = ask::first_row(database, &query, None, &ctx.cancelled).await?;
    let value = row.and_then(|row| row.into_iter().next()).map(|(_, value)| value).unwrap_or_default();
    number(&value).ok_or_else(|| TaskError::fail(anyhow!("the query for a threshold answers with {}", shown(&value))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_compared_as_numbers_where_they_are_wanted_as_such() {
        let table = [
            (json!(5), json!(5), None, true),
            (json!("5.00"), json!("5"), None, true),
            (json!(6), json!(5), None, false),
            (json!(5.4), json!(5), Some(0.1), true),
            (json!(5.6), json!(5), Some(0.1), false),
            (json!(-5.4), json!(-5), Some(0.1), true),
            (json!(null), json!(5), Some(0.1), false),
            (json!("done"), json!("done"), None, true),
            (json!("done"), json!("Done"), None, false),
            (json!(true), json!(1), None, true),
        ];
        for (value, wanted, tolerance, holds) in table {
            assert_eq!(
                is_value(&value, &wanted, tolerance).0,
                holds,
                "{value} should be {wanted} within {tolerance:?}"
            );
        }
    }
}
