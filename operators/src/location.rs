//! Where data is: a path on this machine, or below a prefix of an S3 bucket.
//!
//! People write `lake/clean_pin`, `/data/pin.jsonl`, `file:///data/lake` or `s3://bucket/lake`. Relative paths begin at
//! `UPDRAFT_HOME`. S3 is reached as the AWS tools would (`AWS_*` variables, profiles, roles); `AWS_ENDPOINT_URL` points at any
//! server that speaks its protocol, also without TLS.

mod buckets;
pub(crate) mod refusals;

pub use buckets::S3;

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use scheduler::paths::normalize;
use url::Url;

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

/// Why a text is no location, or a location cannot be reached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// There is nothing to read the place from.
    #[error("the location is empty; write a folder, a file or s3://bucket/prefix")]
    Empty,
    /// A relative path that leaves the home folder.
    #[error("the location {0:?} climbs above its root with `..`")]
    Climbs(String),
    /// `https://…`, `gs://…` and the like.
    #[error("the location has the unknown scheme {0:?}; use a path, file:// or s3://")]
    UnknownScheme(String),
    /// `s3:///key`.
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

/// The store that a location lies in.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The whole file system, or the whole bucket.
    pub store: Arc<dyn ObjectStore>,
    /// The location within it.
    pub prefix: ObjectPath,
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

    /// The path, when it is on this machine.
    pub fn local_path(&self) -> Option<&Path> {
        match self {
            Location::Local(path) => Some(path),
            Location::S3 { .. } => None,
        }
    }

    /// The store around this location. Nothing is read or written yet.
    pub fn open(&self, s3: &S3) -> Result<Opened, LocationError> {
        let invalid = |reason: String| LocationError::Invalid { text: self.to_string(), reason };
        match self {
            Location::Local(path) => {
                let prefix = ObjectPath::from_absolute_path(path).map_err(|error| invalid(error.to_string()))?;
                Ok(Opened { store: Arc::new(LocalFileSystem::new()), prefix })
            }
            Location::S3 { bucket, key } => {
                let store = s3.bucket(bucket).map_err(|error| LocationError::Settings(error.to_string()))?;
                let prefix = ObjectPath::parse(key).map_err(|error| invalid(error.to_string()))?;
                Ok(Opened { store, prefix })
            }
        }
    }

    /// The place `name` below this one; `name` is ours, not a person's, and may have several parts.
    pub fn join(&self, name: &str) -> Location {
        let name = name.trim_matches('/');
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
            // Delta does not read them as they are written, and another folder would be meant.
            Location::S3 { key, .. } if key.contains(['%', '#', '?']) => {
                anyhow::bail!("`{self}` cannot be the folder of a Delta table: its key has a `%`, `#` or `?`")
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
            Location::S3 { bucket, key } => {
                let mut url = Url::parse(&format!("s3://{bucket}"))?;
                // A `%`, `#` or `?` in a key is just that.
                let segments = url.path_segments_mut();
                segments.map_err(|()| anyhow::anyhow!("`{self}` cannot be written as a URL"))?.extend(key.split('/'));
                Ok(url)
            }
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Local(path) => path.display().fmt(f),
            Location::S3 { bucket, key } if key.is_empty() => write!(f, "s3://{bucket}"),
            Location::S3 { bucket, key } => write!(f, "s3://{bucket}/{key}"),
        }
    }
}

/// What is at the bottom of an error of a store. Those above it repeat what is below them, several times over.
pub fn cause(error: &object_store::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    let text = cause.to_string();
    said(&text).map_or_else(|| text.clone(), str::to_owned)
}

/// What S3 said, or that it said nothing, out of what layers above it have made of that.
fn said(text: &str) -> Option<&str> {
    let begin = refusals::BEGINNINGS.iter().find_map(|beginning| text.find(beginning))?;
    Some(&text[begin..])
}

/// The same error, without what the layers between us and S3 have to say of an answer of S3, or of none.
pub fn without_layers(error: anyhow::Error) -> anyhow::Error {
    let bottom = error.root_cause().to_string();
    let Some(said) = said(&bottom) else { return error };
    let ours = error.chain().map(ToString::to_string).take_while(|words| !words.contains(said));
    let words: Vec<String> = ours.chain([said.to_owned()]).collect();
    anyhow::anyhow!(words.join(": "))
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
    Ok(Location::Local(normalize(&start.join(below.iter().collect::<PathBuf>()))))
}

fn s3(text: &str, rest: &str) -> Result<Location, LocationError> {
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
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
    if key.split('/').any(|part| part == "..") {
        return Err(LocationError::Climbs(text.to_owned()));
    }
    let key = key.split('/').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
    Ok(Location::S3 { bucket: bucket.to_owned(), key })
}

#[cfg(test)]
mod tests;
