//! Live streams: hints of what changed, and logs as they are written.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{Request, StatusCode, header};
use futures::StreamExt;
use scheduler::events::Change;
use serde_json::{Value, json};

use crate::logs;
use crate::rows;
use crate::server::{Backend, Server};

/// Nothing here takes so long unless it never comes.
const PATIENCE: Duration = Duration::from_mins(2);

/// Server-sent events, as a browser reads them.
struct Events {
    body: BodyDataStream,
    text: String,
}

impl Events {
    async fn open(server: &Server, path: &str, last_event_id: Option<&str>) -> Events {
        let mut request = Request::get(format!("/api/v2/updraft{path}")).body(Body::empty()).unwrap();
        if let Some(id) = last_event_id {
            request.headers_mut().insert("last-event-id", id.parse().unwrap());
        }
        let response = server.send_signed(request).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        Events { body: response.into_body().into_data_stream(), text: String::new() }
    }

    /// The next event as `(event, id, data)`; none when the stream ends.
    async fn next(&mut self) -> Option<(String, String, Value)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| {
                    let found = event.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
                    found.unwrap_or_default().to_owned()
                };
                if event.starts_with(':') {
                    continue;
                }
                let data = serde_json::from_str(&field("data")).unwrap();
                return Some((field("event"), field("id"), data));
            }
            let part = tokio::time::timeout(PATIENCE, self.body.next()).await.expect("an event comes in time");
            self.text += std::str::from_utf8(&part?.unwrap()).unwrap();
        }
    }
}

#[tokio::test]
async fn hints_come_as_they_are_sent() {
    let server = Server::start(Backend::Sqlite).await;
    let mut events = Events::open(&server, "/events", None).await;

    server.patch("/dags/sales", &json!({ "is_paused": false })).await;
    server.changes.send(Change::task_instance("sales", "a", "extract", Some("running")));

    let (event, _, hint) = events.next().await.unwrap();
    assert_eq!((event.as_str(), &hint["kind"], &hint["dag_id"]), ("", &json!("dag"), &json!("sales")));
    let (_, _, hint) = events.next().await.unwrap();
    assert_eq!(
        hint,
        json!({
            "kind": "task_instance",
            "dag_id": "sales",
            "dag_run_id": "a",
            "task_id": "extract",
            "map_index": -1,
            "state": "running",
        })
    );
}

#[tokio::test]
async fn who_falls_behind_is_told_to_read_everything_again() {
    let server = Server::start(Backend::Sqlite).await;
    let mut events = Events::open(&server, "/events", None).await;

    for _ in 0..10_000 {
        server.changes.send(Change::dag("sales"));
    }

    assert_eq!(events.next().await.unwrap().2, json!({ "kind": "resync" }));
}

#[tokio::test]
async fn streams_end_at_shutdown() {
    let server = Server::start(Backend::Sqlite).await;
    let run = rows::run(&server.db, "a", "running", 1).await;
    rows::insert(&server.db, [rows::instance(&run, "extract", 0, Some("running"))]).await;
    let mut hints = Events::open(&server, "/events", None).await;
    let mut log = Events::open(&server, STREAM, None).await;

    server.shutdown.cancel();

    assert!(hints.next().await.is_none());
    assert!(log.next().await.is_none());
}

const STREAM: &str = "/dags/sales/dagRuns/a/taskInstances/extract/logs/1/stream";

#[tokio::test]
async fn a_log_is_followed_to_the_end_of_its_try() {
    let server = Server::start(Backend::Sqlite).await;
    let run = rows::run(&server.db, "a", "running", 1).await;
    let mut instance = rows::instance(&run, "extract", 0, None);
    rows::insert(&server.db, [instance.clone()]).await;
    // The page is open before the try begins.
    let mut events = Events::open(&server, STREAM, None).await;

    instance.state = Some("running".to_owned());
    instance.try_number = 1;
    rows::update(&server.db, &instance).await;
    let log = logs::open(&server, 1);
    log.info("one");
    let first = events.next().await.unwrap();
    log.info("two");
    let second = events.next().await.unwrap();
    log.info("three");
    instance.state = Some("success".to_owned());
    rows::update(&server.db, &instance).await;
    server.changes.send(Change::task_instance("sales", "a", "extract", Some("success")));
    let third = events.next().await.unwrap();
    let end = events.next().await.unwrap();

    assert_eq!((first.0.as_str(), &first.2["event"]), ("line", &json!("one")));
    assert_eq!((second.0.as_str(), &second.2["event"]), ("line", &json!("two")));
    assert_eq!((third.0.as_str(), &third.2["event"]), ("line", &json!("three")));
    assert_eq!((end.0.as_str(), end.2), ("end", json!({ "state": "success" })));
    assert!(events.next().await.is_none());

    // A browser that lost the connection after the second line goes on with the third.
    let mut again = Events::open(&server, STREAM, Some(&second.1)).await;
    assert_eq!(again.next().await.unwrap(), third);
}

#[tokio::test]
async fn the_log_of_a_try_that_nobody_knows_is_not_followed() {
    let server = Server::start(Backend::Sqlite).await;

    assert_eq!(server.get(&format!("/updraft{STREAM}")).await.0, StatusCode::NOT_FOUND);
}
