//! What people ask of connections: make, change, delete.

use sea_orm::DatabaseTransaction;
use serde_json::{Map, Value, json};

use super::{Control, ControlError};
use crate::connection::{Connection, MASK, Secret, check_conn_id, masked, normalise_type, unmasked};
use crate::keyring::{KeyError, Keyring};
use crate::store::audit::{self, Deed};
use crate::store::entity::connection;
use crate::store::secret_keys::{self, Rotated};
use crate::store::{StoreError, commit, connections};

/// What is to be changed of a connection; what is none stays as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConnectionPatch {
    /// What it leads to.
    pub conn_type: Option<String>,
    /// For people.
    pub description: Option<Option<String>>,
    /// The name or address of the other side.
    pub host: Option<Option<String>>,
    /// Who we are there.
    pub login: Option<Option<String>>,
    /// How we show it; `***` leaves it as it is.
    pub password: Option<Option<Secret>>,
    /// Which database, bucket or scheme there.
    pub schema: Option<Option<String>>,
    /// The port there.
    pub port: Option<Option<u16>>,
    /// Whatever else it takes, all of it; a value that is `***` stays as it is.
    pub extra: Option<Map<String, Value>>,
}

impl ConnectionPatch {
    /// The change that makes a connection that one.
    pub fn replacing_all(connection: Connection) -> ConnectionPatch {
        ConnectionPatch {
            conn_type: Some(connection.conn_type),
            description: Some(connection.description),
            host: Some(connection.host),
            login: Some(connection.login),
            password: Some(connection.password),
            schema: Some(connection.schema),
            port: Some(connection.port),
            extra: Some(connection.extra),
        }
    }

    /// A stored connection with the change.
    pub fn onto_stored(self, row: &connection::Model, keyring: &Keyring) -> Result<Connection, KeyError> {
        let mut connection = connections::without_secrets(row);
        // A secret that cannot be opened is opened only if something of it is to stay: so it can be set anew.
        let has_password = matches!(&self.password, Some(password) if !is_masked(password.as_ref()));
        if !has_password {
            connection.password = connections::open_password(row, keyring)?;
        }
        if self.extra.as_ref().is_none_or(|extra| holds_mask(&Value::Object(extra.clone()))) {
            connection.extra = connections::open_extra(row, keyring)?;
        }
        Ok(self.onto(connection))
    }

    /// A connection with the change.
    pub fn onto(self, mut connection: Connection) -> Connection {
        if let Some(conn_type) = self.conn_type {
            connection.conn_type = normalise_type(&conn_type);
        }
        connection.description = self.description.unwrap_or(connection.description);
        connection.host = self.host.unwrap_or(connection.host);
        connection.login = self.login.unwrap_or(connection.login);
        connection.schema = self.schema.unwrap_or(connection.schema);
        connection.port = self.port.unwrap_or(connection.port);
        if let Some(password) = self.password.filter(|password| !is_masked(password.as_ref())) {
            connection.password = password;
        }
        // All of it may have been shown as `***`.
        if let Some(extra) = self.extra.filter(|extra| !extra.contains_key(MASK)) {
            let old = Value::Object(connection.extra);
            connection.extra = match unmasked(Value::Object(extra), Some(&old)) {
                Value::Object(extra) => extra,
                _ => Map::new(),
            };
        }
        connection
    }
}

fn is_masked(password: Option<&Secret>) -> bool {
    password.is_some_and(|password| password.reveal() == MASK)
}

/// Whether something in the value is `***`.
pub(super) fn holds_mask(value: &Value) -> bool {
    match value {
        Value::String(text) => text == MASK,
        Value::Array(values) => values.iter().any(holds_mask),
        Value::Object(values) => values.values().any(holds_mask),
        _ => false,
    }
}

impl Control {
    /// The keys that secrets in the database are encrypted with.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// Makes a connection.
    pub async fn create_connection(
        &self,
        connection: &Connection,
        user: Option<&str>,
    ) -> Result<connection::Model, ControlError> {
        check(connection)?;
        let txn = self.db.begin_write().await?;
        secret_keys::register(&txn, &self.keyring, self.clock.now()).await?;
        connections::insert(&txn, &self.keyring, connection).await.map_err(conflict)?;
        self.connection_changed(txn, "post_connection", connection, user).await
    }

    /// Changes a connection. Tries that have read it already go on with what they read.
    pub async fn patch_connection(
        &self,
        conn_id: &str,
        patch: ConnectionPatch,
        user: Option<&str>,
    ) -> Result<connection::Model, ControlError> {
        let txn = self.db.begin_write().await?;
        secret_keys::register(&txn, &self.keyring, self.clock.now()).await?;
        let row = connections::get(&txn, conn_id).await?;
        let connection = patch.onto_stored(&row, &self.keyring).map_err(StoreError::from)?;
        check(&connection)?;
        connections::update(&txn, &self.keyring, &connection).await?;
        self.connection_changed(txn, "patch_connection", &connection, user).await
    }

    /// Deletes a connection.
    pub async fn delete_connection(&self, conn_id: &str, user: Option<&str>) -> Result<(), ControlError> {
        let txn = self.db.begin_write().await?;
        if !connections::delete(&txn, conn_id).await? {
            return Err(StoreError::NotFound { what: "connection", id: conn_id.to_owned() }.into());
        }
        let extra = Some(json!({ "connection_id": conn_id }));
        let deed = Deed { event: "delete_connection", owner: user, extra, ..Deed::default() };
        audit::record(&txn, deed, self.clock.now()).await?;
        Ok(commit(txn).await?)
    }

    /// Encrypts all secrets with the first key, all or none.
    pub async fn rotate_key(&self, user: Option<&str>) -> Result<Rotated, ControlError> {
        let txn = self.db.begin_write().await?;
        let rotated = secret_keys::rotate(&txn, &self.keyring, self.clock.now()).await?;
        let extra = json!({
            "key": self.keyring.first_id(),
            "connections": rotated.connections,
            "variables": rotated.variables,
        });
        let deed = Deed { event: "rotate_secret_key", owner: user, extra: Some(extra), ..Deed::default() };
        audit::record(&txn, deed, self.clock.now()).await?;
        commit(txn).await?;
        Ok(rotated)
    }

    async fn connection_changed(
        &self,
        txn: DatabaseTransaction,
        event: &str,
        connection: &Connection,
        user: Option<&str>,
    ) -> Result<connection::Model, ControlError> {
        let mut settings = masked("", &Value::Object(connection.to_json()));
        // `extra` is kept encrypted, so here it is only told which keys it has.
        if let Some(Value::Object(extra)) = settings.get_mut("extra") {
            extra.values_mut().for_each(|value| *value = Value::from(MASK));
        }
        let extra = Some(json!({ "connection_id": connection.conn_id, "settings": settings }));
        audit::record(&txn, Deed { event, owner: user, extra, ..Deed::default() }, self.clock.now()).await?;
        commit(txn).await?;
        Ok(connections::get(self.db.read(), &connection.conn_id).await?)
    }
}

fn check(connection: &Connection) -> Result<(), ControlError> {
    check_conn_id(&connection.conn_id).map_err(ControlError::Invalid)?;
    if connection.conn_type.is_empty() {
        return Err(ControlError::Invalid("a connection has a type, such as `http` or `postgres`".to_owned()));
    }
    Ok(())
}

fn conflict(error: StoreError) -> ControlError {
    match error {
        StoreError::Exists { .. } => ControlError::Conflict(error.to_string()),
        other => other.into(),
    }
}
