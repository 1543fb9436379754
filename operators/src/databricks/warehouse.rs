//! On which SQL warehouse statements run, from the ways in which people name one, and the parameters of statements.

use anyhow::anyhow;
use scheduler::operator::{ArgumentProblem, TaskError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::arguments::{is_open, problem};
use super::failure::Failure;
use super::session::Session;
use super::statements;

/// Which warehouse is meant.
#[derive(Clone, Debug, Default)]
pub(super) struct Named<'a> {
    pub(super) warehouse_id: Option<&'a str>,
    pub(super) http_path: Option<&'a str>,
    pub(super) name: Option<&'a str>,
}

impl Named<'_> {
    /// The id of the warehouse. Without a word from the task, that in the `http_path` of the connection.
    pub(super) async fn find(&self, session: &Session) -> Result<String, TaskError> {
        let given = |text: Option<&str>| text.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        if let Some(id) = given(self.warehouse_id) {
            return Ok(id);
        }
        if let Some(path) = given(self.http_path) {
            return in_path(&path).map_err(|problem| TaskError::fail(anyhow!(problem)));
        }
        if let Some(name) = given(self.name) {
            let found = statements::warehouses_named(session, &name).await.map_err(Failure::into_error)?;
            return match found.as_slice() {
                [id] => Ok(id.clone()),
                [] => Err(TaskError::fail(anyhow!("there is no SQL warehouse `{name}`"))),
                many => Err(TaskError::fail(anyhow!("there are {} SQL warehouses `{name}`", many.len()))),
            };
        }
        let connection = session.connection().await?;
        match connection.extra_text("http_path") {
            Some(path) => in_path(path).map_err(|problem| TaskError::fail(anyhow!(problem))),
            None => Err(TaskError::fail(anyhow!(
                "it is not said on which SQL warehouse: write `warehouse_id`, `http_path` or the name of the warehouse, or \
                 put `http_path` into `extra` of the connection"
            ))),
        }
    }
}

/// Mistakes in naming the warehouse.
pub(super) fn check_warehouse(args: &Map<String, Value>, name_key: &str) -> Vec<ArgumentProblem> {
    let mut problems = Vec::new();
    let given: Vec<&str> = ["warehouse_id", "http_path", name_key]
        .into_iter()
        .filter(|key| args.get(*key).is_some_and(|value| !value.is_null()))
        .collect();
    if let [first, second, ..] = given.as_slice() {
        problems.push(problem(&format!("/{second}"), format!("`{first}` and `{second}` exclude each other")));
    }
    if let Some(path @ Value::String(text)) = args.get("http_path")
        && !is_open(path)
        && let Err(message) = in_path(text)
    {
        problems.push(problem("/http_path", message));
    }
    problems
}

/// The id of the warehouse in the path that Databricks shows for connections.
pub(super) fn in_path(path: &str) -> Result<String, String> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match parts.as_slice() {
        ["sql", "1.0", "warehouses" | "endpoints", id] if !id.is_empty() => Ok((*id).to_owned()),
        ["sql", "protocolv1", ..] => Err(format!(
            "`{path}` leads to a cluster; SQL runs on SQL warehouses here, whose paths are /sql/1.0/warehouses/<id>"
        )),
        _ => Err(format!("`{path}` is no path of a SQL warehouse, /sql/1.0/warehouses/<id>")),
    }
}

/// Values for the places `:name` of statements.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Parameters {
    /// By name. Whole numbers are BIGINT, others DOUBLE, truths BOOLEAN, and the rest STRING.
    ByName(Map<String, Value>),
    /// As the API has them: `[{name: day, value: "2026-01-01", type: DATE}]`.
    Described(Vec<Parameter>),
}

/// A value with its type.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// As it stands in the statement, without the colon.
    name: String,
    /// The value; without one it is NULL.
    #[serde(default)]
    value: Option<Value>,
    /// The SQL type, `STRING` by default.
    #[serde(default, rename = "type")]
    sql_type: Option<String>,
}

impl Parameters {
    /// As the API has them.
    pub(super) fn described(&self) -> Vec<Value> {
        match self {
            Parameters::ByName(values) => values.iter().map(|(name, value)| by_value(name, value)).collect(),
            Parameters::Described(parameters) => parameters.iter().map(Parameter::described).collect(),
        }
    }
}

impl Parameter {
    fn described(&self) -> Value {
        let mut described = json!({ "name": self.name });
        if let Some(value) = self.value.as_ref().and_then(text) {
            described["value"] = value.into();
        }
        if let Some(sql_type) = &self.sql_type {
            described["type"] = sql_type.as_str().into();
        }
        described
    }
}

fn by_value(name: &str, value: &Value) -> Value {
    let sql_type = match value {
        Value::Number(number) if number.is_f64() => "DOUBLE",
        Value::Number(_) => "BIGINT",
        Value::Bool(_) => "BOOLEAN",
        _ => "STRING",
    };
    match text(value) {
        Some(text) => json!({ "name": name, "value": text, "type": sql_type }),
        None => json!({ "name": name, "type": sql_type }),
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_warehouse_and_not_a_cluster() {
        assert_eq!(in_path("/sql/1.0/warehouses/abc123"), Ok("abc123".to_owned()));
        assert_eq!(in_path("sql/1.0/endpoints/abc123/"), Ok("abc123".to_owned()));
        assert!(in_path("sql/protocolv1/o/1/0321-1-abc").unwrap_err().contains("leads to a cluster"));
        assert!(in_path("/elsewhere").is_err());
    }

    #[test]
    fn parameters_have_types() {
        let by_name: Parameters =
            serde_json::from_value(json!({ "n": 5, "x": 0.5, "ok": true, "day": "d", "no": null })).unwrap();
        let described = by_name.described();
        assert_eq!(described[0], json!({ "name": "n", "value": "5", "type": "BIGINT" }));
        assert_eq!(described[1], json!({ "name": "x", "value": "0.5", "type": "DOUBLE" }));
        assert_eq!(described[4], json!({ "name": "no", "type": "STRING" }));
        let listed: Parameters =
            serde_json::from_value(json!([{ "name": "day", "value": "2026-01-01", "type": "DATE" }])).unwrap();
        assert_eq!(listed.described(), [json!({ "name": "day", "value": "2026-01-01", "type": "DATE" })]);
    }
}
