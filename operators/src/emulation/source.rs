//! Where the records come from.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor};

use anyhow::Context as _;
use object_store::{ObjectStoreExt as _, path::Path as ObjectPath};

use super::sample::Sample;
use crate::location::{Location, S3};

/// One of the three source tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SourceTable {
    /// Posts.
    Pin,
    /// Where and when they were posted.
    Geo,
    /// By whom.
    User,
}

impl SourceTable {
    /// In the order in which the scripts post them.
    pub const ALL: [SourceTable; 3] = [SourceTable::Pin, SourceTable::Geo, SourceTable::User];

    /// The name of its topic after the user's, and of its file before `.jsonl`.
    pub fn name(self) -> &'static str {
        match self {
            SourceTable::Pin => "pin",
            SourceTable::Geo => "geo",
            SourceTable::User => "user",
        }
    }
}

/// The lines of a table, without their line ends.
pub type Lines = Box<dyn Iterator<Item = anyhow::Result<Vec<u8>>> + Send>;

/// Where the records come from.
pub enum Source {
    /// The generator.
    Sample {
        /// Rows of each table.
        rows: u64,
        /// What it begins with.
        seed: u64,
    },
    /// A folder of JSON Lines.
    Folder(Location),
}

impl Source {
    /// The records of a table, as JSON documents.
    pub async fn open(&self, table: SourceTable, s3: &S3) -> anyhow::Result<Lines> {
        match self {
            Source::Sample { rows, seed } => {
                let sample = Sample::new(*rows, *seed);
                Ok(Box::new((0..*rows).map(move |row| Ok(sample.record(table, row)))))
            }
            Source::Folder(folder) => {
                let file = folder.join(&format!("{}.jsonl", table.name()));
                let opening = || {
                    format!("`{file}` cannot be read; the source needs `pin.jsonl`, `geo.jsonl` and `user.jsonl`")
                };
                let reader: Box<dyn BufRead + Send> = match &file {
                    Location::Local(path) => Box::new(BufReader::new(File::open(path).with_context(opening)?)),
                    Location::S3 { bucket, key } => {
                        let found = s3.bucket(bucket)?.get(&ObjectPath::from(key.as_str())).await;
                        Box::new(Cursor::new(found.with_context(opening)?.bytes().await.with_context(opening)?))
                    }
                };
                let name = file.to_string();
                Ok(Box::new(lines(reader).map(move |line| line.with_context(|| format!("`{name}` cannot be read")))))
            }
        }
    }
}

/// Lines that hold something: a blank one is no record.
fn lines(mut reader: Box<dyn BufRead + Send>) -> impl Iterator<Item = std::io::Result<Vec<u8>>> + Send {
    std::iter::from_fn(move || {
        loop {
            let mut line = Vec::new();
            match reader.read_until(b'\n', &mut line) {
                Err(error) => return Some(Err(error)),
                Ok(0) => return None,
                Ok(_) => (),
            }
            if line.last() == Some(&b'\n') {
                line.pop();
            }
            if !line.trim_ascii().is_empty() {
                return Some(Ok(line));
            }
        }
    })
}
