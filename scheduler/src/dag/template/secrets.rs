//! `conn` and `var`: connections and variables as templates see them (Airflow 3: templates reference).

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Kwargs, Object, ObjectRepr, Value, from_args};
use minijinja::{Error, ErrorKind, State};
use serde_json::Value as Json;

use super::instant::invalid;
use super::objects::text_or_none;
use super::session::{Looked, Session, from_json};
use super::{SecretRef, SecretValue};
use crate::connection::{Connection, Secret};

/// `conn`: connections by their ids.
#[derive(Debug)]
pub(super) struct Connections(pub Arc<Session>);

impl Object for Connections {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let conn_id = key.as_str()?;
        Some(self.find(conn_id).unwrap_or_else(|| Value::from(no_connection(conn_id))))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Empty
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let (conn_id, default) = get_arguments(method, args, "default_conn")?;
        Ok(self.find(&conn_id).unwrap_or(default))
    }
}

impl Connections {
    fn find(&self, conn_id: &str) -> Option<Value> {
        match self.0.secret(&SecretRef::Connection(conn_id.to_owned())) {
            Looked::Found(SecretValue::Connection(connection)) => {
                Some(Value::from_object(OneConnection(Arc::clone(connection))))
            }
            Looked::Pending(stand_in) => Some(stand_in),
            _ => None,
        }
    }
}

fn no_connection(conn_id: &str) -> Error {
    invalid(format!(
        "there is no connection `{conn_id}`; make it in the UI, or with `updraft connections add {conn_id} …`"
    ))
}

/// A connection, with the names of its parts in Airflow.
struct OneConnection(Arc<Connection>);

/// Without its secrets, and as Airflow writes one.
impl fmt::Debug for OneConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.conn_id)
    }
}

impl Object for OneConnection {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let connection = &self.0;
        Some(match key.as_str()? {
            "conn_id" => Value::from(connection.conn_id.as_str()),
            "conn_type" => Value::from(connection.conn_type.as_str()),
            "description" => text_or_none(connection.description.as_deref()),
            "host" => text_or_none(connection.host.as_deref()),
            "login" => text_or_none(connection.login.as_deref()),
            "password" => text_or_none(connection.password.as_ref().map(Secret::reveal)),
            "schema" => text_or_none(connection.schema.as_deref()),
            "port" => connection.port.map_or_else(|| Value::from(()), Value::from),
            "extra" => Value::from(Json::Object(connection.extra.clone()).to_string()),
            "extra_dejson" => from_json(&Json::Object(connection.extra.clone())),
            _ => return None,
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Empty
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        match method {
            "get_uri" => {
                let () = from_args(args)?;
                Ok(Value::from(self.0.to_uri()))
            }
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// `var`: variables as text (`var.value`) or read as JSON (`var.json`).
#[derive(Debug)]
pub(super) struct Variables(pub Arc<Session>);

impl Object for Variables {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let is_json = match key.as_str()? {
            "value" => false,
            "json" => true,
            _ => return None,
        };
        Some(Value::from_object(Values { session: Arc::clone(&self.0), is_json }))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Empty
    }
}

/// The values of variables by their keys.
#[derive(Debug)]
struct Values {
    session: Arc<Session>,
    is_json: bool,
}

impl Object for Values {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let key = key.as_str()?;
        let absent = || {
            invalid(format!(
                "there is no variable `{key}`; make it in the UI, or with `updraft variables set {key} …`, or write \
                 `get('{key}', 'what else')`"
            ))
        };
        Some(self.find(key).unwrap_or_else(|| Value::from(absent())))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Empty
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let (key, default) = get_arguments(method, args, "default_var")?;
        Ok(self.find(&key).unwrap_or(default))
    }
}

impl Values {
    fn find(&self, key: &str) -> Option<Value> {
        let text = match self.session.secret(&SecretRef::Variable(key.to_owned())) {
            Looked::Found(SecretValue::Variable(text)) => text,
            Looked::Pending(stand_in) => return Some(stand_in),
            _ => return None,
        };
        if !self.is_json {
            return Some(Value::from(text.as_str()));
        }
        Some(match serde_json::from_str(text) {
            Ok(json) => from_json(&json),
            // What stands there may be a secret.
            Err(error) => Value::from(invalid(format!(
                "the variable `{key}` holds no JSON: line {}, column {} cannot be read",
                error.line(),
                error.column()
            ))),
        })
    }
}

/// The arguments of `get(name, default)`.
fn get_arguments(method: &str, args: &[Value], default_name: &str) -> Result<(String, Value), Error> {
    if method != "get" {
        return Err(Error::from(ErrorKind::UnknownMethod));
    }
    let (name, default, kwargs): (String, Option<Value>, Kwargs) = from_args(args)?;
    let default = match default {
        Some(default) => Some(default),
        None => kwargs.get::<Option<Value>>(default_name)?,
    };
    kwargs.assert_all_used()?;
    Ok((name, default.unwrap_or_else(|| Value::from(()))))
}
