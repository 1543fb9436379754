//! Connections as JSON, as Airflow reads and writes them.

use serde_json::{Map, Value, json};

use super::{Connection, MalformedConnection, Secret, normalise_type};

/// The keys of a connection.
const KEYS: [&str; 9] =
    ["conn_type", "description", "host", "login", "password", "schema", "port", "extra", "extra_dejson"];

/// Keys of Airflow's own listings that say nothing about the connection.
const IGNORED: [&str; 6] = ["id", "conn_id", "connection_id", "is_encrypted", "is_extra_encrypted", "team_name"];

/// Reads the text of a JSON object.
pub(super) fn read(conn_id: &str, text: &str) -> Result<Connection, MalformedConnection> {
    match parse(text)? {
        Value::Object(fields) => read_fields(conn_id, fields),
        _ => Err(MalformedConnection::new("it is no JSON object", FORM)),
    }
}

const FORM: &str = r#"write {"conn_type": "…", "host": "…", "login": "…", "password": "…", "port": 1, "extra": {…}}"#;

/// Reads a JSON object.
pub(super) fn read_fields(conn_id: &str, fields: Map<String, Value>) -> Result<Connection, MalformedConnection> {
    let mut connection = Connection::new(conn_id, "");
    for (key, value) in fields {
        match key.as_str() {
            "conn_type" => {
                connection.conn_type = text(&key, value)?.map(|text| normalise_type(&text)).unwrap_or_default();
            }
            "description" => connection.description = text(&key, value)?,
            "host" => connection.host = text(&key, value)?,
            "login" => connection.login = text(&key, value)?,
            "password" => connection.password = text(&key, value)?.map(Secret::new),
            "schema" => connection.schema = text(&key, value)?,
            "port" => connection.port = port(&value)?,
            "extra" | "extra_dejson" => connection.extra = extra(value)?,
            ignored if IGNORED.contains(&ignored) => {}
            unknown => {
                let what = format!("it has the key `{unknown}`");
                return Err(MalformedConnection::new(what, format!("its keys are {}", KEYS[..8].join(", "))));
            }
        }
    }
    if connection.conn_type.is_empty() {
        return Err(MalformedConnection::new("it has no `conn_type`", FORM));
    }
    Ok(connection)
}

/// All fields, in Airflow's order, secrets and all.
pub(super) fn write(connection: &Connection) -> Map<String, Value> {
    let extra = if connection.extra.is_empty() { Value::Null } else { Value::Object(connection.extra.clone()) };
    let fields = json!({
        "conn_type": connection.conn_type,
        "description": connection.description,
        "host": connection.host,
        "login": connection.login,
        "password": connection.password.as_ref().map(Secret::reveal),
        "schema": connection.schema,
        "port": connection.port,
        "extra": extra,
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// `extra` as people and Airflow write it: the text of a JSON object.
pub(super) fn read_extra(text: &str) -> Result<Map<String, Value>, MalformedConnection> {
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    match parse(text).map_err(|problem| problem.within("extra"))? {
        Value::Object(extra) => Ok(extra),
        Value::Null => Ok(Map::new()),
        _ => Err(MalformedConnection::new("its `extra` is no JSON object", r#"write it like {"key": "value"}"#)),
    }
}

fn extra(value: Value) -> Result<Map<String, Value>, MalformedConnection> {
    match value {
        Value::Object(extra) => Ok(extra),
        Value::Null => Ok(Map::new()),
        Value::String(text) => read_extra(&text),
        _ => Err(MalformedConnection::new("its `extra` is no JSON object", r#"write it like {"key": "value"}"#)),
    }
}

/// The error says where, and not what stands there: that may be a secret.
fn parse(text: &str) -> Result<Value, MalformedConnection> {
    serde_json::from_str(text).map_err(|error| {
        let place = format!("it is no JSON: line {}, column {} cannot be read", error.line(), error.column());
        MalformedConnection::new(place, FORM)
    })
}

fn text(key: &str, value: Value) -> Result<Option<String>, MalformedConnection> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text).filter(|text| !text.is_empty())),
        // Logins and passwords that are numbers are often written as such. Those with a point are not told letter by letter
        // (`1.10`), and YAML takes `0123` for one of them.
        Value::Number(number) if !number.is_f64() => Ok(Some(number.to_string())),
        _ => Err(MalformedConnection::new(format!("its `{key}` is no text"), "write it in quotes")),
    }
}

fn port(value: &Value) -> Result<Option<u16>, MalformedConnection> {
    let port = match value {
        Value::Null => return Ok(None),
        Value::String(text) if text.trim().is_empty() => return Ok(None),
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_u64().and_then(|port| u16::try_from(port).ok()),
    };
    port.map(Some)
        .ok_or_else(|| MalformedConnection::new("its `port` is no port", "a port is a number from 0 to 65535"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn airflows_json_is_read() {
        let text = r#"{"conn_type": "google-cloud-platform", "description": "d", "host": "h", "login": "", "password": "p",
            "schema": null, "port": "5432", "extra": "{\"a\": [1]}"}"#;
        let connection = read("id", text).unwrap();
        let expected = Connection {
            description: Some("d".to_owned()),
            host: Some("h".to_owned()),
            password: Some(Secret::new("p")),
            port: Some(5432),
            extra: json!({"a": [1]}).as_object().unwrap().clone(),
            ..Connection::new("id", "google_cloud_platform")
        };
        assert_eq!(connection, expected);
        let listed =
            r#"{"id": "3", "conn_id": "x", "conn_type": "http", "is_encrypted": "True", "extra_dejson": {"b": 1}}"#;
        assert_eq!(read("id", listed).unwrap().extra, *json!({"b": 1}).as_object().unwrap());
    }

    #[test]
    fn what_is_no_connection_is_refused_with_a_hint_and_without_its_secrets() {
        let cases = [
            (r#"{"password": "hush""#, "line 1, column 19"),
            (r#"["hush"]"#, "no JSON object"),
            (r#"{"password": "hush"}"#, "no `conn_type`"),
            (r#"{"conn_type": "http", "pasword": "hush"}"#, "its keys are conn_type"),
            (r#"{"conn_type": "http", "password": ["hush"]}"#, "its `password` is no text"),
            (r#"{"conn_type": "http", "password": 1.10}"#, "its `password` is no text (write it in quotes)"),
            (r#"{"conn_type": "http", "port": "hush"}"#, "its `port` is no port"),
            (r#"{"conn_type": "http", "port": 70000}"#, "its `port` is no port"),
            (r#"{"conn_type": "http", "extra": "hush"}"#, "`extra`"),
            (r#"{"conn_type": "http", "extra": [1]}"#, "its `extra` is no JSON object"),
        ];
        for (text, words) in cases {
            let problem = read("id", text).unwrap_err().to_string();
            assert!(problem.contains(words) && !problem.contains("hush"), "{text}: {problem}");
        }
    }
}
