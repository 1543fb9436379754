//! A source of JSON Lines: a file for each table in a folder or below a prefix.
//!
//! Lines are given as they are, also those that are not JSON: what the sink makes of them is not for us to decide.

use std::sync::Arc;

use anyhow::anyhow;
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{GetOptions, ObjectStoreExt};
use scheduler::operator::TaskError;
use tokio_util::sync::CancellationToken;

use super::{Inspection, RowStream, Source};
use crate::emulation::feed::is_json;
use crate::emulation::sink::explain;
use crate::emulation::table::Table;
use crate::location::{Location, Opened, cause};
use crate::packed::{self, Unpacker};

/// So many numbers of broken lines are shown.
const BROKEN_LINES_SHOWN: usize = 5;

/// So much of an object is asked for at a time.
const PIECE_BYTES: u64 = 1024 * 1024;

/// A longer line is a file without newlines, not a record.
const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The three files.
pub(in crate::emulation) struct JsonLines {
    folder: Location,
    opened: Opened,
    ending: &'static str,
}

impl JsonLines {
    /// The files' names end with `ending`.
    pub(in crate::emulation) fn new(folder: Location, opened: Opened, ending: &'static str) -> JsonLines {
        JsonLines { folder, opened, ending }
    }

    fn file(&self, table: Table) -> String {
        format!("{table}.{}", self.ending)
    }

    async fn lines(&self, table: Table, stop: &CancellationToken) -> Result<Lines, TaskError> {
        let file = self.file(table);
        let path = self.opened.prefix.clone().join(file.as_str());
        let what = format!("cannot read {file} of the source {}", self.folder);
        let found = tokio::select! {
            found = self.chunks(&path) => found,
            () = stop.cancelled() => return Err(TaskError::cancelled()),
        };
        match found {
            Ok(chunks) => Ok(Lines {
                chunks,
                unpacker: packed::is_packed(&file).then(|| Unpacker::new(Vec::new())),
                rest: Vec::new(),
                number: 0,
                ended: false,
                what,
                stop: stop.clone(),
            }),
            Err(object_store::Error::NotFound { .. }) => Err(self.missing(table).await),
            Err(error) => Err(TaskError::retry(anyhow!("{what}: {}", cause(&error)))),
        }
    }

    /// The bytes of a file. Those of an object are asked for piece by piece: rows may be posted at leisure, and no server waits
    /// for minutes until somebody takes the rest of its answer.
    async fn chunks(&self, path: &Path) -> object_store::Result<BoxStream<'static, object_store::Result<Bytes>>> {
        if self.folder.local_path().is_some() {
            return Ok(self.opened.store.get(path).await?.into_stream());
        }
        // A refusal of `HEAD` has no words.
        let object = self.opened.store.get(path).await?.meta;
        let store = Arc::clone(&self.opened.store);
        let pieces = stream::try_unfold((0, store, object), async |(start, store, object)| {
            if start >= object.size {
                return Ok(None);
            }
            let end = (start + PIECE_BYTES).min(object.size);
            // An object that was replaced meanwhile has other lines.
            let options = GetOptions { if_match: object.e_tag.clone(), ..GetOptions::default() };
            let found = store.get_opts(&object.location, options.with_range(Some(start..end))).await?;
            Ok(Some((found.bytes().await?, (end, store, object))))
        });
        Ok(pieces.boxed())
    }

    /// What to say when a file is not there: perhaps nothing is.
    async fn missing(&self, table: Table) -> TaskError {
        let folder = &self.folder;
        if let Some(path) = folder.local_path()
            && !path.is_dir()
        {
            return TaskError::retry(anyhow!("the source folder {folder} does not exist"));
        }
        match self.opened.store.list(Some(&self.opened.prefix)).try_next().await {
            Ok(_) => {
                let [pin, geo, user] = Table::ALL.map(|table| self.file(table));
                let missing = self.file(table);
                TaskError::retry(anyhow!("the source {folder} has no {missing}; it needs {pin}, {geo} and {user}"))
            }
            Err(error) => explain(&error, folder),
        }
    }
}

#[async_trait]
impl Source for JsonLines {
    fn shown(&self) -> String {
        self.folder.to_string()
    }

    /// Counts the lines of a table, and those that are not JSON.
    async fn inspect(&self, table: Table, stop: &CancellationToken) -> Result<Inspection, TaskError> {
        let mut found = Inspection::default();
        let mut lines = self.lines(table, stop).await?;
        while let Some(batch) = lines.next().await? {
            for (number, line) in batch {
                found.rows += 1;
                if is_json(&line) {
                    continue;
                }
                found.broken += 1;
                if found.broken_lines.len() < BROKEN_LINES_SHOWN {
                    found.broken_lines.push(number);
                }
            }
        }
        Ok(found)
    }

    /// The lines of a table as they are.
    async fn rows(
        &self,
        table: Table,
        from: u64,
        limit: u64,
        stop: &CancellationToken,
    ) -> Result<RowStream, TaskError> {
        let lines = self.lines(table, stop).await?;
        let rows = stream::try_unfold((lines, from, limit), async |(mut lines, mut skip, mut left)| {
            if left == 0 {
                return Ok(None);
            }
            let Some(batch) = lines.next().await? else { return Ok(None) };
            let skipped = skip.min(batch.len() as u64);
            skip -= skipped;
            let wanted = |(_, line): (u64, Vec<u8>)| Bytes::from(line);
            let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
            let taken = usize::try_from(left).unwrap_or(usize::MAX);
            let rows: Vec<Bytes> = batch.into_iter().skip(skipped).take(taken).map(wanted).collect();
            left -= rows.len() as u64;
            Ok(Some((rows, (lines, skip, left))))
        });
        Ok(rows.boxed())
    }
}

/// A file, line by line.
struct Lines {
    chunks: BoxStream<'static, object_store::Result<Bytes>>,
    unpacker: Option<Unpacker<Vec<u8>>>,
    rest: Vec<u8>,
    number: u64,
    ended: bool,
    what: String,
    stop: CancellationToken,
}

impl Lines {
    /// The next lines that are not blank, with their numbers; none at the end of the file.
    async fn next(&mut self) -> Result<Option<Vec<(u64, Vec<u8>)>>, TaskError> {
        if self.ended {
            return Ok(None);
        }
        let chunk = tokio::select! {
            chunk = self.chunks.try_next() => {
                chunk.map_err(|error| TaskError::retry(anyhow!("{}: {}", self.what, cause(&error))))?
            }
            () = self.stop.cancelled() => return Err(TaskError::cancelled()),
        };
        let mut lines = Vec::new();
        self.ended = chunk.is_none();
        let text = self.plain(chunk)?;
        let mut pieces = text.split(|&byte| byte == b'\n');
        self.rest.extend_from_slice(pieces.next().unwrap_or_default());
        for piece in pieces {
            self.take_line(&mut lines);
            self.rest.extend_from_slice(piece);
        }
        if self.rest.len() > LINE_BYTES_MAX {
            let line = self.number + 1;
            return Err(TaskError::fail(anyhow!("{}: line {line} is longer than 16 MiB", self.what)));
        }
        if self.ended {
            self.take_line(&mut lines);
        }
        Ok(Some(lines))
    }

    /// The text of a chunk of the file, or of its end.
    fn plain(&mut self, chunk: Option<Bytes>) -> Result<Bytes, TaskError> {
        let Some(unpacker) = &mut self.unpacker else { return Ok(chunk.unwrap_or_default()) };
        let unpacked = match chunk {
            Some(chunk) => unpacker.add(&chunk),
            None => unpacker.finish(),
        };
        unpacked.map_err(|error| TaskError::retry(anyhow!("{}: {error}", self.what)))?;
        Ok(std::mem::take(unpacker.written()).into())
    }

    fn take_line(&mut self, lines: &mut Vec<(u64, Vec<u8>)>) {
        self.number += 1;
        let line = std::mem::take(&mut self.rest);
        if !line.trim_ascii().is_empty() {
            lines.push((self.number, line));
        }
    }
}
