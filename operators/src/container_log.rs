//! The output of a container, line by line in the log of a try; taken up where it was left by another process.
//!
//! Engines put an instant before each line (`2026-11-29T09:14:46.123456789Z text`), some to the nanosecond and some to the
//! second. A [`Bookmark`] is the instant of the last line that was seen, and how many lines bore it.

use chrono::{DateTime, Utc};
use scheduler::log::{Level, TaskLog};
use serde::{Deserialize, Serialize};

/// A line that is longer is taken in pieces: output without newlines must not fill the memory.
pub(crate) const LINE_BYTES_MAX: usize = 64 * 1024;

/// How far output was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bookmark {
    /// The instant of the last line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<DateTime<Utc>>,
    /// How many lines bore that instant.
    #[serde(default)]
    lines: u32,
    /// The last line of standard output that is not empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_line: Option<String>,
}

impl Bookmark {
    /// The instant of the last line.
    pub(crate) fn at(&self) -> Option<DateTime<Utc>> {
        self.at
    }
}

/// Where a line was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    fn logger(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }
}

/// Copies the output of one container into a log.
pub(crate) struct Follower {
    log: TaskLog,
    seen: Bookmark,
    /// Of the instant of the bookmark, so many lines come again.
    repeated: u32,
    /// The begin of a line that is not complete, of each stream.
    pending: [Vec<u8>; 2],
    is_dirty: bool,
}

impl Follower {
    /// From where an earlier follower got to.
    pub(crate) fn new(log: &TaskLog, from: Option<&Bookmark>) -> Follower {
        let seen = from.cloned().unwrap_or_default();
        let repeated = seen.lines;
        Follower { log: log.clone(), seen, repeated, pending: [Vec::new(), Vec::new()], is_dirty: false }
    }

    /// How far it got.
    pub(crate) fn bookmark(&self) -> &Bookmark {
        &self.seen
    }

    /// Whether there were lines since the bookmark was last asked to be kept.
    pub(crate) fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    /// The bookmark is kept as it is now.
    pub(crate) fn is_kept(&mut self) {
        self.is_dirty = false;
    }

    /// The engine is asked for lines since this instant, that of the last line; those that were seen come again.
    pub(crate) fn since(&self) -> Option<DateTime<Utc>> {
        self.seen.at
    }

    /// The engine is asked again. The begin of a line stays, because its messages do not count when they come again.
    pub(crate) fn begin_again(&mut self) {
        self.repeated = self.seen.lines;
    }

    /// Takes a message: an instant, and a line or a piece of one.
    pub(crate) fn take(&mut self, stream: Stream, message: &[u8]) {
        let (at, text) = split(message);
        if let Some(at) = at
            && self.was_seen(at)
        {
            return;
        }
        let mut line = std::mem::take(&mut self.pending[stream as usize]);
        line.extend_from_slice(text);
        if line.ends_with(b"\n") || line.len() >= LINE_BYTES_MAX {
            self.write(stream, &line);
        } else {
            self.pending[stream as usize] = line;
        }
    }

    /// There is no more: what has no end of line is a line, too.
    pub(crate) fn finish(&mut self) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let line = std::mem::take(&mut self.pending[stream as usize]);
            if !line.is_empty() {
                self.write(stream, &line);
            }
        }
    }

    /// Whether a line of that instant is in the log already; if not, it is from here on.
    fn was_seen(&mut self, at: DateTime<Utc>) -> bool {
        match self.seen.at {
            Some(seen) if at < seen => return true,
            Some(seen) if at == seen => {
                if self.repeated > 0 {
                    self.repeated -= 1;
                    return true;
                }
                self.seen.lines += 1;
            }
            _ => {
                self.seen.at = Some(at);
                self.seen.lines = 1;
                self.repeated = 0;
            }
        }
        self.is_dirty = true;
        false
    }

    fn write(&mut self, stream: Stream, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let line = text.trim_end_matches(['\n', '\r']);
        self.is_dirty = true;
        self.log.line(Level::Info, stream.logger(), line);
        if stream == Stream::Stdout && !line.trim().is_empty() {
            self.seen.last_line = Some(line.to_owned());
        }
    }
}

/// The instant before a message, and its text.
fn split(message: &[u8]) -> (Option<DateTime<Utc>>, &[u8]) {
    let Some(end) = message.iter().position(|byte| *byte == b' ') else { return (None, message) };
    let at = std::str::from_utf8(&message[..end]).ok().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    match at {
        Some(at) => (Some(at.to_utc()), &message[end + 1..]),
        None => (None, message),
    }
}

/// The text of a message without its instant and the end of its line.
pub(crate) fn text_of(message: &[u8]) -> String {
    let (_, text) = split(message);
    String::from_utf8_lossy(text).trim_end_matches(['\n', '\r']).to_owned()
}

#[cfg(test)]
mod tests {
    use scheduler::clock::Clock;
    use tempfile::TempDir;

    use super::*;

    fn log() -> (TempDir, TaskLog) {
        let folder = tempfile::tempdir().unwrap();
        let log = TaskLog::at(folder.path().join("log"), Clock::System);
        (folder, log)
    }

    fn lines(folder: &TempDir) -> Vec<String> {
        let text = std::fs::read_to_string(folder.path().join("log")).unwrap();
        let event = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["event"].clone();
        text.lines().map(|line| event(line).as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn lines_that_were_seen_do_not_come_again() {
        let (folder, log) = log();
        let output = ["2026-01-01T00:00:00Z a\n", "2026-01-01T00:00:01Z b\n", "2026-01-01T00:00:01Z c\n"];
        let mut follower = Follower::new(&log, None);
        for line in &output[..2] {
            follower.take(Stream::Stdout, line.as_bytes());
        }

        let kept: Bookmark = serde_json::from_str(&serde_json::to_string(follower.bookmark()).unwrap()).unwrap();
        let mut next = Follower::new(&log, Some(&kept));
        for line in output {
            next.take(Stream::Stdout, line.as_bytes());
        }
        next.begin_again();
        for line in output {
            next.take(Stream::Stdout, line.as_bytes());
        }

        assert_eq!(lines(&folder), ["a", "b", "c"]);
        assert_eq!(next.bookmark().last_line.as_deref(), Some("c"));
    }

    #[test]
    fn pieces_of_a_line_are_put_together_and_streams_are_kept_apart() {
        let (folder, log) = log();
        let mut follower = Follower::new(&log, None);
        follower.take(Stream::Stdout, b"2026-01-01T00:00:00.000000001Z one ");
        follower.take(Stream::Stderr, b"2026-01-01T00:00:00.000000002Z oh\r\n");
        follower.take(Stream::Stdout, b"2026-01-01T00:00:00.000000003Z line\n");
        follower.take(Stream::Stdout, b"2026-01-01T00:00:00.000000004Z no end");
        follower.finish();

        assert_eq!(lines(&folder), ["oh", "one line", "no end"]);
        assert_eq!(follower.bookmark().last_line.as_deref(), Some("no end"));
    }

    #[test]
    fn the_begin_of_a_line_is_not_lost_when_the_output_breaks_off() {
        let (folder, log) = log();
        let mut follower = Follower::new(&log, None);
        let output = ["2026-01-01T00:00:00Z one ", "2026-01-01T00:00:01Z line\n", "2026-01-01T00:00:02Z no end"];
        for breaks_off in 1..=3 {
            follower.begin_again();
            for message in &output[..breaks_off] {
                follower.take(Stream::Stdout, message.as_bytes());
            }
        }
        follower.finish();

        assert_eq!(lines(&folder), ["one line", "no end"]);
    }

    #[test]
    fn what_has_no_instant_is_text() {
        assert_eq!(text_of(b"2026-01-01T00:00:00Z  two spaces\n"), " two spaces");
        assert_eq!(text_of(b"no instant\n"), "no instant");
        assert_eq!(text_of(b"word"), "word");
    }
}
