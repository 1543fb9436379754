//! A source of JSON Lines: `pin.jsonl`, `geo.jsonl` and `user.jsonl` in a folder or below a prefix.
//!
//! Lines are landed byte for byte, also those that are not JSON: what cleaning makes of them is not for us to decide.

use anyhow::anyhow;
use bytes::Bytes;
use futures::TryStreamExt;
use futures::stream::BoxStream;
use object_store::ObjectStoreExt;
use scheduler::operator::TaskError;
use serde::de::IgnoredAny;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::batch::{Batch, Packer};
use super::source::Inspection;
use super::table::Table;
use crate::location::{Location, Opened, cause};

/// So many numbers of broken lines are shown.
const BROKEN_LINES_SHOWN: usize = 5;

/// A longer line is a file without newlines, not a record.
const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The three files.
pub(super) struct JsonLines {
    folder: Location,
    opened: Opened,
}

impl JsonLines {
    pub(super) fn new(folder: Location, opened: Opened) -> JsonLines {
        JsonLines { folder, opened }
    }

    /// Counts the lines of a table, and those that are not JSON.
    pub(super) async fn inspect(&self, table: Table, stop: &CancellationToken) -> Result<Inspection, TaskError> {
        let mut found = Inspection::default();
        let mut lines = self.lines(table, stop).await?;
        while let Some(batch) = lines.next(stop).await? {
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

    /// Sends the lines of a table as they are.
    pub(super) async fn send(
        &self,
        table: Table,
        mut packer: Packer,
        sender: mpsc::Sender<Batch>,
        stop: &CancellationToken,
    ) -> Result<(), TaskError> {
        let mut lines = self.lines(table, stop).await?;
        while let Some(batch) = lines.next(stop).await? {
            for (_, line) in batch {
                let Some(full) = packer.push(&line) else { continue };
                // A receiver that is gone has a better reason than we could give.
                if sender.send(full).await.is_err() {
                    return Ok(());
                }
            }
        }
        if let Some(batch) = packer.finish() {
            let _ = sender.send(batch).await;
        }
        Ok(())
    }

    async fn lines(&self, table: Table, stop: &CancellationToken) -> Result<Lines, TaskError> {
        let path = self.opened.prefix.clone().join(table.file());
        let what = format!("cannot read {} of the source {}", table.file(), self.folder);
        let found = tokio::select! {
            found = self.opened.store.get(&path) => found,
            () = stop.cancelled() => return Err(TaskError::cancelled()),
        };
        match found {
            Ok(found) => Ok(Lines { chunks: found.into_stream(), rest: Vec::new(), number: 0, ended: false, what }),
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
            Ok(_) => TaskError::retry(anyhow!(
                "the source {folder} has no {}; it needs pin.jsonl, geo.jsonl and user.jsonl",
                table.file()
            )),
            Err(error) => super::bucket::explain(&error, folder),
        }
    }
}

/// A file, line by line.
struct Lines {
    chunks: BoxStream<'static, object_store::Result<Bytes>>,
    rest: Vec<u8>,
    number: u64,
    ended: bool,
    what: String,
}

impl Lines {
    /// The next lines that are not blank, with their numbers; none at the end of the file.
    async fn next(&mut self, stop: &CancellationToken) -> Result<Option<Vec<(u64, Vec<u8>)>>, TaskError> {
        if self.ended {
            return Ok(None);
        }
        let chunk = tokio::select! {
            chunk = self.chunks.try_next() => {
                chunk.map_err(|error| TaskError::retry(anyhow!("{}: {}", self.what, cause(&error))))?
            }
            () = stop.cancelled() => return Err(TaskError::cancelled()),
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

/// Whether a line is a JSON document. The parser passes over the letters within strings, hence the second look.
fn is_json(line: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(line).is_ok() && std::str::from_utf8(line).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_is_what_no_json_parser_takes() {
        for (line, json) in [
            (&b"{}"[..], true),
            (b" {\"a\": 1}\r", true),
            (b"[1]", true),
            (b"5", true),
            (b"{\"a\": ", false),
            (b"not json at all", false),
            (b"\xef\xbb\xbf{}", false),
            (b"\"\xff\"", false),
            (b"{} {}", false),
        ] {
            assert_eq!(is_json(line), json, "{}", line.escape_ascii());
        }
    }
}
