//! The log of a try, as far as it is written.

use std::path::Path;

use scheduler::log::{self, LogError, LogKey, LogReader};
use scheduler::operator::TaskKey;
use scheduler::store::read::TaskInstanceRow;
use serde_json::Value;

use crate::error::ApiError;
use crate::routes::task_instances::find;
use crate::state::AppState;
use crate::timestamp::{DateTime, read_aware};
use crate::view::StructuredLogMessage;

/// Bytes of a log in one answer, or in one step of a stream. Longer than any line: those are cut at 64 KiB of text.
pub(crate) const PART_BYTES_MAX: u64 = 1024 * 1024;

/// Which log is that of a try, and whether more may come.
pub(crate) struct TryLog {
    pub(crate) key: LogKey,
    /// Its name, whether it is a file or in the database (Airflow 3: the path below the log folder).
    pub(crate) source: String,
    /// Whether it goes on.
    pub(crate) progress: Progress,
}

/// Whether a try goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It has not begun, or goes on: more may be written.
    Open,
    /// It is over, in that state of its task instance; nothing more will be written.
    Over(Option<String>),
    /// It was never made, and will not be: its task instance is in that state without it.
    Never(Option<String>),
}

impl Progress {
    pub(crate) fn is_over(&self) -> bool {
        matches!(self, Progress::Over(_) | Progress::Never(_))
    }
}

/// Which try of which task instance.
#[derive(Clone, Debug)]
pub(crate) struct TryKey {
    pub(crate) dag_id: String,
    pub(crate) run_id: String,
    pub(crate) task_id: String,
    pub(crate) map_index: i32,
    pub(crate) try_number: u32,
}

impl TryLog {
    /// The log of a try, of which the database must know.
    pub(crate) async fn find(app: &AppState, key: &TryKey) -> Result<TryLog, ApiError> {
        // Only names that are in the database become a path.
        let row = find(app, &key.dag_id, &key.run_id, &key.task_id, key.map_index).await?;
        let begun = u32::try_from(row.instance.try_number).unwrap_or(0);
        if key.try_number > begun + 1 {
            return Err(ApiError::not_found(format!(
                "The task instance has no try {}: it has begun {begun}",
                key.try_number
            )));
        }
        let task = TaskKey {
            dag_id: row.instance.dag_id.clone(),
            run_id: row.instance.run_id.clone(),
            task_id: row.instance.task_id.clone(),
            map_index: row.instance.map_index,
        };
        let source = log::path(Path::new(""), &task, key.try_number).display().to_string();
        let progress = progress(&row, begun, key.try_number);
        let key = LogKey { run: row.instance.dag_run_id, task, try_number: key.try_number };
        Ok(TryLog { key, source, progress })
    }
}

/// Whether a try goes on, or in which state it ended.
fn progress(row: &TaskInstanceRow, begun: u32, try_number: u32) -> Progress {
    let state = row.instance.state.as_deref();
    let is_finished = matches!(state, Some("success" | "failed" | "skipped" | "upstream_failed" | "removed"));
    // Waiting for the next try, or cleared: the latest try is over, and the next has not begun.
    let is_between = matches!(state, Some("up_for_retry") | None);
    match try_number {
        0 => Progress::Never(None),
        // An earlier try failed, or there would not have been another.
        number if number < begun => Progress::Over(Some("failed".to_owned())),
        number if number == begun && (is_finished || is_between) => Progress::Over(row.instance.state.clone()),
        number if number > begun && is_finished => Progress::Never(row.instance.state.clone()),
        _ => Progress::Open,
    }
}

/// Lines of a log, from one offset to another.
#[derive(Debug, Default)]
pub(crate) struct Part {
    /// Whole lines, each with the offset after it.
    pub(crate) lines: Vec<(u64, String)>,
    /// The offset after the last of them.
    pub(crate) end: u64,
    /// Whether that is the end of the file, for now.
    pub(crate) is_at_end: bool,
}

/// What stands in place of the log of a try that ended well without one.
const SAID_NOTHING: &str =
    r#"{"level":"info","logger":"updraft","event":"The try ended well, and had nothing to say: it left no log"}"#;

/// What stands in place of another log that is not there.
const IS_MISSING: &str = r#"{"level":"info","logger":"updraft","event":"There is no log of this try: it was over before it said anything, or the log was removed. What it was to do stands in its rendered fields"}"#;

/// Reads whole lines from `offset` on, at most `bytes_max` bytes. A log that is not there yet is empty; one that was never
/// written says so.
pub(crate) async fn read_part(
    logs: &LogReader,
    key: &LogKey,
    offset: u64,
    bytes_max: u64,
    progress: &Progress,
) -> Result<Part, LogError> {
    let bytes = logs.read(key, offset, bytes_max).await?;
    Ok(match bytes {
        Some(bytes) => part(&bytes, offset, bytes_max, progress),
        None => without_log(offset, progress),
    })
}

/// A last line without an end is a line when the try is over: its process was killed while it wrote.
fn part(bytes: &[u8], offset: u64, bytes_max: u64, progress: &Progress) -> Part {
    let is_at_end = (bytes.len() as u64) < bytes_max;
    let mut part = Part { lines: Vec::new(), end: offset, is_at_end };
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let is_whole = line.ends_with(b"\n") || (progress.is_over() && is_at_end);
        if !is_whole {
            break;
        }
        part.end += line.len() as u64;
        let text = String::from_utf8_lossy(line).trim_end().to_owned();
        if !text.is_empty() {
            part.lines.push((part.end, text));
        }
    }
    part
}

fn without_log(offset: u64, progress: &Progress) -> Part {
    let said = match progress {
        Progress::Open | Progress::Never(_) => None,
        Progress::Over(Some(state)) if state == "success" => Some(SAID_NOTHING),
        Progress::Over(_) => Some(IS_MISSING),
    };
    let lines = said.filter(|_| offset == 0).map(|said| (0, said.to_owned())).into_iter().collect();
    Part { lines, end: offset, is_at_end: true }
}

/// A line of the file, as the API shows it. A line that is no JSON (the end of a killed process's) is shown as it is.
pub(crate) fn message(line: &str) -> StructuredLogMessage {
    let fields: Value = serde_json::from_str(line).unwrap_or(Value::Null);
    let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
    StructuredLogMessage {
        timestamp: text("timestamp").and_then(|instant| read_aware(&instant)).map(DateTime),
        event: text("event").unwrap_or_else(|| line.to_owned()),
        level: text("level"),
        logger: text("logger"),
        sources: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_lines_are_read_until_the_try_is_over() {
        let log = b"{\"event\":\"a\"}\n{\"event\":\"b\"}\n{\"eve";

        let first = part(log, 0, PART_BYTES_MAX, &Progress::Open);
        let rest = part(&log[28..], first.end, PART_BYTES_MAX, &Progress::Over(None));

        assert_eq!(first.lines, [(14, r#"{"event":"a"}"#.to_owned()), (28, r#"{"event":"b"}"#.to_owned())]);
        assert_eq!(rest.lines, [(33, r#"{"eve"#.to_owned())]);
        assert_eq!(message(&rest.lines[0].1).event, "{\"eve");
    }

    #[test]
    fn a_part_ends_at_a_line() {
        let part = part(b"one\ntwo\nth", 0, 10, &Progress::Over(None));

        assert_eq!(part.lines, [(4, "one".to_owned()), (8, "two".to_owned())]);
        assert!(!part.is_at_end);
    }

    #[test]
    fn the_log_of_a_try_that_has_not_begun_is_empty() {
        for progress in [Progress::Open, Progress::Never(None), Progress::Never(Some("success".to_owned()))] {
            let part = without_log(0, &progress);
            assert!(part.lines.is_empty() && part.is_at_end, "{progress:?}");
        }
    }

    #[test]
    fn a_log_that_is_missing_says_so() {
        for state in [None, Some("failed".to_owned()), Some("up_for_retry".to_owned())] {
            let part = without_log(0, &Progress::Over(state));
            let event = message(&part.lines[0].1).event;
            assert!(part.is_at_end && event.starts_with("There is no log of this try"), "{event}");
            assert!(without_log(7, &Progress::Over(None)).lines.is_empty());
        }
    }

    #[test]
    fn a_try_that_ended_well_and_left_no_log_had_nothing_to_say() {
        let part = without_log(0, &Progress::Over(Some("success".to_owned())));

        assert!(part.is_at_end);
        assert_eq!(message(&part.lines[0].1).event, "The try ended well, and had nothing to say: it left no log");
    }
}
