//! What is wrong with DAG files.

use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoSimpleExpr, QueryFilter};

use super::filter::Pattern;
use super::keyset::{Kind, Listing, Paging, SortKey, Sorting, fetch, listing, total};
use crate::store::entity::import_error;
use crate::store::error::{StoreError, doing};

/// Which import errors. The default is all of them.
#[derive(Clone, Debug, Default)]
pub struct ImportErrorFilter {
    /// Filters on the file's name.
    pub filename: Vec<Pattern>,
    /// Only that file.
    pub exact_filename: Option<String>,
    /// Only files of that bundle.
    pub bundle_name: Option<String>,
}

/// What import errors can be ordered by (Airflow 3); `id` tells any two apart.
pub fn import_error_sort_key(word: &str) -> Option<SortKey<import_error::Model>> {
    use import_error::Column as C;
    let column = match word {
        "id" | "import_error_id" => C::Id,
        "timestamp" => C::Timestamp,
        "filename" => C::Filename,
        "bundle_name" => C::BundleName,
        "stacktrace" => C::StackTrace,
        _ => return None,
    };
    Some(SortKey::without_cursor(column.into_simple_expr(), Kind::Text))
}

/// A page of import errors.
pub async fn list_import_errors(
    db: &impl ConnectionTrait,
    filter: &ImportErrorFilter,
    sorting: &Sorting<import_error::Model>,
    paging: &Paging,
) -> Result<Listing<import_error::Model>, StoreError> {
    use import_error::Column as C;
    let mut all = Condition::all()
        .add_option(filter.bundle_name.as_ref().map(|name| C::BundleName.eq(name)))
        .add_option(filter.exact_filename.as_ref().map(|name| C::Filename.eq(name)));
    for pattern in &filter.filename {
        all = all.add(pattern.on(C::Filename.into_simple_expr()));
    }
    let select = || import_error::Entity::find().filter(all.clone());
    let total = total(db, select(), paging).await?;
    let (rows, has_more) = fetch(db, select(), sorting, paging).await?;
    Ok(listing(rows, has_more, total, sorting, paging))
}

/// The import error with that key.
pub async fn find_import_error(db: &impl ConnectionTrait, id: i64) -> Result<Option<import_error::Model>, StoreError> {
    import_error::Entity::find_by_id(id).one(db).await.map_err(doing("looking for an import error"))
}
