//! The DAGs that users like to find again (Airflow 3: favourites).

use std::collections::HashSet;

use sea_orm::sea_query::{OnConflict, Query, SelectStatement};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect};

use super::entity::dag_favorite::{Column, Entity, Model};
use super::error::{StoreError, doing};

/// Makes a DAG a favourite; false when it was one.
pub async fn insert(db: &impl ConnectionTrait, user: &str, dag_id: &str) -> Result<bool, StoreError> {
    if !among(db, user, &[dag_id.to_owned()]).await?.is_empty() {
        return Ok(false);
    }
    let row = Model { user_name: user.to_owned(), dag_id: dag_id.to_owned() };
    Entity::insert(row.into_active_model())
        .on_conflict(OnConflict::columns([Column::UserName, Column::DagId]).do_nothing().to_owned())
        .try_insert()
        .exec_without_returning(db)
        .await
        .map_err(doing("keeping a favourite"))?;
    Ok(true)
}

/// Makes it none; false when it was none.
pub async fn delete(db: &impl ConnectionTrait, user: &str, dag_id: &str) -> Result<bool, StoreError> {
    let deleted = Entity::delete_by_id((user.to_owned(), dag_id.to_owned())).exec(db).await;
    Ok(deleted.map_err(doing("forgetting a favourite"))?.rows_affected > 0)
}

/// Which of these DAGs are favourites of a user.
pub async fn among(db: &impl ConnectionTrait, user: &str, dag_ids: &[String]) -> Result<HashSet<String>, StoreError> {
    let found: Vec<String> = Entity::find()
        .select_only()
        .column(Column::DagId)
        .filter(Column::UserName.eq(user))
        .filter(Column::DagId.is_in(dag_ids))
        .into_tuple()
        .all(db)
        .await
        .map_err(doing("reading favourites"))?;
    Ok(found.into_iter().collect())
}

/// The favourites of a user.
pub(super) fn of_user(user: &str) -> SelectStatement {
    Query::select().column(Column::DagId).from(Entity).and_where(Column::UserName.eq(user)).take()
}
