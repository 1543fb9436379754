//! Which object or file a text means, and through which connection buckets are reached.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use object_store::path::Path as ObjectPath;
use scheduler::operator::{TaskContext, TaskError};

use crate::aws;
use crate::location::{Location, S3};

/// The connection that Airflow's classes have by default. When there is none of that name, the `AWS_*` variables say who asks,
/// as in Airflow.
pub(super) const DEFAULT_CONNECTION: &str = "aws_default";

/// How buckets are reached through a connection; `surroundings` without one.
pub(crate) async fn reached(conn_id: Option<&str>, surroundings: &S3, ctx: &TaskContext) -> Result<S3, TaskError> {
    let Some(conn_id) = conn_id.filter(|conn_id| !conn_id.is_empty()) else { return Ok(surroundings.clone()) };
    if conn_id == DEFAULT_CONNECTION && ctx.secrets.connection(conn_id).await.map_err(TaskError::retry)?.is_none() {
        return Ok(surroundings.clone());
    }
    let connection = ctx.connection(conn_id).await?;
    let settings = aws::settings(&connection, surroundings);
    settings.map_err(|error| TaskError::fail(error.context(format!("the connection `{conn_id}`"))))
}

/// An object, or what begins with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ObjectPlace {
    pub(crate) bucket: String,
    /// Without slash at its beginning.
    pub(crate) key: String,
}

impl ObjectPlace {
    /// A key in `bucket`, or a whole `s3://` address.
    pub(crate) fn parse(text: &str, bucket: Option<&str>) -> anyhow::Result<ObjectPlace> {
        let bucket = bucket.filter(|bucket| !bucket.is_empty());
        if let Some((scheme, _)) = text.split_once("://") {
            if let Some(bucket) = bucket {
                bail!("`{text}` is a whole address; leave the bucket `{bucket}` out, or write the key alone");
            }
            return match Location::parse(text, Path::new("/"))? {
                Location::S3 { bucket, key } => Ok(ObjectPlace { bucket, key }),
                Location::Local(_) => bail!("`{scheme}://` is no address in S3; write s3://bucket/key"),
            };
        }
        let Some(bucket) = bucket else {
            bail!("`{text}` names no bucket; write s3://bucket/key, or the bucket beside it")
        };
        Ok(ObjectPlace { bucket: bucket.to_owned(), key: text.trim_start_matches('/').to_owned() })
    }

    /// The key as the object store has it.
    pub(crate) fn path(&self) -> anyhow::Result<ObjectPath> {
        if self.key.is_empty() {
            bail!("`{self}` names a bucket and no object in it");
        }
        ObjectPath::parse(&self.key).with_context(|| format!("`{self}` is no object"))
    }
}

impl fmt::Display for ObjectPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

/// Where something is read or written: in a bucket, or on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Object(ObjectPlace),
    Local(PathBuf),
}

impl Place {
    /// A path, a whole address, or a key in `bucket`.
    pub(super) fn parse(text: &str, bucket: Option<&str>, home: &Path) -> anyhow::Result<Place> {
        let is_key = bucket.is_some_and(|bucket| !bucket.is_empty());
        if is_key {
            return ObjectPlace::parse(text, bucket).map(Place::Object);
        }
        match Location::parse(text, home)? {
            Location::S3 { bucket, key } => Ok(Place::Object(ObjectPlace { bucket, key })),
            Location::Local(path) => Ok(Place::Local(path)),
        }
    }

    pub(super) fn object(self, role: &str) -> anyhow::Result<ObjectPlace> {
        match self {
            Place::Object(object) => Ok(object),
            Place::Local(path) => {
                Err(anyhow!("`{role}` is to be in S3, and `{}` is not; write s3://bucket/key", path.display()))
            }
        }
    }

    pub(super) fn local(self, role: &str) -> anyhow::Result<PathBuf> {
        match self {
            Place::Local(path) => Ok(path),
            Place::Object(object) => Err(anyhow!("`{role}` is to be on this machine, and `{object}` is not")),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Object(object) => object.fmt(f),
            Place::Local(path) => path.display().fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_needs_a_bucket_and_an_address_has_one() {
        let object = |bucket: &str, key: &str| ObjectPlace { bucket: bucket.to_owned(), key: key.to_owned() };
        assert_eq!(ObjectPlace::parse("s3://b/a/c.csv", None).unwrap(), object("b", "a/c.csv"));
        assert_eq!(ObjectPlace::parse("/a/c.csv", Some("b")).unwrap(), object("b", "a/c.csv"));
        for (text, bucket, words) in [
            ("a/c.csv", None, "names no bucket"),
            ("s3://b/c", Some("d"), "leave the bucket `d` out"),
            ("file:///c", None, "no address in S3"),
        ] {
            let problem = ObjectPlace::parse(text, bucket).unwrap_err().to_string();
            assert!(problem.contains(words), "{problem}");
        }
        assert!(object("b", "").path().is_err());
        assert!(object("b", "a/../c").path().is_err());
    }
}
