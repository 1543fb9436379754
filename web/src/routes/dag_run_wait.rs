//! Waiting until a run is over, over one connection.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::stream;
use scheduler::events::{Change, ChangeKind};
use scheduler::store::entity::dag_run;
use scheduler::store::{StoreError, runs};
use serde_json::{Map, Value, json};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use super::updraft::live::Seat;
use crate::error::{ApiError, HttpExceptionResponse, HttpValidationError};
use crate::request::{Described, Query, UrlPath};
use crate::state::AppState;

/// How often the state of the run is said, in seconds, unless asked otherwise.
const INTERVAL_SECS: f64 = 5.0;

/// Nobody needs to be told more often.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

/// Nor more seldom: proxies take a quiet connection for a dead one.
const INTERVAL_MAX: Duration = Duration::from_secs(30);

pub(crate) struct WaitParams;

impl IntoParams for WaitParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Described::default()
            .decimal("interval", "Seconds between two lines while the run goes on: 5 when absent.")
            .texts(&["result"])
            .done()
    }
}

/// Wait until a run is over.
///
/// A line of JSON with the `state` of the run at once, every `interval` seconds, and when it is over; the last one has in
/// `results` the XCom `return_value` of each task that `result` names. A connection ends after a quarter of an hour, without
/// a final state: ask again.
#[utoipa::path(
    get,
    path = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/wait",
    operation_id = "wait_dag_run_until_finished",
    tag = "DagRun",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), WaitParams),
    responses(
        (status = 200, description = "Lines of JSON", body = String, content_type = "application/x-ndjson"),
        (status = 404, description = "There is no such run", body = HttpExceptionResponse),
        (status = 422, description = "A parameter is invalid", body = HttpValidationError),
        (status = 503, description = "There are too many streams", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn wait_dag_run_until_finished(
    State(app): State<AppState>,
    UrlPath((dag_id, run_id)): UrlPath<(String, String)>,
    mut query: Query,
) -> Result<Response, ApiError> {
    let interval = query.decimal("interval").filter(|seconds| *seconds > 0.0).unwrap_or(INTERVAL_SECS);
    let interval = Duration::try_from_secs_f64(interval).unwrap_or(INTERVAL_MAX).clamp(INTERVAL_MIN, INTERVAL_MAX);
    let results = query.texts("result");
    query.finish()?;
    let seat = Seat::take(&app)?;
    // Before the state is read, so that its end is not missed.
    let changes = app.changes.subscribe();
    let run = runs::find(app.db.read(), &dag_id, &run_id).await?;
    let run = run.ok_or_else(|| {
        ApiError::not_found(format!("The DagRun with dag_id: `{dag_id}` and run_id: `{run_id}` was not found"))
    })?;
    let waiting = Waiting { app, run, results, interval, seat, changes, stage: Stage::First };
    let lines = stream::unfold(waiting, |mut waiting| async move {
        let line = waiting.next().await?;
        Some((line, waiting))
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}

struct Waiting {
    app: AppState,
    run: dag_run::Model,
    results: Vec<String>,
    interval: Duration,
    seat: Seat,
    changes: Receiver<Change>,
    stage: Stage,
}

#[derive(PartialEq, Eq)]
enum Stage {
    First,
    Going,
    Over,
}

impl Waiting {
    async fn next(&mut self) -> Option<Result<Bytes, StoreError>> {
        if self.stage == Stage::Over {
            return None;
        }
        if self.stage == Stage::Going && !self.wait().await {
            return None;
        }
        self.stage = Stage::Going;
        let line = self.line().await;
        if line.is_err() {
            self.stage = Stage::Over;
        }
        Some(line)
    }

    /// The state of the run now.
    async fn line(&mut self) -> Result<Bytes, StoreError> {
        let db = self.app.db.read();
        // Deleted meanwhile, it will not go on.
        let Some(run) = runs::find_by_key(db, self.run.id).await? else {
            self.stage = Stage::Over;
            return Ok(Bytes::new());
        };
        let is_over = matches!(run.state.as_str(), "success" | "failed");
        let mut line = json!({ "state": run.state });
        if is_over {
            self.stage = Stage::Over;
            if !self.results.is_empty() {
                let mut results = Map::new();
                for task_id in &self.results {
                    let values = runs::pull_xcoms(db, run.id, task_id, "return_value").await?;
                    results.insert(task_id.clone(), of_task(&values));
                }
                line["results"] = Value::Object(results);
            }
        }
        Ok(Bytes::from(format!("{line}\n")))
    }

    /// Waits until there may be something to say. False when the connection must end.
    async fn wait(&mut self) -> bool {
        let tick = tokio::time::sleep(self.interval);
        tokio::pin!(tick);
        loop {
            tokio::select! {
                () = self.seat.ended() => return false,
                () = &mut tick => return true,
                hint = self.changes.recv() => match hint {
                    Ok(change) if !self.is_about_us(&change) => {}
                    Ok(_) | Err(RecvError::Lagged(_)) => return true,
                    Err(RecvError::Closed) => return false,
                },
            }
        }
    }

    fn is_about_us(&self, change: &Change) -> bool {
        change.kind == ChangeKind::DagRun
            && change.dag_id.as_ref() == Some(&self.run.dag_id)
            && change.dag_run_id.as_ref() == Some(&self.run.run_id)
            && change.state.as_ref().is_some_and(|state| matches!(&**state, "success" | "failed"))
    }
}

/// What a task left: of a mapped one, that of its instances in their order.
fn of_task(values: &[(i32, Value)]) -> Value {
    match values {
        [] => Value::Null,
        [(-1, value)] => value.clone(),
        several => several.iter().map(|(_, value)| value.clone()).collect(),
    }
}
