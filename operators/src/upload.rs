//! Sends files to a bucket, large ones in parts; an object is there whole, or as it was before.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use object_store::aws::AmazonS3;
use object_store::path::Path as ObjectPath;
use object_store::{
    Attributes, MultipartUpload, ObjectStore as _, ObjectStoreExt as _, PutMode, PutMultipartOptions, PutOptions,
};
use scheduler::operator::TaskError;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::sync::CancellationToken;

use crate::location::cause;

/// A file up to this size goes in one request, and larger ones in parts of at least this size.
const PART_BYTES_MIN: u64 = 8 * 1024 * 1024;

/// S3 takes ten thousand parts.
const PARTS_MAX: u64 = 9_000;

/// So many parts are under way at a time.
const PARTS_AT_ONCE: usize = 4;

/// What was sent of a file is taken back within this, or left to a rule of the bucket.
const ABORT_MAX: Duration = Duration::from_secs(10);

/// Said of what may not be replaced.
const EXISTS: &str = "it exists already, and `replace` is false";

/// An object that is to be written.
pub(crate) struct Upload {
    store: Arc<AmazonS3>,
    key: ObjectPath,
    /// Content type, encoding and the like.
    pub(crate) attributes: Attributes,
    /// Whether it may take the place of what is there.
    pub(crate) may_replace: bool,
}

impl Upload {
    /// To that key, in the place of what is there.
    pub(crate) fn to(store: Arc<AmazonS3>, key: ObjectPath) -> Upload {
        Upload { store, key, attributes: Attributes::new(), may_replace: true }
    }

    /// Sends bytes at hand.
    pub(crate) async fn bytes(self, bytes: Bytes) -> anyhow::Result<()> {
        let mode = if self.may_replace { PutMode::Overwrite } else { PutMode::Create };
        let options = PutOptions { mode, attributes: self.attributes, ..PutOptions::default() };
        match self.store.put_opts(&self.key, bytes.into(), options).await {
            Ok(_) => Ok(()),
            Err(object_store::Error::AlreadyExists { .. }) => Err(finally(EXISTS)),
            Err(error) => Err(refusal(&error)),
        }
    }

    /// Sends a file, and says how long it is. Stopped, it leaves nothing in the bucket.
    pub(crate) async fn file(self, path: &Path, stop: &CancellationToken) -> anyhow::Result<u64> {
        let reading = || format!("`{}` cannot be read", path.display());
        let mut file = File::open(path).await.with_context(reading)?;
        let size = file.metadata().await.with_context(reading)?.len();
        if size <= PART_BYTES_MIN {
            let content = next_part(&mut file, PART_BYTES_MIN).await.with_context(reading)?;
            tokio::select! {
                sent = self.bytes(content) => sent?,
                () = stop.cancelled() => bail!("stopped"),
            }
            return Ok(size);
        }
        let mut parts = tokio::select! {
            begun = self.begin() => begun?,
            () = stop.cancelled() => bail!("stopped"),
        };
        let sent = tokio::select! {
            sent = send_parts(&mut file, size, parts.as_mut()) => sent.with_context(|| format!("sending `{}`", path.display())),
            () = stop.cancelled() => Err(anyhow!("stopped")),
        };
        if let Err(error) = sent {
            // Parts that nobody completes cost money; where they cannot be taken back, a rule of the bucket must.
            let _ = tokio::time::timeout(ABORT_MAX, parts.abort()).await;
            return Err(error);
        }
        Ok(size)
    }

    /// Begins to send it in parts.
    async fn begin(self) -> anyhow::Result<Box<dyn MultipartUpload>> {
        // Parts know no "only if there is none": this leaves a moment in which somebody else may put one there.
        if !self.may_replace {
            match self.store.head(&self.key).await {
                Ok(_) => return Err(finally(EXISTS)),
                Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(refusal(&error)),
            }
        }
        let options = PutMultipartOptions { attributes: self.attributes, ..PutMultipartOptions::default() };
        self.store.put_multipart_opts(&self.key, options).await.map_err(|error| refusal(&error))
    }
}

async fn send_parts(file: &mut File, size: u64, parts: &mut dyn MultipartUpload) -> anyhow::Result<()> {
    let part_bytes = PART_BYTES_MIN.max(size.div_ceil(PARTS_MAX));
    let mut under_way = FuturesUnordered::new();
    loop {
        let part = next_part(file, part_bytes).await?;
        if part.is_empty() {
            break;
        }
        under_way.push(parts.put_part(part.into()));
        if under_way.len() >= PARTS_AT_ONCE
            && let Some(sent) = under_way.next().await
        {
            sent.map_err(|error| refusal(&error))?;
        }
    }
    while let Some(sent) = under_way.next().await {
        sent.map_err(|error| refusal(&error))?;
    }
    parts.complete().await.map_err(|error| refusal(&error))?;
    Ok(())
}

/// The next bytes of a file, fewer only at its end.
async fn next_part(file: &mut File, bytes_max: u64) -> std::io::Result<Bytes> {
    let left = file.metadata().await?.len().saturating_sub(file.stream_position().await?);
    let mut part = BytesMut::with_capacity(usize::try_from(left.min(bytes_max)).unwrap_or(usize::MAX));
    while (part.len() as u64) < bytes_max {
        let left = bytes_max - part.len() as u64;
        if file.take(left).read_buf(&mut part).await? == 0 {
            break;
        }
    }
    Ok(part.freeze())
}

/// What a bucket said, without the layers around it.
#[derive(Debug, thiserror::Error)]
#[error("{words}")]
pub(crate) struct Refused {
    words: String,
    /// Whether it would say the same again.
    is_final: bool,
}

/// What the object store's error comes down to.
pub(crate) fn refusal(error: &object_store::Error) -> anyhow::Error {
    use object_store::Error;
    let is_final = matches!(
        error,
        Error::NotFound { .. }
            | Error::AlreadyExists { .. }
            | Error::PermissionDenied { .. }
            | Error::Unauthenticated { .. }
            | Error::InvalidPath { .. }
    );
    let words = match error {
        Error::NotFound { .. } => format!("it is not there: {}", cause(error)),
        _ => cause(error),
    };
    anyhow::Error::new(Refused { words, is_final })
}

/// That something is so, and will be so at the next try.
pub(crate) fn finally(words: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Refused { words: words.into(), is_final: true })
}

/// The error of a try, whose fault it is included.
pub(crate) fn judged(error: anyhow::Error) -> TaskError {
    let is_final = error.chain().any(|part| part.downcast_ref::<Refused>().is_some_and(|refused| refused.is_final));
    if is_final { TaskError::fail(error) } else { TaskError::retry(error) }
}
