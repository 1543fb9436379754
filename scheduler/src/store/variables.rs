//! Variables: values with names, sealed on the way in.

use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder,
};

use super::entity::variable;
use super::error::{StoreError, doing, is_duplicate};
use crate::keyring::{KeyError, Keyring, Place};

const KIND: &str = "variable";

/// Every variable, by its key.
pub async fn list(db: &impl ConnectionTrait) -> Result<Vec<variable::Model>, StoreError> {
    variable::Entity::find().order_by_asc(variable::Column::Key).all(db).await.map_err(doing("listing variables"))
}

/// The variable of that key.
pub async fn find(db: &impl ConnectionTrait, key: &str) -> Result<Option<variable::Model>, StoreError> {
    variable::Entity::find()
        .filter(variable::Column::Key.eq(key))
        .one(db)
        .await
        .map_err(doing("looking for a variable"))
}

/// The variable of that key, which must exist.
pub async fn get(db: &impl ConnectionTrait, key: &str) -> Result<variable::Model, StoreError> {
    find(db, key).await?.ok_or_else(|| StoreError::NotFound { what: KIND, id: key.to_owned() })
}

/// Makes a variable.
///
/// # Errors
/// [`StoreError::Exists`] when there is one of its key.
pub async fn insert(
    db: &impl ConnectionTrait,
    keyring: &Keyring,
    key: &str,
    value: &str,
    description: Option<&str>,
) -> Result<(), StoreError> {
    let row = variable::ActiveModel {
        id: NotSet,
        key: Set(key.to_owned()),
        value: Set(keyring.seal(value, place(key))?),
        description: Set(description.map(str::to_owned)),
    };
    variable::Entity::insert(row).exec_without_returning(db).await.map_err(|error| {
        if is_duplicate(&error) {
            StoreError::Exists { what: KIND, id: key.to_owned() }
        } else {
            doing("making a variable")(error)
        }
    })?;
    Ok(())
}

/// Changes the value of a variable, if one is given, and what is said of it; true when there is one.
pub async fn update(
    db: &impl ConnectionTrait,
    keyring: &Keyring,
    key: &str,
    value: Option<&str>,
    description: Option<&str>,
) -> Result<bool, StoreError> {
    let mut update = variable::Entity::update_many()
        .col_expr(variable::Column::Description, Expr::value(description.map(str::to_owned)))
        .filter(variable::Column::Key.eq(key));
    if let Some(value) = value {
        update = update.col_expr(variable::Column::Value, Expr::value(keyring.seal(value, place(key))?));
    }
    let updated = update.exec(db).await.map_err(doing("changing a variable"))?;
    Ok(updated.rows_affected > 0)
}

/// Deletes a variable; true when there was one.
pub async fn delete(db: &impl ConnectionTrait, key: &str) -> Result<bool, StoreError> {
    let deleted = variable::Entity::delete_many()
        .filter(variable::Column::Key.eq(key))
        .exec(db)
        .await
        .map_err(doing("deleting a variable"))?;
    Ok(deleted.rows_affected > 0)
}

/// Encrypts all of them with the present key; how many there were.
pub(super) async fn reseal(db: &impl ConnectionTrait, keyring: &Keyring) -> Result<u64, StoreError> {
    let mut count = 0;
    for row in list(db).await? {
        let value = open(&row, keyring)?;
        update(db, keyring, &row.key, Some(&value), row.description.as_deref()).await?;
        count += 1;
    }
    Ok(count)
}

/// The value of a variable.
pub fn open(row: &variable::Model, keyring: &Keyring) -> Result<String, KeyError> {
    keyring.open(&row.value, place(&row.key))
}

fn place(key: &str) -> Place<'_> {
    Place { kind: KIND, id: key, field: "value" }
}
