//! The log of one try: what a person reads when they want to know what happened.
//!
//! A log is a file of JSON lines, `{"timestamp","level","logger","event"}`, the fields of Airflow's structured log
//! messages. It is readable while the try runs, belongs to the try (not to the process that ran it), and is bounded.

use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::operator::TaskKey;

/// One try must not fill the disk. What comes after is counted, not kept.
pub const TRY_LOG_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A line longer than this is cut: a page that shows it must stay usable.
pub const LOG_EVENT_BYTES_MAX: usize = 64 * 1024;

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

/// Writes the log of one try. Cheap to clone; lines from several places do not mix.
#[derive(Clone)]
pub struct TaskLog {
    sink: Arc<Mutex<Sink>>,
    clock: Clock,
}

struct Sink {
    file: Option<File>,
    written_bytes: u64,
    dropped_lines: u64,
}

impl TaskLog {
    /// Opens the log of a try; a try that is taken up again after a restart goes on in the same file.
    pub fn open(path: &Path, clock: Clock) -> io::Result<TaskLog> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let written_bytes = file.metadata()?.len();
        Ok(TaskLog { sink: Arc::new(Mutex::new(Sink { file: Some(file), written_bytes, dropped_lines: 0 })), clock })
    }

    /// A log that keeps nothing.
    pub fn discard(clock: Clock) -> TaskLog {
        TaskLog { sink: Arc::new(Mutex::new(Sink { file: None, written_bytes: 0, dropped_lines: 0 })), clock }
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

    /// A line from `logger`.
    ///
    /// A log that cannot be written (a full disk) never fails the try: the try's result matters more. The lines are
    /// counted, and the count is written once there is room again.
    pub fn line(&self, level: Level, logger: &str, event: &str) {
        let timestamp = self.clock.now();
        let line = LogLine { timestamp, level, logger: logger.to_owned(), event: cut(event).to_owned() };
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        sink.write(&line);
    }
}

impl Sink {
    fn write(&mut self, line: &LogLine) {
        let Some(file) = &mut self.file else { return };
        let Ok(mut bytes) = serde_json::to_vec(line) else { return };
        bytes.push(b'\n');
        if self.written_bytes + bytes.len() as u64 > TRY_LOG_BYTES_MAX {
            self.dropped_lines += 1;
            return;
        }
        match file.write_all(&bytes) {
            Ok(()) => self.written_bytes += bytes.len() as u64,
            Err(_) => self.dropped_lines += 1,
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        if self.dropped_lines == 0 {
            return;
        }
        let event = format!("{} more lines were not kept: the log is full", self.dropped_lines);
        let note = serde_json::json!({ "level": "warning", "logger": "updraft", "event": event });
        if let Some(file) = &mut self.file {
            // Nothing is left to do when even this does not fit.
            let _ = writeln!(file, "{note}");
        }
    }
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
    let mut path = folder
        .join(format!("dag_id={}", key.dag_id))
        .join(format!("run_id={}", key.run_id))
        .join(format!("task_id={}", key.task_id));
    if key.map_index >= 0 {
        path.push(format!("map_index={}", key.map_index));
    }
    path.join(format!("attempt={try_number}.log"))
}
