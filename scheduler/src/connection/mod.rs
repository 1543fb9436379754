//! Connections: where something outside is, and what it asks for before it lets us in (Airflow 3: Connections).

mod json;
mod spellings;
mod types;
mod uri;

use std::borrow::Cow;
use std::fmt;

use serde_json::{Map, Value};

pub use spellings::spellings;
pub use types::{ConnectionTest, ConnectionType, Field, FieldKind, TEST_TIME_MAX, test};

/// Keys of `extra`, and names of variables, whose values nobody may read when the name contains one of these words (Airflow
/// 3: masking sensitive data). A hyphen is as good as `_`: what stands in `extra` may be the name of a header.
const SENSITIVE_WORDS: [&str; 23] = [
    "access_key",
    "access_token",
    "api_key",
    "apikey",
    "auth_header",
    "authorization",
    "bearer",
    "connection_string",
    "dsn",
    // Of a kubeconfig.
    "key_data",
    "keyfile_dict",
    "passphrase",
    "passwd",
    "password",
    "private_key",
    "proxies",
    "proxy",
    "proxy_password",
    "secret",
    "service_account",
    "service_key",
    "token",
    "webhook_url",
];

/// The key, whatever stands before it, under which a connection to Kubernetes holds the credentials of its users. What begins so,
/// such as `kube_config_path`, is no secret.
const KUBECONFIG: &str = "kube_config";

/// What stands where a secret is not shown.
pub const MASK: &str = "***";

/// The longest id of a connection (Airflow 3: 200 characters).
pub const CONN_ID_CHARS_MAX: usize = 200;

/// Why a text says no connection. It names no value, which may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} ({help})")]
pub struct MalformedConnection {
    what: String,
    help: String,
}

impl MalformedConnection {
    fn new(what: impl Into<String>, help: impl Into<String>) -> MalformedConnection {
        MalformedConnection { what: what.into(), help: help.into() }
    }

    fn within(self, field: &str) -> MalformedConnection {
        MalformedConnection { what: self.what.replacen("it is", &format!("its `{field}` is"), 1), ..self }
    }
}

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

    /// Reads what Airflow writes into variables and secrets backends: the text of a JSON object, or else a URI.
    pub fn parse(conn_id: &str, text: &str) -> Result<Connection, MalformedConnection> {
        if text.trim_start().starts_with('{') { json::read(conn_id, text) } else { uri::read(conn_id, text) }
    }

    /// Reads the fields of a JSON object.
    pub fn from_json(conn_id: &str, fields: Map<String, Value>) -> Result<Connection, MalformedConnection> {
        json::read_fields(conn_id, fields)
    }

    /// All fields, secrets and all.
    pub fn to_json(&self) -> Map<String, Value> {
        json::write(self)
    }

    /// The same as Airflow's URI, which has no place for the description.
    pub fn to_uri(&self) -> String {
        uri::write(self)
    }

    /// `extra` as people write it: the text of a JSON object, or nothing.
    pub fn parse_extra(text: &str) -> Result<Map<String, Value>, MalformedConnection> {
        json::read_extra(text)
    }

    /// A text of `extra`, unless it is empty.
    pub fn extra_text(&self, key: &str) -> Option<&str> {
        self.extra.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// All that must never be read in a log: the password, and the sensitive texts and numbers of `extra` at any depth.
    pub fn secrets(&self) -> Vec<Cow<'_, str>> {
        let mut secrets: Vec<Cow<'_, str>> = self.password.iter().map(|secret| secret.reveal().into()).collect();
        self.extra.iter().for_each(|(key, value)| collect_named(key, value, &mut secrets));
        secrets
    }

    /// Login and password as HTTP sends them (`Authorization: Basic`), which must not be read in a log either.
    pub fn basic_credentials(&self) -> Vec<String> {
        let Some(password) = &self.password else { return Vec::new() };
        spellings::in_base64(&format!("{}:{}", self.login.as_deref().unwrap_or_default(), password.reveal()))
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
    let key = key.to_lowercase().replace('-', "_");
    SENSITIVE_WORDS.iter().any(|word| key.contains(word)) || key.ends_with(KUBECONFIG)
}

/// What Airflow calls a type of connection that people may write otherwise.
pub fn normalise_type(conn_type: &str) -> String {
    match conn_type.trim() {
        "postgresql" => "postgres".to_owned(),
        other => other.replace('-', "_"),
    }
}

/// What is wrong with an id, if anything is (Airflow 3: `^[\w.-]+$`).
pub fn check_conn_id(conn_id: &str) -> Result<(), String> {
    let is_plain = |c: char| c.is_alphanumeric() || "_.-".contains(c);
    if conn_id.is_empty() || conn_id.chars().count() > CONN_ID_CHARS_MAX {
        return Err(format!("the id of a connection has between 1 and {CONN_ID_CHARS_MAX} characters"));
    }
    if !conn_id.chars().all(is_plain) {
        return Err(format!("`{conn_id}` is no id of a connection: it takes letters, digits, `_`, `.` and `-`"));
    }
    Ok(())
}

/// The value with `***` in the place of everything that nobody may read, at any depth.
pub fn masked(key: &str, value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        _ if is_sensitive(key) => Value::from(MASK),
        Value::Array(values) => values.iter().map(|value| masked("", value)).collect(),
        Value::Object(values) => {
            values.iter().map(|(key, value)| (key.clone(), masked(key, value))).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

/// The value that somebody sends back who was shown `old` masked: what is `***` in it stays as it was.
pub fn unmasked(new: Value, old: Option<&Value>) -> Value {
    match (new, old) {
        (Value::String(text), Some(old)) if text == MASK => old.clone(),
        (Value::Object(new), Some(Value::Object(old))) => {
            let keep = |(key, value): (String, Value)| {
                let value = unmasked(value, old.get(&key));
                (key, value)
            };
            Value::Object(new.into_iter().map(keep).collect())
        }
        (Value::Array(new), Some(Value::Array(old))) => {
            new.into_iter().enumerate().map(|(index, value)| unmasked(value, old.get(index))).collect()
        }
        (new, _) => new,
    }
}

/// All texts that nobody may read in the value of a variable, or of anything else with a name.
pub fn secrets_of<'a>(name: &str, value: &'a Value) -> Vec<Cow<'a, str>> {
    let mut secrets = Vec::new();
    collect_named(name, value, &mut secrets);
    secrets
}

fn collect_named<'a>(key: &str, value: &'a Value, secrets: &mut Vec<Cow<'a, str>>) {
    if key.to_lowercase().ends_with(KUBECONFIG) {
        collect_of_kubeconfig(value, secrets);
    } else {
        collect_secrets(is_sensitive(key), value, secrets);
    }
}

/// Not all of a kubeconfig is secret: without the names and addresses in it nobody could read what went wrong.
fn collect_of_kubeconfig<'a>(value: &'a Value, secrets: &mut Vec<Cow<'a, str>>) {
    match value {
        Value::String(text) => match serde_yaml::from_str::<Value>(text) {
            Ok(config) if config.is_object() => {
                let mut found = Vec::new();
                collect_of_kubeconfig(&config, &mut found);
                secrets.extend(found.into_iter().map(|secret| Cow::Owned(secret.into_owned())));
            }
            _ => secrets.push(text.into()),
        },
        config => {
            collect_secrets(false, config, secrets);
            let users = config["users"].as_array().into_iter().flatten();
            users.for_each(|user| collect_of_program(&user["user"]["exec"], secrets));
        }
    }
}

/// What a program is given that says who a user is: its environment, and arguments that speak of something secret.
fn collect_of_program<'a>(exec: &'a Value, secrets: &mut Vec<Cow<'a, str>>) {
    let variables = exec["env"].as_array().into_iter().flatten();
    variables.for_each(|variable| collect_secrets(true, &variable["value"], secrets));
    let arguments = exec["args"].as_array().into_iter().flatten();
    let telling =
        arguments.filter(|argument| argument.as_str().is_some_and(|text| text.contains('=') && is_sensitive(text)));
    telling.for_each(|argument| collect_secrets(true, argument, secrets));
}

fn collect_secrets<'a>(is_secret: bool, value: &'a Value, secrets: &mut Vec<Cow<'a, str>>) {
    match value {
        Value::String(text) if is_secret && !text.is_empty() => secrets.push(text.into()),
        Value::Number(number) if is_secret => secrets.push(number.to_string().into()),
        Value::Array(values) => values.iter().for_each(|value| collect_secrets(is_secret, value, secrets)),
        Value::Object(values) if is_secret => {
            values.values().for_each(|value| collect_secrets(true, value, secrets));
        }
        Value::Object(values) => values.iter().for_each(|(key, value)| collect_named(key, value, secrets)),
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
        let extra = json!({"token": "dapi123", "host": "https://x", "azure": {"client_secret": "s3cret", "tenant": "t"}, "api_key": 12345});
        connection.extra = extra.as_object().unwrap().clone();

        assert_eq!(connection.secrets(), ["pass1", "dapi123", "s3cret", "12345"]);
        let printed = format!("{connection:?}");
        assert!(!printed.contains("pass1") && !printed.contains("dapi123"), "{printed}");
    }

    #[test]
    fn what_is_sent_back_masked_stays_as_it_was() {
        let old =
            json!({"token": "dapi123", "host": "h", "azure": {"client_secret": "s3cret"}, "list": [{"password": "p"}]});
        let shown = masked("", &old);
        assert_eq!(
            shown,
            json!({"token": "***", "host": "h", "azure": {"client_secret": "***"}, "list": [{"password": "***"}]})
        );
        assert_eq!(unmasked(shown, Some(&old)), old);
        assert_eq!(unmasked(json!({"token": "new"}), Some(&old)), json!({"token": "new"}));
    }

    #[test]
    fn of_a_kubeconfig_only_its_secrets_are_masked() {
        let config = json!({
            "clusters": [{ "name": "prod", "cluster": { "server": "https://k8s.example" } }],
            "users": [{ "name": "admin", "user": { "token": "t0ken", "client-key-data": "a2V5", "client-certificate-data": "Y2VydA" } }],
        });
        assert_eq!(secrets_of("kube_config", &config), ["t0ken", "a2V5"]);
        let exec = json!({ "args": ["get-token", "--token=abc"], "env": [{ "name": "KEY", "value": "v4lue" }] });
        let config_of_program = json!({ "users": [{ "name": "admin", "user": { "exec": exec } }] });
        assert_eq!(secrets_of("kube_config", &config_of_program), ["v4lue", "--token=abc"]);
        assert_eq!(secrets_of("kube_config", &json!(config.to_string())), ["t0ken", "a2V5"]);
        assert_eq!(secrets_of("kube_config", &json!("users: [{token: t0ken")), ["users: [{token: t0ken"]);
    }

    #[test]
    fn a_header_is_as_secret_as_a_key_of_that_name() {
        assert!(is_sensitive("X-Api-Key") && is_sensitive("x-amz-security-token") && is_sensitive("client-key-data"));
        assert!(!is_sensitive("Content-Type") && !is_sensitive("X-Request-Id"));
    }

    #[test]
    fn a_kubeconfig_is_secret_and_its_path_is_not() {
        assert!(is_sensitive("kube_config") && is_sensitive("extra__kubernetes__kube_config"));
        assert!(!is_sensitive("kube_config_path") && !is_sensitive("cluster_context"));
    }

    #[test]
    fn ids_are_what_airflow_takes() {
        assert_eq!(check_conn_id("my.db-1_Ü"), Ok(()));
        for wrong in ["", "a b", "a/b", &"x".repeat(201)] {
            assert!(check_conn_id(wrong).is_err(), "{wrong}");
        }
    }
}
