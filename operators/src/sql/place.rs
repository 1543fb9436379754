//! Where a database is, as the arguments of `sql` and `sql_sensor` say it.

use anyhow::anyhow;
use scheduler::dag::template::holds_template;
use scheduler::operator::{ArgumentProblem, TaskContext, TaskError};
use serde_json::{Map, Value};

use crate::database::{Address, Database, unknown_database};
use crate::notifiers::{Environment, exactly_one};

/// A connection, or an address; and perhaps another database there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) conn_id: Option<&'a str>,
    pub(crate) url: Option<&'a str>,
    pub(crate) url_env: Option<&'a str>,
    pub(crate) password_env: Option<&'a str>,
    pub(crate) database: Option<&'a str>,
}

impl Place<'_> {
    /// The database there.
    pub(crate) async fn resolve(&self, environment: &Environment, ctx: &TaskContext) -> Result<Database, TaskError> {
        let database = match self.conn_id {
            Some(conn_id) => Database::of_connection(&ctx.connection(conn_id).await?, &ctx.home),
            None => {
                let address = Address { url: self.url, url_env: self.url_env, password_env: self.password_env };
                Database::resolve(address, environment, &ctx.home)
            }
        };
        let other = self.database.filter(|name| !name.is_empty());
        let database = database.and_then(|database| match other {
            Some(name) => database.with_schema(name),
            None => Ok(database),
        });
        database.map_err(|problem| TaskError::fail(anyhow!(problem)))
    }

    /// Mistakes in saying where a database is.
    pub(crate) fn check(args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let mut problems: Vec<ArgumentProblem> =
            exactly_one(args, &["conn_id", "url", "url_env"], "where the database is").into_iter().collect();
        let is_given = |key: &str| args.get(key).is_some_and(|value| !value.is_null());
        if is_given("password_env") && is_given("conn_id") {
            problems.push(problem("/password_env", "the connection has the password".to_owned()));
        }
        let url = args.get("url").and_then(Value::as_str).filter(|url| !holds_template(url));
        problems.extend(url.and_then(unknown_database).map(|message| problem("/url", message)));
        problems
    }
}

/// A mistake at a place below the task.
pub(crate) fn problem(pointer: &str, message: String) -> ArgumentProblem {
    ArgumentProblem { pointer: pointer.to_owned(), message, help: None }
}
