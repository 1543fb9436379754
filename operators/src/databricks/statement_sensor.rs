//! `databricks_sql_statement_sensor`: waits for a SQL statement that another task has sent.
//!
//! ```yaml
//! - task_id: favourites_are_there
//!   operator: databricks_sql_statement_sensor
//!   statement_id: "{{ ti.xcom_pull('favourites', key='statement_id') }}"
//! ```

use scheduler::operator::{AirflowClass, ArgumentProblem, Operator, Outcome, TaskContext, TaskError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::arguments::{Asking, With};
use super::failure::Failure;
use super::sensors::Lookout;
use super::session::Session;
use super::statements;
use crate::sensors::arguments::Patience;
use crate::sensors::wait::{Sight, Watch};

/// The `databricks_sql_statement_sensor` operator.
pub struct StatementSensor(pub Lookout);

/// Arguments of the `databricks_sql_statement_sensor` operator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatementSensorArgs {
    /// The statement that it waits for, by the number that `databricks_sql` leaves as `statement_id`.
    #[schemars(length(min = 1))]
    statement_id: String,
}

impl Operator for StatementSensor {
    const NAME: &'static str = "databricks_sql_statement_sensor";
    const SUMMARY: &'static str = "Waits until a SQL statement on Databricks has succeeded.";
    type Args = With<Patience, With<Asking, StatementSensorArgs>>;

    fn airflow_classes() -> Vec<AirflowClass> {
        const SEND: &str =
            "send it with `databricks_sql` and `wait_for_termination: false`, and wait for its `statement_id`";
        let class = AirflowClass::named("DatabricksSQLStatementsSensor")
            .given("timeout", 3600)
            .refused("statement", SEND)
            .refused("parameters", SEND)
            .refused("query_tags", SEND);
        let unneeded = [
            "warehouse_id",
            "catalog",
            "schema",
            "polling_period_seconds",
            "wait_for_termination",
            "include_airflow_query_tags",
        ];
        vec![unneeded.into_iter().fold(class, AirflowClass::unneeded)]
    }

    async fn execute(&self, args: Self::Args, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let With { own: With { common: asking, own }, common: patience } = args;
        let session = Session::open(&self.0.workspaces, &asking, ctx).await?;
        let id = own.statement_id;
        let awaited = format!("statement {id} of Databricks");
        let watch = Watch { patience: &patience, ctx, awaited, rhythm: self.0.rhythm() };
        let look = || async {
            let statement = statements::get(&session, &id).await.map_err(Failure::into_error)?;
            Ok(match (statement.is_success(), statement.is_over()) {
                (true, _) => Sight::There,
                (false, true) => Sight::Failed(statement.error().to_string()),
                (false, false) => Sight::NotYet,
            })
        };
        watch.until(look).await
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let mut problems = Patience::check(args);
        problems.extend(Asking::check(args));
        problems
    }
}
