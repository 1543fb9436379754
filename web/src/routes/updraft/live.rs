//! What live streams have in common: how many there may be, and when they end.

use std::convert::Infallible;
use std::time::Duration;

use axum::http::{HeaderName, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::ApiError;
use crate::state::AppState;

/// A stream ends after a while, so that whoever was signed out meanwhile must show the token again; browsers reconnect.
const STREAM_LIFE: Duration = Duration::from_mins(15);

/// A line without meaning, so that proxies do not take a quiet stream for a dead one.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A place among the live streams, and what ends the stream.
pub(crate) struct Seat {
    shutdown: CancellationToken,
    ends_at: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Seat {
    /// Takes a place, if there is one.
    pub(crate) fn take(app: &AppState) -> Result<Seat, ApiError> {
        let permit = app.streams.clone().try_acquire_owned().map_err(|_| {
            ApiError::refused(StatusCode::SERVICE_UNAVAILABLE, "There are too many live streams; try again later")
        })?;
        Ok(Seat { shutdown: app.shutdown.clone(), ends_at: Instant::now() + STREAM_LIFE, _permit: permit })
    }

    /// Waits until the stream must end.
    pub(crate) async fn ended(&self) {
        tokio::select! {
            () = self.shutdown.cancelled() => {}
            () = tokio::time::sleep_until(self.ends_at) => {}
        }
    }
}

/// The answer that carries a stream of server-sent events.
pub(super) fn respond(events: impl Stream<Item = Result<Event, Infallible>> + Send + 'static) -> Response {
    // Proxies that gather an answer before they pass it on would hold the events back.
    let unbuffered = [(HeaderName::from_static("x-accel-buffering"), "no")];
    (unbuffered, Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))).into_response()
}
