//! Which files a location means: one file, the files of a folder, or those that a pattern matches.
//!
//! As in Spark, files and folders whose names begin with `_` or `.` are not data: that is where half-written files and
//! table logs live.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use futures::TryStreamExt as _;
use glob::{MatchOptions, Pattern};
use object_store::{ObjectMeta, ObjectStore as _, ObjectStoreExt as _, path::Path as ObjectPath};

use crate::folder_marks::without_marks;
use crate::location::{Location, S3, cause};

/// A file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputFile {
    /// Where it is.
    pub location: Location,
    /// How long it was when it was found.
    pub size_bytes: u64,
    /// What changes with its content: the entity tag in S3, else when it was modified.
    pub stamp: String,
}

/// How large they are together.
pub fn bytes(files: &[InputFile]) -> u64 {
    files.iter().map(|file| file.size_bytes).sum()
}

/// The files that `location` means, by name. Blocks on local folders: call it off the caller's runtime.
pub async fn list_files(location: &Location, s3: &S3) -> anyhow::Result<Vec<InputFile>> {
    let mut files = match location {
        Location::Local(path) => list_local(path)?,
        Location::S3 { bucket, key } => list_s3(bucket, key, s3).await?,
    };
    files.sort_by_cached_key(|file| file.location.to_string());
    Ok(files)
}

/// Whether a location has wildcards.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

struct Matcher(Pattern);

impl Matcher {
    fn new(pattern: &str) -> anyhow::Result<Matcher> {
        Pattern::new(pattern).map(Matcher).with_context(|| format!("`{pattern}` is no pattern of file names"))
    }

    fn is_match(&self, name: &str) -> bool {
        let options = MatchOptions { require_literal_separator: true, ..MatchOptions::default() };
        self.0.matches_with(name, options)
    }
}

/// Splits a pattern at its first part with a wildcard.
fn split_pattern(text: &str) -> (String, bool) {
    let fixed: Vec<&str> = text.split('/').take_while(|part| !is_pattern(part)).collect();
    (fixed.join("/"), is_pattern(text))
}

fn is_hidden(name: &str) -> bool {
    name.starts_with(['_', '.'])
}

fn list_local(path: &Path) -> anyhow::Result<Vec<InputFile>> {
    let text = path.to_str().with_context(|| format!("`{}` is not UTF-8", path.display()))?;
    let mut files = Vec::new();
    // A file whose name happens to hold a bracket is still that file.
    let (root, has_pattern) = if path.exists() { (text.to_owned(), false) } else { split_pattern(text) };
    let root = PathBuf::from(if root.is_empty() { "/" } else { &root });
    let metadata = std::fs::metadata(&root).with_context(|| format!("`{}` cannot be read", root.display()))?;
    if metadata.is_file() {
        return Ok(vec![InputFile {
            location: Location::Local(root),
            size_bytes: metadata.len(),
            stamp: stamp(&metadata),
        }]);
    }
    let matcher = has_pattern.then(|| Matcher::new(text)).transpose()?;
    walk(&root, matcher.as_ref(), &mut files)?;
    Ok(files)
}

/// When a file was modified, in nanoseconds since the epoch.
fn stamp(metadata: &std::fs::Metadata) -> String {
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    modified.map(|since| since.as_nanos().to_string()).unwrap_or_default()
}

fn stamp_of_object(object: &ObjectMeta) -> String {
    object.e_tag.clone().unwrap_or_else(|| object.last_modified.timestamp_micros().to_string())
}

fn walk(folder: &Path, matcher: Option<&Matcher>, files: &mut Vec<InputFile>) -> anyhow::Result<()> {
    let reading = || format!("the folder `{}` cannot be read", folder.display());
    for entry in std::fs::read_dir(folder).with_context(reading)? {
        let entry = entry.with_context(reading)?;
        if entry.file_name().to_str().is_none_or(is_hidden) {
            continue;
        }
        let path = entry.path();
        let file_type = entry.file_type().with_context(reading)?;
        if file_type.is_dir() {
            walk(&path, matcher, files)?;
        } else if matcher.is_none_or(|matcher| path.to_str().is_some_and(|path| matcher.is_match(path))) {
            let metadata = std::fs::metadata(&path).with_context(reading)?;
            files.push(InputFile {
                location: Location::Local(path),
                size_bytes: metadata.len(),
                stamp: stamp(&metadata),
            });
        }
    }
    Ok(())
}

async fn list_s3(bucket: &str, key: &str, s3: &S3) -> anyhow::Result<Vec<InputFile>> {
    let store = s3.bucket(bucket).with_context(|| format!("the bucket `{bucket}` cannot be reached"))?;
    let (root, has_pattern) = split_pattern(key);
    let matcher = has_pattern.then(|| Matcher::new(key)).transpose()?;
    let listing = || format!("`s3://{bucket}/{root}` cannot be listed");
    if !has_pattern && !key.is_empty() {
        match store.head(&ObjectPath::parse(key).with_context(listing)?).await {
            Ok(found) => {
                let location = Location::S3 { bucket: bucket.to_owned(), key: key.to_owned() };
                return Ok(vec![InputFile { location, size_bytes: found.size, stamp: stamp_of_object(&found) }]);
            }
            Err(object_store::Error::NotFound { .. }) => (),
            Err(error) => return Err(error).with_context(listing),
        }
    }
    let prefix = ObjectPath::parse(&root).with_context(listing)?;
    let objects: Vec<_> = match store.list(Some(&prefix)).try_collect().await {
        Ok(objects) => objects,
        Err(object_store::Error::NotFound { .. }) => bail!("the bucket `{bucket}` does not exist"),
        Err(error) if cause(&error).contains("NoSuchBucket") => bail!("the bucket `{bucket}` does not exist"),
        Err(error) => return Err(error).with_context(listing),
    };
    let below = prefix.as_ref().len();
    let is_meant = |object: &ObjectMeta| {
        let name = object.location.as_ref();
        let is_data = !name[below.min(name.len())..].split('/').any(is_hidden);
        is_data && matcher.as_ref().is_none_or(|matcher| matcher.is_match(name))
    };
    let meant = objects.into_iter().filter(is_meant).collect();
    let objects = without_marks(meant, &store).await.with_context(listing)?;
    Ok(objects
        .into_iter()
        .map(|object| InputFile {
            location: Location::S3 { bucket: bucket.to_owned(), key: object.location.to_string() },
            size_bytes: object.size,
            stamp: stamp_of_object(&object),
        })
        .collect())
}
