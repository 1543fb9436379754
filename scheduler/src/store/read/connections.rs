//! Connections, in pages.

use sea_orm::{Condition, ConnectionTrait, EntityTrait, IntoSimpleExpr, QueryFilter};

use super::filter::Pattern;
use super::keyset::{Kind, Listing, Paging, SortKey, Sorting, fetch, listing, total};
use crate::store::entity::connection;
use crate::store::error::StoreError;

/// What connections can be ordered by (Airflow 3); `id` tells any two apart.
pub fn connection_sort_key(word: &str) -> Option<SortKey<connection::Model>> {
    use connection::Column as C;
    let column = match word {
        "id" => C::Id,
        "connection_id" | "conn_id" => C::ConnId,
        "conn_type" => C::ConnType,
        "description" => C::Description,
        "host" => C::Host,
        "port" => C::Port,
        _ => return None,
    };
    Some(SortKey::without_cursor(column.into_simple_expr(), Kind::Text))
}

/// A page of the connections whose id matches.
pub async fn list_connections(
    db: &impl ConnectionTrait,
    conn_id: &[Pattern],
    sorting: &Sorting<connection::Model>,
    paging: &Paging,
) -> Result<Listing<connection::Model>, StoreError> {
    let on_id = |all: Condition, pattern: &Pattern| all.add(pattern.on(connection::Column::ConnId.into_simple_expr()));
    let all = conn_id.iter().fold(Condition::all(), on_id);
    let select = || connection::Entity::find().filter(all.clone());
    let total = total(db, select(), paging).await?;
    let (rows, has_more) = fetch(db, select(), sorting, paging).await?;
    Ok(listing(rows, has_more, total, sorting, paging))
}
