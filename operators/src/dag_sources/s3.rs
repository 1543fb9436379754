//! DAG files below a prefix of an S3 bucket, as MWAA has them: by their ETags.

use std::time::Duration;

use anyhow::{anyhow, ensure};
use async_trait::async_trait;
use futures::StreamExt as _;
use object_store::path::Path as ObjectPath;
use object_store::{GetOptions, ObjectStore as _};
use scheduler::sources::remote::{FILES_MAX, Listing, Origin, RemoteFile};

use crate::location::{Location, Opened, S3, cause};

/// So many objects are looked at for each that may be a DAG file.
const OBJECTS_MAX: usize = 10 * FILES_MAX;

/// A request that fails is not repeated after this long: the next look is not far, and a start waits for the first one.
const PATIENCE: Duration = Duration::from_secs(3);

/// The objects below a prefix.
pub(super) struct Prefix {
    location: Location,
    s3: S3,
}

impl Prefix {
    pub(super) fn new(location: Location, s3: &S3) -> Prefix {
        Prefix { location, s3: s3.clone().giving_up(PATIENCE) }
    }

    fn open(&self) -> anyhow::Result<Opened> {
        Ok(self.location.open(&self.s3)?)
    }
}

#[async_trait]
impl Origin for Prefix {
    async fn list(&mut self) -> anyhow::Result<Listing> {
        let Opened { store, prefix } = self.open()?;
        let mut objects = store.list(Some(&prefix));
        let mut listing = Listing::new();
        let mut count = 0;
        while let Some(object) = objects.next().await {
            let object = object.map_err(|error| anyhow!(cause(&error)))?;
            count += 1;
            ensure!(
                count <= OBJECTS_MAX,
                "there are more than {OBJECTS_MAX} objects; name the folder of the DAG files"
            );
            let Some(parts) = object.location.prefix_match(&prefix) else { continue };
            let path = parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/");
            // A server without ETags still says when an object was written.
            let tag = object.e_tag.unwrap_or_else(|| object.last_modified.to_rfc3339());
            listing.insert(path, RemoteFile { tag, size_bytes: object.size });
        }
        Ok(listing)
    }

    async fn read(&self, path: &str, file: &RemoteFile) -> anyhow::Result<Vec<u8>> {
        let Opened { store, prefix } = self.open()?;
        let key = ObjectPath::parse(format!("{prefix}/{path}"))?;
        // An object that was replaced since the listing belongs to another state.
        let is_tag = file.tag.starts_with('"') || !file.tag.contains(':');
        let options = GetOptions { if_match: is_tag.then(|| file.tag.clone()), ..GetOptions::default() };
        let object = store.get_opts(&key, options).await.map_err(|error| anyhow!(cause(&error)))?;
        ensure!(object.meta.size == file.size_bytes, "it was replaced while it was read");
        let bytes = object.bytes().await.map_err(|error| anyhow!(cause(&error)))?;
        Ok(bytes.to_vec())
    }
}
