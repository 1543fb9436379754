//! One object: fetched, put and copied, whole or not at all.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::aws::AmazonS3;
use object_store::path::Path as ObjectPath;
use object_store::{Attribute, Attributes, ObjectStoreExt as _};
use scheduler::operator::{TaskContext, TaskError};
use tokio::io::AsyncWriteExt as _;

use super::place::ObjectPlace;
use super::requests::Buckets;
use crate::location::{Location, S3};
use crate::scratch::Scratch;
use crate::upload::{Upload, judged, refusal};
use crate::whole_file::WholeFile;

/// S3 copies no larger objects in one request.
const COPY_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;

/// The objects of buckets, for one try.
pub(super) struct Objects<'a> {
    pub(super) settings: S3,
    pub(super) ctx: &'a TaskContext,
}

impl Objects<'_> {
    pub(super) fn store(&self, bucket: &str) -> anyhow::Result<Arc<AmazonS3>> {
        self.settings.bucket(bucket).with_context(|| format!("the bucket `{bucket}` cannot be reached"))
    }

    /// Ends the work when the try is cancelled.
    pub(super) async fn unless_stopped<T>(
        &self,
        work: impl Future<Output = anyhow::Result<T>> + Send,
    ) -> Result<T, TaskError> {
        tokio::select! {
            done = work => match done {
                Err(_) if self.ctx.cancelled.is_cancelled() => Err(TaskError::cancelled()),
                done => done.map_err(judged),
            },
            () = self.ctx.cancelled.cancelled() => Err(TaskError::cancelled()),
        }
    }

    /// How long an object is, if it is there.
    pub(super) async fn size(&self, place: &ObjectPlace) -> anyhow::Result<Option<u64>> {
        match self.store(&place.bucket)?.head(&place.path()?).await {
            Ok(object) => Ok(Some(object.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(refusal(&error)).with_context(|| format!("{place} cannot be looked at")),
        }
    }

    /// Fetches an object into a file, and says how long it is.
    pub(super) async fn fetch(&self, from: &ObjectPlace, to: &Path) -> anyhow::Result<u64> {
        let whole = WholeFile::begin(&Location::Local(to.to_owned()), self.ctx.try_id)?;
        let store = self.store(&from.bucket)?;
        let got = store.get(&from.path()?).await.map_err(|error| refusal(&error));
        let mut chunks = got.with_context(|| format!("{from} cannot be read"))?.into_stream();
        let writing = || format!("`{}` cannot be written", to.display());
        let mut file = tokio::fs::File::from_std(whole.file()?);
        let mut bytes = 0;
        while let Some(chunk) = chunks.try_next().await.map_err(|error| refusal(&error))? {
            file.write_all(&chunk).await.with_context(writing)?;
            bytes += chunk.len() as u64;
        }
        file.flush().await.with_context(writing)?;
        whole.publish(&self.settings, &self.ctx.cancelled).await?;
        Ok(bytes)
    }

    /// Where something is put.
    pub(super) fn upload(&self, to: &ObjectPlace, content_type: Option<&str>) -> anyhow::Result<Upload> {
        let mut upload = Upload::to(self.store(&to.bucket)?, to.path()?);
        if let Some(kind) = content_type {
            upload.attributes = Attributes::from_iter([(Attribute::ContentType, kind.to_owned())]);
        }
        Ok(upload)
    }

    /// Copies an object, and says how long it is. S3 does it itself, unless the object is too large for that.
    pub(super) async fn copy(
        &self,
        from: &ObjectPlace,
        to: &ObjectPlace,
        buckets: &Buckets<'_>,
    ) -> Result<u64, TaskError> {
        if from == to {
            return Err(TaskError::fail(anyhow!("{from} is to be copied onto itself")));
        }
        let Some(size) = self.unless_stopped(self.size(from)).await? else {
            return Err(TaskError::fail(anyhow!("{from} is not there")));
        };
        if size <= COPY_BYTES_MAX {
            buckets.copy(from, to).await?;
            return Ok(size);
        }
        let folder = Scratch::begin().context("cannot make a folder for a large object")?;
        let between = folder.path().join("object");
        self.unless_stopped(self.fetch(from, &between)).await?;
        let sent = self.upload(to, None)?.file(&between, &self.ctx.cancelled).await;
        sent.map_err(|error| self.stopped_or(error.context(format!("{to} cannot be written"))))
    }

    pub(super) fn stopped_or(&self, error: anyhow::Error) -> TaskError {
        if self.ctx.cancelled.is_cancelled() { TaskError::cancelled() } else { judged(error) }
    }

    /// Deletes an object; that it is not there is as good.
    pub(super) async fn delete(&self, place: &ObjectPlace) -> anyhow::Result<()> {
        let path: ObjectPath = place.path()?;
        match self.store(&place.bucket)?.delete(&path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(refusal(&error)).with_context(|| format!("{place} cannot be deleted")),
        }
    }

    /// Puts text into an object.
    pub(super) async fn put_text(&self, upload: Upload, text: String, to: &ObjectPlace) -> anyhow::Result<u64> {
        let bytes = Bytes::from(text);
        let size = bytes.len() as u64;
        upload.bytes(bytes).await.with_context(|| format!("{to} cannot be written"))?;
        Ok(size)
    }
}
