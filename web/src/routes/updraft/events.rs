//! Hints that something changed, as they happen.

use axum::extract::State;
use axum::response::Response;
use axum::response::sse::Event;
use futures::stream;
use scheduler::events::Change;
use serde::Serialize;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use utoipa::ToSchema;

use super::live::{Seat, respond};
use crate::error::{ApiError, HttpExceptionResponse};
use crate::state::AppState;

/// A hint: what is stale, never what is true.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Hint {
    /// `dag`, `dag_run`, `task_instance`, `import_error`, or `resync`: hints were lost, everything may be stale.
    kind: String,
    dag_id: Option<String>,
    dag_run_id: Option<String>,
    task_id: Option<String>,
    map_index: Option<i32>,
    state: Option<String>,
}

/// Watch what changes.
///
/// Each event is a `Hint`. The stream ends after a quarter of an hour; connect again.
#[utoipa::path(
    get,
    path = "/api/v2/updraft/events",
    operation_id = "watch_events",
    tag = "Updraft",
    responses(
        (status = 200, description = "Server-sent events", body = Hint, content_type = "text/event-stream"),
        (status = 503, description = "There are too many streams", body = HttpExceptionResponse),
    ),
)]
pub(crate) async fn watch_events(State(app): State<AppState>) -> Result<Response, ApiError> {
    let seat = Seat::take(&app)?;
    // From here on nothing is missed: the client reads everything after the stream has opened.
    let changes = app.changes.subscribe();
    Ok(respond(stream::unfold((seat, changes), |(seat, mut changes)| async move {
        let event = next(&seat, &mut changes).await?;
        Some((Ok(event), (seat, changes)))
    })))
}

async fn next(seat: &Seat, changes: &mut Receiver<Change>) -> Option<Event> {
    let received = tokio::select! {
        () = seat.ended() => return None,
        received = changes.recv() => received,
    };
    match received {
        Ok(change) => Event::default().json_data(change).ok(),
        Err(RecvError::Lagged(_)) => Some(Event::default().data(r#"{"kind":"resync"}"#)),
        Err(RecvError::Closed) => None,
    }
}
