//! Pools, in pages.

use sea_orm::{Condition, ConnectionTrait, EntityTrait, IntoSimpleExpr, QueryFilter};

use super::filter::Pattern;
use super::keyset::{Kind, Listing, Paging, SortKey, Sorting, fetch, listing, total};
use crate::store::entity::pool;
use crate::store::error::StoreError;

/// What pools can be ordered by (Airflow 3); `id` tells any two apart.
pub fn pool_sort_key(word: &str) -> Option<SortKey<pool::Model>> {
    let column = match word {
        "id" => pool::Column::Id,
        "pool" | "name" => pool::Column::Name,
        _ => return None,
    };
    Some(SortKey::without_cursor(column.into_simple_expr(), Kind::Text))
}

/// A page of the pools whose name matches.
pub async fn list_pools(
    db: &impl ConnectionTrait,
    name: &[Pattern],
    sorting: &Sorting<pool::Model>,
    paging: &Paging,
) -> Result<Listing<pool::Model>, StoreError> {
    let all =
        name.iter().fold(Condition::all(), |all, pattern| all.add(pattern.on(pool::Column::Name.into_simple_expr())));
    let select = || pool::Entity::find().filter(all.clone());
    let total = total(db, select(), paging).await?;
    let (rows, has_more) = fetch(db, select(), sorting, paging).await?;
    Ok(listing(rows, has_more, total, sorting, paging))
}
