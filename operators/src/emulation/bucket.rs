//! Landing in a bucket: write the new objects, then delete the ones of earlier runs that are not among them.
//!
//! Objects cannot be moved in S3, so that a reader may see old and new objects side by side while a run is under way;
//! never half an object. A run that is killed is repeated by the next try, which writes the same names.

use std::collections::HashSet;
use std::sync::Arc;

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::aws::AmazonS3;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore as _, ObjectStoreExt as _};

use super::landing::Object;
use crate::location::S3;

/// Requests under way: S3 answers each within tens of milliseconds, whatever their number.
const REQUESTS: usize = 64;

type Blocks = Box<dyn Iterator<Item = anyhow::Result<Vec<Object>>> + Send>;

/// A topic in a bucket.
pub struct BucketLanding {
    store: Arc<AmazonS3>,
    bucket: String,
    prefix: String,
    blocks: Blocks,
}

impl BucketLanding {
    /// Will land below `prefix`.
    pub fn begin(s3: &S3, bucket: &str, prefix: &str) -> anyhow::Result<BucketLanding> {
        let store = s3.bucket(bucket).with_context(|| format!("the bucket `{bucket}` cannot be reached"))?;
        let blocks: Blocks = Box::new(std::iter::empty());
        Ok(BucketLanding { store, bucket: bucket.to_owned(), prefix: prefix.to_owned(), blocks })
    }

    /// What to land.
    pub fn with_blocks(self, blocks: Blocks) -> BucketLanding {
        BucketLanding { blocks, ..self }
    }

    /// Writes the objects and deletes stale ones.
    pub async fn publish(self) -> anyhow::Result<()> {
        let BucketLanding { store, bucket, prefix, blocks } = self;
        let writing = || format!("`s3://{bucket}/{prefix}` cannot be written");
        let mut written = HashSet::new();
        for block in blocks {
            let puts: Vec<_> = block?
                .into_iter()
                .map(|object| {
                    let path = ObjectPath::from(format!("{prefix}/{}", object.name));
                    written.insert(path.clone());
                    let store = Arc::clone(&store);
                    async move { store.put(&path, object.bytes.into()).await }
                })
                .collect();
            let done: Vec<_> = futures::stream::iter(puts).buffer_unordered(REQUESTS).try_collect().await.with_context(writing)?;
            drop(done);
        }
        let folder = ObjectPath::from(prefix.as_str());
        let listed: Vec<_> = store.list(Some(&folder)).try_collect().await.with_context(writing)?;
        let stale: Vec<_> = listed
            .into_iter()
            .filter(|object| !written.contains(&object.location))
            .map(|object| {
                let store = Arc::clone(&store);
                async move { store.delete(&object.location).await }
            })
            .collect();
        futures::stream::iter(stale).buffer_unordered(REQUESTS).try_collect::<Vec<()>>().await.with_context(writing)?;
        Ok(())
    }
}
