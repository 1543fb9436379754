//! Connections and their types. No password leaves the server.

use scheduler::connection::{ConnectionType, Field, FieldKind, MASK, masked};
use scheduler::keyring::Keyring;
use scheduler::store::connections;
use scheduler::store::entity::connection;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A connection.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectionResponse {
    connection_id: String,
    conn_type: String,
    description: Option<String>,
    host: Option<String>,
    login: Option<String>,
    schema: Option<String>,
    port: Option<u16>,
    /// `***` when there is one.
    password: Option<String>,
    /// A JSON object as text, with `***` in the place of what is secret in it; all of it is `***` when it is encrypted with
    /// a key that the server does not have.
    extra: Option<String>,
    team_name: Option<String>,
}

impl ConnectionResponse {
    pub(crate) fn new(row: &connection::Model, keyring: &Keyring) -> ConnectionResponse {
        let plain = connections::without_secrets(row);
        let extra = row.extra.as_ref().map(|_| match connections::open_extra(row, keyring) {
            Ok(extra) => masked("", &Value::Object(extra)).to_string(),
            Err(problem) => {
                tracing::warn!("{problem}");
                MASK.to_owned()
            }
        });
        ConnectionResponse {
            connection_id: plain.conn_id,
            conn_type: plain.conn_type,
            description: plain.description,
            host: plain.host,
            login: plain.login,
            schema: plain.schema,
            port: plain.port,
            password: row.password.as_ref().map(|_| MASK.to_owned()),
            extra,
            team_name: None,
        }
    }
}

/// A page of connections.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectionCollectionResponse {
    pub(crate) connections: Vec<ConnectionResponse>,
    pub(crate) total_entries: u64,
}

/// What came of trying a connection out.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectionTestResponse {
    /// Whether it works.
    pub(crate) status: bool,
    /// What was found, or what is wrong.
    pub(crate) message: String,
}

/// A type of connections, with the fields of its form.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectionTypeResponse {
    conn_type: String,
    /// What people call it.
    label: String,
    /// Whether a connection of it can be tried out.
    can_test: bool,
    fields: Vec<ConnectionFieldResponse>,
}

/// One field of the form.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectionFieldResponse {
    /// A field of the connection, or a key of `extra`.
    name: String,
    label: String,
    /// `text`, `secret`, `number`, `flag` or `choice`.
    kind: String,
    /// Whether it is a key of `extra`.
    is_extra: bool,
    /// What there is to choose from.
    choices: Vec<String>,
    placeholder: String,
    help: String,
}

/// All types of connections.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectionTypeCollectionResponse {
    pub(crate) connection_types: Vec<ConnectionTypeResponse>,
    pub(crate) total_entries: u64,
}

impl From<&ConnectionType> for ConnectionTypeResponse {
    fn from(kind: &ConnectionType) -> ConnectionTypeResponse {
        ConnectionTypeResponse {
            conn_type: kind.name.to_owned(),
            label: kind.label.to_owned(),
            can_test: kind.test.is_some(),
            fields: kind.fields.iter().map(ConnectionFieldResponse::from).collect(),
        }
    }
}

impl From<&Field> for ConnectionFieldResponse {
    fn from(field: &Field) -> ConnectionFieldResponse {
        let (kind, choices) = match field.kind {
            FieldKind::Text => ("text", [].as_slice()),
            FieldKind::Secret => ("secret", [].as_slice()),
            FieldKind::Number => ("number", [].as_slice()),
            FieldKind::Flag => ("flag", [].as_slice()),
            FieldKind::Choice(choices) => ("choice", choices),
        };
        ConnectionFieldResponse {
            name: field.name.to_owned(),
            label: field.label.to_owned(),
            kind: kind.to_owned(),
            is_extra: field.is_extra,
            choices: choices.iter().map(|choice| (*choice).to_owned()).collect(),
            placeholder: field.placeholder.to_owned(),
            help: field.help.to_owned(),
        }
    }
}
