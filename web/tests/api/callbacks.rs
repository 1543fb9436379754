//! What was told to whom, and letting it be told again.

use axum::http::StatusCode;
use chrono::TimeDelta;
use rstest::rstest;
use scheduler::store::callbacks::{self, Attempted, CallbackState};
use scheduler::store::entity::callback_request;
use scheduler::store::{Db, commit};
use serde_json::{Value, json};

use crate::rows;
use crate::server::{Backend, Server, now};

/// One callback in each state: of the task it waits for another attempt, of the run it was delivered and given up.
async fn told(db: &Db) -> [callback_request::Model; 3] {
    let run = rows::run(db, "a", "failed", 1).await;
    let called = |kind: &str| callbacks::called(&run, kind, 0, json!({}), now());
    let task = (Some("extract".to_owned()), Some(2));
    let waiting = callback_request::Model { task_id: task.0, try_number: task.1, ..called("on_retry_callback") };
    let rows = [waiting, called("on_failure_callback"), called("deadline")];
    let txn = db.begin_write().await.unwrap();
    callbacks::insert(&txn, &rows).await.unwrap();
    let attempt = |row: &callback_request::Model, error| Attempted {
        id: row.id,
        attempts: 1,
        notifier: Some("webhook"),
        receiver: Some("hooks.example.com"),
        error,
    };
    callbacks::end(&txn, &attempt(&rows[1], None), CallbackState::Delivered, now()).await.unwrap();
    callbacks::end(&txn, &attempt(&rows[2], Some("no such channel")), CallbackState::Failed, now()).await.unwrap();
    commit(txn).await.unwrap();
    rows
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn what_became_of_callbacks_is_listed_by_state_and_run(#[case] backend: Backend) {
    let server = Server::start(backend).await;
    let [waiting, ..] = told(&server.db).await;
    let states = async |query: &str| -> Vec<Value> {
        let body = server.get_ok(&format!("/updraft/callbacks?{query}")).await;
        body["callbacks"].as_array().unwrap().iter().map(|callback| callback["state"].clone()).collect()
    };

    assert_eq!(states("").await, ["failed", "delivered", "waiting"], "the newest first");
    assert_eq!(states("order_by=id").await, ["waiting", "delivered", "failed"]);
    assert_eq!(states("state=failed&state=waiting").await, ["failed", "waiting"]);
    assert_eq!(states("dag_id=sales&dag_run_id=a&task_id=extract").await, ["waiting"]);
    assert_eq!(states("dag_id=other").await, Vec::<Value>::new());
    let body = server.get_ok("/updraft/callbacks?limit=1&offset=1").await;
    assert_eq!(body["total_entries"], 3);
    let delivered = &body["callbacks"][0];
    assert_eq!(
        (&delivered["kind"], &delivered["receiver"], &delivered["notifier"], &delivered["next_attempt_at"]),
        (&json!("on_failure_callback"), &json!("hooks.example.com"), &json!("webhook"), &Value::Null)
    );
    let body = server.get_ok("/updraft/callbacks?state=waiting").await;
    let expected = json!({
        "id": waiting.id,
        "dag_id": "sales",
        "dag_run_id": "a",
        "task_id": "extract",
        "map_index": -1,
        "try_number": 2,
        "kind": "on_retry_callback",
        "position": 0,
        "state": "waiting",
        "notifier": null,
        "receiver": null,
        "attempts": 0,
        "error": null,
        "created_at": "2026-11-21T08:00:00Z",
        "next_attempt_at": "2026-11-21T08:00:00Z",
        "ended_at": null,
    });
    assert_eq!(body["callbacks"], json!([expected]));
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn what_was_not_delivered_is_told_again_when_somebody_asks(#[case] backend: Backend) {
    let server = Server::start(backend).await;
    let [waiting, delivered, failed] = told(&server.db).await;
    server.clock.set(now() + TimeDelta::hours(1));
    let retry = async |id: String| server.post(&format!("/updraft/callbacks/{id}/retry"), &Value::Null).await;

    let (status, body) = retry(failed.id.to_string()).await;
    assert_eq!((status, &body["state"], &body["attempts"]), (StatusCode::OK, &json!("waiting"), &json!(0)), "{body}");
    assert_eq!((&body["next_attempt_at"], &body["error"]), (&json!("2026-11-21T09:00:00Z"), &json!("no such channel")));
    assert_eq!(retry(waiting.id.to_string()).await.0, StatusCode::OK);
    let (status, body) = retry(delivered.id.to_string()).await;
    assert_eq!(status, StatusCode::CONFLICT, "{body}");
    assert_eq!(retry(waiting.dag_run_id.to_string()).await.0, StatusCode::NOT_FOUND);
    assert_eq!(retry("seven".to_owned()).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    let log = server.get_ok("/eventLogs?event=retry_callback").await;
    assert_eq!((&log["total_entries"], &log["event_logs"][0]["owner"]), (&json!(2), &json!("admin")));
}

#[tokio::test]
async fn a_state_that_there_is_not_is_refused() {
    let server = Server::start(Backend::Sqlite).await;

    let (status, body) = server.get("/updraft/callbacks?state=lost").await;

    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(body["detail"], "Invalid value for state. Valid values are waiting, delivered, failed");
}
