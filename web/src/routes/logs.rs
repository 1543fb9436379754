//! The logs of tries.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use scheduler::log::{LogError, LogReader, TRY_LOG_BYTES_MAX};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use super::dag_sources::{Accepts, accepts};
use super::task_instances::find;
use crate::error::{ApiError, HttpExceptionResponse, HttpValidationError};
use crate::request::{Described, MapIndexParam, Query, UrlPath};
use crate::state::AppState;
use crate::try_log::{PART_BYTES_MAX, TryKey, TryLog, message, read_part};
use crate::view::{StructuredLogMessage, TaskInstancesLogResponse};

/// Says where a log in NDJSON goes on, while it may still grow (Airflow 3).
const CONTINUATION: HeaderName = HeaderName::from_static("airflow-continuation-token");

pub(crate) struct LogParams;

impl IntoParams for LogParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Described::default()
            .flag("full_content", "All of the log at once, instead of about 1 MiB.")
            .number("map_index", "The mapped instance; -1 when absent.")
            .text("token", "Where to go on: the `continuation_token` of the answer before.")
            .done()
    }
}

/// Where a log is shown elsewhere: nowhere, because Updraft keeps the logs itself (Airflow 3: 400 without such a place).
#[utoipa::path(
    get,
    path = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/externalLogUrl/{try_number}",
    operation_id = "get_external_log_url",
    tag = "Task Instance",
    params(
        ("dag_id" = String, Path),
        ("dag_run_id" = String, Path),
        ("task_id" = String, Path),
        ("try_number" = u32, Path),
        MapIndexParam,
    ),
    responses(
        (status = 400, description = "Logs are shown here alone", body = HttpExceptionResponse),
        (status = 404, description = "There is no such task instance", body = HttpExceptionResponse),
        (status = 422, description = "A parameter is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn get_external_log_url(
    State(app): State<AppState>,
    UrlPath((dag_id, run_id, task_id, _)): UrlPath<(String, String, String, u32)>,
    mut query: Query,
) -> Result<(), ApiError> {
    let map_index = query.number("map_index").unwrap_or(-1);
    query.finish()?;
    find(&app, &dag_id, &run_id, &task_id, map_index).await?;
    Err(ApiError::bad_request("Task log handler does not support external logs."))
}

/// Read the log of a try.
///
/// In JSON by parts, or in NDJSON all of it as a stream.
#[utoipa::path(
    get,
    path = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/logs/{try_number}",
    operation_id = "get_log",
    tag = "Task Instance",
    params(
        ("dag_id" = String, Path),
        ("dag_run_id" = String, Path),
        ("task_id" = String, Path),
        ("try_number" = u32, Path),
        LogParams,
    ),
    responses(
        (status = 200, description = "The log", content(
            (TaskInstancesLogResponse = "application/json"),
            (String = "application/x-ndjson"),
        )),
        (status = 404, description = "There is no such try", body = HttpExceptionResponse),
        (status = 406, description = "Neither JSON nor NDJSON is wanted", body = HttpExceptionResponse),
        (status = 422, description = "A parameter is invalid", body = HttpValidationError),
    ),
)]
pub(crate) async fn get_log(
    State(app): State<AppState>,
    UrlPath((dag_id, run_id, task_id, try_number)): UrlPath<(String, String, String, u32)>,
    headers: HeaderMap,
    mut query: Query,
) -> Result<Response, ApiError> {
    let map_index = query.number("map_index").unwrap_or(-1);
    let is_full = query.flag("full_content").unwrap_or(false);
    let at: Option<u64> = match query.text("token") {
        None => None,
        Some(token) => Some(token.parse().map_err(|_| ApiError::bad_request("Invalid log token"))?),
    };
    query.finish()?;
    let accepts = accepts(&headers, "application/x-ndjson")?;
    let log = TryLog::find(&app, &TryKey { dag_id, run_id, task_id, map_index, try_number }).await?;
    match accepts {
        Accepts::Json => part_in_json(&app.logs, &log, at, is_full).await.map(|part| Json(part).into_response()),
        Accepts::Other => whole_in_ndjson(app.logs, log, at).await,
    }
}

/// The lines with which every log opens: where it is kept (Airflow 3). Who goes on at a token has had them, also while nothing is
/// written and the token leads to the beginning.
fn opening(log: &TryLog) -> [StructuredLogMessage; 2] {
    let line = |event: &str, sources| StructuredLogMessage {
        timestamp: None,
        event: event.to_owned(),
        level: None,
        logger: None,
        sources,
    };
    [line("::group::Log message source details", Some(vec![log.source.clone()])), line("::endgroup::", None)]
}

async fn part_in_json(
    logs: &LogReader,
    log: &TryLog,
    at: Option<u64>,
    is_full: bool,
) -> Result<TaskInstancesLogResponse, ApiError> {
    let offset = at.unwrap_or(0);
    let is_over = log.progress.is_over();
    let bytes_max = if is_full { TRY_LOG_BYTES_MAX + PART_BYTES_MAX } else { PART_BYTES_MAX };
    let part = read_part(logs, &log.key, offset, bytes_max, &log.progress).await?;
    let mut content: Vec<StructuredLogMessage> = Vec::with_capacity(part.lines.len() + 2);
    if at.is_none() {
        content.extend(opening(log));
    }
    content.extend(part.lines.iter().map(|(_, line)| message(line)));
    let is_done = part.is_at_end && is_over;
    Ok(TaskInstancesLogResponse { content, continuation_token: (!is_done).then(|| part.end.to_string()) })
}

/// Everything that is there, and where what comes later begins.
async fn whole_in_ndjson(logs: LogReader, log: TryLog, at: Option<u64>) -> Result<Response, ApiError> {
    let offset = at.unwrap_or(0);
    let is_over = log.progress.is_over();
    let mut first = Vec::new();
    if at.is_none() {
        for line in opening(&log) {
            serde_json::to_writer(&mut first, &line).map_err(ApiError::internal)?;
            first.push(b'\n');
        }
    }
    // What is whole now, so that the header can say it before the body is sent.
    let end = whole_until(&logs, &log, offset).await?;
    let log = Arc::new(log);
    let parts = stream::unfold(Some((offset, first)), move |rest| {
        let (logs, log) = (logs.clone(), Arc::clone(&log));
        async move {
            let (offset, head) = rest?;
            Some(next_part(&logs, &log, (offset, head), end).await)
        }
    });
    let mut response = ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(parts)).into_response();
    if !is_over {
        response.headers_mut().insert(CONTINUATION, end.into());
    }
    Ok(response)
}

/// The offset after the last whole line.
async fn whole_until(logs: &LogReader, log: &TryLog, offset: u64) -> Result<u64, LogError> {
    let mut end = offset;
    loop {
        let part = read_part(logs, &log.key, end, PART_BYTES_MAX, &log.progress).await?;
        let is_done = part.is_at_end || part.end == end;
        end = part.end;
        if is_done {
            return Ok(end);
        }
    }
}

/// The offset of what follows, and what stands before it.
type Rest = (u64, Vec<u8>);

async fn next_part(
    logs: &LogReader,
    log: &TryLog,
    (offset, head): Rest,
    end: u64,
) -> (Result<Bytes, LogError>, Option<Rest>) {
    let part = match read_part(logs, &log.key, offset, PART_BYTES_MAX, &log.progress).await {
        Ok(part) => part,
        Err(error) => return (Err(error), None),
    };
    let mut bytes = head;
    for (after, line) in &part.lines {
        if *after <= end {
            bytes.extend_from_slice(line.as_bytes());
            bytes.push(b'\n');
        }
    }
    let is_done = part.end >= end || part.end == offset;
    let rest = if is_done { None } else { Some((part.end, Vec::new())) };
    (Ok(Bytes::from(bytes)), rest)
}
