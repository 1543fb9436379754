//! A question to a database whose answer is one row, for operators and sensors that decide by it.

use anyhow::anyhow;
use scheduler::dag::template::holds_template;
use scheduler::operator::{ArgumentProblem, TaskContext, TaskError};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::answer::Answer;
use super::place::problem;
use super::script::Script;
use crate::database::Database;
use crate::statements::{Dialect, Values, split};

/// The values of a row, each with the name of its column.
pub(crate) type Row = Vec<(String, Value)>;

/// The query of an argument, or the file beside the DAG file that holds it.
pub(crate) async fn query(key: &str, sql: &str, database: &Database, ctx: &TaskContext) -> Result<Script, TaskError> {
    let script = Script::read(key, &[sql.to_owned()], database.dialect(), true, ctx).await?;
    match script.statements().count() {
        1 => Ok(script),
        _ => Err(TaskError::fail(anyhow!("it asks one query, and not several"))),
    }
}

/// The first row of the answer to a query; none when there is no row. Told to stop, it ends the query where it runs.
pub(crate) async fn first_row(
    database: &Database,
    query: &Script,
    values: Option<&Values>,
    stop: &CancellationToken,
) -> Result<Option<Row>, TaskError> {
    let Some(query) = query.statements().next() else { return Ok(None) };
    let bound = query.bound(values)?;
    let mut session = database.session(false, stop).await?;
    let mut answer = Answer::new(1);
    let done = session.execute(&bound, &mut answer, stop).await;
    done.map_err(|fault| query.wrong(&bound, fault, database))?;
    session.close().await;
    match answer.failure() {
        Some(error) => Err(error),
        None => Ok(answer.into_first_row()),
    }
}

/// Mistakes in a key that holds one query.
pub(crate) fn check(args: &Map<String, Value>, key: &str) -> Option<ArgumentProblem> {
    let text = args.get(key).and_then(Value::as_str).filter(|text| !holds_template(text))?;
    let message = match split(text, Dialect::Postgres).len() {
        0 => "there is no query in it",
        1 => return None,
        _ => "it asks one query, and not several",
    };
    Some(problem(&format!("/{key}"), message.to_owned()))
}

/// As Airflow has it of what a database answers: neither nothing, nor zero, nor an empty text.
pub(crate) fn is_true(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.is_empty() && number(value) != Some(0.0),
        other => crate::truth::is_true(other),
    }
}

/// The number that a value is. Decimals come as text, and truths of MySQL as numbers.
pub(crate) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A value as people read it.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        Value::Null => "NULL".to_owned(),
        other => other.to_string(),
    }
}
