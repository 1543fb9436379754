//! The marks that browsers of buckets, such as the console of AWS, put in the place of folders: empty objects whose keys end with
//! a slash. In a listing the object store has forgotten that slash, and under the key without it there is nothing.

use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use object_store::aws::AmazonS3;
use object_store::{Error, ObjectMeta, ObjectStoreExt as _, Result};

/// So many are looked at at a time.
const AT_ONCE: usize = 8;

/// Whether what stands in a listing is a mark. Only of what is empty that has to be asked, and whoever may list, and not read,
/// takes it for a file.
async fn is_mark(listed: &ObjectMeta, store: &AmazonS3) -> Result<bool> {
    if listed.size > 0 {
        return Ok(false);
    }
    match store.head(&listed.location).await {
        Ok(_) | Err(Error::PermissionDenied { .. } | Error::Unauthenticated { .. }) => Ok(false),
        Err(Error::NotFound { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

/// What stands in a listing, in its order, without marks.
pub(crate) async fn without_marks(listed: Vec<ObjectMeta>, store: &AmazonS3) -> Result<Vec<ObjectMeta>> {
    let looks = stream::iter(listed).map(|object| async move {
        let is_mark = is_mark(&object, store).await?;
        Ok::<_, Error>((!is_mark).then_some(object))
    });
    looks.buffered(AT_ONCE).try_filter_map(|object| std::future::ready(Ok(object))).try_collect().await
}

/// Whether a listing has more than marks. What is not empty tells at once.
pub(crate) async fn has_files(
    mut listing: impl Stream<Item = Result<ObjectMeta>> + Unpin,
    store: &AmazonS3,
) -> Result<bool> {
    let mut empty = Vec::new();
    while let Some(listed) = listing.try_next().await? {
        if listed.size > 0 {
            return Ok(true);
        }
        empty.push(listed);
    }
    Ok(!without_marks(empty, store).await?.is_empty())
}
