//! `sql_sensor`: waits until a query answers with a row whose first value is true.
//!
//! ```yaml
//! - task_id: orders_are_there
//!   operator: sql_sensor
//!   conn_id: warehouse
//!   sql: SELECT COUNT(*) FROM orders WHERE day = :day
//!   parameters: { day: "{{ ds }}" }
//! ```

use std::sync::Arc;

use scheduler::operator::{AirflowClass, ArgumentProblem, Operator, Outcome, TaskContext, TaskError, TemplateFiles};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::arguments::Patience;
use super::wait::{Rhythm, Sight, Watch};
use crate::database::Database;
use crate::notifiers::Environment;
use crate::shapes::With;
use crate::sql::Place;
use crate::sql::ask;
use crate::sql::script::Script;
use crate::statements::Values;

/// The `sql_sensor` operator.
pub struct SqlSensor {
    environment: Environment,
    looks: Arc<Semaphore>,
}

impl SqlSensor {
    /// With addresses and passwords of databases from `environment`, and as many looks at a time as `looks` allows.
    pub fn new(environment: Environment, looks: Arc<Semaphore>) -> SqlSensor {
        SqlSensor { environment, looks }
    }
}

/// Arguments of the `sql_sensor` operator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlSensorArgs {
    /// One query, or the name of a template file that ends in `.sql`. It waits while the query has no row, or while
    /// the first value of its first row is NULL, zero, false, `'0'` or empty.
    #[schemars(length(min = 1))]
    sql: String,
    /// Values for the places in the query: a mapping for `:name` or `%(name)s`, or a list for `%s` or `?`.
    #[serde(default)]
    parameters: Option<Values>,
    /// Whether it fails when the query has no row.
    #[serde(default)]
    fail_on_empty: bool,
}

impl Operator for SqlSensor {
    const NAME: &'static str = "sql_sensor";
    const SUMMARY: &'static str = "Waits until a query on Postgres, MySQL, MariaDB or SQLite has a true answer.";
    const TEMPLATE_FILES: TemplateFiles = &[("sql", &[".hql", ".sql"])];
    type Args = With<Patience, With<Place, SqlSensorArgs>>;

    fn airflow_classes() -> Vec<AirflowClass> {
        const FUNCTIONS: [&str; 9] = [
            "success",
            "failure",
            "selector",
            "success_check_name",
            "success_check_file",
            "success_check_lambda",
            "failure_check_name",
            "failure_check_file",
            "failure_check_lambda",
        ];
        let class = AirflowClass::named("airflow.providers.common.sql.sensors.sql.SqlSensor")
            .refused("hook_params", "write them into `extra` of the connection");
        let help =
            "it is a function of Python; write the condition into the query: `SELECT COUNT(*) > 100 FROM orders`";
        vec![FUNCTIONS.into_iter().fold(class, |class, key| class.refused(key, help))]
    }

    async fn execute(&self, args: Self::Args, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let With { own: With { own, common: place }, common: patience } = args;
        let database = place.resolve(&self.environment, ctx).await?;
        let query = ask::query("sql", &own.sql, &database, ctx).await?;
        let watch = Watch {
            patience: &patience,
            ctx,
            awaited: format!("a true answer of {}", database.shown()),
            rhythm: Rhythm::Intervals(Arc::clone(&self.looks)),
        };
        let (database, query, own) = (&database, &query, &own);
        watch.until_minding(|stop| async move { look(database, query, own, &stop).await }).await
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let mut problems = Patience::check(args);
        problems.extend(Place::check(args));
        problems.extend(Values::check(args));
        problems.extend(ask::check(args, "sql"));
        problems
    }
}

async fn look(
    database: &Database,
    query: &Script,
    args: &SqlSensorArgs,
    stop: &CancellationToken,
) -> Result<Sight, TaskError> {
    match ask::first_row(database, query, args.parameters.as_ref(), stop).await? {
        None if args.fail_on_empty => Ok(Sight::Failed("the query has no row".to_owned())),
        None => Ok(Sight::NotYet),
        Some(row) => Ok(Sight::of(row.first().is_some_and(|(_, value)| ask::is_true(value)))),
    }
}
