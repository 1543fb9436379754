//! A source of JSON Lines: a file for each table in a folder or below a prefix.
//!
//! Lines are given as they are, also those that are not JSON: what the sink makes of them is not for us to decide.

use anyhow::anyhow;
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStoreExt;
use scheduler::operator::TaskError;
use tokio_util::sync::CancellationToken;

use super::{Inspection, RowStream, Source};
use crate::emulation::feed::is_json;
use crate::emulation::sink::explain;
use crate::emulation::table::Table;
use crate::location::{Location, Opened, cause};

/// So many numbers of broken lines are shown.
const BROKEN_LINES_SHOWN: usize = 5;

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
            found = self.opened.store.get(&path) => found,
            () = stop.cancelled() => return Err(TaskError::cancelled()),
        };
        match found {
            Ok(found) => Ok(Lines {
                chunks: found.into_stream(),
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
        let Some(chunk) = chunk else {
            self.ended = true;
            self.take_line(&mut lines);
            return Ok(Some(lines));
        };
        let mut pieces = chunk.split(|&byte| byte == b'\n');
        self.rest.extend_from_slice(pieces.next().unwrap_or_default());
        for piece in pieces {
            self.take_line(&mut lines);
            self.rest.extend_from_slice(piece);
        }
        if self.rest.len() > LINE_BYTES_MAX {
            let line = self.number + 1;
            return Err(TaskError::fail(anyhow!("{}: line {line} is longer than 16 MiB", self.what)));
        }
        Ok(Some(lines))
    }

    fn take_line(&mut self, lines: &mut Vec<(u64, Vec<u8>)>) {
        self.number += 1;
        let line = std::mem::take(&mut self.rest);
        if !line.trim_ascii().is_empty() {
            lines.push((self.number, line));
        }
    }
}
