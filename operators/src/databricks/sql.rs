//! `databricks_sql`: SQL on a SQL warehouse of Databricks.
//!
//! ```yaml
//! - task_id: favourites
//!   operator: databricks_sql
//!   http_path: /sql/1.0/warehouses/862f1d757f0424f7
//!   sql: SELECT category, COUNT(*) AS posts FROM pins WHERE day = :day GROUP BY category
//!   parameters: { day: "{{ ds }}" }
//! ```

mod journal;
mod work;

use std::time::Duration;

use anyhow::anyhow;
use scheduler::operator::{AirflowClass, ArgumentProblem, Operator, Outcome, TaskContext, TaskError, TemplateFiles};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::arguments::{Asking, Driver, With, is_open, problem, yes};
use super::journal::name_of;
use super::session::Session;
use super::sql_output::{CsvParams, Format};
use super::submit_run::POLLING_PERIOD_MIN;
use super::warehouse::{Named, Parameters, check_warehouse};
use super::workspace::Workspaces;
use crate::checkpoint;
use crate::location::S3;
use crate::span::{self, Span};
use crate::statements::{Dialect, split};

use journal::Kept;
pub(super) use journal::end;
use work::{Warehouse, Work};

/// The first pause between two looks at a statement; each is half as long again, up to the longest.
const LOOK_FIRST: Duration = Duration::from_millis(500);

/// A statement is looked at so often at most, as in Airflow.
const POLLING_PERIOD: Duration = Duration::from_secs(30);

/// So many rows go into XCom.
const XCOM_ROWS: usize = 1_000;

/// The `databricks_sql` operator.
pub struct Sql {
    workspaces: Workspaces,
    s3: S3,
}

impl Sql {
    /// Asks `workspaces`, and reaches buckets through `s3`.
    pub fn new(workspaces: Workspaces, s3: S3) -> Sql {
        Sql { workspaces, s3 }
    }
}

/// Arguments of the `databricks_sql` operator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlArgs {
    /// One or several statements: a text with semicolons between them, or a list.
    #[serde(default)]
    sql: Option<Texts>,
    /// One statement, as Airflow's DatabricksSQLStatementsOperator has it.
    #[serde(default)]
    statement: Option<String>,
    /// The SQL warehouse, by its id.
    #[serde(default)]
    warehouse_id: Option<String>,
    /// The same by its path, `/sql/1.0/warehouses/<id>`; by default that in `extra` of the connection.
    #[serde(default)]
    http_path: Option<String>,
    /// The same by its name.
    #[serde(default)]
    sql_endpoint_name: Option<String>,
    /// Values for the places `:name` in the statements.
    #[serde(default)]
    parameters: Option<Parameters>,
    /// The catalog in which names are looked up.
    #[serde(default)]
    catalog: Option<String>,
    /// The schema in which names are looked up.
    #[serde(default)]
    schema: Option<String>,
    /// Whether a text is taken apart at its semicolons.
    #[serde(default = "yes")]
    split_statements: bool,
    /// Whether only the result of the last statement is kept.
    #[serde(default = "yes")]
    return_last: bool,
    /// A file for the rows of the last statement, on this machine or in S3.
    #[serde(default)]
    output_path: Option<String>,
    /// How that file is written.
    #[serde(default)]
    output_format: Format,
    /// How CSV is written.
    #[serde(default)]
    csv_params: CsvParams,
    /// How many rows at most go into XCom.
    #[serde(default = "xcom_rows")]
    max_rows: usize,
    /// How often a statement that goes on is looked at, at most: a number of seconds, or a duration; 30 s by default.
    #[serde(default)]
    polling_period_seconds: Option<Span>,
    /// A statement that takes longer is cancelled, and the task fails: a duration, or a number of seconds.
    #[serde(default)]
    timeout: Option<Span>,
    /// Whether the task ends when the statements do. Otherwise it ends when the last of them was sent.
    #[serde(default = "yes")]
    wait_for_termination: bool,
    /// Airflow's choice of a waiting that needs no worker. Every task waits so here.
    #[serde(default)]
    #[expect(dead_code, reason = "every task that waits is deferred")]
    deferrable: bool,
    /// Airflow's choice of a transaction for each statement. Every statement is one of its own here.
    #[serde(default)]
    #[expect(dead_code, reason = "every statement is a transaction")]
    autocommit: bool,
    /// Airflow's choice of writing the rows into the log. They are in XCom, and in the file.
    #[serde(default)]
    #[expect(dead_code, reason = "the rows are shown from XCom")]
    show_return_value_in_logs: bool,
}

fn xcom_rows() -> usize {
    XCOM_ROWS
}

/// A text, or several.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Texts {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

impl Operator for Sql {
    const NAME: &'static str = "databricks_sql";
    const SUMMARY: &'static str = "Runs SQL on a SQL warehouse of Databricks.";
    const TEMPLATE_FILES: TemplateFiles = &[("sql", &[".sql"])];
    type Args = With<Asking, With<Driver, SqlArgs>>;

    fn airflow_classes() -> Vec<AirflowClass> {
        const GCS: &str = "write `output_path: s3://…`, or a file of this machine";
        vec![
            AirflowClass::named("DatabricksSqlOperator")
                .renamed("database", "schema")
                .unneeded("requires_result_fetch")
                .unneeded("retry_on_failure")
                .unneeded("conn_id")
                .refused("output_processor", "it is a function of Python; change the rows in the SQL")
                .refused("gcp_conn_id", GCS)
                .refused("gcs_impersonation_chain", GCS),
            AirflowClass::named("DatabricksSQLStatementsOperator"),
        ]
    }

    async fn execute(&self, args: Self::Args, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let With { common: asking, own: With { own, .. } } = args;
        let statements = own.statements().map_err(|problem| TaskError::fail(anyhow!(problem)))?;
        let here = Session::open(&self.workspaces, &asking, ctx).await?;
        let request = own.name(&statements);
        let (kept, there) = Box::pin(journal::taken_up(&here, &request, own.limit(ctx))).await?;
        let session = there.as_deref().unwrap_or(&here);
        let named = Named {
            warehouse_id: own.warehouse_id.as_deref(),
            http_path: own.http_path.as_deref(),
            name: own.sql_endpoint_name.as_deref(),
        };
        let work = Work { session, args: &own, warehouse: Warehouse::new(named), s3: &self.s3 };
        let kept = kept.unwrap_or_else(|| Kept::begin(session, request));
        work.run(&statements, kept).await
    }

    async fn withdraw(&self, args: Self::Args, ctx: &TaskContext) -> Result<(), TaskError> {
        let With { common: asking, .. } = args;
        let Some(kept) = checkpoint::load::<Kept>(ctx).await?.filter(|kept| !kept.is_over) else { return Ok(()) };
        let here = Session::open(&self.workspaces, &asking, ctx).await?;
        journal::withdraw(kept, &here).await
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let mut problems = Asking::check(args);
        problems.extend(Driver::check(args));
        problems.extend(span::check::<Span>(args, "timeout"));
        problems.extend(check_warehouse(args, "sql_endpoint_name"));
        let is_given = |key: &str| args.get(key).is_some_and(|value| !value.is_null());
        match (is_given("sql"), is_given("statement")) {
            (false, false) => problems.push(problem("", "it has no `sql`")),
            (true, true) => problems.push(problem("/statement", "`sql` and `statement` exclude each other")),
            _ => {}
        }
        let sql = args.get("sql").or_else(|| args.get("statement")).and_then(Value::as_str);
        if sql.is_some_and(|text| !is_open(&text.into()) && split(text, Dialect::Databricks).is_empty()) {
            problems.push(problem(if is_given("sql") { "/sql" } else { "/statement" }, "there is no statement in it"));
        }
        problems
    }
}

impl SqlArgs {
    /// The statements, one by one.
    fn statements(&self) -> Result<Vec<String>, String> {
        let texts = match (&self.sql, &self.statement) {
            (Some(Texts::One(text)), None) | (None, Some(text)) => vec![text.clone()],
            (Some(Texts::Several(texts)), None) => texts.clone(),
            (Some(_), Some(_)) => return Err("`sql` and `statement` exclude each other".to_owned()),
            (None, None) => return Err("it has no `sql`".to_owned()),
        };
        let statements: Vec<String> = if self.split_statements {
            let statements = texts.iter().flat_map(|text| split(text, Dialect::Databricks));
            statements.map(|statement| statement.text).collect()
        } else {
            texts
        };
        if statements.is_empty() { Err("there is no statement in `sql`".to_owned()) } else { Ok(statements) }
    }

    /// The longest pause between two looks at a statement.
    fn polling_period(&self) -> Duration {
        self.polling_period_seconds.map_or(POLLING_PERIOD, |Span(period)| period).max(POLLING_PERIOD_MIN)
    }

    /// The shorter of `timeout` and the task's `execution_timeout`, both counted from the begin of the try.
    fn limit(&self, ctx: &TaskContext) -> Option<Duration> {
        let own = self.timeout.map(|Span(limit)| limit);
        own.into_iter().chain(ctx.time_limit).min()
    }

    /// A short name for what is sent: the same for the same statements with the same values.
    fn name(&self, statements: &[String]) -> String {
        let parameters = self.parameters.as_ref().map(Parameters::described);
        name_of(&json!([statements, parameters, self.catalog, self.schema]).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_not_asked_after_without_a_pause() {
        let period = |args: Value| serde_json::from_value::<SqlArgs>(args).unwrap().polling_period();
        assert_eq!(period(json!({ "sql": "SELECT 1" })), POLLING_PERIOD);
        assert_eq!(period(json!({ "sql": "SELECT 1", "polling_period_seconds": 0 })), POLLING_PERIOD_MIN);
    }
}
