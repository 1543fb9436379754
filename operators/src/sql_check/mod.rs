//! Checks of what is in a database: a task that fails when its data are not what they should be.
//!
//! ```yaml
//! - task_id: orders_are_whole
//!   operator: sql_table_check
//!   conn_id: warehouse
//!   table: orders
//!   checks:
//!     enough: { check_statement: "COUNT(*) >= 100" }
//!     no_debts: { check_statement: price >= 0, partition_clause: "day = '{{ ds }}'" }
//! ```
//!
//! [`value`] asks one query, [`column`] and [`table`] make queries of checks, [`interval`] compares a day with an earlier one.
//! Their words are those of Airflow's operators (Airflow 3: common.sql).

pub mod column;
pub mod interval;
pub mod table;
pub mod value;

use anyhow::anyhow;
use scheduler::operator::{AirflowClass, Outcome, Registry, RegistryError, TaskContext, TaskError};

use crate::database::Database;
use crate::notifiers::Environment;
use crate::sql::ask::{self, Row};

/// Registers every check.
pub(crate) fn register(registry: &mut Registry, environment: &Environment) -> Result<(), RegistryError> {
    registry.register(value::SqlCheck::new(environment.clone()))?;
    registry.register(column::SqlColumnCheck::new(environment.clone()))?;
    registry.register(table::SqlTableCheck::new(environment.clone()))?;
    registry.register(interval::SqlIntervalCheck::new(environment.clone()))
}

/// How names of files with a query, or a part of one, end (Airflow's common.sql).
const QUERIES: &[&str] = &[".hql", ".sql"];

fn yes() -> bool {
    true
}

/// A class of Airflow's common.sql.
fn class(path: &'static str) -> AirflowClass {
    AirflowClass::named(path).refused("hook_params", "write them into `extra` of the connection")
}

/// The only row of the answer to a query that the operator makes.
async fn row(database: &Database, sql: String, ctx: &TaskContext) -> Result<Row, TaskError> {
    ctx.log.info(format_args!("Asks {}: {sql}", database.shown()));
    let query = ask::query("", &sql, database, ctx).await?;
    let row = ask::first_row(database, &query, None, &ctx.cancelled).await?;
    row.ok_or_else(|| TaskError::retry(anyhow!("the query has no row")))
}

/// The condition of a query: all of these must hold.
fn condition(clauses: &[Option<&str>]) -> String {
    let given = clauses.iter().flatten().map(|clause| clause.trim()).filter(|clause| !clause.is_empty());
    let all: Vec<String> = given.map(|clause| format!("({clause})")).collect();
    if all.is_empty() { String::new() } else { format!(" WHERE {}", all.join(" AND ")) }
}

/// What checks came to.
#[derive(Debug, Default)]
struct Findings {
    held: usize,
    failed: Vec<String>,
}

impl Findings {
    /// What was looked at, and whether it is as it should be.
    fn note(&mut self, holds: bool, words: String, ctx: &TaskContext) {
        if holds {
            ctx.log.info(words);
            self.held += 1;
        } else {
            self.failed.push(words);
        }
    }

    /// The end of the try. What is not as it should be may be mended before the next, if that is wanted.
    fn conclude(self, may_retry: bool) -> Result<Outcome, TaskError> {
        let count = self.held + self.failed.len();
        match self.failed.as_slice() {
            [] => Ok(Outcome::done()),
            failed => {
                let error = anyhow!("{} of {count} checks failed: {}", failed.len(), failed.join("; "));
                Err(if may_retry { TaskError::retry(error) } else { TaskError::fail(error) })
            }
        }
    }
}
