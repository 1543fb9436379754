//! `sql_interval_check`: numbers about a day are near to those about an earlier one.
//!
//! ```yaml
//! - task_id: no_sudden_drop
//!   operator: sql_interval_check
//!   conn_id: warehouse
//!   table: orders
//!   date_filter_column: day
//!   days_back: 7
//!   metrics_thresholds: { "COUNT(*)": 1.5 }
//! ```

use std::collections::BTreeMap;

use anyhow::anyhow;
use chrono::{DateTime, TimeDelta, Utc};
use scheduler::operator::{AirflowClass, ArgumentProblem, Operator, Outcome, TaskContext, TaskError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Findings, class, row, yes};
use crate::notifiers::Environment;
use crate::shapes::With;
use crate::sql::Place;
use crate::sql::ask::{number, shown};

/// The `sql_interval_check` operator.
pub struct SqlIntervalCheck {
    environment: Environment,
}

impl SqlIntervalCheck {
    /// With addresses and passwords of databases from `environment`.
    pub fn new(environment: Environment) -> SqlIntervalCheck {
        SqlIntervalCheck { environment }
    }
}

/// Arguments of the `sql_interval_check` operator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlIntervalCheckArgs {
    /// The table, as SQL names it.
    #[schemars(length(min = 1))]
    table: String,
    /// Aggregates in SQL, and the ratio that each must stay below.
    #[schemars(extend("minProperties" = 1))]
    metrics_thresholds: BTreeMap<String, f64>,
    /// The column that says which day a row is about.
    #[serde(default = "date_column")]
    date_filter_column: String,
    /// How many days before the logical date of the run the earlier day is. Its sign has no meaning.
    #[serde(default = "a_week")]
    days_back: i32,
    /// How two numbers are compared.
    #[serde(default)]
    ratio_formula: Ratio,
    /// Whether a number that is zero, or not there, passes.
    #[serde(default = "yes")]
    ignore_zero: bool,
    /// Whether `retries` apply when a check fails.
    #[serde(default = "yes")]
    retry_on_failure: bool,
}

/// How two numbers are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ratio {
    /// The greater by the less: 1 when they are equal.
    #[default]
    MaxOverMin,
    /// How far they are apart, by the earlier one: 0 when they are equal.
    RelativeDiff,
}

fn date_column() -> String {
    "ds".to_owned()
}

fn a_week() -> i32 {
    -7
}

impl Operator for SqlIntervalCheck {
    const NAME: &'static str = "sql_interval_check";
    const SUMMARY: &'static str = "Fails unless numbers about a day are near to those about an earlier one.";
    type Args = With<Place, SqlIntervalCheckArgs>;

    fn airflow_classes() -> Vec<AirflowClass> {
        vec![class("airflow.providers.common.sql.operators.sql.SQLIntervalCheckOperator")]
    }

    async fn execute(&self, args: Self::Args, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let With { own, common: place } = args;
        let day = ctx.run.logical_date.ok_or_else(|| {
            TaskError::fail(anyhow!("the run has no logical date, so there is no day that it is about"))
        })?;
        let earlier = day - TimeDelta::days(i64::from(own.days_back).abs());
        let database = place.resolve(&self.environment, ctx).await?;
        let now = row(&database, own.query(day), ctx).await?;
        let then = row(&database, own.query(earlier), ctx).await?;
        let mut findings = Findings::default();
        for ((metric, threshold), ((_, now), (_, then))) in own.metrics_thresholds.iter().zip(now.iter().zip(&then)) {
            let ratio = own.ratio_formula.of(number(now), number(then));
            let holds = ratio.map_or(own.ignore_zero, |ratio| ratio < *threshold);
            let words = ratio.map_or_else(|| "there is no ratio".to_owned(), |ratio| format!("the ratio is {ratio}"));
            let words = format!(
                "`{metric}` is {}, and was {} {} days before: {words}, which should be less than {threshold}",
                shown(now),
                shown(then),
                own.days_back.unsigned_abs(),
            );
            findings.note(holds, words, ctx);
        }
        findings.conclude(own.retry_on_failure)
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        Place::check(args)
    }
}

impl SqlIntervalCheckArgs {
    fn query(&self, day: DateTime<Utc>) -> String {
        let metrics: Vec<&str> = self.metrics_thresholds.keys().map(String::as_str).collect();
        let day = day.format("%Y-%m-%d");
        format!("SELECT {} FROM {} WHERE {} = '{day}'", metrics.join(", "), self.table, self.date_filter_column)
    }
}

impl Ratio {
    /// The ratio of two numbers; none when one of them is zero, or not there (Airflow 3: `ignore_zero`).
    fn of(self, now: Option<f64>, then: Option<f64>) -> Option<f64> {
        let there = |number: Option<f64>| number.filter(|number| *number != 0.0);
        let (now, then) = (there(now)?, there(then)?);
        Some(match self {
            Ratio::MaxOverMin => now.max(then) / now.min(then),
            Ratio::RelativeDiff => (now - then).abs() / then,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_airflows() {
        assert_eq!(Ratio::MaxOverMin.of(Some(4.0), Some(8.0)), Some(2.0));
        assert_eq!(Ratio::MaxOverMin.of(Some(8.0), Some(4.0)), Some(2.0));
        assert_eq!(Ratio::RelativeDiff.of(Some(4.0), Some(8.0)), Some(0.5));
        assert_eq!(Ratio::MaxOverMin.of(Some(0.0), Some(8.0)), None);
        assert_eq!(Ratio::RelativeDiff.of(Some(4.0), None), None);
    }
}
