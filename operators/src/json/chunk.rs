//! Cuts the input into chunks that are read and parsed side by side.
//!
//! A chunk is either a part of a large file or a handful of small ones: the cost of a task must not be paid for each of
//! 30,000 files of 700 bytes.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::Path;

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::{ObjectStoreExt as _, path::Path as ObjectPath};

use crate::location::{Location, S3};
use crate::packed::Plain;

/// Large enough that the overhead does not count, small enough that two cores share a file of some megabytes.
const CHUNK_BYTES: u64 = 4 * 1024 * 1024;
/// Small files cost by their number: opening one takes as long as reading some kilobytes.
const CHUNK_FILES: usize = 1024;
/// How far ahead the end of a line is looked for in an object.
const LINE_END_BYTES: u64 = 64 * 1024;
/// Room for the rest of the last line of a part.
const LINE_ROOM_BYTES: usize = 16 * 1024;
/// Requests to S3 under way for one chunk.
const S3_REQUESTS: usize = 32;

/// What is read at once.
#[derive(Clone, Debug)]
pub enum Chunk {
    /// Whole files, one after another.
    Files(Vec<Plain>),
    /// The lines of a file that begin in this range.
    Part {
        /// The file.
        file: Plain,
        /// The first byte.
        start: u64,
        /// The byte after the last one.
        end: u64,
    },
}

/// The text of a chunk.
#[derive(Debug)]
pub struct ChunkText {
    /// One document a line.
    pub text: String,
    /// Where each file begins in `text`.
    pub starts: Vec<usize>,
}

/// Groups files into chunks, in their order.
pub fn plan_chunks(files: &[Plain]) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut group: Vec<Plain> = Vec::new();
    let mut group_bytes = 0;
    for file in files {
        let can_be_cut = file.size_bytes > CHUNK_BYTES;
        let is_full = group_bytes + file.size_bytes > CHUNK_BYTES || group.len() == CHUNK_FILES;
        // Those of a bucket are asked for side by side.
        let is_elsewhere = |first: &Plain| first.local_path().is_some() != file.local_path().is_some();
        if !group.is_empty() && (can_be_cut || is_full || group.first().is_some_and(is_elsewhere)) {
            chunks.push(Chunk::Files(std::mem::take(&mut group)));
            group_bytes = 0;
        }
        if can_be_cut {
            let starts = (0..file.size_bytes).step_by(usize::try_from(CHUNK_BYTES).unwrap_or(usize::MAX));
            chunks.extend(starts.map(|start| Chunk::Part {
                file: file.clone(),
                start,
                end: (start + CHUNK_BYTES).min(file.size_bytes),
            }));
        } else {
            group_bytes += file.size_bytes;
            group.push(file.clone());
        }
    }
    if !group.is_empty() {
        chunks.push(Chunk::Files(group));
    }
    chunks
}

impl Chunk {
    /// Reads the chunk. `room` is used anew: what the text of a chunk takes need not be found for each of them.
    pub async fn read(&self, s3: &S3, room: Vec<u8>) -> anyhow::Result<ChunkText> {
        match self {
            Chunk::Part { file, start, end } => {
                let bytes = match file.local_path() {
                    Some(path) => read_part(path, *start, *end, room).with_context(|| cannot_read(&file.file))?,
                    None => read_object_part(file, *start..*end, s3).await?,
                };
                Ok(ChunkText { text: into_text(bytes), starts: vec![0] })
            }
            Chunk::Files(files) if files.iter().all(|file| file.local_path().is_some()) => read_local(files, room),
            Chunk::Files(files) => read_objects(files, s3).await,
        }
    }

    /// The file that the byte `at` of the chunk's text comes from.
    pub fn file_at(&self, starts: &[usize], at: usize) -> &Location {
        match self {
            Chunk::Part { file, .. } => &file.file,
            Chunk::Files(files) => {
                let index = starts.partition_point(|start| *start <= at).saturating_sub(1);
                &files[index.min(files.len() - 1)].file
            }
        }
    }
}

async fn read_objects(files: &[Plain], s3: &S3) -> anyhow::Result<ChunkText> {
    let requests: Vec<_> = files.iter().map(|file| read_object(file.file.clone(), s3.clone())).collect();
    let contents: Vec<_> = futures::stream::iter(requests).buffered(S3_REQUESTS).try_collect().await?;
    let mut bytes = Vec::with_capacity(contents.iter().map(|content| content.len() + 1).sum());
    let mut starts = Vec::with_capacity(contents.len());
    for content in contents {
        starts.push(bytes.len());
        append_file(&mut bytes, &content);
    }
    Ok(ChunkText { text: into_text(bytes), starts })
}

/// The lines of an object that begin in `range`, as [`read_part`] reads them.
async fn read_object_part(object: &Plain, range: Range<u64>, s3: &S3) -> anyhow::Result<Vec<u8>> {
    let (file, size) = (&object.file, object.size_bytes);
    let Location::S3 { bucket, key } = file else { anyhow::bail!("`{file}` is not an object of S3") };
    let reading = || format!("`{file}` cannot be read");
    let (store, path) = (s3.bucket(bucket)?, ObjectPath::parse(key).with_context(reading)?);
    // The byte before tells whether a line begins with the first one.
    let from = range.start.saturating_sub(1);
    let mut bytes = store.get_range(&path, from..range.end).await.with_context(reading)?.to_vec();
    let skipped = match range.start {
        0 => Some(0),
        _ => bytes.iter().position(|byte| *byte == b'\n').map(|end| end + 1),
    };
    let Some(skipped) = skipped.filter(|skipped| *skipped < bytes.len()) else { return Ok(Vec::new()) };
    bytes.drain(..skipped);
    let mut at = range.end;
    while bytes.last() != Some(&b'\n') && at < size {
        let more = store.get_range(&path, at..(at + LINE_END_BYTES).min(size)).await.with_context(reading)?;
        let end = more.iter().position(|byte| *byte == b'\n').map_or(more.len(), |end| end + 1);
        bytes.extend_from_slice(&more[..end]);
        at += more.len() as u64;
    }
    Ok(bytes)
}

async fn read_object(file: Location, s3: S3) -> anyhow::Result<bytes::Bytes> {
    let Location::S3 { bucket, key } = &file else { anyhow::bail!("`{file}` is not an object of S3") };
    let reading = || format!("`{file}` cannot be read");
    let path = ObjectPath::parse(key).with_context(reading)?;
    let found = s3.bucket(bucket)?.get(&path).await.with_context(reading)?;
    found.bytes().await.with_context(reading)
}

fn read_local(files: &[Plain], mut bytes: Vec<u8>) -> anyhow::Result<ChunkText> {
    bytes.clear();
    let mut starts = Vec::with_capacity(files.len());
    for file in files {
        let reading = || cannot_read(&file.file);
        let path = file.local_path().with_context(|| format!("`{}` is not a local file", file.file))?;
        starts.push(bytes.len());
        let mut open = File::open(path).with_context(reading)?;
        open.read_to_end(&mut bytes).with_context(reading)?;
        end_line(&mut bytes);
    }
    Ok(ChunkText { text: into_text(bytes), starts })
}

fn cannot_read(file: &Location) -> String {
    format!("`{file}` cannot be read")
}

/// The lines that begin in `start..end`: a line that goes on beyond the end belongs to the part in which it began.
fn read_part(path: &Path, start: u64, end: u64, mut bytes: Vec<u8>) -> std::io::Result<Vec<u8>> {
    let mut file = BufReader::new(File::open(path)?);
    let mut at = start;
    if start > 0 {
        file.seek(SeekFrom::Start(start - 1))?;
        let mut skipped = Vec::new();
        at = start - 1 + file.read_until(b'\n', &mut skipped)? as u64;
    }
    bytes.clear();
    if at < end {
        bytes.reserve(usize::try_from(end - at).unwrap_or_default() + LINE_ROOM_BYTES);
        file.by_ref().take(end - at).read_to_end(&mut bytes)?;
        if bytes.last() != Some(&b'\n') {
            file.read_until(b'\n', &mut bytes)?;
        }
    }
    Ok(bytes)
}

fn append_file(bytes: &mut Vec<u8>, content: &[u8]) {
    bytes.extend_from_slice(content);
    end_line(bytes);
}

/// A file without a line end must not run into the next one.
fn end_line(bytes: &mut Vec<u8>) {
    if bytes.last().is_some_and(|last| *last != b'\n') {
        bytes.push(b'\n');
    }
}

/// Bytes that are not UTF-8 become U+FFFD: one bad letter must not cost the file.
fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
