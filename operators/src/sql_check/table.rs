//! `sql_table_check`: conditions in SQL that a table as a whole, or each of its rows, must meet.
//!
//! ```yaml
//! - task_id: orders_add_up
//!   operator: sql_table_check
//!   conn_id: warehouse
//!   table: orders
//!   checks:
//!     enough: { check_statement: "COUNT(*) >= 100" }
//!     adds_up: { check_statement: net + tax = total }
//! ```

use std::collections::BTreeMap;

use scheduler::operator::{AirflowClass, ArgumentProblem, Operator, Outcome, TaskContext, TaskError, TemplateFiles};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Findings, QUERIES, class, condition, row, yes};
use crate::notifiers::Environment;
use crate::shapes::With;
use crate::sql::Place;
use crate::sql::ask::is_true;

/// The `sql_table_check` operator.
pub struct SqlTableCheck {
    environment: Environment,
}

impl SqlTableCheck {
    /// With addresses and passwords of databases from `environment`.
    pub fn new(environment: Environment) -> SqlTableCheck {
        SqlTableCheck { environment }
    }
}

/// Arguments of the `sql_table_check` operator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlTableCheckArgs {
    /// The table, as SQL names it.
    #[schemars(length(min = 1))]
    table: String,
    /// The checks, by names of your own.
    #[schemars(extend("minProperties" = 1))]
    checks: BTreeMap<String, TableCheck>,
    /// A condition in SQL: only rows for which it holds are looked at.
    #[serde(default)]
    partition_clause: Option<String>,
    /// Whether a table without rows passes.
    #[serde(default)]
    accept_none: bool,
    /// Whether `retries` apply when a check fails.
    #[serde(default = "yes")]
    retry_on_failure: bool,
}

/// One check.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableCheck {
    /// A condition in SQL: of aggregates, or one that holds for every row.
    #[schemars(length(min = 1))]
    check_statement: String,
    /// A further condition in SQL for the rows that are looked at.
    #[serde(default)]
    partition_clause: Option<String>,
}

impl Operator for SqlTableCheck {
    const NAME: &'static str = "sql_table_check";
    const SUMMARY: &'static str = "Fails unless a table meets conditions in SQL.";
    const TEMPLATE_FILES: TemplateFiles = &[("partition_clause", QUERIES)];
    type Args = With<Place, SqlTableCheckArgs>;

    fn airflow_classes() -> Vec<AirflowClass> {
        vec![class("airflow.providers.common.sql.operators.sql.SQLTableCheckOperator")]
    }

    async fn execute(&self, args: Self::Args, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let With { own, common: place } = args;
        let database = place.resolve(&self.environment, ctx).await?;
        let mut findings = Findings::default();
        for (name, check) in &own.checks {
            let statement = &check.check_statement;
            let clauses = [own.partition_clause.as_deref(), check.partition_clause.as_deref()];
            // A condition of aggregates makes one row, any other one for each; the least of them is 0 if one does not hold.
            let sql = format!(
                "SELECT MIN(check_result) FROM (SELECT CASE WHEN {statement} THEN 1 ELSE 0 END AS check_result FROM {}{}) AS \
                 checked",
                own.table,
                condition(&clauses),
            );
            let values = row(&database, sql, ctx).await?;
            let least = values.first().map(|(_, value)| value.clone()).unwrap_or_default();
            let words =
                if least.is_null() { format!("`{name}`: there are no rows") } else { format!("`{name}`: {statement}") };
            findings.note(is_true(&least) || least.is_null() && own.accept_none, words, ctx);
        }
        findings.conclude(own.retry_on_failure)
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        Place::check(args)
    }
}
