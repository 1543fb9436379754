//! Connections: their passwords and what else they take are sealed on the way in, and opened only where they are needed.

use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder,
};
use serde_json::{Map, Value};

use super::entity::connection;
use super::error::{StoreError, doing, is_duplicate};
use crate::connection::{Connection, Secret};
use crate::keyring::{KeyError, Keyring, Place};

const KIND: &str = "connection";

/// Every connection, by its id.
pub async fn list(db: &impl ConnectionTrait) -> Result<Vec<connection::Model>, StoreError> {
    connection::Entity::find()
        .order_by_asc(connection::Column::ConnId)
        .all(db)
        .await
        .map_err(doing("listing connections"))
}

/// The connection of that id.
pub async fn find(db: &impl ConnectionTrait, conn_id: &str) -> Result<Option<connection::Model>, StoreError> {
    connection::Entity::find()
        .filter(connection::Column::ConnId.eq(conn_id))
        .one(db)
        .await
        .map_err(doing("looking for a connection"))
}

/// The connection of that id, which must exist.
pub async fn get(db: &impl ConnectionTrait, conn_id: &str) -> Result<connection::Model, StoreError> {
    find(db, conn_id).await?.ok_or_else(|| StoreError::NotFound { what: KIND, id: conn_id.to_owned() })
}

/// Makes a connection.
///
/// # Errors
/// [`StoreError::Exists`] when there is one of its id.
pub async fn insert(db: &impl ConnectionTrait, keyring: &Keyring, new: &Connection) -> Result<(), StoreError> {
    let row = connection::ActiveModel {
        id: NotSet,
        conn_id: Set(new.conn_id.clone()),
        conn_type: Set(new.conn_type.clone()),
        description: Set(new.description.clone()),
        host: Set(new.host.clone()),
        login: Set(new.login.clone()),
        schema: Set(new.schema.clone()),
        port: Set(new.port.map(i32::from)),
        password: Set(seal_password(keyring, new)?),
        extra: Set(seal_extra(keyring, new)?),
    };
    connection::Entity::insert(row).exec_without_returning(db).await.map_err(|error| {
        if is_duplicate(&error) {
            StoreError::Exists { what: KIND, id: new.conn_id.clone() }
        } else {
            doing("making a connection")(error)
        }
    })?;
    Ok(())
}

/// Makes a connection as it is given, its id excepted; true when there is one.
pub async fn update(db: &impl ConnectionTrait, keyring: &Keyring, now: &Connection) -> Result<bool, StoreError> {
    use connection::Column as C;
    let updated = connection::Entity::update_many()
        .col_expr(C::ConnType, Expr::value(now.conn_type.clone()))
        .col_expr(C::Description, Expr::value(now.description.clone()))
        .col_expr(C::Host, Expr::value(now.host.clone()))
        .col_expr(C::Login, Expr::value(now.login.clone()))
        .col_expr(C::Schema, Expr::value(now.schema.clone()))
        .col_expr(C::Port, Expr::value(now.port.map(i32::from)))
        .col_expr(C::Password, Expr::value(seal_password(keyring, now)?))
        .col_expr(C::Extra, Expr::value(seal_extra(keyring, now)?))
        .filter(C::ConnId.eq(&now.conn_id))
        .exec(db)
        .await
        .map_err(doing("changing a connection"))?;
    Ok(updated.rows_affected > 0)
}

/// Deletes a connection; true when there was one.
pub async fn delete(db: &impl ConnectionTrait, conn_id: &str) -> Result<bool, StoreError> {
    let deleted = connection::Entity::delete_many()
        .filter(connection::Column::ConnId.eq(conn_id))
        .exec(db)
        .await
        .map_err(doing("deleting a connection"))?;
    Ok(deleted.rows_affected > 0)
}

/// Encrypts all of them with the present key; how many there were.
pub(super) async fn reseal(db: &impl ConnectionTrait, keyring: &Keyring) -> Result<u64, StoreError> {
    let mut count = 0;
    for row in list(db).await? {
        update(db, keyring, &open(&row, keyring)?).await?;
        count += 1;
    }
    Ok(count)
}

/// A connection with its secrets.
pub fn open(row: &connection::Model, keyring: &Keyring) -> Result<Connection, KeyError> {
    Ok(Connection { password: open_password(row, keyring)?, extra: open_extra(row, keyring)?, ..without_secrets(row) })
}

/// A connection without its password and `extra`.
pub fn without_secrets(row: &connection::Model) -> Connection {
    Connection {
        description: row.description.clone(),
        host: row.host.clone(),
        login: row.login.clone(),
        schema: row.schema.clone(),
        // The table takes no other numbers.
        port: row.port.and_then(|port| u16::try_from(port).ok()),
        ..Connection::new(&row.conn_id, &row.conn_type)
    }
}

/// The password of a connection.
pub fn open_password(row: &connection::Model, keyring: &Keyring) -> Result<Option<Secret>, KeyError> {
    let Some(sealed) = &row.password else { return Ok(None) };
    keyring.open(sealed, place(&row.conn_id, "password")).map(|text| Some(Secret::new(text)))
}

/// What else a connection takes.
pub fn open_extra(row: &connection::Model, keyring: &Keyring) -> Result<Map<String, Value>, KeyError> {
    let Some(sealed) = &row.extra else { return Ok(Map::new()) };
    let text = keyring.open(sealed, place(&row.conn_id, "extra"))?;
    // What is authentic was written by `seal_extra`.
    serde_json::from_str(&text).map_err(|_| KeyError::Damaged { kind: KIND, id: row.conn_id.clone(), field: "extra" })
}

fn seal_password(keyring: &Keyring, connection: &Connection) -> Result<Option<String>, KeyError> {
    let seal = |password: &Secret| keyring.seal(password.reveal(), place(&connection.conn_id, "password"));
    connection.password.as_ref().map(seal).transpose()
}

fn seal_extra(keyring: &Keyring, connection: &Connection) -> Result<Option<String>, KeyError> {
    if connection.extra.is_empty() {
        return Ok(None);
    }
    let text = Value::Object(connection.extra.clone()).to_string();
    keyring.seal(&text, place(&connection.conn_id, "extra")).map(Some)
}

fn place<'a>(conn_id: &'a str, field: &'static str) -> Place<'a> {
    Place { kind: KIND, id: conn_id, field }
}
