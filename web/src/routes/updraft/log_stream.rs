//! The log of a try as it is written.

use std::collections::VecDeque;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::response::sse::Event;
use futures::stream;
use scheduler::chain::Chain;
use scheduler::events::{Change, ChangeKind};
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use super::live::{Seat, respond};
use crate::error::{ApiError, HttpExceptionResponse};
use crate::request::{Described, Query, UrlPath};
use crate::state::AppState;
use crate::try_log::{PART_BYTES_MAX, Progress, TryKey, TryLog, message, read_part};
use crate::view::StructuredLogMessage;

/// How often the log is looked at. The writer may be another process, which tells nobody.
const LOOK: Duration = Duration::from_millis(200);

/// After how many looks the database is asked whether the try is over, besides when a hint says so.
const LOOKS_PER_QUESTION: u32 = 10;

pub(crate) struct LogStreamParams;

impl IntoParams for LogStreamParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Described::default().number("map_index", "The mapped instance; -1 when absent.").done()
    }
}

/// Follow the log of a try.
///
/// Events are `line` (a line of the log) and `end` (the try is over; `state` says how). Each has the place in the log as
/// its id, so that a browser that reconnects goes on where it was.
#[utoipa::path(
    get,
    path = "/api/v2/updraft/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/logs/{try_number}/stream",
    operation_id = "stream_log",
    tag = "Updraft",
    params(
        ("dag_id" = String, Path),
        ("dag_run_id" = String, Path),
        ("task_id" = String, Path),
        ("try_number" = u32, Path),
        LogStreamParams,
    ),
    responses(
        (status = 200, description = "Server-sent events", body = StructuredLogMessage,
            content_type = "text/event-stream"),
        (status = 404, description = "There is no such try", body = HttpExceptionResponse),
        (status = 503, description = "There are too many streams", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn stream_log(
    State(app): State<AppState>,
    UrlPath((dag_id, run_id, task_id, try_number)): UrlPath<(String, String, String, u32)>,
    headers: HeaderMap,
    mut query: Query,
) -> Result<Response, ApiError> {
    let map_index = query.number("map_index").unwrap_or(-1);
    query.finish()?;
    let seat = Seat::take(&app)?;
    // Before the state is read, so that its end is not missed.
    let changes = app.changes.subscribe();
    let key = TryKey { dag_id, run_id, task_id, map_index, try_number };
    let log = TryLog::find(&app, &key).await?;
    let offset = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse().ok())
        .unwrap_or(0);
    let follower =
        Follower { app, key, log, seat, changes, offset, waiting: VecDeque::new(), looks: 0, is_done: false };
    Ok(respond(stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok(event), follower))
    })))
}

struct Follower {
    app: AppState,
    key: TryKey,
    log: TryLog,
    seat: Seat,
    changes: Receiver<Change>,
    offset: u64,
    waiting: VecDeque<Event>,
    looks: u32,
    is_done: bool,
}

impl Follower {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            if self.is_done {
                return None;
            }
            self.read().await;
            if self.waiting.is_empty() && !self.is_done {
                self.wait().await;
            }
        }
    }

    /// Takes what was written since the last look.
    async fn read(&mut self) {
        // The order matters: what was written before the try was over is there when the file is read afterwards.
        let progress = self.log.progress.clone();
        let part = match read_part(&self.app.logs, &self.log.key, self.offset, PART_BYTES_MAX, &progress).await {
            Ok(part) => part,
            Err(error) => {
                tracing::warn!(log = %self.log.source, error = %Chain(&error), "could not read the log of a try");
                self.is_done = true;
                return;
            }
        };
        for (end, line) in &part.lines {
            let event = Event::default().event("line").id(end.to_string()).json_data(message(line));
            self.waiting.extend(event.ok());
        }
        self.offset = part.end;
        if let (Progress::Over(state) | Progress::Never(state), true) = (progress, part.is_at_end) {
            let event = Event::default().event("end").id(self.offset.to_string());
            self.waiting.extend(event.json_data(json!({ "state": state })).ok());
            self.is_done = true;
        }
    }

    /// Waits until there may be more to read.
    async fn wait(&mut self) {
        self.looks += 1;
        let look = tokio::time::sleep(LOOK);
        tokio::pin!(look);
        // Hints about others do not count: with thousands of tasks there are so many that each stream would read all the time.
        let may_be_over = loop {
            tokio::select! {
                () = self.seat.ended() => {
                    self.is_done = true;
                    break false;
                }
                () = &mut look => break self.looks.is_multiple_of(LOOKS_PER_QUESTION),
                hint = self.changes.recv() => {
                    if self.is_about_us(hint) {
                        break true;
                    }
                    if self.is_done {
                        break false;
                    }
                }
            }
        };
        if !may_be_over {
            return;
        }
        match TryLog::find(&self.app, &self.key).await {
            Ok(log) => self.log = log,
            // Deleted meanwhile, or the database is away: the client connects again, and is told.
            Err(_) => self.is_done = true,
        }
    }

    fn is_about_us(&mut self, hint: Result<Change, RecvError>) -> bool {
        match hint {
            Ok(change) => {
                change.kind == ChangeKind::TaskInstance
                    && change.dag_id.as_ref() == Some(&self.key.dag_id)
                    && change.dag_run_id.as_ref() == Some(&self.key.run_id)
                    && change.task_id.as_ref() == Some(&self.key.task_id)
            }
            Err(RecvError::Lagged(_)) => true,
            Err(RecvError::Closed) => {
                self.is_done = true;
                false
            }
        }
    }
}
