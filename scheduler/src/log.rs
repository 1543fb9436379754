//! The log of one try: what a person reads when they want to know what happened.
//!
//! A log is a file of JSON lines, `{"timestamp","level","logger","event"}`, the fields of Airflow's structured log
//! messages. It is readable while the try runs, belongs to the try (not to the process that ran it), and is bounded.
//!
//! The file is opened at the first line, and let go of while the try only waits: fifty thousand tries that sleep hold no
//! file open.

mod reader;
mod shipping;

use std::borrow::Cow;
use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::clock::Clock;
use crate::connection::{Connection, spellings};
use crate::operator::TaskKey;
use crate::store::try_logs::LogOf;

pub use reader::{LogError, LogReader};
pub use shipping::{Logs, Shipper};

use shipping::Shipment;

/// One try must not fill the disk. What comes after is counted, not kept.
pub const TRY_LOG_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A line longer than this is cut: a page that shows it must stay usable.
pub const LOG_EVENT_BYTES_MAX: usize = 64 * 1024;

/// A secret that is shorter is not looked for: masking it would tell where its letters stand (Airflow 3:
/// `min_length_masked_secret`).
const MASKED_LENGTH_MIN: usize = 5;

/// How loud a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For whoever looks for a fault in the operator.
    Debug,
    /// What a person wants to follow.
    Info,
    /// Worth a look, but the try goes on.
    Warning,
    /// Why the try failed.
    Error,
}

impl Level {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    /// When it was written.
    pub timestamp: DateTime<Utc>,
    /// How loud it is.
    pub level: Level,
    /// Who speaks: `task`, `stdout`, `stderr`, or a part of Updraft.
    pub logger: String,
    /// The text.
    pub event: String,
}

/// Which try's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogKey {
    /// The run's key.
    pub run: Uuid,
    /// The task instance, as people name it.
    pub task: TaskKey,
    /// The try, from 1.
    pub try_number: u32,
}

impl From<&LogKey> for LogOf {
    fn from(key: &LogKey) -> LogOf {
        LogOf {
            run: key.run,
            task_id: key.task.task_id.clone(),
            map_index: key.task.map_index,
            try_number: i32::try_from(key.try_number).unwrap_or(i32::MAX),
        }
    }
}

/// Writes the log of one try. Cheap to clone; lines from several places do not mix.
#[derive(Clone)]
pub struct TaskLog {
    sink: Arc<Mutex<Sink>>,
}

struct Sink {
    place: Place,
    /// Whether the file is closed after each line.
    is_let_go: bool,
    /// The first lines, which wait for another one; none once they were written.
    heading: Option<Vec<LogLine>>,
    clock: Clock,
    written_bytes: u64,
    dropped_lines: u64,
    /// What is written as `***`, the longest first.
    secrets: Vec<String>,
    /// How the file comes to its readers, when they do not read it themselves.
    shipment: Option<Shipment>,
}

/// Where lines go.
enum Place {
    /// Nowhere.
    Nowhere,
    /// To a file that this process has not opened yet.
    Unopened(PathBuf),
    /// To a file that it had open, and whose length it knows.
    Closed(PathBuf),
    /// To a file that is open.
    Open(PathBuf, File),
}

impl TaskLog {
    /// The log of a try, which is opened when there is something to write; a try that is taken up again after a restart
    /// goes on in the same file.
    pub fn at(path: PathBuf, clock: Clock) -> TaskLog {
        TaskLog::new(Place::Unopened(path), None, clock)
    }

    /// A log whose file is sent elsewhere.
    fn shipped(shipment: Shipment, clock: Clock) -> TaskLog {
        TaskLog::new(Place::Unopened(shipment.path.clone()), Some(shipment), clock)
    }

    /// A log that keeps nothing.
    pub fn discard(clock: Clock) -> TaskLog {
        TaskLog::new(Place::Nowhere, None, clock)
    }

    fn new(place: Place, shipment: Option<Shipment>, clock: Clock) -> TaskLog {
        let sink = Sink {
            place,
            is_let_go: false,
            heading: Some(Vec::new()),
            clock,
            written_bytes: 0,
            dropped_lines: 0,
            secrets: Vec::new(),
            shipment,
        };
        TaskLog { sink: Arc::new(Mutex::new(sink)) }
    }

    /// A first line of a try that may have nothing else to say: it is written before the next one of the other kinds. A try
    /// without a word leaves no file. Nothing but the first lines of a log is kept back: later it is a line like any other.
    pub fn head(&self, event: &str) {
        let mut sink = self.lock();
        let line = sink.line(Level::Info, "updraft", event.to_owned());
        if let Some(heading) = &mut sink.heading {
            heading.push(line);
        } else {
            drop(sink);
            self.line(Level::Info, "updraft", event);
        }
    }

    /// Whether something was written before, also by an earlier process of this folder.
    pub fn is_begun(&self) -> bool {
        match &self.lock().place {
            Place::Nowhere => false,
            Place::Unopened(path) => path.exists(),
            Place::Closed(_) | Place::Open(..) => true,
        }
    }

    /// Writes the heading now.
    pub fn begin(&self) {
        let mut sink = self.lock();
        sink.write_heading();
    }

    /// The last line of a try that ended well; not worth a file of its own.
    pub fn end_well(&self, event: &str) {
        let is_silent = self.lock().heading.take().is_some_and(|heading| !heading.is_empty());
        if !is_silent {
            self.line(Level::Info, "updraft", event);
        }
    }

    /// Holds the file open only while a line is written from here on, because few are to come.
    pub fn let_go(&self) {
        let mut sink = self.lock();
        sink.write_heading();
        sink.is_let_go = true;
        sink.close();
    }

    /// Writes `***` instead of `secret` from here on, also where it is spelled as in a URL, in JSON or in base64.
    pub fn hide(&self, secret: &str) {
        if secret.trim().len() >= MASKED_LENGTH_MIN {
            self.lock().hide(&spellings(secret));
        }
    }

    /// Writes `***` instead of what is secret in a connection.
    pub fn hide_connection(&self, connection: &Connection) {
        connection.secrets().iter().for_each(|secret| self.hide(secret));
        self.lock().hide(&connection.basic_credentials());
    }

    /// The text with `***` in the place of every secret.
    pub fn mask(&self, text: &str) -> String {
        self.lock().mask(text).into_owned()
    }

    /// The value with `***` in the place of every secret in its texts, at any depth.
    pub fn masked(&self, value: Value) -> Value {
        let sink = self.lock();
        if sink.secrets.is_empty() { value } else { sink.masked(value) }
    }

    /// Something a person wants to follow.
    pub fn info(&self, event: impl Display) {
        self.line(Level::Info, "task", &event.to_string());
    }

    /// Worth a look, but the try goes on.
    pub fn warning(&self, event: impl Display) {
        self.line(Level::Warning, "task", &event.to_string());
    }

    /// Why the try fails.
    pub fn error(&self, event: impl Display) {
        self.line(Level::Error, "task", &event.to_string());
    }

    /// How far the try has come. The UI draws the newest of these lines while the try runs; `event` begins with
    /// `<percent> %: ` when it is known how much there is to do.
    pub fn progress(&self, event: impl Display) {
        self.line(Level::Info, "progress", &event.to_string());
    }

    /// A line from `logger`.
    ///
    /// A log that cannot be written (a full disk) never fails the try: the try's result matters more. The lines are
    /// counted, and the count is written once there is room again.
    pub fn line(&self, level: Level, logger: &str, event: &str) {
        let mut sink = self.lock();
        sink.write_heading();
        let line = sink.line(level, logger, cut(&sink.mask(event)).to_owned());
        sink.write(&line);
        if sink.is_let_go {
            sink.close();
        }
    }

    /// Waits until what was written so far is where people read it.
    pub(crate) async fn arrived(&self) {
        let arrival = self.lock().shipment.as_ref().and_then(Shipment::arrival);
        if let Some(arrival) = arrival {
            // Unanswered when it cannot be sent now; it is kept and sent later.
            let _ = arrival.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Sink> {
        self.sink.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink {
    fn hide(&mut self, secrets: &[String]) {
        // A secret of several lines comes line by line.
        for secret in secrets.iter().flat_map(|secret| std::iter::once(secret.as_str()).chain(secret.lines())) {
            let secret = secret.trim();
            if secret.len() >= MASKED_LENGTH_MIN && !self.secrets.iter().any(|known| known == secret) {
                self.secrets.push(secret.to_owned());
            }
        }
        // One may be part of another.
        self.secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    }

    fn line(&self, level: Level, logger: &str, event: String) -> LogLine {
        LogLine { timestamp: self.clock.now(), level, logger: logger.to_owned(), event }
    }

    fn mask<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mask = |text: Cow<'a, str>, secret: &String| {
            if text.contains(secret.as_str()) { Cow::Owned(text.replace(secret.as_str(), "***")) } else { text }
        };
        self.secrets.iter().fold(Cow::Borrowed(text), mask)
    }

    fn masked(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::from(self.mask(&text)),
            Value::Array(values) => values.into_iter().map(|value| self.masked(value)).collect(),
            Value::Object(values) => values.into_iter().map(|(key, value)| (key, self.masked(value))).collect(),
            other => other,
        }
    }

    fn write_heading(&mut self) {
        for line in self.heading.take().into_iter().flatten() {
            // A secret may have become known since.
            let event = cut(&self.mask(&line.event)).to_owned();
            self.write(&LogLine { event, ..line });
        }
    }

    fn write(&mut self, line: &LogLine) {
        if !self.note_dropped(TRY_LOG_BYTES_MAX) || !self.append(line, TRY_LOG_BYTES_MAX) {
            self.dropped_lines += 1;
        }
    }

    /// Says how many lines are missing at this place. False when there is still no room, not even for that.
    fn note_dropped(&mut self, bytes_max: u64) -> bool {
        if self.dropped_lines == 0 {
            return true;
        }
        let event = match self.dropped_lines {
            1 => "1 line is missing here: there was no room for it".to_owned(),
            lines => format!("{lines} lines are missing here: there was no room for them"),
        };
        let note = self.line(Level::Warning, "updraft", event);
        let is_noted = self.append(&note, bytes_max);
        if is_noted {
            self.dropped_lines = 0;
        }
        is_noted
    }

    /// Writes a line whole or not at all; says which.
    fn append(&mut self, line: &LogLine, bytes_max: u64) -> bool {
        if matches!(self.place, Place::Nowhere) {
            return true;
        }
        let Ok(mut bytes) = serde_json::to_vec(line) else { return false };
        bytes.push(b'\n');
        if self.open().is_err() {
            return false;
        }
        let Place::Open(_, file) = &mut self.place else { return false };
        if self.written_bytes + bytes.len() as u64 > bytes_max {
            return false;
        }
        let is_written = file.write_all(&bytes).is_ok();
        if is_written {
            self.written_bytes += bytes.len() as u64;
            if let Some(shipment) = &self.shipment {
                shipment.note_news();
            }
        } else {
            // Half a line would run into the next one. Nobody else writes to the file meanwhile; and should this fail,
            // too, then a line is lost that could not be kept anyway.
            let _ = file.set_len(self.written_bytes);
        }
        is_written
    }

    /// Sees to it that the file is open.
    fn open(&mut self) -> io::Result<()> {
        match &self.place {
            Place::Nowhere | Place::Open(..) => {}
            Place::Unopened(path) => {
                let mut file = open(path)?;
                self.written_bytes = end_last_line(&mut file)?;
                self.place = Place::Open(path.clone(), file);
            }
            Place::Closed(path) => {
                let file = open(path)?;
                // It may have been taken away meanwhile.
                self.written_bytes = file.metadata()?.len();
                self.place = Place::Open(path.clone(), file);
            }
        }
        Ok(())
    }

    fn close(&mut self) {
        if let Place::Open(path, _) = &mut self.place {
            self.place = Place::Closed(std::mem::take(path));
        }
    }
}

/// Opens a log, in a folder that is made when it is not there yet: most often another try made it.
fn open(path: &Path) -> io::Result<File> {
    let open = || OpenOptions::new().create(true).append(true).read(true).open(path);
    match (open(), path.parent()) {
        (Err(error), Some(folder)) if error.kind() == io::ErrorKind::NotFound => {
            std::fs::create_dir_all(folder)?;
            open()
        }
        (opened, _) => opened,
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        // One line more than the limit allows. Nothing is left to do when even that does not fit on the disk.
        self.note_dropped(u64::MAX);
    }
}

/// Ends a line that a killed process left half-written; answers with the length of the file.
fn end_last_line(file: &mut File) -> io::Result<u64> {
    let length = file.metadata()?.len();
    if length == 0 {
        return Ok(0);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    if last == *b"\n" {
        return Ok(length);
    }
    file.write_all(b"\n")?;
    Ok(length + 1)
}

fn cut(event: &str) -> &str {
    if event.len() <= LOG_EVENT_BYTES_MAX {
        return event;
    }
    let mut end = LOG_EVENT_BYTES_MAX;
    while !event.is_char_boundary(end) {
        end -= 1;
    }
    &event[..end]
}

/// Where the log of a try is kept below the log folder, in Airflow's layout.
pub fn path(folder: &Path, key: &TaskKey, try_number: u32) -> PathBuf {
    let TaskKey { dag_id, run_id, task_id, map_index } = key;
    let instance = if *map_index >= 0 { format!("map_index={map_index}/") } else { String::new() };
    folder.join(format!("dag_id={dag_id}/run_id={run_id}/task_id={task_id}/{instance}attempt={try_number}.log"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Secret;

    fn events(path: &Path) -> Vec<String> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str::<LogLine>(line).unwrap().event).collect()
    }

    fn open(path: &Path) -> TaskLog {
        TaskLog::at(path.to_owned(), Clock::System)
    }

    /// The files that this process has open below a folder.
    fn open_files(folder: &Path) -> usize {
        let links = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        links.filter_map(|link| std::fs::read_link(link.path()).ok()).filter(|file| file.starts_with(folder)).count()
    }

    #[test]
    fn the_file_is_opened_at_the_first_line_and_let_go_of_when_the_try_waits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new").join("try.log");
        let log = open(&path);
        assert!(!path.exists());

        log.info("before");
        assert_eq!(open_files(folder.path()), 1);
        log.let_go();
        assert_eq!(open_files(folder.path()), 0);
        log.info("while it waits");
        assert_eq!(open_files(folder.path()), 0);

        assert_eq!(events(&path), ["before", "while it waits"]);
    }

    #[test]
    fn first_lines_are_written_before_the_next_and_leave_no_file_by_themselves() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("try.log");
        let silent = open(&path);
        silent.head("begins");
        silent.head("runs");
        silent.end_well("ended");
        drop(silent);
        assert!(!path.exists());

        let log = open(&path);
        log.head("begins");
        log.head("runs tell-12345");
        log.hide("tell-12345");
        log.info("a word");
        log.head("runs something else");
        log.end_well("ended");
        assert_eq!(events(&path), ["begins", "runs ***", "a word", "runs something else", "ended"]);
    }

    #[test]
    fn a_log_that_another_process_began_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("try.log");
        let stopped = open(&path);
        stopped.head("begins");
        assert!(!stopped.is_begun());
        stopped.error("stopped");
        assert!(stopped.is_begun());
        drop(stopped);

        let again = open(&path);
        again.head("begins");
        assert!(again.is_begun());
        again.begin();
        again.end_well("ended");

        assert_eq!(events(&path), ["begins", "stopped", "begins", "ended"]);
        assert!(!TaskLog::discard(Clock::System).is_begun());
    }

    #[test]
    fn secrets_are_masked_from_the_moment_they_are_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("try.log");
        let log = open(&path);
        log.hide("dapi-12345");
        log.hide("dapi-12345-long");
        log.hide("abc");
        log.info("curl -H dapi-12345 dapi-12345-long abc");
        assert_eq!(events(&path), ["curl -H *** *** abc"]);
        assert_eq!(log.mask("no dapi-12345"), "no ***");
    }

    #[test]
    fn a_connection_is_masked_however_it_is_written() {
        let log = TaskLog::discard(Clock::System);
        let mut connection = Connection::new("api", "http");
        connection.login = Some("me".to_owned());
        connection.password = Some(Secret::new("it's a \"word\""));
        connection.extra.insert("private_key".to_owned(), Value::from("-----KEY-----\nabcdefgh\n"));
        connection.extra.insert("pin_token".to_owned(), Value::from(12_345_678));
        log.hide_connection(&connection);

        for (text, shown) in [
            ("http://me:it%27s%20a%20%22word%22@api", "http://me:***@api"),
            (r#"{"password": "it's a \"word\""}"#, r#"{"password": "***"}"#),
            (r#"+ curl -u 'me:it'\''s a "word"'"#, "+ curl -u 'me:***'"),
            ("Authorization: Basic bWU6aXQncyBhICJ3b3JkIg==", "Authorization: Basic ***=="),
            (r#"{"key": "-----KEY-----\nabcdefgh\n"}"#, r#"{"key": "***"}"#),
            ("abcdefgh", "***"),
            ("pin 12345678", "pin ***"),
        ] {
            assert_eq!(log.mask(text), shown);
        }
    }

    #[test]
    fn what_does_not_fit_is_counted_where_it_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("try.log");
        let log = open(&path);
        let set_written = |bytes: u64| log.sink.lock().unwrap().written_bytes = bytes;
        log.info("before");

        set_written(TRY_LOG_BYTES_MAX);
        log.info("lost");
        log.info("lost as well");
        set_written(100);
        log.info("after");
        set_written(TRY_LOG_BYTES_MAX);
        log.info("lost at the end");
        drop(log);

        let expected = [
            "before",
            "2 lines are missing here: there was no room for them",
            "after",
            "1 line is missing here: there was no room for it",
        ];
        assert_eq!(events(&path), expected);
    }

    #[test]
    fn half_a_line_of_a_killed_process_does_not_run_into_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("try.log");
        open(&path).info("whole");
        let whole = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{whole}{{\"timest")).unwrap();

        open(&path).info("next");

        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[1], "{\"timest");
        assert_eq!(serde_json::from_str::<LogLine>(lines[2]).unwrap().event, "next");
    }
}
