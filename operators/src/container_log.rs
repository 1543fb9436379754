//! The output of a container, line by line in the log of a try; taken up where it was left by another process.
//!
//! Engines put an instant before each line (`2026-11-29T09:14:46.123456789Z text`), some to the nanosecond and some to the
//! second, and can be asked for what came since a second. A [`Bookmark`] is the instant of the last line that was seen, and how
//! many there were since its second. They are told by their number: of two outputs, lines can be an instant out of order.

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
    /// How many lines, or pieces of long ones, there were since the second of that instant.
    #[serde(default)]
    lines: u32,
    /// The begin of a line that is not complete, of each stream.
    #[serde(default, skip_serializing_if = "Unfinished::is_none")]
    unfinished: Unfinished,
    /// The last line of standard output that is not empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_line: Option<String>,
}

impl Bookmark {
    /// The instant of the last line.
    pub(crate) fn at(&self) -> Option<DateTime<Utc>> {
        self.at
    }

    /// Whether something came before the second from which on lines are counted.
    fn is_before(&self, at: DateTime<Utc>) -> bool {
        self.at.is_some_and(|seen| at.timestamp() < seen.timestamp())
    }

    fn count(&mut self, at: DateTime<Utc>) {
        match self.at {
            Some(seen) if at.timestamp() == seen.timestamp() => {
                self.at = Some(seen.max(at));
                self.lines += 1;
            }
            _ if self.is_before(at) => {}
            _ => (self.at, self.lines) = (Some(at), 1),
        }
    }
}

/// Lines of standard output and of standard error that are not complete. Kept, they are text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[String; 2]", into = "[String; 2]")]
struct Unfinished([Vec<u8>; 2]);

impl Unfinished {
    fn is_none(&self) -> bool {
        self.0.iter().all(Vec::is_empty)
    }
}

impl From<[String; 2]> for Unfinished {
    fn from(texts: [String; 2]) -> Unfinished {
        Unfinished(texts.map(String::into_bytes))
    }
}

impl From<Unfinished> for [String; 2] {
    fn from(unfinished: Unfinished) -> [String; 2] {
        unfinished.0.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
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
    /// Of what the bookmark counts, so many come again.
    repeated: u32,
    /// The instant of the last message of each stream; what has none goes on with that.
    at: [Option<DateTime<Utc>>; 2],
    is_dirty: bool,
}

impl Follower {
    /// From where an earlier follower got to.
    pub(crate) fn new(log: &TaskLog, from: Option<&Bookmark>) -> Follower {
        let seen = from.cloned().unwrap_or_default();
        let repeated = seen.lines;
        Follower { log: log.clone(), seen, repeated, at: [None; 2], is_dirty: false }
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

    /// The engine is asked for lines since the second of this instant, that of the last line; those that were seen come again.
    pub(crate) fn since(&self) -> Option<DateTime<Utc>> {
        self.seen.at
    }

    /// The engine is asked again. The begin of a line stays, because its messages do not count when they come again.
    pub(crate) fn begin_again(&mut self) {
        self.repeated = self.seen.lines;
        self.at = [None; 2];
    }

    /// Takes a message: an instant, and a line or a piece of one.
    pub(crate) fn take(&mut self, stream: Stream, message: &[u8]) {
        let (at, text) = split(message);
        let at = at.or(self.at[stream as usize]);
        self.at[stream as usize] = at;
        if at.is_some_and(|at| self.was_seen(at)) {
            return;
        }
        let mut line = self.take_unfinished(stream);
        line.extend_from_slice(text);
        if line.ends_with(b"\n") || line.len() >= LINE_BYTES_MAX {
            self.write(stream, &line);
        } else {
            self.seen.unfinished.0[stream as usize] = line;
        }
    }

    /// There is no more: what has no end of line is a line, too.
    pub(crate) fn finish(&mut self) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let line = self.take_unfinished(stream);
            if !line.is_empty() {
                self.write(stream, &line);
            }
        }
    }

    fn take_unfinished(&mut self, stream: Stream) -> Vec<u8> {
        std::mem::take(&mut self.seen.unfinished.0[stream as usize])
    }

    /// Whether a message of that instant is in the log already; if not, it is from here on.
    fn was_seen(&mut self, at: DateTime<Utc>) -> bool {
        if self.seen.at.is_some_and(|seen| at > seen) {
            // Of those that were to come again, some are not there any more.
            self.repeated = 0;
        }
        if self.repeated > 0 {
            // An engine may send more than it was asked for.
            self.repeated -= u32::from(!self.seen.is_before(at));
            return true;
        }
        self.seen.count(at);
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

    /// Every line is written once, wherever the output breaks off, by the same process or by one after it.
    #[test]
    fn output_that_breaks_off_is_taken_up_where_it_was() {
        let output = [
            (Stream::Stdout, "2026-01-01T00:00:00.1Z one "),
            (Stream::Stdout, "2026-01-01T00:00:00.2Z line\n"),
            (Stream::Stderr, "2026-01-01T00:00:01.2Z oh\n"),
            // They were written at the same time, and the engine has them in this order.
            (Stream::Stdout, "2026-01-01T00:00:01.1Z late\n"),
            (Stream::Stderr, "2026-01-01T00:00:01.0Z later\n"),
            (Stream::Stdout, "2026-01-01T00:00:01.3Z of two "),
            (Stream::Stdout, "pieces\n"),
            (Stream::Stdout, "2026-01-01T00:00:01.4Z no end"),
        ];
        for breaks_off in 0..=output.len() {
            for is_another_process in [false, true] {
                let (folder, log) = log();
                let mut follower = Follower::new(&log, None);
                output[..breaks_off].iter().for_each(|(stream, message)| follower.take(*stream, message.as_bytes()));
                if is_another_process {
                    let kept: Bookmark =
                        serde_json::from_str(&serde_json::to_string(follower.bookmark()).unwrap()).unwrap();
                    follower = Follower::new(&log, Some(&kept));
                }
                follower.begin_again();
                let since = follower.since().map(|at| at.timestamp()).unwrap_or_default();
                let sent = |message: &str| split(message.as_bytes()).0.is_none_or(|at| at.timestamp() >= since);
                for (stream, message) in output.iter().filter(|(_, message)| sent(message)) {
                    follower.take(*stream, message.as_bytes());
                }
                follower.finish();

                let written = lines(&folder);
                assert_eq!(
                    written,
                    ["one line", "oh", "late", "later", "of two pieces", "no end"],
                    "{breaks_off} messages, {is_another_process}"
                );
                assert_eq!(follower.bookmark().last_line.as_deref(), Some("no end"));
            }
        }
    }

    #[test]
    fn what_has_no_instant_is_text() {
        assert_eq!(text_of(b"2026-01-01T00:00:00Z  two spaces\n"), " two spaces");
        assert_eq!(text_of(b"no instant\n"), "no instant");
        assert_eq!(text_of(b"word"), "word");
    }
}
