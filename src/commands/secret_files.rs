//! Files of connections and of variables, as `airflow connections export` and `airflow variables export` write them.

use std::io::Read;
use std::path::Path;

use anyhow::Context;
use scheduler::connection::Connection;
use serde_json::{Map, Value};

use crate::cli::{SecretFileFormat, Serialization};
use crate::output;
use crate::report::BadInput;

/// The form that the name of a file stands for.
pub fn format_of(path: &Path) -> Option<SecretFileFormat> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "json" => Some(SecretFileFormat::Json),
        "yaml" | "yml" => Some(SecretFileFormat::Yaml),
        "env" => Some(SecretFileFormat::Env),
        _ => None,
    }
}

/// Reads the entries of a file, each with its name, in the order of the file.
fn read(path: &Path) -> anyhow::Result<Map<String, Value>> {
    let shown = path.display();
    let format = format_of(path).ok_or_else(|| {
        BadInput::new(format!("the name of `{shown}` does not say what it holds"))
            .hint("it must end with .json, .yaml, .yml or .env")
    })?;
    let text =
        std::fs::read_to_string(path).map_err(|error| BadInput::new(format!("cannot read `{shown}`: {error}")))?;
    // Errors of parsers may show what stands there, which may be a secret; so they only say where.
    let parsed = match format {
        SecretFileFormat::Json => serde_json::from_str(&text)
            .map_err(|error| format!("line {}, column {} cannot be read", error.line(), error.column())),
        SecretFileFormat::Yaml => serde_yaml::from_str(&text).map_err(|error| match error.location() {
            Some(place) => format!("line {}, column {} cannot be read", place.line(), place.column()),
            None => "it cannot be read".to_owned(),
        }),
        SecretFileFormat::Env => read_env(&text),
    };
    let entries = parsed.map_err(|problem| BadInput::new(format!("`{shown}` is wrong: {problem}")))?;
    match entries {
        Value::Object(entries) => Ok(entries),
        Value::Null => Ok(Map::new()),
        _ => Err(BadInput::new(format!("`{shown}` is wrong: it holds no mapping from names to values")).into()),
    }
}

fn read_env(text: &str) -> Result<Value, String> {
    let mut entries = Map::new();
    for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line.trim())) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) =
            line.split_once('=').ok_or_else(|| format!("line {number} is not of the form NAME=value"))?;
        entries.insert(name.trim().to_owned(), Value::from(value.trim()));
    }
    Ok(Value::Object(entries))
}

/// Reads a file of connections.
pub fn read_connections(path: &Path) -> anyhow::Result<Vec<Connection>> {
    let read = |(conn_id, value): (String, Value)| {
        let connection = match value {
            Value::Object(fields) => Connection::from_json(&conn_id, fields),
            Value::String(text) => Connection::parse(&conn_id, &text),
            _ => return Err(BadInput::new(format!("`{}`: `{conn_id}` is no connection", path.display())).into()),
        };
        connection.map_err(|problem| {
            BadInput::new(format!("`{}`: `{conn_id}` is no connection: {problem}", path.display())).into()
        })
    };
    self::read(path)?.into_iter().map(read).collect()
}

/// A variable of a file.
pub struct FileVariable {
    /// What it is called.
    pub key: String,
    /// Its text; JSON for whatever is no text.
    pub value: String,
    /// What is said of it.
    pub description: Option<String>,
}

/// Reads a file of variables.
pub fn read_variables(path: &Path) -> anyhow::Result<Vec<FileVariable>> {
    let read = |(key, value): (String, Value)| {
        let (value, description) = match value {
            // Airflow writes those with a description so.
            Value::Object(mut fields) if says_more(&fields) => {
                let description = fields.get("description").and_then(Value::as_str).map(str::to_owned);
                (fields.shift_remove("value").unwrap_or_default(), description)
            }
            other => (other, None),
        };
        let value = match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        FileVariable { key, value, description }
    };
    Ok(self::read(path)?.into_iter().map(read).collect())
}

/// The text of a file of connections.
pub fn write_connections(connections: &[Connection], format: SecretFileFormat, line: Serialization) -> String {
    let entries = connections.iter().map(|connection| (connection.conn_id.clone(), exported(connection)));
    match format {
        SecretFileFormat::Json => pretty(&Value::Object(entries.collect())),
        SecretFileFormat::Yaml => write_yaml(entries),
        SecretFileFormat::Env => connections
            .iter()
            .map(|connection| match line {
                Serialization::Uri => format!("{}={}\n", connection.conn_id, connection.to_uri()),
                Serialization::Json => format!("{}={}\n", connection.conn_id, Value::Object(connection.to_json())),
            })
            .collect(),
    }
}

/// The fields of a connection, `extra` as a text, as Airflow has them.
fn exported(connection: &Connection) -> Value {
    let mut fields = connection.to_json();
    if let Some(extra) = fields.get_mut("extra").filter(|extra| extra.is_object()) {
        *extra = Value::from(extra.to_string());
    }
    Value::Object(fields)
}

/// The text of a file of variables, from which they are read back as they are.
pub fn write_variables(variables: &[FileVariable], format: SecretFileFormat) -> anyhow::Result<String> {
    let entries = variables.iter().map(|variable| {
        let value = as_json(&variable.value);
        let is_ambiguous = value.as_object().is_some_and(says_more);
        let value = match &variable.description {
            None if !is_ambiguous => value,
            description => serde_json::json!({ "value": value, "description": description }),
        };
        (variable.key.clone(), value)
    });
    Ok(match format {
        SecretFileFormat::Json => pretty(&Value::Object(entries.collect())),
        SecretFileFormat::Yaml => write_yaml(entries),
        SecretFileFormat::Env => variables.iter().map(line_of).collect::<Result<_, _>>()?,
    })
}

/// Whether a mapping is how files write a variable with what is said of it.
fn says_more(fields: &Map<String, Value>) -> bool {
    fields.contains_key("value") && fields.keys().all(|name| name == "value" || name == "description")
}

/// The value that a text is in JSON, if that is the same text again but for its blanks; else the text. `1.10` is no number: it
/// would come back as `1.1`.
fn as_json(text: &str) -> Value {
    let parsed = serde_json::from_str::<Value>(text).ok();
    let comes_back = |value: &Value| {
        let written = value.to_string();
        written == without_blanks(text)
    };
    let same = parsed.filter(|value| !value.is_string() && comes_back(value));
    same.unwrap_or_else(|| Value::from(text))
}

/// JSON without the blanks between its parts.
fn without_blanks(json: &str) -> String {
    let (mut is_text, mut is_escaped) = (false, false);
    let mut is_part = |c: char| {
        is_text ^= c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        is_text || !c.is_ascii_whitespace()
    };
    json.chars().filter(|c| is_part(*c)).collect()
}

fn line_of(variable: &FileVariable) -> anyhow::Result<String> {
    let FileVariable { key, value, .. } = variable;
    if value.contains(['\n', '\r']) || value.trim() != value {
        let what =
            format!("the value of `{key}` has several lines, or blanks around it, which are lost in a .env file");
        return Err(BadInput::new(what).hint("write a .json or .yaml file").into());
    }
    Ok(format!("{key}={value}\n"))
}

fn pretty(value: &Value) -> String {
    // A value of JSON can always be written.
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

/// Two levels of mappings; what is in them is written as JSON, which YAML is, too.
fn write_yaml(entries: impl Iterator<Item = (String, Value)>) -> String {
    let mut text = String::new();
    for (name, value) in entries {
        text += &Value::from(name).to_string();
        text += ":";
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                text += "\n";
                for (key, value) in fields {
                    text.extend(["  ", &Value::from(key).to_string(), ": ", &value.to_string(), "\n"]);
                }
            }
            other => text.extend([" ", &other.to_string(), "\n"]),
        }
    }
    if text.is_empty() { "{}\n".to_owned() } else { text }
}

/// Writes a file that only we can read, or to standard output.
pub fn save(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::fs::Permissions;
    use std::io::Write;
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};

    if path == Path::new("-") {
        return output::line(text);
    }
    let write = || {
        let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        // One that was there may be for others to read.
        if file.metadata()?.is_file() {
            file.set_permissions(Permissions::from_mode(0o600))?;
        }
        file.write_all(text.as_bytes())
    };
    write().with_context(|| format!("cannot write `{}`", path.display()))
}

/// A value that was typed, or what standard input holds in its place.
pub fn typed(value: String) -> anyhow::Result<String> {
    if value != "-" {
        return Ok(value);
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}
