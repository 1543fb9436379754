//! The Statement Execution API: SQL on a warehouse. Results come within the answer, or as links to chunks in the cloud.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::session::Session;
use super::workspace::Request;
use crate::requests::{Trouble, client, exchange_up_to};

const STATEMENTS: &str = "2.0/sql/statements";

/// The answer to a statement that is sent waits so long for the statement's end.
const WAIT: Duration = Duration::from_secs(5);

/// A chunk behind a link has 100 MiB at most, as JSON perhaps more.
const CHUNK_BYTES_MAX: usize = 256 * 1024 * 1024;

/// A chunk is fetched within this.
const CHUNK_TIME_MAX: Duration = Duration::from_mins(5);

/// So often a chunk is asked for; each time the link is a new one.
const CHUNK_ATTEMPTS: u32 = 4;

/// How a statement stands, and what it answers.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Statement {
    #[serde(default)]
    pub(super) statement_id: String,
    #[serde(default)]
    status: Status,
    #[serde(default)]
    pub(super) manifest: Option<Manifest>,
    #[serde(default)]
    pub(super) result: Option<Chunk>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Status {
    #[serde(default)]
    state: String,
    #[serde(default)]
    error: Option<StatementError>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct StatementError {
    #[serde(default)]
    error_code: String,
    #[serde(default)]
    message: String,
}

/// What the result looks like.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Manifest {
    #[serde(default)]
    pub(super) schema: Schema,
    #[serde(default)]
    pub(super) total_row_count: u64,
    #[serde(default)]
    pub(super) truncated: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Schema {
    #[serde(default)]
    pub(super) columns: Vec<Column>,
}

/// A column of a result.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Column {
    #[serde(default)]
    pub(super) name: String,
    /// `LONG`, `STRING`, `ARRAY`, ….
    #[serde(default)]
    pub(super) type_name: String,
}

/// A part of a result: rows, or links to them.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Chunk {
    #[serde(default)]
    pub(super) data_array: Option<Vec<Vec<Value>>>,
    #[serde(default)]
    external_links: Vec<Link>,
    #[serde(default)]
    next_chunk_index: Option<u64>,
}

#[derive(Clone, Debug, Deserialize)]
struct Link {
    external_link: String,
    #[serde(default)]
    next_chunk_index: Option<u64>,
    #[serde(default)]
    http_headers: Option<Map<String, Value>>,
}

impl Statement {
    /// `PENDING`, `RUNNING`, `SUCCEEDED`, `FAILED`, `CANCELED`, `CLOSED`.
    pub(super) fn state(&self) -> &str {
        &self.status.state
    }

    pub(super) fn is_over(&self) -> bool {
        !matches!(self.status.state.as_str(), "PENDING" | "RUNNING")
    }

    pub(super) fn is_success(&self) -> bool {
        // A statement that was closed succeeded; its result is gone.
        matches!(self.status.state.as_str(), "SUCCEEDED" | "CLOSED")
    }

    /// Whether an error passes by itself.
    pub(super) fn may_retry(&self) -> bool {
        let Some(error) = &self.status.error else { return true };
        !matches!(error.error_code.as_str(), "BAD_REQUEST" | "NOT_FOUND" | "ALREADY_EXISTS" | "INVALID_PARAMETER_VALUE")
    }

    /// Why it did not succeed.
    pub(super) fn error(&self) -> anyhow::Error {
        match &self.status.error {
            Some(error) => anyhow!("statement {}: {}: {}", self.statement_id, error.error_code, error.message),
            None => anyhow!("statement {} was ended as {}", self.statement_id, self.status.state),
        }
    }
}

/// How a statement is sent.
#[derive(Clone, Debug)]
pub(super) struct Submission<'a> {
    pub(super) warehouse_id: &'a str,
    pub(super) sql: &'a str,
    pub(super) catalog: Option<&'a str>,
    pub(super) schema: Option<&'a str>,
    pub(super) parameters: &'a [Value],
    /// Whether the result comes as links, which have no bound but 100 GiB.
    pub(super) is_large: bool,
}

/// Sends a statement. It has no token, so it is not sent again when it may have arrived: see [`super::history`].
pub(super) async fn submit(session: &Session, statement: &Submission<'_>) -> Result<Statement, Failure> {
    let mut body = json!({
        "warehouse_id": statement.warehouse_id,
        "statement": statement.sql,
        "wait_timeout": format!("{}s", WAIT.as_secs()),
        "on_wait_timeout": "CONTINUE",
        "format": "JSON_ARRAY",
        "disposition": if statement.is_large { "EXTERNAL_LINKS" } else { "INLINE" },
    });
    for (key, value) in [("catalog", statement.catalog), ("schema", statement.schema)] {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            body[key] = value.into();
        }
    }
    if !statement.parameters.is_empty() {
        body["parameters"] = statement.parameters.into();
    }
    session.ask(&Request::post(STATEMENTS, body, "send a statement").once().taking(WAIT)).await
}

/// How a statement stands.
pub(super) async fn get(session: &Session, statement_id: &str) -> Result<Statement, Failure> {
    session.ask_patiently(&Request::get(format!("{STATEMENTS}/{statement_id}"), "look at a statement")).await
}

#[derive(Deserialize)]
struct Nothing {}

/// Asks for the end of a statement.
pub(super) async fn cancel(session: &Session, statement_id: &str) -> Result<(), Failure> {
    let request = Request::post(format!("{STATEMENTS}/{statement_id}/cancel"), json!({}), "cancel a statement");
    session.ask::<Nothing>(&request).await.map(|_| ())
}

/// Reads the chunks of a result one after the other.
pub(super) struct Chunks<'a> {
    session: &'a Session,
    statement_id: &'a str,
    next: Option<Next>,
}

enum Next {
    /// It came with the answer.
    Here(Chunk),
    /// It is to be asked for.
    At(u64),
}

impl<'a> Chunks<'a> {
    pub(super) fn of(session: &'a Session, statement: &'a Statement) -> Chunks<'a> {
        let next = statement.result.clone().map(Next::Here);
        Chunks { session, statement_id: &statement.statement_id, next }
    }

    /// The rows of the next chunk; none after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Vec<Value>>>, Failure> {
        let (chunk, index) = match self.next.take() {
            None => return Ok(None),
            Some(Next::Here(chunk)) => (chunk, 0),
            Some(Next::At(index)) => (self.chunk(index).await?, index),
        };
        let Some(link) = chunk.external_links.first().cloned() else {
            self.next = chunk.next_chunk_index.map(Next::At);
            return Ok(Some(chunk.data_array.unwrap_or_default()));
        };
        self.next = link.next_chunk_index.or(chunk.next_chunk_index).map(Next::At);
        Ok(Some(self.fetch(link, index).await?))
    }

    async fn chunk(&self, index: u64) -> Result<Chunk, Failure> {
        let path = format!("{STATEMENTS}/{}/result/chunks/{index}", self.statement_id);
        self.session.ask(&Request::get(path, "read a part of the result")).await
    }

    /// The rows behind a link, which is good for a quarter of an hour; then, and when it fails, there is a new one.
    async fn fetch(&self, mut link: Link, index: u64) -> Result<Vec<Vec<Value>>, Failure> {
        let mut attempt = 1;
        loop {
            let trouble = match follow(&link).await {
                Ok(rows) => return Ok(rows),
                Err(trouble) => trouble,
            };
            if attempt >= CHUNK_ATTEMPTS || self.session.ctx.cancelled.is_cancelled() {
                return Err(trouble.into());
            }
            attempt += 1;
            let fresh = self.chunk(index).await?.external_links.into_iter().next();
            link = fresh.ok_or_else(|| Trouble::lasting(anyhow!("a part of the result has no link any more")))?;
        }
    }
}

/// Fetches what is behind a link; without the token of the workspace, which is none of the cloud's business.
async fn follow(link: &Link) -> Result<Vec<Vec<Value>>, Trouble> {
    let url =
        Url::parse(&link.external_link).context("a link to a part of the result is none").map_err(Trouble::lasting)?;
    let host = url.host_str().unwrap_or_default().to_owned();
    let mut request = client().map_err(Trouble::lasting)?.get(url).timeout(CHUNK_TIME_MAX);
    for (name, value) in link.http_headers.iter().flatten() {
        request = request.header(name.as_str(), value.as_str().unwrap_or_default());
    }
    let reply = exchange_up_to(CHUNK_BYTES_MAX, request, &host).await?;
    if !reply.status.is_success() {
        // What a cloud answers to an old link repeats the link, which is a secret.
        return Err(Trouble::passing(anyhow!("`{host}` answered {} for a part of the result", reply.status)));
    }
    serde_json::from_slice(&reply.body)
        .context("a part of the result is not what it should be")
        .map_err(Trouble::passing)
}

#[derive(Deserialize)]
struct Warehouses {
    #[serde(default)]
    warehouses: Vec<Warehouse>,
}

#[derive(Deserialize)]
struct Warehouse {
    id: String,
    #[serde(default)]
    name: String,
}

/// The ids of the SQL warehouses with that name.
pub(super) async fn warehouses_named(session: &Session, name: &str) -> Result<Vec<String>, Failure> {
    let page: Warehouses = session.ask(&Request::get("2.0/sql/warehouses", "list the SQL warehouses")).await?;
    Ok(page.warehouses.into_iter().filter(|found| found.name == name).map(|found| found.id).collect())
}

/// The value of a cell, which comes as text: numbers, truths and what has parts become what they are. Decimals stay text,
/// because a number of JSON would round them.
pub(super) fn typed(cell: Value, type_name: &str) -> Value {
    let Value::String(text) = cell else { return cell };
    let read = match type_name {
        "BYTE" | "SHORT" | "INT" | "LONG" => text.parse::<i64>().ok().map(Value::from),
        "FLOAT" | "DOUBLE" => text.parse::<f64>().ok().and_then(serde_json::Number::from_f64).map(Value::Number),
        "BOOLEAN" => text.parse::<bool>().ok().map(Value::from),
        "ARRAY" | "MAP" | "STRUCT" => serde_json::from_str(&text).ok(),
        _ => None,
    };
    read.unwrap_or(Value::String(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_become_what_their_columns_say() {
        let table = [
            ("7", "INT", json!(7)),
            ("-9223372036854775808", "LONG", json!(i64::MIN)),
            ("0.5", "DOUBLE", json!(0.5)),
            ("NaN", "DOUBLE", json!("NaN")),
            ("true", "BOOLEAN", json!(true)),
            ("1.10", "DECIMAL", json!("1.10")),
            ("2026-01-01", "DATE", json!("2026-01-01")),
            ("[\"1\",\"2\"]", "ARRAY", json!(["1", "2"])),
            ("5", "STRING", json!("5")),
        ];
        for (text, type_name, expected) in table {
            assert_eq!(typed(json!(text), type_name), expected, "{text} as {type_name}");
        }
        assert_eq!(typed(Value::Null, "INT"), Value::Null);
    }
}
