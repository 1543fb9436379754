//! Where a database is, as the arguments of `sql` and `sql_sensor` say it.

use anyhow::anyhow;
use scheduler::dag::template::holds_template;
use scheduler::operator::{ArgumentProblem, TaskContext, TaskError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::database::{Address, Database, unknown_database};
use crate::notifiers::{Environment, exactly_one};
use crate::shapes::Common;

/// A connection, or an address; and perhaps another database there.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The connection that leads to the database: of the type `postgres`, `mysql` or `sqlite`.
    #[serde(default)]
    conn_id: Option<String>,
    /// The address of the database, instead of a connection: `postgres://user@host:5432/database`, `mysql://…` (MariaDB, too),
    /// or `sqlite:path`.
    #[serde(default)]
    url: Option<String>,
    /// The environment variable that holds the address, when that is a secret.
    #[serde(default)]
    url_env: Option<String>,
    /// The environment variable that holds the password.
    #[serde(default)]
    password_env: Option<String>,
    /// Another database of that server than the connection or the address names.
    #[serde(default)]
    database: Option<String>,
}

impl Common for Place {
    const NAMES: &'static [&'static str] = &["conn_id", "url", "url_env", "password_env", "database"];
}

impl Place {
    /// The database there.
    pub(crate) async fn resolve(&self, environment: &Environment, ctx: &TaskContext) -> Result<Database, TaskError> {
        let database = match &self.conn_id {
            Some(conn_id) => Database::of_connection(&ctx.connection(conn_id).await?, &ctx.home),
            None => {
                let address = Address {
                    url: self.url.as_deref(),
                    url_env: self.url_env.as_deref(),
                    password_env: self.password_env.as_deref(),
                };
                Database::resolve(address, environment, &ctx.home)
            }
        };
        let other = self.database.as_deref().filter(|name| !name.is_empty());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_keys() {
        let schema = schemars::schema_for!(Place);
        let names: Vec<&String> = schema.get("properties").unwrap().as_object().unwrap().keys().collect();
        assert_eq!(names, Place::NAMES);
    }
}
