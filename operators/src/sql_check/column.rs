//! `sql_column_check`: what columns of a table hold, counted or at their ends.
//!
//! ```yaml
//! - task_id: prices_are_sane
//!   operator: sql_column_check
//!   conn_id: warehouse
//!   table: orders
//!   column_mapping:
//!     id: { null_check: { equal_to: 0 }, unique_check: { equal_to: 0 } }
//!     price: { min: { geq_to: 0 }, max: { leq_to: 1000, tolerance: 0.1 } }
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
use crate::sql::ask::{number, shown};
use crate::sql::place::problem;

/// The `sql_column_check` operator.
pub struct SqlColumnCheck {
    environment: Environment,
}

impl SqlColumnCheck {
    /// With addresses and passwords of databases from `environment`.
    pub fn new(environment: Environment) -> SqlColumnCheck {
        SqlColumnCheck { environment }
    }
}

/// Arguments of the `sql_column_check` operator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlColumnCheckArgs {
    /// The table, as SQL names it.
    #[schemars(length(min = 1))]
    table: String,
    /// The checks of each column, which is named as SQL names it.
    #[schemars(extend("minProperties" = 1))]
    column_mapping: BTreeMap<String, ColumnChecks>,
    /// A condition in SQL: only rows for which it holds are looked at.
    #[serde(default)]
    partition_clause: Option<String>,
    /// Whether NULL, which the ends of a column without values are, counts as 0.
    #[serde(default = "yes")]
    accept_none: bool,
    /// Whether `retries` apply when a check fails.
    #[serde(default = "yes")]
    retry_on_failure: bool,
}

/// The checks of one column.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("minProperties" = 1))]
pub struct ColumnChecks {
    /// How many values are NULL.
    null_check: Option<Comparison>,
    /// How many different values there are.
    distinct_check: Option<Comparison>,
    /// How many values are there more than different ones.
    unique_check: Option<Comparison>,
    /// The least value.
    min: Option<Comparison>,
    /// The greatest value.
    max: Option<Comparison>,
}

/// What a value must be.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Comparison {
    /// It is that.
    equal_to: Option<f64>,
    /// It is more.
    greater_than: Option<f64>,
    /// It is that or more.
    geq_to: Option<f64>,
    /// It is less.
    less_than: Option<f64>,
    /// It is that or less.
    leq_to: Option<f64>,
    /// How far beyond those numbers it may be: 0.1 is a tenth of them.
    #[schemars(range(min = 0))]
    tolerance: Option<f64>,
    /// A further condition in SQL for the rows that are looked at.
    partition_clause: Option<String>,
}

impl Operator for SqlColumnCheck {
    const NAME: &'static str = "sql_column_check";
    const SUMMARY: &'static str = "Fails unless columns of a table hold what they should.";
    const TEMPLATE_FILES: TemplateFiles = &[("partition_clause", QUERIES)];
    type Args = With<Place, SqlColumnCheckArgs>;

    fn airflow_classes() -> Vec<AirflowClass> {
        vec![class("airflow.providers.common.sql.operators.sql.SQLColumnCheckOperator")]
    }

    async fn execute(&self, args: Self::Args, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let With { own, common: place } = args;
        let database = place.resolve(&self.environment, ctx).await?;
        let mut findings = Findings::default();
        for (clause, checks) in own.by_clause() {
            let asked: Vec<String> = checks.iter().map(|check| check.expression(own.accept_none)).collect();
            let clauses = [own.partition_clause.as_deref(), clause];
            let sql = format!("SELECT {} FROM {}{}", asked.join(", "), own.table, condition(&clauses));
            let values = row(&database, sql, ctx).await?;
            for (check, (_, value)) in checks.iter().zip(values) {
                let (holds, words) = check.wanted.judge(&value);
                let words =
                    format!("`{}` of `{}` is {}, which should be {words}", check.kind, check.column, shown(&value));
                findings.note(holds, words, ctx);
            }
        }
        findings.conclude(own.retry_on_failure)
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let mut problems = Place::check(args);
        let columns = args.get("column_mapping").and_then(Value::as_object);
        for (column, checks) in columns.into_iter().flatten() {
            for (kind, wanted) in checks.as_object().into_iter().flatten() {
                let given = |key: &str| wanted.get(key).is_some_and(|value| !value.is_null());
                let pointer = format!("/column_mapping/{column}/{kind}");
                if !wanted.is_object() {
                    continue;
                }
                let pairs = [("greater_than", "geq_to"), ("less_than", "leq_to")];
                let clash = pairs.into_iter().find(|(one, other)| given(one) && given(other)).or_else(|| {
                    let others = ["greater_than", "geq_to", "less_than", "leq_to"].into_iter().find(|key| given(key));
                    others.filter(|_| given("equal_to")).map(|other| ("equal_to", other))
                });
                if let Some((one, other)) = clash {
                    let message = format!("`{one}` and `{other}` exclude each other");
                    problems.push(problem(&format!("{pointer}/{other}"), message));
                } else if !["equal_to", "greater_than", "geq_to", "less_than", "leq_to"].into_iter().any(given) {
                    let message =
                        "it does not say what is right: `equal_to`, `geq_to`, `leq_to`, `greater_than` or `less_than`";
                    problems.push(problem(&pointer, message.to_owned()));
                }
            }
        }
        problems
    }
}

/// One check of one column.
struct Check<'a> {
    column: &'a str,
    kind: &'static str,
    wanted: &'a Comparison,
}

impl SqlColumnCheckArgs {
    /// All checks, those together that look at the same rows: they are one query.
    fn by_clause(&self) -> BTreeMap<Option<&str>, Vec<Check<'_>>> {
        let mut all: BTreeMap<Option<&str>, Vec<Check<'_>>> = BTreeMap::new();
        for (column, checks) in &self.column_mapping {
            let kinds = [
                ("null_check", &checks.null_check),
                ("distinct_check", &checks.distinct_check),
                ("unique_check", &checks.unique_check),
                ("min", &checks.min),
                ("max", &checks.max),
            ];
            for (kind, wanted) in kinds.into_iter().filter_map(|(kind, wanted)| Some((kind, wanted.as_ref()?))) {
                all.entry(wanted.partition_clause.as_deref()).or_default().push(Check { column, kind, wanted });
            }
        }
        all
    }
}

impl Check<'_> {
    /// What is asked (Airflow 3: `SQLColumnCheckOperator`).
    fn expression(&self, accepts_null: bool) -> String {
        let column = self.column;
        let asked = match self.kind {
            "null_check" => format!("SUM(CASE WHEN {column} IS NULL THEN 1 ELSE 0 END)"),
            "distinct_check" => format!("COUNT(DISTINCT {column})"),
            "unique_check" => format!("COUNT({column}) - COUNT(DISTINCT {column})"),
            "min" => format!("MIN({column})"),
            _ => format!("MAX({column})"),
        };
        if accepts_null { format!("COALESCE({asked}, 0)") } else { asked }
    }
}

impl Comparison {
    /// Whether a value is right, and how people say what is.
    fn judge(&self, value: &Value) -> (bool, String) {
        let margin = |limit: f64| (limit * self.tolerance.unwrap_or(0.0)).abs();
        let Some(found) = number(value) else { return (false, self.words()) };
        let is_equal = |limit: f64| (found - limit).abs() <= margin(limit);
        let holds = self.equal_to.is_none_or(is_equal)
            && self.greater_than.is_none_or(|limit| found > limit - margin(limit))
            && self.geq_to.is_none_or(|limit| found >= limit - margin(limit))
            && self.less_than.is_none_or(|limit| found < limit + margin(limit))
            && self.leq_to.is_none_or(|limit| found <= limit + margin(limit));
        (holds, self.words())
    }

    fn words(&self) -> String {
        let limits = [
            ("", self.equal_to),
            ("greater than ", self.greater_than),
            ("at least ", self.geq_to),
            ("less than ", self.less_than),
            ("at most ", self.leq_to),
        ];
        let mut words: Vec<String> =
            limits.into_iter().filter_map(|(words, limit)| Some(format!("{words}{}", limit?))).collect();
        words.extend(self.tolerance.map(|tolerance| format!("within a tolerance of {tolerance}")));
        words.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_held_against_limits_with_their_tolerance() {
        let table = [
            (json!({ "equal_to": 5 }), 5.0, true),
            (json!({ "equal_to": 5 }), 5.1, false),
            (json!({ "equal_to": 5, "tolerance": 0.1 }), 5.5, true),
            (json!({ "geq_to": 5 }), 5.0, true),
            (json!({ "greater_than": 5 }), 5.0, false),
            (json!({ "greater_than": 5, "tolerance": 0.1 }), 4.6, true),
            (json!({ "geq_to": -5, "tolerance": 0.1 }), -5.4, true),
            (json!({ "leq_to": 5, "tolerance": 0.1 }), 5.6, false),
            (json!({ "geq_to": 0, "less_than": 10 }), 10.0, false),
        ];
        for (wanted, found, holds) in table {
            let comparison: Comparison = serde_json::from_value(wanted.clone()).unwrap();
            assert_eq!(comparison.judge(&json!(found)).0, holds, "{found} should be {wanted}");
        }
        assert!(!Comparison { equal_to: Some(0.0), ..Comparison::default() }.judge(&Value::Null).0);
    }
}
