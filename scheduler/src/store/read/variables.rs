//! Variables, in pages.

use sea_orm::{Condition, ConnectionTrait, EntityTrait, IntoSimpleExpr, QueryFilter};

use super::filter::Pattern;
use super::keyset::{Kind, Listing, Paging, SortKey, Sorting, fetch, listing, total};
use crate::store::entity::variable;
use crate::store::error::StoreError;

/// What variables can be ordered by; `id` tells any two apart. Not by their values, which are encrypted.
pub fn variable_sort_key(word: &str) -> Option<SortKey<variable::Model>> {
    use variable::Column as C;
    let column = match word {
        "id" => C::Id,
        "key" => C::Key,
        "description" => C::Description,
        _ => return None,
    };
    Some(SortKey::without_cursor(column.into_simple_expr(), Kind::Text))
}

/// A page of the variables whose key matches.
pub async fn list_variables(
    db: &impl ConnectionTrait,
    key: &[Pattern],
    sorting: &Sorting<variable::Model>,
    paging: &Paging,
) -> Result<Listing<variable::Model>, StoreError> {
    let on_key = |all: Condition, pattern: &Pattern| all.add(pattern.on(variable::Column::Key.into_simple_expr()));
    let all = key.iter().fold(Condition::all(), on_key);
    let select = || variable::Entity::find().filter(all.clone());
    let total = total(db, select(), paging).await?;
    let (rows, has_more) = fetch(db, select(), sorting, paging).await?;
    Ok(listing(rows, has_more, total, sorting, paging))
}
