//! Where data lies: a folder on this machine, or a prefix in an S3 bucket.
//!
//! People write locations in DAG files as one string; every native operator reads it the same way:
//!
//! | text | meaning |
//! |---|---|
//! | `lake/raw` | below `UPDRAFT_HOME` |
//! | `/srv/lake` or `file:///srv/lake` | that path |
//! | `s3://bucket/prefix` (also `s3a://`, `s3n://`) | objects whose keys begin with `prefix/` |
//!
//! How S3 is reached stands in the environment ([`S3Settings`]), never in the location, so that a location can be logged.

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, RetryConfig};
use thiserror::Error;
use url::Url;

/// Where AWS is asked when nobody says otherwise.
const DEFAULT_REGION: &str = "us-east-1";

/// A server that cannot be reached is reported after so long; the task's own `retries` take over from there.
const RETRY_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a text is not a location, or a location cannot be reached.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LocationError {
    /// Nothing, or only blanks.
    #[error("the location is empty; write a folder, or s3://bucket/prefix")]
    Empty,
    /// A relative path that leaves the home folder.
    #[error("the location {0:?} climbs above its root with `..`")]
    Climbs(String),
    /// Something like `ftp://`.
    #[error("the location has the unknown scheme {0:?}; use a path, file:// or s3://")]
    UnknownScheme(String),
    /// `s3:///prefix`.
    #[error("the location {0:?} names no bucket; write s3://bucket/prefix")]
    NoBucket(String),
    /// `s3://key:secret@bucket`. The text is not repeated.
    #[error("the location holds credentials; put them into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY instead")]
    Credentials,
    /// Anything else that no path or key may hold.
    #[error("the location {text:?} is not valid: {reason}")]
    Invalid {
        /// The text.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The settings of S3 do not fit together.
    #[error("cannot set up S3: {0}")]
    Settings(String),
}

/// Where data lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location(Place);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// Absolute, without `.` and `..`.
    Local(PathBuf),
    S3 {
        bucket: String,
        prefix: ObjectPath,
    },
}

/// The store that a location lies in.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The whole file system, or the whole bucket.
    pub store: Arc<dyn ObjectStore>,
    /// The location within it.
    pub prefix: ObjectPath,
    /// What query engines call the store: `file:///` or `s3://bucket/`.
    pub store_url: Url,
}

impl Location {
    /// Reads a location as people write it; relative paths begin at `home`. Outer blanks do not count.
    ///
    /// It need not exist, and may hold glob signs.
    pub fn parse(text: &str, home: &Path) -> Result<Location, LocationError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(LocationError::Empty);
        }
        match text.split_once("://") {
            None => local(text, home),
            Some((scheme, rest)) => match scheme.to_ascii_lowercase().as_str() {
                "file" => file_url(text),
                "s3" | "s3a" | "s3n" => s3(text, rest),
                _ => Err(LocationError::UnknownScheme(scheme.to_owned())),
            },
        }
    }

    /// The location `relative` below this one.
    pub fn join(&self, relative: &str) -> Result<Location, LocationError> {
        match &self.0 {
            Place::Local(path) => local(relative.trim_start_matches('/'), path),
            Place::S3 { bucket, prefix } => {
                let below = key(relative, relative)?;
                let prefix = prefix.parts().chain(below.parts()).collect();
                Ok(Location(Place::S3 { bucket: bucket.clone(), prefix }))
            }
        }
    }

    /// The path, when it is on this machine.
    pub fn local_path(&self) -> Option<&Path> {
        match &self.0 {
            Place::Local(path) => Some(path),
            Place::S3 { .. } => None,
        }
    }

    /// The location as a URL without a slash at its end, for Delta tables and query engines.
    pub fn url(&self) -> Result<Url, LocationError> {
        let invalid = |reason: &str| LocationError::Invalid { text: self.to_string(), reason: reason.to_owned() };
        match &self.0 {
            Place::Local(path) => Url::from_file_path(path).map_err(|()| invalid("it is not an absolute path")),
            Place::S3 { bucket, prefix } => {
                let mut url =
                    Url::parse(&format!("s3://{bucket}")).map_err(|_| invalid("the bucket's name is malformed"))?;
                if !prefix.is_root() {
                    let mut segments = url.path_segments_mut().map_err(|()| invalid("it cannot hold a path"))?;
                    segments.extend(prefix.parts().map(|part| part.as_ref().to_owned()));
                }
                Ok(url)
            }
        }
    }

    /// The store around this location. Nothing is read or written yet.
    pub fn open(&self, settings: &S3Settings) -> Result<Opened, LocationError> {
        match &self.0 {
            Place::Local(path) => {
                let prefix = ObjectPath::from_absolute_path(path)
                    .map_err(|error| LocationError::Invalid { text: self.to_string(), reason: error.to_string() })?;
                Ok(Opened { store: Arc::new(LocalFileSystem::new()), prefix, store_url: store_url("file:///")? })
            }
            Place::S3 { bucket, prefix } => Ok(Opened {
                store: settings.bucket(bucket)?,
                prefix: prefix.clone(),
                store_url: store_url(&format!("s3://{bucket}"))?,
            }),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Local(path) => write!(f, "{}", path.display()),
            Place::S3 { bucket, prefix } if prefix.is_root() => write!(f, "s3://{bucket}"),
            Place::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

/// What is at the bottom of an error of a store. Those above it repeat what is below them, several times over.
pub fn cause(error: &object_store::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    cause.to_string()
}

fn store_url(text: &str) -> Result<Url, LocationError> {
    Url::parse(text).map_err(|error| LocationError::Invalid { text: text.to_owned(), reason: error.to_string() })
}

fn file_url(text: &str) -> Result<Location, LocationError> {
    let invalid = |reason: &str| LocationError::Invalid { text: text.to_owned(), reason: reason.to_owned() };
    let url = Url::parse(text).map_err(|error| invalid(&error.to_string()))?;
    let path = url.to_file_path().map_err(|()| invalid("a file URL has three slashes and no host: file:///path"))?;
    let path = path.to_str().ok_or_else(|| invalid("it is not UTF-8"))?;
    local(path, Path::new("/"))
}

fn local(text: &str, base: &Path) -> Result<Location, LocationError> {
    if text.contains('\0') {
        return Err(LocationError::Invalid { text: text.to_owned(), reason: "it holds a NUL character".to_owned() });
    }
    let mut below = Vec::new();
    for component in Path::new(text).components() {
        match component {
            Component::Normal(name) => below.push(name),
            Component::ParentDir if below.pop().is_none() => return Err(LocationError::Climbs(text.to_owned())),
            Component::ParentDir | Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    let start = if text.starts_with('/') { Path::new("/") } else { base };
    let path = start.join(below.iter().collect::<PathBuf>());
    // Joining nothing leaves a slash at the end.
    Ok(Location(Place::Local(path.components().collect())))
}

fn s3(text: &str, rest: &str) -> Result<Location, LocationError> {
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.contains('@') {
        return Err(LocationError::Credentials);
    }
    if bucket.is_empty() {
        return Err(LocationError::NoBucket(text.to_owned()));
    }
    if !bucket.chars().all(|sign| sign.is_ascii_alphanumeric() || matches!(sign, '.' | '-' | '_')) {
        let reason = "a bucket's name has letters, digits, dots and hyphens only".to_owned();
        return Err(LocationError::Invalid { text: text.to_owned(), reason });
    }
    Ok(Location(Place::S3 { bucket: bucket.to_owned(), prefix: key(text, prefix)? }))
}

fn key(text: &str, key: &str) -> Result<ObjectPath, LocationError> {
    if key.split('/').any(|segment| segment == "..") {
        return Err(LocationError::Climbs(text.to_owned()));
    }
    ObjectPath::parse(key).map_err(|error| LocationError::Invalid { text: text.to_owned(), reason: error.to_string() })
}

/// How S3 is reached: the `AWS_*` variables, as the AWS tools name them.
///
/// `AWS_ENDPOINT_URL` leads to another server than Amazon's; plain HTTP is spoken only if it says so, and buckets are
/// then part of the path. The region is `us-east-1` unless `AWS_REGION` or `AWS_DEFAULT_REGION` says otherwise.
#[derive(Clone, Default)]
pub struct S3Settings {
    builder: AmazonS3Builder,
}

impl S3Settings {
    /// What the environment of this process says.
    pub fn from_process() -> S3Settings {
        S3Settings::from_variables(
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        )
    }

    /// What these variables say; those that do not concern S3 are passed over.
    pub fn from_variables(variables: impl IntoIterator<Item = (String, String)>) -> S3Settings {
        let retry = RetryConfig { retry_timeout: RETRY_TIMEOUT, ..RetryConfig::default() };
        let mut builder = AmazonS3Builder::new().with_retry(retry);
        for (name, value) in variables {
            // An empty variable is as good as none, as for the AWS tools.
            let setting = name.starts_with("AWS_").then(|| name.to_ascii_lowercase().parse()).and_then(Result::ok);
            if let (Some(setting), false) = (setting, value.is_empty()) {
                builder = builder.with_config(setting, value);
            }
        }
        if builder.get_config_value(&AmazonS3ConfigKey::Region).is_none() {
            let region = builder.get_config_value(&AmazonS3ConfigKey::DefaultRegion);
            builder = builder.with_region(region.unwrap_or_else(|| DEFAULT_REGION.to_owned()));
        }
        let endpoint = builder
            .get_config_value(&AmazonS3ConfigKey::S3Endpoint)
            .or_else(|| builder.get_config_value(&AmazonS3ConfigKey::Endpoint));
        if let Some(endpoint) = endpoint {
            let plain = endpoint.to_ascii_lowercase().starts_with("http://");
            builder = builder.with_allow_http(plain).with_virtual_hosted_style_request(false);
        }
        S3Settings { builder }
    }

    fn bucket(&self, bucket: &str) -> Result<Arc<dyn ObjectStore>, LocationError> {
        let store = self.builder.clone().with_bucket_name(bucket).build();
        Ok(Arc::new(store.map_err(|error| LocationError::Settings(error.to_string()))?))
    }
}

/// Without the secrets.
impl fmt::Debug for S3Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Settings")
            .field("endpoint", &self.builder.get_config_value(&AmazonS3ConfigKey::Endpoint))
            .field("region", &self.builder.get_config_value(&AmazonS3ConfigKey::Region))
            .finish()
    }
}

#[cfg(test)]
mod tests;
