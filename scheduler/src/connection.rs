//! Connections: where something outside is, and what it asks for before it lets us in (Airflow 3: Connections).

use std::fmt;

use serde_json::{Map, Value};

/// Keys of `extra` whose values nobody may read, when the key contains one of these words (Airflow 3: masking sensitive
/// data).
const SENSITIVE_WORDS: [&str; 12] = [
    "access_token",
    "api_key",
    "apikey",
    "authorization",
    "keyfile_dict",
    "passphrase",
    "passwd",
    "password",
    "private_key",
    "secret",
    "service_account",
    "token",
];

/// Text that is shown to nobody: its `Debug` form is `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text` secret.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text, for whoever must pass it on.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A connection, with Airflow's fields.
#[derive(Clone, PartialEq)]
pub struct Connection {
    /// What tasks call it: `databricks_default`.
    pub conn_id: String,
    /// What it leads to: `databricks`, `postgres`, `http`, ….
    pub conn_type: String,
    /// For people.
    pub description: Option<String>,
    /// The name or address of the other side, perhaps as a URL.
    pub host: Option<String>,
    /// Who we are there.
    pub login: Option<String>,
    /// How we show it.
    pub password: Option<Secret>,
    /// Which database, bucket or scheme there.
    pub schema: Option<String>,
    /// The port there.
    pub port: Option<u16>,
    /// Whatever else this type of connection takes. Parts of it are secret, see [`is_sensitive`].
    pub extra: Map<String, Value>,
}

impl Connection {
    /// A connection of a type, and nothing else yet.
    pub fn new(conn_id: impl Into<String>, conn_type: impl Into<String>) -> Connection {
        Connection {
            conn_id: conn_id.into(),
            conn_type: conn_type.into(),
            description: None,
            host: None,
            login: None,
            password: None,
            schema: None,
            port: None,
            extra: Map::new(),
        }
    }

    /// A text of `extra`, unless it is empty.
    pub fn extra_text(&self, key: &str) -> Option<&str> {
        self.extra.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// All that must never be read in a log: the password, and the sensitive texts of `extra` at any depth.
    pub fn secrets(&self) -> Vec<&str> {
        let mut secrets: Vec<&str> = self.password.iter().map(Secret::reveal).collect();
        self.extra.iter().for_each(|(key, value)| collect_secrets(is_sensitive(key), value, &mut secrets));
        secrets
    }
}

/// Without what is secret.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("conn_id", &self.conn_id)
            .field("conn_type", &self.conn_type)
            .field("host", &self.host)
            .field("login", &self.login)
            .field("password", &self.password)
            .field("schema", &self.schema)
            .field("port", &self.port)
            .field("extra", &self.extra.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// Whether the value under a key of `extra`, or of a variable of that name, is a secret.
pub fn is_sensitive(key: &str) -> bool {
    let key = key.to_lowercase();
    SENSITIVE_WORDS.iter().any(|word| key.contains(word))
}

fn collect_secrets<'a>(is_secret: bool, value: &'a Value, secrets: &mut Vec<&'a str>) {
    match value {
        Value::String(text) if is_secret && !text.is_empty() => secrets.push(text),
        Value::Array(values) => values.iter().for_each(|value| collect_secrets(is_secret, value, secrets)),
        Value::Object(values) => {
            values.iter().for_each(|(key, value)| collect_secrets(is_secret || is_sensitive(key), value, secrets));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_found_at_any_depth_and_not_printed() {
        let mut connection = Connection::new("databricks_default", "databricks");
        connection.password = Some(Secret::new("pass1"));
        let extra =
            json!({"token": "dapi123", "host": "https://x", "azure": {"client_secret": "s3cret", "tenant": "t"}});
        connection.extra = extra.as_object().unwrap().clone();

        assert_eq!(connection.secrets(), ["pass1", "dapi123", "s3cret"]);
        let printed = format!("{connection:?}");
        assert!(!printed.contains("pass1") && !printed.contains("dapi123"), "{printed}");
    }
}
