//! Mistakes in the arguments of `query` that can be told while the DAG file is loaded.

use scheduler::dag::template::holds_template;
use scheduler::operator::ArgumentProblem;
use serde_json::{Map, Value};

use super::chart::Charts;
use super::names::told;
use super::parameters::Parameters;
use super::place::Mistake;
use super::script::Script;
use super::{args, chart, sent};
use crate::database::unknown_database;
use crate::databricks::engine;
use crate::{expect, retention};

/// All of them.
pub(super) fn check(args: &Map<String, Value>) -> Vec<ArgumentProblem> {
    let mut problems: Vec<ArgumentProblem> = check_sql(args).into_iter().collect();
    if let Some(Value::Object(tables)) = args.get("tables") {
        for (name, table) in tables {
            if let Value::Object(table) = table {
                problems.extend(check_table(&format!("/tables/{}", escaped(name)), table));
            }
        }
    }
    problems.extend(chart::check(args));
    problems.extend(expect::check(args));
    problems.extend(engine::check(args));
    problems.extend(retention::check(args));
    problems
}

/// A key as a JSON pointer writes it.
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// The statements, and charts of what they answer, unless templates still change them.
fn check_sql(args: &Map<String, Value>) -> Option<ArgumentProblem> {
    let sql = args.get("sql").and_then(Value::as_str).filter(|sql| !holds_template(sql))?;
    // Whether the parameters have the right shape, the schema says.
    let parameters = args.get("parameters").cloned().unwrap_or_else(|| Value::Object(Map::new()));
    let parameters: Parameters = serde_json::from_value(parameters).ok()?;
    let problem =
        |mistake: Mistake| ArgumentProblem { pointer: "/sql".to_owned(), message: mistake.to_string(), help: None };
    let script = match (Script::parse(sql, &parameters), engine::is_elsewhere(args)) {
        (Ok(script), _) => script,
        // Spark may know what we do not.
        (Err(_), true) => return sent::statements(sql, &parameters).err().map(problem),
        (Err(mistake), false) => return Some(problem(mistake)),
    };
    check_charts(args, &script)
}

/// Charts of columns that the SQL cannot answer with, as far as it tells.
fn check_charts(args: &Map<String, Value>, script: &Script) -> Option<ArgumentProblem> {
    let written = args.get("chart").filter(|chart| !holds_template(&chart.to_string()))?;
    let charts: Charts = serde_json::from_value(written.clone()).ok()?;
    let columns = told(&script.statements[script.answer()?].answered()?.written)?;
    let message = charts.of_result(&columns).err()?;
    Some(ArgumentProblem { pointer: "/chart".to_owned(), message, help: None })
}

fn check_table(pointer: &str, table: &Map<String, Value>) -> Option<ArgumentProblem> {
    let has = |key: &str| table.get(key).is_some_and(|value| !value.is_null());
    let text = |key: &str| table.get(key).and_then(Value::as_str).filter(|text| !holds_template(text));
    let problem = |key: &str, message: String| {
        let pointer = if key.is_empty() { pointer.to_owned() } else { format!("{pointer}/{key}") };
        Some(ArgumentProblem { pointer, message, help: None })
    };
    let given: Vec<&str> = ["path", "conn_id", "url", "url_env"].into_iter().filter(|key| has(key)).collect();
    match given.as_slice() {
        [] => return problem("", "it does not say where the table is: `path`, `conn_id` or `url`".to_owned()),
        [_] => {}
        [first, second, ..] => return problem(second, format!("`{first}` says already where the table is")),
    }
    let (of_files, of_databases) = (["format", "version", "timestamp"], ["table", "query", "password_env"]);
    if has("path") {
        if let Some(key) = of_databases.into_iter().find(|key| has(key)) {
            return problem(key, format!("`{key}` is for tables of databases; this one has a `path`"));
        }
        if has("version") && has("timestamp") {
            return problem("timestamp", "`version` says already how the table was".to_owned());
        }
        let instant = text("timestamp").and_then(|text| args::instant(text).err());
        return instant.and_then(|message| problem("timestamp", message));
    }
    if let Some(key) = of_files.into_iter().find(|key| has(key)) {
        return problem(key, format!("`{key}` is for files; this table is in a database"));
    }
    match (has("table"), has("query")) {
        (false, false) => problem("", "it does not say what to read: `table` or `query`".to_owned()),
        (true, true) => problem("query", "`table` says already what to read".to_owned()),
        _ => text("url").and_then(unknown_database).and_then(|message| problem("url", message)),
    }
}
