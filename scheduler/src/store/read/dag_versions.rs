//! The definitions that runs are pinned to.

use std::collections::HashMap;

use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoSimpleExpr, Iterable, QueryFilter, QuerySelect, Select,
};
use uuid::Uuid;

use super::keyset::{Kind, Listing, Paging, SortKey, Sorting, fetch, listing, total};
use crate::store::entity::dag_version;
use crate::store::error::{StoreError, doing};

/// Which versions. The default is all of them.
#[derive(Clone, Debug, Default)]
pub struct VersionFilter {
    /// Only those of this DAG.
    pub dag_id: Option<String>,
    /// Only the one with this number.
    pub version_number: Option<i32>,
}

/// What versions can be ordered by (Airflow 3); `id` tells any two apart.
pub fn version_sort_key(word: &str) -> Option<SortKey<dag_version::Model>> {
    use dag_version::Column as C;
    let column = match word {
        "id" => C::Id,
        "version_number" => C::VersionNumber,
        // All files are of one bundle, and a folder has no versions of its own.
        "bundle_name" | "bundle_version" => C::DagId,
        _ => return None,
    };
    Some(SortKey::without_cursor(column.into_simple_expr(), Kind::Text))
}

/// A page of versions, without their sources.
pub async fn list_dag_versions(
    db: &impl ConnectionTrait,
    filter: &VersionFilter,
    sorting: &Sorting<dag_version::Model>,
    paging: &Paging,
) -> Result<Listing<dag_version::Model>, StoreError> {
    let all = Condition::all()
        .add_option(filter.dag_id.as_ref().map(|dag_id| dag_version::Column::DagId.eq(dag_id)))
        .add_option(filter.version_number.map(|number| dag_version::Column::VersionNumber.eq(number)));
    let total = total(db, dag_version::Entity::find().filter(all.clone()), paging).await?;
    let (rows, has_more) = fetch(db, light().filter(all), sorting, paging).await?;
    Ok(listing(rows, has_more, total, sorting, paging))
}

/// One version of a DAG, with its source: the one with that number, or the latest.
pub async fn find_dag_version(
    db: &impl ConnectionTrait,
    dag_id: &str,
    version_number: Option<i32>,
) -> Result<Option<dag_version::Model>, StoreError> {
    use sea_orm::QueryOrder;
    dag_version::Entity::find()
        .filter(dag_version::Column::DagId.eq(dag_id))
        .filter(Condition::all().add_option(version_number.map(|number| dag_version::Column::VersionNumber.eq(number))))
        .order_by_desc(dag_version::Column::VersionNumber)
        .one(db)
        .await
        .map_err(doing("looking for a DAG version"))
}

/// Versions by their keys, without their sources.
pub(super) async fn by_id(
    db: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<HashMap<Uuid, dag_version::Model>, StoreError> {
    let mut ids: Vec<Uuid> = ids.into_iter().collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows =
        light().filter(dag_version::Column::Id.is_in(ids)).all(db).await.map_err(doing("reading DAG versions"))?;
    Ok(rows.into_iter().map(|version| (version.id, version)).collect())
}

fn light() -> Select<dag_version::Entity> {
    dag_version::Entity::find()
        .select_only()
        .columns(dag_version::Column::iter().filter(|column| !matches!(column, dag_version::Column::Source)))
        .expr_as(Expr::value(""), "source")
}
