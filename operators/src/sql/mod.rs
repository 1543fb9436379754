//! `sql`: statements of Postgres, MySQL, MariaDB and SQLite, and rows of files into their tables.
//!
//! ```yaml
//! - task_id: favourites
//!   operator: sql
//!   conn_id: warehouse
//!   sql: |
//!     DELETE FROM favourites WHERE day = :day;
//!     INSERT INTO favourites SELECT day, category, COUNT(*) FROM pins WHERE day = :day GROUP BY day, category;
//!   parameters: { day: "{{ ds }}" }
//! ```
//!
//! ```text
//!   texts, files ──> Script (taken apart) ──> bound ──> Session ──> Answer (XCom, file)
//!   files to load ──> DataFusion ──> COPY, INSERT ──────┘ one transaction
//! ```

pub(crate) mod answer;
mod args;
pub(crate) mod ask;
mod load;
pub(crate) mod place;
mod run;
pub(crate) mod script;

use scheduler::operator::{AirflowClass, ArgumentProblem, Operator, Outcome, TaskContext, TaskError, TemplateFiles};
use serde_json::{Map, Value};

pub use args::SqlArgs;
pub(crate) use place::Place;

use crate::engine;
use crate::location::S3;
use crate::notifiers::Environment;
use crate::shapes::{OneOrMany, With};
use load::Loading;
use run::Job;
use script::Script;

/// The `sql` operator.
pub struct Sql {
    s3: S3,
    environment: Environment,
}

impl Sql {
    /// Reaches buckets through `s3`, and finds addresses and passwords of databases in `environment`.
    pub fn new(s3: S3, environment: Environment) -> Sql {
        Sql { s3, environment }
    }
}

impl Operator for Sql {
    const NAME: &'static str = "sql";
    const SUMMARY: &'static str = "Runs SQL on Postgres, MySQL, MariaDB or SQLite, and loads files into their tables.";
    const TEMPLATE_FILES: TemplateFiles = &[("sql", &[".sql", ".json"]), ("parameters", &[".json"])];
    type Args = With<Place, SqlArgs>;

    fn airflow_classes() -> Vec<AirflowClass> {
        let class = |path| {
            AirflowClass::named(path)
                .given("result", "rows")
                .unneeded("show_return_value_in_logs")
                .unneeded("requires_result_fetch")
                // It is about checks.
                .unneeded("retry_on_failure")
                .refused("handler", "write `result: rows`, `row` or `value`")
                .refused("output_processor", "it is a function of Python; change the rows in the SQL")
                .refused("hook_params", "write them into `extra` of the connection")
        };
        let of = |path, theirs, default: &str| class(path).renamed(theirs, "conn_id").given("conn_id", default);
        vec![
            class("airflow.providers.common.sql.operators.sql.SQLExecuteQueryOperator"),
            of(
                "airflow.providers.postgres.operators.postgres.PostgresOperator",
                "postgres_conn_id",
                "postgres_default",
            )
            .refused("runtime_parameters", "write `SET` statements before the others"),
            of("airflow.providers.mysql.operators.mysql.MySqlOperator", "mysql_conn_id", "mysql_default"),
            of("airflow.providers.sqlite.operators.sqlite.SqliteOperator", "sqlite_conn_id", "sqlite_default"),
        ]
    }

    async fn execute(&self, args: Self::Args, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let With { own: args, common: place } = args;
        let database = place.resolve(&self.environment, ctx).await?;
        let written = args.sql.as_ref().map(OneOrMany::names).unwrap_or_default();
        let script = Script::read("sql", written, database.dialect(), args.split_statements, ctx).await?;
        let target = run::target(&args, ctx)?;
        let loading = args.load.as_ref().map(|load| Loading::new(load, &ctx.home)).transpose()?;
        let job = Job { args, database, script, target, loading, s3: self.s3.clone(), ctx: ctx.clone() };
        engine::run_to_end(job.run()).await.map(Outcome::value)
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        args::check(args)
    }
}
