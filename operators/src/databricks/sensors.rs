//! Sensors that look at Databricks: for rows of a query, for partitions of a table, for the end of a run.
//!
//! ```yaml
//! - task_id: day_is_there
//!   operator: databricks_partition_sensor
//!   http_path: /sql/1.0/warehouses/862f1d757f0424f7
//!   table_name: pins
//!   partitions: { day: "{{ ds }}" }
//! ```

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use scheduler::operator::{ArgumentProblem, Operator, Outcome, TaskContext, TaskError, TemplateFiles};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::arguments::{Asking, Driver, With, is_open, problem};
use super::failure::Failure;
use super::jobs;
use super::report;
use super::session::Session;
use super::sql::end;
use super::statements::{self, Chunks, Statement, Submission};
use super::warehouse::{Named, Parameters, check_warehouse};
use super::workspace::Workspaces;
use crate::sensors::arguments::Patience;
use crate::sensors::wait::{Rhythm, Sight, Watch};
use crate::statements::{Dialect, split};

/// Sensors that ask Databricks at the same time.
const LOOKS_MAX: usize = 32;

/// A query that goes on is looked at so often.
const QUERY_LOOK: Duration = Duration::from_secs(1);

/// How the values of partitions may be compared.
const COMPARISONS: [&str; 7] = ["=", "<", ">", "<=", ">=", "<>", "!="];

/// What all these sensors share.
#[derive(Clone)]
pub struct Lookout {
    pub(super) workspaces: Workspaces,
    looks: Arc<Semaphore>,
}

impl Lookout {
    /// Asks `workspaces`.
    pub fn new(workspaces: Workspaces) -> Lookout {
        Lookout { workspaces, looks: Arc::new(Semaphore::new(LOOKS_MAX)) }
    }

    pub(super) fn rhythm(&self) -> Rhythm {
        Rhythm::Intervals(Arc::clone(&self.looks))
    }
}

/// The `databricks_sql_sensor` operator.
pub struct SqlSensor(pub Lookout);

/// The `databricks_partition_sensor` operator.
pub struct PartitionSensor(pub Lookout);

/// The `databricks_run_sensor` operator.
pub struct RunSensor(pub Lookout);

/// Arguments of the `databricks_sql_sensor` operator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlSensorArgs {
    /// One query. The sensor waits until it has a row.
    #[schemars(length(min = 1))]
    sql: String,
    /// Values for the places `:name` in the query.
    #[serde(default)]
    parameters: Option<Parameters>,
    /// The SQL warehouse, by its id.
    #[serde(default)]
    warehouse_id: Option<String>,
    /// The same by its path, `/sql/1.0/warehouses/<id>`; by default that in `extra` of the connection.
    #[serde(default)]
    http_path: Option<String>,
    /// The same by its name.
    #[serde(default)]
    sql_warehouse_name: Option<String>,
    /// The catalog in which names are looked up.
    #[serde(default)]
    catalog: Option<String>,
    /// The schema in which names are looked up.
    #[serde(default)]
    schema: Option<String>,
}

/// Arguments of the `databricks_partition_sensor` operator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PartitionSensorArgs {
    /// The table: `pins`, `main.default.pins`, or `` delta.`s3://bucket/pins` ``.
    #[schemars(length(min = 1))]
    table_name: String,
    /// The partition that it waits for, by the columns of the partitions; a list is one of several values.
    #[schemars(extend("minProperties" = 1))]
    partitions: Map<String, Value>,
    /// How the values are compared, lists aside.
    #[serde(default = "equals")]
    partition_operator: String,
    /// The SQL warehouse, by its id.
    #[serde(default)]
    warehouse_id: Option<String>,
    /// The same by its path, `/sql/1.0/warehouses/<id>`; by default that in `extra` of the connection.
    #[serde(default)]
    http_path: Option<String>,
    /// The same by its name.
    #[serde(default)]
    sql_warehouse_name: Option<String>,
    /// The catalog of the table.
    #[serde(default)]
    catalog: Option<String>,
    /// The schema of the table, `default` by default.
    #[serde(default)]
    schema: Option<String>,
}

/// Arguments of the `databricks_run_sensor` operator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunSensorArgs {
    /// The run that it waits for.
    run_id: i64,
}

fn equals() -> String {
    "=".to_owned()
}

impl Operator for SqlSensor {
    const NAME: &'static str = "databricks_sql_sensor";
    const AIRFLOW_CLASSES: &'static [&'static str] = &["DatabricksSqlSensor"];
    const SUMMARY: &'static str = "Waits until a query on Databricks has a row.";
    const TEMPLATE_FILES: TemplateFiles = &[("sql", &[".sql"])];
    type Args = With<Patience, With<Asking, With<Driver, SqlSensorArgs>>>;

    async fn execute(&self, args: Self::Args, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let With { own: With { common: asking, own: With { own, .. } }, common: patience } = args;
        let session = Session::open(&self.0.workspaces, &asking, ctx).await?;
        let named = Named {
            warehouse_id: own.warehouse_id.as_deref(),
            http_path: own.http_path.as_deref(),
            name: own.sql_warehouse_name.as_deref(),
        };
        let warehouse_id = Box::pin(named.find(&session)).await?;
        let parameters = own.parameters.as_ref().map(Parameters::described).unwrap_or_default();
        let submission = Submission {
            warehouse_id: &warehouse_id,
            sql: &own.sql,
            catalog: own.catalog.as_deref(),
            schema: own.schema.as_deref(),
            parameters: &parameters,
            is_large: false,
        };
        let awaited = "a row of a query on Databricks".to_owned();
        let watch = Watch { patience: &patience, ctx, awaited, rhythm: self.0.rhythm() };
        let (session, submission) = (&session, &submission);
        watch.until_minding(|stop| async move { Ok(Sight::of(has_row(session, submission, &stop).await?)) }).await
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let mut problems = Patience::check(args);
        problems.extend(Asking::check(args));
        problems.extend(Driver::check(args));
        problems.extend(check_warehouse(args, "sql_warehouse_name"));
        if let Some(sql @ Value::String(text)) = args.get("sql")
            && !is_open(sql)
        {
            match split(text, Dialect::Databricks).len() {
                1 => {}
                0 => problems.push(problem("/sql", "there is no query in it")),
                many => problems.push(problem("/sql", format!("it has {many} statements; a sensor asks one query"))),
            }
        }
        problems
    }
}

impl Operator for PartitionSensor {
    const NAME: &'static str = "databricks_partition_sensor";
    const AIRFLOW_CLASSES: &'static [&'static str] = &["DatabricksPartitionSensor"];
    const SUMMARY: &'static str = "Waits until a table on Databricks has a partition.";
    type Args = With<Patience, With<Asking, With<Driver, PartitionSensorArgs>>>;

    async fn execute(&self, args: Self::Args, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let With { own: With { common: asking, own: With { own, .. } }, common: patience } = args;
        if let Some(message) = own.problem() {
            return Err(TaskError::fail(anyhow!(message)));
        }
        let session = Session::open(&self.0.workspaces, &asking, ctx).await?;
        let named = Named {
            warehouse_id: own.warehouse_id.as_deref(),
            http_path: own.http_path.as_deref(),
            name: own.sql_warehouse_name.as_deref(),
        };
        let warehouse_id = Box::pin(named.find(&session)).await?;
        let table = own.table();
        let (sql, parameters) = own.query(&table);
        let submission = Submission {
            warehouse_id: &warehouse_id,
            sql: &sql,
            catalog: None,
            schema: None,
            parameters: &parameters,
            is_large: false,
        };
        let awaited = format!("a partition of table {table} on Databricks");
        let watch = Watch { patience: &patience, ctx, awaited, rhythm: self.0.rhythm() };
        let (own, session, submission, table) = (&own, &session, &submission, &*table);
        watch
            .until_minding(|stop| async move {
                own.check_columns(session, submission, table, &stop).await?;
                Ok(Sight::of(has_row(session, submission, &stop).await?))
            })
            .await
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let mut problems = Patience::check(args);
        problems.extend(Asking::check(args));
        problems.extend(Driver::check(args));
        problems.extend(check_warehouse(args, "sql_warehouse_name"));
        if let Some(comparison @ Value::String(text)) = args.get("partition_operator")
            && !is_open(comparison)
            && !COMPARISONS.contains(&text.trim())
        {
            problems.push(problem("/partition_operator", no_comparison(text)));
        }
        problems
    }
}

fn no_comparison(text: &str) -> String {
    format!("`{text}` is none of {}", COMPARISONS.join(" "))
}

impl PartitionSensorArgs {
    fn problem(&self) -> Option<String> {
        if self.partitions.is_empty() {
            return Some("`partitions` is empty".to_owned());
        }
        let is_known = COMPARISONS.contains(&self.partition_operator.trim());
        (!is_known).then(|| no_comparison(&self.partition_operator))
    }

    /// The table, with its schema and catalog as far as they are given.
    fn table(&self) -> String {
        let name = self.table_name.trim();
        let parts = name.split('.').count();
        if name.starts_with("delta.") || parts > 2 {
            return name.to_owned();
        }
        let text =
            |text: &Option<String>| text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        let schema = if parts > 1 { None } else { Some(text(&self.schema).unwrap_or_else(|| "default".to_owned())) };
        let whole: Vec<String> = text(&self.catalog).into_iter().chain(schema).chain([name.to_owned()]).collect();
        whole.join(".")
    }

    /// The query that has a row when the partition is there, and the values in it.
    fn query(&self, table: &str) -> (String, Vec<Value>) {
        let mut conditions = Vec::new();
        let mut values = Map::new();
        let mut place = |value: &Value| {
            let name = format!("p{}", values.len());
            values.insert(name.clone(), value.clone());
            format!(":{name}")
        };
        for (column, value) in &self.partitions {
            let column = quoted(column);
            conditions.push(match value {
                Value::Array(several) => {
                    let places: Vec<String> = several.iter().map(&mut place).collect();
                    format!("{column} IN ({})", places.join(", "))
                }
                one => format!("{column} {} {}", self.partition_operator.trim(), place(one)),
            });
        }
        let sql = format!("SELECT 1 FROM {table} WHERE {} LIMIT 1", conditions.join(" AND "));
        (sql, Parameters::ByName(values).described())
    }

    /// The columns must be those of partitions; else the query would read the whole table.
    async fn check_columns(
        &self,
        session: &Session,
        submission: &Submission<'_>,
        table: &str,
        stop: &CancellationToken,
    ) -> Result<(), TaskError> {
        let sql = format!("DESCRIBE DETAIL {table}");
        let asked = Submission { sql: &sql, parameters: &[], ..submission.clone() };
        let statement = answer(session, &asked, stop).await?;
        let columns = statement.manifest.clone().unwrap_or_default().schema.columns;
        let place = columns.iter().position(|column| column.name.eq_ignore_ascii_case("partitionColumns"));
        let row = first_row(session, &statement).await?;
        let (Some(place), Some(row)) = (place, row) else {
            return Err(TaskError::fail(anyhow!("`{table}` is no table with partitions")));
        };
        let cell = statements::typed(row.get(place).cloned().unwrap_or_default(), "ARRAY");
        let known: Vec<&str> = cell.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if known.is_empty() {
            return Err(TaskError::fail(anyhow!("table `{table}` has no partitions")));
        }
        let strange =
            self.partitions.keys().find(|column| !known.iter().any(|known| known.eq_ignore_ascii_case(column)));
        match strange {
            None => Ok(()),
            Some(column) => Err(TaskError::fail(anyhow!(
                "`{column}` is no column of the partitions of `{table}`, which are by {}",
                known.join(", ")
            ))),
        }
    }
}

/// A name as SQL takes any.
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

impl Operator for RunSensor {
    const NAME: &'static str = "databricks_run_sensor";
    const SUMMARY: &'static str = "Waits until a run on Databricks has succeeded.";
    type Args = With<Patience, With<Asking, RunSensorArgs>>;

    async fn execute(&self, args: Self::Args, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let With { own: With { common: asking, own }, common: patience } = args;
        let session = Session::open(&self.0.workspaces, &asking, ctx).await?;
        let awaited = format!("run {} of Databricks", own.run_id);
        let watch = Watch { patience: &patience, ctx, awaited, rhythm: self.0.rhythm() };
        watch
            .until(|| async {
                let run = jobs::get(&session, own.run_id, false).await.map_err(Failure::into_error)?;
                let standing = run.standing();
                if standing.is_over() && !standing.is_success() {
                    return Ok(Sight::Failed(format!("{:#}", report::failure(&session, &run).await)));
                }
                Ok(Sight::of(standing.is_success()))
            })
            .await
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let mut problems = Patience::check(args);
        problems.extend(Asking::check(args));
        problems
    }
}

/// Whether a query has a row.
async fn has_row(session: &Session, submission: &Submission<'_>, stop: &CancellationToken) -> Result<bool, TaskError> {
    let statement = answer(session, submission, stop).await?;
    Ok(first_row(session, &statement).await?.is_some())
}

async fn first_row(session: &Session, statement: &Statement) -> Result<Option<Vec<Value>>, TaskError> {
    let chunk = Chunks::of(session, statement).next().await.map_err(Failure::into_error)?;
    Ok(chunk.and_then(|rows| rows.into_iter().next()))
}

/// Sends a query, and waits for its end. Told to stop, it ends the query there.
async fn answer(
    session: &Session,
    submission: &Submission<'_>,
    stop: &CancellationToken,
) -> Result<Statement, TaskError> {
    let asking = session.until(stop.clone());
    let sent = statements::submit(&asking, submission).await.map_err(Failure::into_error)?;
    let id = sent.statement_id.clone();
    let ended = end_of(&asking, sent, stop).await;
    if ended.is_err() && stop.is_cancelled() {
        let asking = session.until(CancellationToken::new());
        if let Err(failure) = end(&asking, &id).await {
            let error = &failure.trouble.error;
            session.ctx.log.warning(format_args!("Statement {id} could not be cancelled, and may go on: {error:#}"));
        }
    }
    ended
}

/// The statement, as soon as it has an answer.
async fn end_of(session: &Session, mut statement: Statement, stop: &CancellationToken) -> Result<Statement, TaskError> {
    while !statement.is_over() {
        tokio::select! {
            () = tokio::time::sleep(QUERY_LOOK) => {}
            () = stop.cancelled() => return Err(TaskError::cancelled()),
        }
        statement = statements::get(session, &statement.statement_id).await.map_err(Failure::into_error)?;
    }
    if statement.is_success() {
        return Ok(statement);
    }
    let error = statement.error();
    Err(if statement.may_retry() { TaskError::retry(error) } else { TaskError::fail(error) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn args(value: Value) -> PartitionSensorArgs {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_table_is_named_as_far_as_people_name_it() {
        let table = |value: Value| args(value).table();
        assert_eq!(table(json!({ "table_name": "pins", "partitions": { "d": 1 } })), "default.pins");
        assert_eq!(table(json!({ "table_name": "pins", "schema": "s", "catalog": "c", "partitions": {} })), "c.s.pins");
        assert_eq!(table(json!({ "table_name": "s.pins", "catalog": "c", "partitions": {} })), "c.s.pins");
        assert_eq!(table(json!({ "table_name": "c.s.pins", "partitions": {} })), "c.s.pins");
        assert_eq!(table(json!({ "table_name": "delta.`s3://b/t`", "partitions": {} })), "delta.`s3://b/t`");
    }

    #[test]
    fn values_are_bound_and_not_pasted() {
        let args = args(json!({ "table_name": "t", "partition_operator": ">=",
            "partitions": { "day": "2026'; DROP TABLE t", "n": 5, "kind": ["a", "b"] } }));
        let (sql, parameters) = args.query("t");
        assert_eq!(sql, "SELECT 1 FROM t WHERE `day` >= :p0 AND `n` >= :p1 AND `kind` IN (:p2, :p3) LIMIT 1");
        assert_eq!(parameters[0]["value"], "2026'; DROP TABLE t");
        assert_eq!(parameters[1], json!({ "name": "p1", "value": "5", "type": "BIGINT" }));
    }
}
