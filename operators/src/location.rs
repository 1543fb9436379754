//! Where data is: a path on this machine, or below a prefix of an S3 bucket.
//!
//! People write `lake/clean_pin`, `/data/pin.jsonl`, `file:///data/lake` or `s3://bucket/lake`. Relative paths begin at
//! `UPDRAFT_HOME`. S3 is reached with the usual `AWS_*` variables; `AWS_ENDPOINT_URL` points at any server that speaks
//! its protocol, also without TLS.

use std::collections::HashMap;
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::{ClientConfigKey, RetryConfig};
use url::Url;

/// The region that AWS itself assumes, and that most servers that imitate it accept.
const DEFAULT_REGION: &str = "us-east-1";

/// An S3 request is given up after this long, repeated tries included: the task's own `retries` come after that.
const S3_RETRY_TIME_MAX: Duration = Duration::from_secs(60);

/// A place for data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// An absolute, normalised path.
    Local(PathBuf),
    /// A key, or a prefix of keys, in a bucket.
    S3 {
        /// The bucket.
        bucket: String,
        /// Without leading and trailing slash; empty for the whole bucket.
        key: String,
    },
}

/// Why a text is no location.
#[derive(Debug, thiserror::Error)]
pub enum LocationError {
    /// There is nothing to read the place from.
    #[error("a location is empty; write a folder, a file or `s3://bucket/prefix`")]
    Empty,
    /// `https://…`, `gs://…` and the like.
    #[error("`{text}` begins with `{scheme}://`, which Updraft does not read; use a local path or `s3://bucket/prefix`")]
    UnknownScheme {
        /// As written.
        text: String,
        /// What stands before `://`.
        scheme: String,
    },
    /// `s3:///key`.
    #[error("`{0}` names no bucket; write `s3://bucket/prefix`")]
    NoBucket(String),
}

impl Location {
    /// Reads a location as people write it. Relative paths begin at `home`.
    pub fn parse(text: &str, home: &Path) -> Result<Location, LocationError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(LocationError::Empty);
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(Location::Local(normalize(&home.join(text))));
        };
        match scheme {
            "file" => Ok(Location::Local(normalize(&Path::new("/").join(rest)))),
            "s3" | "s3a" | "s3n" => {
                let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
                if bucket.is_empty() {
                    return Err(LocationError::NoBucket(text.to_owned()));
                }
                let key = key.split('/').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
                Ok(Location::S3 { bucket: bucket.to_owned(), key })
            }
            _ => Err(LocationError::UnknownScheme { text: text.to_owned(), scheme: scheme.to_owned() }),
        }
    }

    /// The place `name` below this one; `name` may have several parts.
    pub fn join(&self, name: &str) -> Location {
        match self {
            Location::Local(path) => Location::Local(normalize(&path.join(name))),
            Location::S3 { bucket, key } if key.is_empty() => {
                Location::S3 { bucket: bucket.clone(), key: name.to_owned() }
            }
            Location::S3 { bucket, key } => Location::S3 { bucket: bucket.clone(), key: format!("{key}/{name}") },
        }
    }

    /// The last part of the name.
    pub fn file_name(&self) -> &str {
        match self {
            Location::Local(path) => path.file_name().and_then(|name| name.to_str()).unwrap_or_default(),
            Location::S3 { key, .. } => key.rsplit('/').next().unwrap_or_default(),
        }
    }

    /// As a URL of a folder, the form in which Delta tables are named.
    pub fn folder_url(&self) -> anyhow::Result<Url> {
        match self {
            Location::Local(path) => {
                Url::from_directory_path(path).map_err(|()| anyhow::anyhow!("`{self}` cannot be written as a URL"))
            }
            Location::S3 { bucket, key } => Ok(Url::parse(&format!("s3://{bucket}/{key}/"))?),
        }
    }

    /// As a URL of a file.
    pub fn file_url(&self) -> anyhow::Result<Url> {
        match self {
            Location::Local(path) => {
                Url::from_file_path(path).map_err(|()| anyhow::anyhow!("`{self}` cannot be written as a URL"))
            }
            Location::S3 { bucket, key } => Ok(Url::parse(&format!("s3://{bucket}/{key}"))?),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Local(path) => path.display().fmt(f),
            Location::S3 { bucket, key } => write!(f, "s3://{bucket}/{key}"),
        }
    }
}

/// Resolves `.` and `..` by name, so that one place has one spelling. Links are left to the file system.
fn normalize(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => (),
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

/// Reaches buckets with one set of credentials. Cheap to clone.
#[derive(Clone)]
pub struct S3 {
    settings: AmazonS3Builder,
    buckets: Arc<Mutex<HashMap<String, Arc<AmazonS3>>>>,
}

impl S3 {
    /// Credentials, region and endpoint of the process: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
    /// `AWS_SESSION_TOKEN`, `AWS_REGION`, `AWS_ENDPOINT_URL`, and what else the AWS tools read.
    pub fn from_env() -> S3 {
        S3::with_settings(AmazonS3Builder::from_env())
    }

    /// A server of one's own, with these keys.
    pub fn with_endpoint(endpoint: &str, access_key_id: &str, secret_access_key: &str) -> S3 {
        let settings = AmazonS3Builder::new()
            .with_endpoint(endpoint)
            .with_access_key_id(access_key_id)
            .with_secret_access_key(secret_access_key);
        S3::with_settings(settings)
    }

    fn with_settings(mut settings: AmazonS3Builder) -> S3 {
        if settings.get_config_value(&AmazonS3ConfigKey::Region).is_none() {
            settings = settings.with_region(DEFAULT_REGION);
        }
        let endpoint = settings.get_config_value(&AmazonS3ConfigKey::Endpoint);
        if endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")) {
            settings = settings.with_config(AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp), "true");
        }
        let retry = RetryConfig { retry_timeout: S3_RETRY_TIME_MAX, ..RetryConfig::default() };
        S3 { settings: settings.with_retry(retry), buckets: Arc::default() }
    }

    /// The store of a bucket; the connections to it are shared.
    pub fn bucket(&self, bucket: &str) -> object_store::Result<Arc<AmazonS3>> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = buckets.get(bucket) {
            return Ok(Arc::clone(store));
        }
        let store = Arc::new(self.settings.clone().with_bucket_name(bucket).build()?);
        buckets.insert(bucket.to_owned(), Arc::clone(&store));
        Ok(store)
    }
}
